"""Who tries next at a backend that does not answer: one of those that wait for it, in turn, when its try is due.

What waits is left alone until then. In turn, because one that can never be started must not keep the others from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from ledger.streams.request import Request, Status
from workers.outages import Outage, Outages

UNTRIED: Final = timedelta(minutes=1)
"""How long a try may be overdue, with nothing that waits for it, until the outage is forgotten."""


class Trials:
    """What waits for backends that do not answer, gathered in one tick after the other.

    Args:
        outages: which those are.
        nudge: asks a worker to attend to a request; the worker claims the try.
    """

    def __init__(self, outages: Outages, nudge: Callable[[int], None]) -> None:
        self._outages, self._nudge = outages, nudge
        self._standing: dict[str, Outage] = {}
        self._waiting: dict[str, list[Request]] = {}
        self._last: dict[str, int] = {}

    def begin(self) -> None:
        """Look which backends do not answer now."""
        self._standing, self._waiting = self._outages.standing(), defaultdict(list)

    def tried_last(self) -> set[int]:
        """Return the requests whose tries failed last: they wait too, whenever the ledger's index has them due."""
        return {outage.request for outage in self._standing.values()}

    def wait(self, backend: str, request: Request) -> bool:
        """Whether this request waits for a backend that does not answer: then it is nudged by `end`, if at all."""
        if backend in self._standing:
            self._waiting[backend].append(request)
        return backend in self._standing

    def end(self, now: datetime) -> None:
        """Have the try made that is due, and forget the outages that nothing waits for."""
        for backend, outage in self._standing.items():
            waiting = self._waiting[backend]
            if waiting and now >= outage.due:
                self._nudge(self._next(outage, waiting))
            elif not waiting and now >= outage.due + UNTRIED:
                self._outages.forget(backend)

    def _next(self, outage: Outage, waiting: list[Request]) -> int:
        """The one after whoever tried last; those that were dispatched already come first in each turn."""
        numbers = [each.number for each in sorted(waiting, key=lambda r: (r.status is not Status.STARTING, r.number))]
        last = self._last.get(outage.backend, outage.request)
        after = numbers.index(last) + 1 if last in numbers else 0
        self._last[outage.backend] = numbers[after % len(numbers)]
        return self._last[outage.backend]
