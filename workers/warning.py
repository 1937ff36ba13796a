"""Whose end must be announced while approvers still work, which the ledger's index knows nothing of.

The index says when a holder is warned at the latest. That it must be sooner follows from the rules in force and from
the approvers' hours: so the held leases are looked at a few minutes apart, and what comes before the next look is kept.
While the rules cannot be read, everybody is warned at the usual time.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import structlog

from ledger.streams.request import Request, Status
from policies.ahead import needs_people, sooner_at
from policies.errors import PolicyError
from workers.prolonging import unconfirmed
from workers.room import Room

logger = structlog.get_logger(__name__)

LOOK_EACH: Final = timedelta(minutes=5)
"""How often every held lease is looked at: never more than a warning is early for the shortest lease that has one."""


class EarlyWarnings:
    """Knows the early warnings until the next look; a new process looks at once."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._looked: datetime | None = None
        self._upcoming: dict[int, datetime] = {}

    def due(self, now: datetime) -> list[int]:
        """Return the requests whose holders are warned now."""
        if self._looked is None or not timedelta() <= now - self._looked < LOOK_EACH:
            self._look(now)
        found = [number for number, at in self._upcoming.items() if at <= now]
        for number in found:
            del self._upcoming[number]
        return found

    def _look(self, now: datetime) -> None:
        try:
            policy = self._room.policy()
        except PolicyError as error:
            logger.warning("the rules cannot be read; nobody is warned sooner by them", detail=str(error))
            return
        self._upcoming = {}
        for request in map(self._room.book.request, self._room.book.requests.open(stage="held")):
            at = sooner_at(policy.catalogue.hours, request) if request and may_warn(request, now) else None
            if request and at is not None and at < now + LOOK_EACH and needs_people(policy, self._room.book, request):
                self._upcoming[request.number] = at
        self._looked = now


def may_warn(request: Request | None, now: datetime) -> bool:
    """Whether there is an end to announce: it runs, that end stands and is ahead, and its holder was not told of it.

    A later end stands once the backend answered, a sooner one at once.
    """
    if request is None or request.status is not Status.RUNNING or request.not_after is None:
        return False
    if unconfirmed(request) and request.shortened_from is None:
        return False
    return request.warned_of != request.not_after and now < request.not_after
