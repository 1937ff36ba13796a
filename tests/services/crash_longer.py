"""Extensions' part of the crash table: its kills, and what must be so of a longer lease once its old end went by."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta

from conftest import MIRA

from ledger.streams.request import Request, Status
from workers.errors import BackendError, StaleGrantError
from workers.room import grant_of

STEPS = ("before-prolong", "after-prolong", "after-prolonged")
REFUSED = ("before-not-prolonged", "after-not-prolonged")
"""What a backend that has ended a lease already says no to; it ends when it did before."""
EVERY = STEPS + REFUSED
DESK = ("extend before-append", "extend after-append")
WINDOW_S = 60
"""How long a lease is at first: enough to be killed in, and over before anybody looks."""
ADDED_S = 3600
LOOK_S = 0.5
PATIENCE_S = 60.0
"""How long a backend may be down when it is asked until when it holds a lease."""


def kills(scheme, *, dies=(), late=False):
    """Yield (victim, its steps).

    Args:
        dies: the steps at which the backend itself is killed.
        late: the backend's answer counts once it was asked again, which the clock does and no worker.
    """
    yield "worker child", (*(STEPS[:2] if late else STEPS), *REFUSED)
    yield "worker", STEPS[1:2]
    yield "clock", EVERY if scheme == "gpu" else STEPS
    yield "backend", dies
    if scheme == "gpu":
        yield "Valkey", STEPS[1:]
        yield "desk", DESK


class Longer:
    """The leases that were extended in a place; each is looked at once its old end went by, and then handed back."""

    def __init__(self, place):
        self.place = place
        self._found: list[str] = []
        self._before: dict[int, Request] = {}
        self._refused: set[int] = set()
        self._looks = threading.Thread(target=self._look, daemon=True)
        self._every = threading.Event()

    def spoil(self, number):
        """Let its backend take it back behind our back, so that it refuses to hold it any longer."""
        request = self.place.book.request(number)
        taken = grant_of(replace(request, generation=request.generation + 1))
        self.place.room.executor_of(request).revoke(taken)
        self._refused.add(number)

    def extend(self, who, number, desk=None):
        """Extend it, and look at it when its old end went by."""
        self.expect(number)
        after = (desk or self.place.desk).extend(who, number, ADDED_S)
        assert isinstance(after, Request), after

    def expect(self, number):
        """Remember what it is before it is extended."""
        request = self.place.book.request(number)
        assert request.status is Status.RUNNING, self.place.life(number)
        self._before[number] = request

    def answered(self, number):
        """Whether the backend's answer is entered."""
        request = self.place.book.request(number)
        return request.extension is not None and request.confirmed == request.generation

    def start(self):
        self._looks.start()

    def finish(self):
        """Return what is not so, once every one was looked at."""
        self._every.set()
        self._looks.join()
        return [*self._found, *(f"REQ-{number} was not looked at" for number in self._before)]

    def _look(self):
        while self._before or not self._every.is_set():
            for number, before in list(self._before.items()):
                if self._due(before):
                    self._found += [f"REQ-{number}, extended: {words}" for words in self._seen(before)]
                    self._hand_back(number)
                    del self._before[number]
            time.sleep(LOOK_S)

    def _hand_back(self, number):
        """Hand it back, and see it over before anybody kills its backend: a cluster forgets what it did last."""
        with self.place.ending:
            self.place.desk.release(MIRA, number)
            self.place.until(lambda: self.place.status(number) is Status.ENDED, PATIENCE_S, "it is not over")

    def _due(self, before):
        """Whether its old end went by and the backend's answer is entered, or should have been for long."""
        late = self.place.book.clock() - before.not_after
        return late > timedelta(seconds=PATIENCE_S if not self.answered(before.number) else LOOK_S)

    def _seen(self, before):
        """Say what is not so; a backend that was killed a moment ago is asked again."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return list((undone if before.number in self._refused else faults)(self.place, before))
            except BackendError as error:
                if time.monotonic() > deadline:
                    return [f"its backend does not answer: {error.detail}"]
                time.sleep(LOOK_S)


def _answers(request):
    """How often it was extended, confirmed and refused."""
    kinds = Counter(kind.removeprefix("request.") for kind, *_ in request.history)
    return kinds["extended"], kinds["prolonged"], kinds["not-prolonged"]


def undone(place, before):
    """Yield what is not so of a lease whose backend would not hold it any longer than it did `before`."""
    request = place.book.request(before.number)
    if _answers(request) != (1, 0, 1):
        yield f"{place.life(before.number)}: not extended once and refused once"
    if (request.not_after, request.form) != (before.not_after, before.form):
        yield f"it ends at {request.not_after} and not when it did before, at {before.not_after}"


def faults(place, before):
    """Yield what is not so of a lease, extended once from what it was `before`: two ends, or the wrong one."""
    request = place.book.request(before.number)
    if _answers(request) != (1, 1, 0):
        why = request.extension.why if request.extension is not None else ""
        yield f"{place.life(before.number)}: not extended once and confirmed once. {why}"
    end = before.not_after + timedelta(seconds=ADDED_S)
    if request.status is not Status.RUNNING or request.not_after != end:
        yield f"{request.status} to {request.not_after}, not running to {end}"
    executor = place.room.executor_of(request)
    held = [each for each in executor.holdings() if each.key == request.grant_key]
    if len(held) != 1 or held[0].wrong or held[0].until not in {None, end}:
        yield f"its backend holds {held}, and not one lease to {end}"
    if not _knows(executor, request):
        yield "its backend was never told of the later end"


def _knows(executor, request):
    """Whether the backend refuses the generation before, as it does once it was told of this one."""
    try:
        executor.ensure(grant_of(replace(request, generation=request.generation - 1)))
    except StaleGrantError:
        return True
    return False
