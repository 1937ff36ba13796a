"""`make crash-table`: kill -9 at every labelled step of the walk, for each executor; then look whether all is as it must be.

Writes the table between its marks in workers/README.md. Chains run beside each other, one an executor and one for the
clock and the desk; each begins its next case when the last victim has died, so that the house is always at work.
"""

from __future__ import annotations

import argparse
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import ExitStack, suppress
from pathlib import Path

from conftest import INES, MIRA
from services import crash_longer, crash_shorter
from services.crash_cases import END, SITES, Case, every_chain
from services.crash_longer import Longer
from services.crash_shorter import Shorter
from services.place import RAVI, Place, armed, faults

from ledger import crash
from ledger.nouns import GpuForm
from ledger.streams.request import Status, Verdict
from workers.embedded import Valkey

ROOT = Path(__file__).parents[2]
README = ROOT / "workers" / "README.md"
MARKS = "<!-- crash table -->", "<!-- end of crash table -->"
VICTIMS = ("worker child", "worker", "clock", "Valkey", "desk", "backend")
TRIES = 8
LONG_S = 120
"""How long a start may take: on a cluster it waits for what other cases hold."""
AFTERWARDS_S = 1.0
"""How long the step after the end may take to be reached once the end is seen."""
OVER = frozenset({Status.ENDED, Status.DONE})
DESK = """
import sys
from pathlib import Path
from datetime import datetime
from bot.desk import Desk
from bot.house import open_house
from ledger import crash
from ledger.streams.request import Verdict
crash.arm("desk", __import__("os").environ)
home, verb, slack, number = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
house = open_house(home, home / "policies", home / "ledger.sqlite3", mode="demo", workspace="T0LOCAL")
desk = Desk(house.book, house.policy.current, lambda _: None, house.book.clock)
if verb == "approve":
    desk.review(slack, number, house.book.request(number).form_digest, Verdict.APPROVE)
elif verb == "extend":
    desk.extend(slack, number, int(sys.argv[5]))
elif verb == "shorten":
    desk.shorten(slack, number, datetime.fromisoformat(sys.argv[6]))
else:
    desk.release(slack, number)
"""


class Run:
    """One house in which every case is played.

    Args:
        window_s: how long a lease is before it is extended.
    """

    def __init__(self, home, sites=(), *, window_s=crash_longer.WINDOW_S):
        self.place = Place(home, sites)
        self.numbers: dict[Case, int] = {}
        self.before: list[int] = []
        """Requests that were over before the victim died of them."""
        self.wrong: dict[Case, str] = {}
        self.longer, self._window_s = Longer(self.place), window_s
        self.shorter = Shorter(self.place)
        self._broker, self._clocks = threading.Lock(), threading.Lock()
        self._wanted: queue.Queue = queue.Queue()

    def play(self, cases):
        """Play every chain, wait until all is over, and return what is wrong."""
        place = self.place
        place.man()
        first = place.ask("gpu")
        place.until_status(first, Status.RUNNING)
        threads = [threading.Thread(target=self._chain, args=(chain,)) for chain in cases]
        self.longer.start()
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            self._start_what_is_wanted()
        found = [*self.longer.finish(), *self.shorter.finish()]
        place.desk.release(MIRA, first)
        self._finish()
        return [*found, *faults(place, [first, *self.before, *self.numbers.values()])]

    def _start_what_is_wanted(self):
        """Start in the main thread what a chain wants back: a child dies with the thread that started it."""
        with suppress(queue.Empty):
            start, started = self._wanted.get(timeout=0.05)
            start()
            started.set()

    def _start(self, start):
        started = threading.Event()
        self._wanted.put((start, started))
        assert started.wait(60)

    def _chain(self, chain):
        for case in chain:
            try:
                {
                    "clock": self._clock,
                    "desk": self._desk,
                    "Valkey": self._valkey,
                    "worker": self._whole,
                    "backend": self._backend,
                }.get(case.victim, self._worker)(case)
            except Exception as error:  # noqa: BLE001 one case that fails must not end the run
                self.wrong[case] = f"{type(error).__name__}: {error}"
            print(f"{time.strftime('%X')} {case} {self.wrong.get(case, 'ok')}", file=sys.stderr, flush=True)

    def _worker(self, case):
        self._through("worker", case, [crash.ITSELF])

    def _whole(self, case):
        self._through("worker", case, [crash.ITS_GROUP])
        self.place.until(lambda: not self.place.crew.alive("worker"))
        self._start(lambda: self.place.crew.start("worker"))

    def _valkey(self, case):
        with self._broker:
            place = self.place
            self._through("worker", case, [place.valkey.pid])
            place.valkey.stop()
            place.valkey = Valkey(place.home / "valkey")
            self._start(place.valkey.start)

    def _backend(self, case):
        """Nothing else ends meanwhile: what a cluster did right before it dies it forgets, and that is no case here."""
        site, place = self.place.sites[case.scheme], self.place
        with place.ending:
            place.until(lambda: self._all_handed_back(case.scheme), LONG_S, f"{case.scheme} does not come to rest")
            self._through("worker", case, [site.victim()])
            self._start(site.restart)

    def _all_handed_back(self, scheme):
        """Whether nothing of a backend is held by an earlier case any more, but for what was extended."""
        self._hand_back(scheme)
        mine = [number for case, number in list(self.numbers.items()) if case.scheme == scheme and not case.extends]
        return {self.place.status(number) for number in mine} <= OVER | {Status.FAILED}

    def _through(self, role, case, victims):
        """Bring a request to the step at which the victims die; the clock or a worker may have been there before them."""
        for _ in range(TRIES):
            number = self._asked(case, role, victims)
            self.numbers[case] = number
            if case.step in END and role != "clock":
                self.place.until_status(number, Status.RUNNING, seconds=LONG_S)
                self.place.order(role, case.step, number, *victims)
                self.place.desk.release(MIRA, number)
            elif case.moves:
                self._move(case, role, number, victims)
            if self._dies(role, case, number):
                return
            self.before.append(number)
        raise AssertionError(f"not reached; {self.place.life(number)}")

    def _move(self, case, role, number, victims):
        """Extend or shorten what runs; without haste where the clock dies of it, so that no worker is there before."""
        place = self.place
        place.until_status(number, Status.RUNNING, seconds=LONG_S)
        if case.step in crash_longer.REFUSED:
            self.longer.spoil(number)
        place.order(role, case.point, number, *victims)
        desk = place.desk_with(lambda _: None) if role == "clock" else place.desk
        (self.shorter.shorten if case.shortens else self.longer.extend)(MIRA, number, desk)

    def _dies(self, role, case, number):
        """Whether the victims die before the request is over, or its extension is answered to, without them."""
        seen = self.place.orders / f"{role}.{case.point}.reached.{number}"
        over = self._is_over if not case.moves else self.shorter.answered if case.shortens else self.longer.answered
        self.place.until(lambda: seen.exists() or over(number), 60, lambda: self.place.life(number))
        deadline = time.monotonic() + AFTERWARDS_S
        while not seen.exists() and time.monotonic() < deadline:  # the last step of all lies after the end
            time.sleep(0.02)
        return seen.exists()

    def _is_over(self, number):
        return self.place.status(number) in OVER

    def _asked(self, case, role, victims):
        """Ask without haste, so that the order stands before anybody moves; then nudge."""
        place, ended = self.place, role == "clock" and not case.moves
        self._hand_back(case.scheme)
        with place.asking:
            number = place.book.next_number()
            if not case.moves and (case.step not in END or ended):
                place.order(role, case.step, number, *victims)
            seconds = 2 if ended else self._window_s if case.extends else 3600
            assert place.ask(case.scheme, seconds, who=RAVI if ended else MIRA) == number
        return number

    def _hand_back(self, scheme):
        """Hand back what earlier cases still hold of a real backend: a cluster that they fill starts nothing for this one."""
        for case, number in list(self.numbers.items()):
            ours = scheme in self.place.sites and case.scheme == scheme and not case.moves  # what moves ends by itself
            if ours and self.place.status(number) is Status.RUNNING:
                self.place.desk.release(MIRA, number)

    def _clock(self, case):
        """One at a time: a clock that others kill meanwhile would be at work on this request more than once."""
        with self._clocks:
            self._through("clock", case, [crash.ITSELF])
            self.place.until(lambda: not self.place.crew.alive("clock"))
            self._start(lambda: self.place.crew.start("clock"))

    def _desk(self, case):
        verb, step = case.step.split()
        place = self.place
        seconds = self._window_s if verb == "extend" else 3600
        with place.asking:
            form = GpuForm(resource="gpu:h100-shared", gpu_type="h100-80gb", gpus=4, duration_s=seconds)
            number = self.numbers[case] = place.desk.submit(MIRA, form, purpose="x", said="y").number
        who = INES if verb == "approve" else MIRA
        if verb != "approve":
            self._approve(number)
            place.until_status(number, Status.RUNNING, seconds=45)
        place.order("desk", step, number, crash.ITSELF)
        if verb == "extend":
            self.longer.expect(number)
        end = self.shorter.end(number).isoformat() if verb == crash_shorter.VERB else ""
        line = [sys.executable, "-c", DESK, str(place.home), verb, who, str(number), str(crash_longer.ADDED_S), end]
        with armed(place.orders):
            environment = dict(os.environ)
        assert subprocess.run(line, cwd=ROOT, env=environment, check=False).returncode == -9
        if step == "before-append":  # nothing was written: the person does it again
            again = {"approve": self._approve, "release": self._release, "extend": self._extend}
            again.get(verb, self._shorten)(number)

    def _approve(self, number):
        request = self.place.book.request(number)
        self.place.desk.review(INES, number, request.form_digest, Verdict.APPROVE)

    def _release(self, number):
        self.place.desk.release(MIRA, number)

    def _extend(self, number):
        self.longer.extend(MIRA, number)

    def _shorten(self, number):
        self.shorter.shorten(MIRA, number)

    def _finish(self):
        """Hand back what runs, and wait until every request is over."""
        place, deadline = self.place, time.monotonic() + 120
        left = dict(self.numbers)
        while left and time.monotonic() < deadline:
            for case, number in list(left.items()):
                status = place.status(number)
                if status in OVER or (case.victim == "backend" and status is Status.FAILED):
                    del left[case]  # whose backend died may be told that it could not start, once nothing is left
                elif status is Status.RUNNING:
                    place.desk.release(MIRA, number)
            time.sleep(0.2)
        self.wrong |= {case: f"not over: {place.life(number)}" for case, number in left.items()}


NAMES = {
    "gpu": "gpu_pool",
    "data": "memory (lease)",
    "deploy": "memory (change)",
    **{site.scheme: site.name for site in SITES},
}


def table(cases, wrong):
    """Return the table: a row for each step, a column for each victim, in each cell the executors that held."""
    cells = defaultdict(list)
    for case in cases:
        name = NAMES[case.scheme]
        cells[case.step, case.victim].append(
            f"{'**' if case in wrong else ''}{name}{' FAILED**' if case in wrong else ''}"
        )
    rows = [f"| killed at | {' | '.join(VICTIMS)} |", "|---" * (len(VICTIMS) + 1) + "|"]
    rows += [
        f"| {step} | " + " | ".join(", ".join(cells[step, victim]) for victim in VICTIMS) + " |"
        for step in dict.fromkeys(case.step for case in cases)
    ]
    return "\n".join(rows)


def write(rows, path=README):
    """Put the table between its marks."""
    text = path.read_text()
    begin, end = MARKS
    assert text.count(begin) == text.count(end) == 1
    path.write_text(re.sub(f"{begin}.*{end}", lambda _: f"{begin}\n{rows}\n{end}", text, flags=re.DOTALL))


def publish(every, played, path=README):
    """Write the table of `every` case, unless one that was not `played` now is not in the table that stands there."""
    others, stands = [case for case in every if case not in played], path.read_text()
    if others and table(others, {}) not in stands and table(every, {}) not in stands:
        print("Not written: the kills that were left out were never played. `make crash-table` plays them all.")
        return
    write(f"{len(every)} kills, all as they must be, written by `make crash-table`.\n\n{table(every, {})}", path)


def main():
    parser = argparse.ArgumentParser(prog="make crash-table", description=__doc__)
    parser.add_argument(
        "--all", action="store_true", help="kill the whole worker at every step, and the clock for data too"
    )
    parser.add_argument("--only", default="", help="a regular expression over the steps; the other cells stay")
    arguments = parser.parse_args()
    whole = every_chain(short=not arguments.all)
    cases = [[case for case in chain if re.search(arguments.only, case.step)] for chain in whole]
    began = time.monotonic()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="qm-crash-"))
        run = Run(Path(folder) / "home", [stack.enter_context(site.opened()) for site in SITES])
        found = run.play(cases)
        run.place.close()
    every = [case for chain in cases for case in chain]
    for what in (*(f"{case}: {words}" for case, words in run.wrong.items()), *found):
        print(what)
    print(
        f"{len(every) - len(run.wrong)} of {len(every)} cases held in {time.monotonic() - began:.0f} s; {len(found)} faults"
    )
    if not run.wrong and not found:
        publish([case for chain in whole for case in chain], every)
    return 1 if run.wrong or found else 0


if __name__ == "__main__":
    sys.exit(main())
