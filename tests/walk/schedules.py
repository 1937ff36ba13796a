"""Random schedules of leases on a simulated clock: overlaps, extensions, endings, crashes between any two steps, restarts.

A crash is an exception raised by a call to the ledger or the executor, before it landed or after; whatever ran then is
gone, and what comes after reads the ledger alone. The backend is the shipped one over a database in memory.
"""

from __future__ import annotations

import random
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from conftest import MIRA, Hand, World, make_world

from ledger.book import open_memory
from ledger.nouns import Access, DataForm, Form, GpuForm
from ledger.streams.request import FINAL, Request, Status
from policies.decide import Policy
from workers.clock import Clock
from workers.executors.memory import _SCHEMA, MemoryExecutor
from workers.hands import attend
from workers.room import Room

GRACE = timedelta(seconds=60)
"""How long a lease may be alive past its end once the clock runs again."""
HOUR = 3600


HOLDING = frozenset(Status) - FINAL - {Status.SUBMITTED, Status.WAITING}


def gpus_of(request: Request) -> int:
    return request.form.gpus if isinstance(request.form, GpuForm) else 0


class CrashError(BaseException):
    """The process dies here."""


class Backend(MemoryExecutor):
    """The memory executor without a file, which notes when each key begins and stops to be held."""

    def __init__(self, time: Hand) -> None:
        self._tx = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._tx.executescript(_SCHEMA)
        self._clock = time

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self._tx.execute("BEGIN")
        try:
            yield self._tx
            self._tx.commit()
        except BaseException:
            self._tx.rollback()
            raise

    def alive(self) -> set[str]:
        """Return the keys that are held now."""
        return {holding.key for holding in self.holdings() if holding.key}


class AtOnce:
    """Lanes that do their work in the thread of the clock, so that it dies where they die."""

    def put(self, _lane: str, work: Callable[[], object]) -> bool:
        work()
        return True

    def wait(self, _patience_s: float) -> None:
        """Everything is done already."""


class Life:
    """One schedule: a world, its faults, and what was promised to whom."""

    def __init__(self, folder: Path, policy: Policy) -> None:
        self.dice = random.Random(0)
        self.time = Hand()
        self.world: World = make_world(open_memory(clock=self.time), self.time, folder, policy)
        self.backend = Backend(self.time)
        self.world.room = self._room()
        self.fuse = -1
        self._wire()
        self.clock = self._clock()
        self.first, self.over = self.world.book.next_number(), set[int]()

    def begin(self, seed: int) -> None:
        """Start another schedule on the same ledger; the one before is over."""
        self.dice = random.Random(seed)
        self.first = self.world.book.next_number()

    def _clock(self) -> Clock:
        clock = Clock(self.world.room, lambda _: None)
        clock._lanes = AtOnce()
        return clock

    def _room(self) -> Room:
        executors = dict.fromkeys(("gpu", "data", "deploy"), self.backend)
        return replace(self.world.room, executors=executors)

    def _wire(self) -> None:
        """Each call of ledger and backend burns the fuse; at its end the process dies, before or after the effect."""
        store = self.world.book.store
        for owner, name in (
            (store, "append"),
            (self.backend, "ensure"),
            (self.backend, "revoke"),
            (self.backend, "observe"),
        ):
            setattr(owner, name, self._fused(getattr(owner, name)))

    def _fused(self, real):
        def call(*args):
            self.fuse -= 1
            if self.fuse == 0 and self.dice.random() < 0.5:
                raise CrashError
            said = real(*args)
            if self.fuse == 0:
                raise CrashError
            return said

        return call

    @contextmanager
    def perhaps_crashing(self) -> Iterator[None]:
        """Run a worker, a clock or a desk that may die at any of its steps."""
        self.fuse = self.dice.randint(1, 6) if self.dice.random() < 0.3 else -1
        try:
            yield
        except CrashError:
            self.clock = self._clock()  # a new process knows nothing
        finally:
            self.fuse = -1

    # -- what happens -------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Let one thing happen, then some time pass; the clock may be down for it."""
        act = self.dice.choice(
            (self.ask, self.ask, self.work, self.work, self.work, self.extend, self.extend, self.end)
        )
        with self.perhaps_crashing():
            act()
        self.check()
        self.pass_time(timedelta(seconds=self.dice.choice((0, 1, 30, 600, 1800, 3600))))

    def ask(self) -> None:
        """Ask for something that a rule approves, of one of two resources that overlap in time."""
        hours = self.dice.choice((1, 2, 3))
        form: Form = GpuForm(resource="gpu:h100-shared", gpu_type="h100-80gb", gpus=1, duration_s=hours * HOUR)
        if self.dice.random() < 0.4:
            form = DataForm(resource="data:web_clicks", access=Access.READ, duration_s=hours * HOUR)
        self.world.desk.submit(MIRA, form, purpose="x", said="y")

    def work(self) -> None:
        """A worker attends to any request: in time, late, or twice."""
        request = self._any()
        if request is not None:
            attend(self.world.room, request.number)

    def extend(self) -> None:
        """Its holder asks for more time, perhaps just before the end."""
        request = self._any(Status.RUNNING)
        if request is not None:
            self.world.desk.extend(MIRA, request.number, self.dice.choice((1, 600, 1800, HOUR)))

    def end(self) -> None:
        """It is released, or revoked by somebody else."""
        request = self._any(Status.RUNNING)
        if request is not None and self.dice.random() < 0.5:
            self.world.desk.release(MIRA, request.number)
        elif request is not None:
            self.world.desk.revoke("U06KOFI", request.number, "because")

    def pass_time(self, span: timedelta) -> None:
        """Time goes by, with a clock that ticks at its end, or not at all."""
        self.time.now += span
        if self.dice.random() < 0.6:
            with self.perhaps_crashing():
                self.clock.tick()
            self.check()

    def finish(self) -> None:
        """The clock runs again for a minute; then nothing past its end is alive. At last everything is over."""
        for _ in range(7):
            self.clock.tick()
            self.time.now += timedelta(seconds=10)
        late = [r.name for r in self.requests() if self._due(r) and r.grant_key in self.backend.alive()]
        assert not late, f"alive past their end: {late}"
        self.time.now += timedelta(days=2)
        for _ in range(7):
            self.clock.tick()
            self.time.now += timedelta(seconds=10)
        self.check()
        assert not self.requests()

    # -- what must hold -----------------------------------------------------------------------------------------

    def check(self) -> None:
        """Nothing running was ended early, by whatever: also not by the end of another lease of the same thing."""
        alive, effects = self.backend.alive(), Counter(self.backend.effects())
        self._standing_is_true()
        for request in self.requests():
            if request.status is Status.RUNNING and not self._due(request):
                assert request.grant_key in alive, f"{request.name} was cut early"
            if request.end == "request.expired":
                assert request.ended_at >= request.not_after, f"{request.name} ended early"
            assert effects[request.grant_key, "start"] <= 1, f"{request.name} happened twice"
            if request.final:
                assert request.grant_key not in alive, f"{request.name} is over and alive"
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

    def requests(self) -> list[Request]:
        """Return every request of this schedule that was not over when it was last looked at."""
        numbers = range(self.first, self.world.book.next_number())
        found = (self.world.book.request(number) for number in numbers if number not in self.over)
        return [request for request in found if request is not None]

    def _any(self, status: Status | None = None) -> Request | None:
        found = [r for r in self.requests() if (status is None or r.status is status) and not r.final]
        return self.dice.choice(found) if found else None

    def _due(self, request: Request) -> bool:
        return request.not_after is not None and self.time() >= request.not_after


def play(seeds: Iterable[int], folder: Path, policy: Policy) -> Counter[str]:
    """Play schedules to their ends, twenty on each ledger, and return how often what happened in them."""
    counts: Counter[str] = Counter()
    for lives in batched(seeds, 20):
        life = Life(folder, policy)
        for seed in lives:
            life.begin(seed)
            for _ in range(life.dice.randint(6, 14)):
                life.step()
            life.finish()
        counts.update(stored.kind for stored in life.world.book.store.scan())
        life.world.book.store.close()
    return counts


def batched(seeds: Iterable[int], size: int) -> Iterator[list[int]]:
    """Yield the seeds, `size` at a time."""
    rest = list(seeds)
    yield from (rest[place : place + size] for place in range(0, len(rest), size))
