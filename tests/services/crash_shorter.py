"""Shortenings' part of the crash table: its kills, and what must be so of a lease whose holder moved its end forward."""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime, timedelta

from services.crash_longer import STEPS, kills

from ledger.streams.request import Request, Status

VERB = "shorten"
SOONER_S = 30
"""When it ends instead: enough to be killed in."""
LATE_S = 60.0
"""How long after its end a lease may be held once everybody is at work again."""
OVER = frozenset({Status.ENDED, Status.ENDING, Status.UNCONFIRMED})


def kills_of(scheme, *, dies=(), late=False):
    """Yield (victim, its steps): those of an extension, but that a sooner end is never refused."""
    for victim, steps in kills(scheme, dies=dies, late=late):
        kept = ("before-append", "after-append") if victim == "desk" else [step for step in steps if step in STEPS]
        yield victim, tuple(f"{VERB} {step}" for step in kept)


class Shorter:
    """The leases that were shortened in a place."""

    def __init__(self, place):
        self.place = place
        self._ends: dict[int, datetime] = {}

    def shorten(self, who, number, desk=None):
        """Have it end soon."""
        end = self.end(number)
        after = (desk or self.place.desk).shorten(who, number, end)
        assert isinstance(after, Request), after

    def end(self, number):
        """Return when it is to end, and expect that it does."""
        return self._ends.setdefault(number, self.place.book.clock() + timedelta(seconds=SOONER_S))

    def answered(self, number):
        """Whether the backend's answer is entered, or it was too late for one."""
        request = self.place.book.request(number)
        return request.status in OVER or (request.generation > 1 and request.confirmed == request.generation)

    def finish(self):
        """Wait until every one should be over, and return what is not so."""
        deadline = time.monotonic() + SOONER_S + LATE_S
        while any(self.place.status(number) is not Status.ENDED for number in self._ends):
            if time.monotonic() > deadline:
                break
            time.sleep(0.2)
        return [f"REQ-{number}, shortened: {words}" for number in self._ends for words in self._seen(number)]

    def _seen(self, number):
        request, end = self.place.book.request(number), self._ends[number]
        kinds = Counter(kind.removeprefix("request.") for kind, *_ in request.history)
        expired = [at for kind, at, *_ in request.history if kind == "request.expired"]
        if (request.status, kinds["shortened"], kinds["released"]) != (Status.ENDED, 1, 0):
            yield f"{self.place.life(number)}: not shortened once and over by itself"
        elif request.not_after != end or not end <= expired[0]:
            yield f"it ended at {expired[0]}, and its end is {request.not_after}, not {end}"
