"""`make schedules`: random schedules of leases on a simulated clock, and whether each ended when it should.

Overlaps, extensions, endings, halts, outages; crashes and dozes between any two steps (`faults.py`). While the clock
runs, time jumps from one due moment to the next: nothing happens between them.
"""

from __future__ import annotations

import logging
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from conftest import ADA, INES, KOFI, MIRA, RULES, Hand, World, make_world
from walk.faults import Backend, CrashError, Faults
from walk.tally import Tally, write

from bot.errors import Reason, Refused
from bot.verbs.extending import pending
from ledger.book import Book, open_memory
from ledger.errors import ReadOnlyError
from ledger.log.canonical import format_time, parse_time
from ledger.nouns import Access, DataForm, Form, GpuForm
from ledger.streams.request import HOLDING, Outcome, Request, Status, Verdict
from policies.decide import Policy
from workers.clock import Clock
from workers.executors.memory import Mood
from workers.hands import attend

GRACE = timedelta(seconds=60)
"""How long a lease may be alive past its end once the clock runs again."""
RESTART = timedelta(seconds=10)
HOUR = 3600
SPANS = (0, 1, 30, 600, 1800, HOUR, 3 * HOUR)
BY_PEOPLE = frozenset({"request.released", "request.revoked"})
GPU, DATA = "gpu:h100-shared", "data:web_clicks"


def gpus_of(request: Request) -> int:
    return request.form.gpus if isinstance(request.form, GpuForm) else 0


class AtOnce:
    """Lanes that do their work in the thread of the clock, so that it dies where they die."""

    def put(self, _lane: str, work: Callable[[], object]) -> bool:
        work()
        return True

    def wait(self, _patience_s: float) -> None:
        """Everything is done already."""


class Life:
    """One schedule after the other in one house: its faults, and what was promised to whom."""

    def __init__(self, folder: Path, policy: Policy, tally: Tally) -> None:
        self.tally, self.time, self.dice = tally, Hand(), random.Random(0)
        self.world: World = make_world(open_memory(clock=self.time), self.time, folder, policy)
        self.backend = Backend(self.time, self._gone)
        self.faults = Faults(self._doze, deaths=tally.deaths)
        self.faults.wire(self.world.book.store, "append")
        self.faults.wire(self.backend, "ensure", "revoke", "observe")
        executors = dict.fromkeys(("gpu", "data", "deploy"), self.backend)
        self.world.room = replace(self.world.room, executors=executors, patience_s=0.0)
        self.awake = self.time()
        self.clock = self._clock()

    def begin(self, seed: int) -> None:
        """Start another schedule on the same ledger; the one before is over."""
        self.seed, self.dice = seed, random.Random(seed)
        self.faults.dice = self.dice
        self.first, self.over = self.world.book.next_number(), set[int]()
        self.known: tuple[int, list[Request]] = (-1, [])
        self.held: dict[str, int] = {}
        self.frozen: dict[str, dict[int, int]] = {}
        self.dark = False

    def _clock(self) -> Clock:
        self.messages: list[int] = []
        clock = Clock(self.world.room, self.messages.append)
        clock._lanes = AtOnce()
        clock._room = self.world.room  # no patience: who dozes holds the lock until simulated time goes on
        return clock

    # -- processes --------------------------------------------------------------------------------------------------

    def restart(self) -> None:
        """Every process at once: nothing is known but what is in the ledger."""
        self.tally.counts["restarts"] += 1
        book = Book(self.world.book.store, clock=self.time)
        self.world.book = self.world.desk.book = book
        self.world.room = replace(self.world.room, book=book)
        self._restart_clock()

    def _restart_clock(self) -> None:
        self.time.now += RESTART
        self.clock, self.awake = self._clock(), self.time()

    def tick(self) -> None:
        """Let the clock look at what is due; one that dies of it is started again, and looks. Most messages arrive."""
        clock = None
        while clock is not self.clock:
            clock = self.clock
            with self.faults.perhaps(self._restart_clock):
                clock.tick()
        while self.messages:
            number = self.messages.pop()
            if self.dice.random() < 0.7:
                with self.faults.perhaps(self._died), suppress(ReadOnlyError):
                    self._attend(number)

    def _doze(self, span: timedelta) -> None:
        """A worker stands still and holds its lock, while the clock goes on with everything else."""
        self.tally.counts["dozes"] += 1
        self.run(self.time() + span)
        self.awake = self.time()  # it kept the clock from what it holds

    # -- what happens -----------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Let one thing happen, then some time pass; the clock may be down for it."""
        acts = (self.ask, self.ask, self.ask, self.work, self.work, self.work, self.extend, self.extend, self.shorten)
        act = self.dice.choice((*acts, self.vote, self.vote, self.end, self.end, self.halt))
        with self.faults.perhaps(self._died, sleepy=act == self.work), suppress(ReadOnlyError):
            act()
        self.check()
        dark = self.weather()
        self.pass_time(timedelta(seconds=self.dice.choice((1, 90) if dark else SPANS)))

    def _died(self) -> None:
        if self.dice.random() < 0.2:
            self.restart()

    def ask(self) -> None:
        """Ask for what a rule approves, or a lead; some of it for later; all of one of two resources that overlap."""
        hours, gpus = self.dice.choice((1, 2, 3)), self.dice.choice((1, 1, 4))
        start = self.time() + timedelta(hours=self.dice.choice((1, 2))) if self.dice.random() < 0.2 else None
        form: Form = GpuForm(resource=GPU, gpu_type="h100-80gb", gpus=gpus, duration_s=hours * HOUR, start=start)
        if self.dice.random() < 0.4:
            form = DataForm(resource=DATA, access=Access.READ, duration_s=hours * HOUR, start=start)
        self.world.desk.submit(MIRA, form, purpose="x", said="y")

    def work(self) -> None:
        """A worker attends to any request: in time, late, or twice."""
        request = self._any()
        if request is not None:
            self._attend(request.number)

    def _attend(self, number: int) -> None:
        try:
            attend(self.world.room, number)
        except CrashError:
            (self.world.room.locks / f"at-work.{number}").write_text("1")  # what kill -9 leaves behind
            raise

    def extend(self) -> None:
        """Its holder asks for more time: little, much, too much, and perhaps when it is over already."""
        request = self._any(Status.RUNNING)
        if request is not None:
            added = self.dice.choice((1, 600, 1800, HOUR, HOUR, 9 * HOUR, 100 * 24 * HOUR))
            self._extended(self.world.desk.extend(MIRA, request.number, added))

    def shorten(self) -> None:
        """Its holder gives back the rest of it, from any moment on: also one that is over, or too late to matter."""
        request = self._any(Status.RUNNING)
        if request is not None:
            after = timedelta(seconds=self.dice.choice((-1, 1, 90, 600, 1800, HOUR, 9 * HOUR)))
            said = self.world.desk.shorten(MIRA, request.number, self.time() + after)
            if isinstance(said, Request) and request.form.resource in self.frozen:
                self.frozen[request.form.resource][request.number] = said.generation  # it gives back, a halt or not

    def vote(self) -> None:
        """The lead answers what waits, a request or an extension: yes or no, in time or when it is over."""
        request = self._any(Status.WAITING) or self._any(Status.RUNNING)
        extension = request.extension if request is not None else None
        if request is None:
            return
        yes = self.dice.random() < 0.8
        if request.status is Status.WAITING:
            verdict = Verdict.APPROVE if yes else Verdict.DENY
            self.world.desk.review(INES, request.number, request.form_digest, verdict, "because")
        elif extension is not None and pending(request) is not None:
            self._extended(
                self.world.desk.review_extension(
                    INES, request.number, extension.form_digest, approve=yes, reason="because"
                )
            )

    def _extended(self, said: Request | Refused) -> None:
        if isinstance(said, Refused):
            self.tally.counts["extension late"] += said.reason is Reason.OVER
        elif said.extension is not None:
            self.tally.counts["extension denied"] += said.extension.outcome is Outcome.DENIED

    def end(self) -> None:
        """It is released, or revoked by somebody else."""
        request = self._any(Status.RUNNING)
        if request is not None and self.dice.random() < 0.5:
            self.world.desk.release(MIRA, request.number)
        elif request is not None:
            self.world.desk.revoke(KOFI, request.number, "because")

    def halt(self) -> None:
        """Stop one resource or everything; the next time, somebody else lifts it."""
        if not self._lift():
            said = self.world.desk.halt(KOFI, self.dice.choice((GPU, DATA, "*")), "because")
            self.tally.counts["halted"] += not isinstance(said, Refused)

    def _lift(self) -> bool:
        """Lift whatever is halted; False when nothing is."""
        lifted = [self.world.desk.lift(ADA, resource, "done") for resource in (GPU, DATA, "*")]
        return any(not isinstance(said, Refused) for said in lifted)

    def weather(self) -> bool:
        """The backend goes dark for a while, which is returned, or the disk is full, until the next look."""
        if self.dark:
            self.awake = self.time()  # from now on it answers again
        self.dark, self.faults.full = self.dice.random() < 0.06, self.dice.random() < 0.08
        self.backend.behave(Mood.DARK if self.dark else Mood.READY)
        self.tally.counts["dark"] += self.dark
        self.tally.counts["full"] += self.faults.full
        if self.frozen and not self.faults.full and self.dice.random() < 0.4:
            self._lift()
        return self.dark

    def pass_time(self, span: timedelta) -> None:
        """Time goes by, with a clock that runs, or with everything down."""
        if self.dice.random() < 0.4:
            self.time.now += span
            self.tally.counts["down"] += span >= timedelta(hours=1)
            self.awake = self.time()
            if self.dice.random() < 0.2:
                self.restart()
        else:
            self.run(self.time() + span)

    def run(self, until: datetime) -> None:
        """Let the clock run: it looks whenever something becomes due."""
        self.tick()
        while (due := self._next_due()) is not None and due < until:
            self.time.now = due
            self.tick()
        self.time.now = max(self.time.now, until)
        self.tick()
        self.check()

    def _next_due(self) -> datetime | None:
        """When something more becomes due: also an end, behind what has been due for a while and could not be done."""
        book, now = self.world.book, format_time(self.time())
        sql = "SELECT min(due_at) FROM request_index WHERE open = 1 AND due_at > ?"
        ends = "SELECT min(not_after) FROM request_index WHERE open = 1 AND not_after > ?"
        found = [rows[0][0] for rows in (book.store.query(sql, (now,)), book.store.query(ends, (now,))) if rows[0][0]]
        phase = timedelta(milliseconds=self.dice.randrange(1000))  # the clock looks once a second
        return max(parse_time(min(found)), self.time() + timedelta(seconds=1)) + phase if found else None

    def finish(self) -> None:
        """The clock runs again for a minute; then nothing past its end is alive. At last everything is over."""
        self.backend.behave(Mood.READY)
        self.faults.full = False
        self._lift()
        self.awake = self.time() if self.dark else self.awake
        self._minute()
        for request in self.requests():
            if self._due(request) and request.grant_key in self.backend.alive():
                self._breaks("alive more than 60 s past the end", request)
        self.time.now += timedelta(days=12)
        self.awake = self.time()
        self._minute()
        self.check()
        for request in self.requests():
            self._breaks("not over in the end", request)

    def _minute(self) -> None:
        for _ in range(7):
            self.clock.tick()
            self.time.now += RESTART

    # -- what must hold -----------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Look at every promise: nothing early, late, twice, or cut by the end of another lease of the same thing."""
        alive, twice = self.backend.alive(), self.backend.started_twice()
        self._note_halts()
        self._standing_is_true()
        for request in self.requests():
            self._check(request, alive)
            if request.grant_key in twice:
                self._breaks("happened twice", request)
            if request.final:
                self.over.add(request.number)

    def _standing_is_true(self) -> None:
        """What is counted of a person's requests is what the requests themselves say."""
        counted, mine = self.world.book.requests.standing, defaultdict(list)
        for request in self.requests():
            mine[request.beneficiary].append(request)
        for subject, requests in mine.items():
            waiting = sum(request.status is Status.WAITING for request in requests)
            held = sum(gpus_of(request) for request in requests if request.status in HOLDING)
            assert counted(subject) == (waiting, held), subject
            own = requests[-1]
            one = (own.status is Status.WAITING, gpus_of(own) if own.status in HOLDING else 0)
            assert counted(subject, except_for=own.number) == (waiting - one[0], held - one[1]), own.name

    def _note_halts(self) -> None:
        """From when a halt is seen, no generation goes up; it is looked at right after anybody could have halted."""
        halts = self.world.book.halts()
        for resource in (GPU, DATA):
            if halts.over(resource) is None:
                self.frozen.pop(resource, None)
            elif resource not in self.frozen:
                self.frozen[resource] = {request.number: request.generation for request in self.requests()}

    def _check(self, request: Request, alive: set[str]) -> None:
        start, key = request.form.start, request.grant_key
        if request.status is Status.RUNNING and not self._due(request) and key not in alive:
            self._breaks("ended early", request)
        if request.end == "request.expired" and request.ended_at < request.not_after:
            self._breaks("ended early", request)
        if start is not None and request.started_at is not None and request.started_at < start:
            self._breaks("started early", request)
        if request.final and key in alive:
            self._breaks("over and alive", request)
        if key in alive and key not in self.held:
            beside = [each for each in self.held if each in alive]
            self.tally.counts["overlaps"] += any(self._resource(each) == request.form.resource for each in beside)
            self.held[key] = request.number
        frozen = self.frozen.get(request.form.resource)
        if frozen is not None and request.generation > frozen.get(request.number, 0):
            self._breaks("started during a halt", request)

    def _gone(self, key: str) -> None:
        """The backend lets go of a key: not before its end unless people said so, and not long after it."""
        request = next((r for r in self.requests() if r.grant_key == key), None)
        if request is None or request.not_after is None:
            return
        by_itself = (
            request.status in {Status.RUNNING, Status.ENDING, Status.UNCONFIRMED} and request.end not in BY_PEOPLE
        )
        if by_itself and self.time() < request.not_after:
            self._breaks("ended early", request)
        late = self.time() - max(request.not_after, self.awake)
        self.tally.late(late)
        if late > GRACE:
            self._breaks("alive more than 60 s past the end", request)

    def _breaks(self, promise: str, request: Request) -> None:
        self.tally.breaks(promise, f"{request.name} of schedule {self.seed} ({request.status})")

    def requests(self) -> list[Request]:
        """Return every request of this schedule that was not over when it was last looked at."""
        book, size = self.world.book, self.world.book.store.size()
        if self.known[0] != size:
            numbers = range(self.first, book.next_number())
            found = (book.request(number) for number in numbers if number not in self.over)
            self.known = size, [request for request in found if request is not None]
        return [request for request in self.known[1] if request.number not in self.over]

    def _resource(self, key: str) -> str:
        return self.world.book.requests.resource(self.held[key])

    def _any(self, status: Status | None = None) -> Request | None:
        found = [r for r in self.requests() if (status is None or r.status is status) and not r.final]
        return self.dice.choice(found) if found else None

    def _due(self, request: Request) -> bool:
        return request.not_after is not None and self.time() >= request.not_after


def play(seeds: Iterable[int], folder: Path, policy: Policy) -> Tally:
    """Play schedules to their ends, ten in each house, and return what happened in them."""
    tally = Tally()
    for number, lives in enumerate(batched(seeds, 10)):
        life = Life(folder / str(number), policy, tally)
        for seed in lives:
            life.begin(seed)
            for _ in range(life.dice.randint(6, 14)):
                life.step()
            life.finish()
            tally.counts["schedules"] += 1
        tally.counts.update(stored.kind for stored in life.world.book.store.scan())
        life.world.book.store.close()
    return tally


def batched(seeds: Iterable[int], size: int) -> Iterator[list[int]]:
    """Yield the seeds, `size` at a time."""
    rest = list(seeds)
    yield from (rest[place : place + size] for place in range(0, len(rest), size))


def main() -> int:
    """Play as many as the command line says, print the table, and publish it when no promise was broken."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory(prefix="qm-schedules-") as folder:
        tally = play(range(int(sys.argv[1])), Path(folder), Policy.load(RULES))
    print(tally.table())
    for promise, whose in tally.broken:
        print(f"{promise}: {whose}")
    if not tally.broken:
        write(tally.table())
    return 1 if tally.broken else 0


if __name__ == "__main__":
    sys.exit(main())
