"""Whoever lost what lets them ask at all does not keep what they hold.

The policy in force is asked for every lease that is held, a few minutes apart: by its roles and teams, never by its
limits, so that a tighter number cuts nobody short. While the rules cannot be read nobody is ended by them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

import structlog

from ledger.book import Write
from ledger.nouns import FormKind
from ledger.streams.request import Disqualified, Request, Status
from policies.decide import Policy
from policies.errors import PolicyError
from workers.entering import write_of
from workers.room import CLOCK, Room

logger = structlog.get_logger(__name__)

LOOK_EACH: Final = timedelta(minutes=5)
"""How often every held lease is looked at: twice within the quarter of an hour that was promised."""
NO_RULE: Final = "No rule lets its holder ask for this any more."
NOT_KNOWN: Final = "Its holder is no longer known."


class Eligibility:
    """Knows when it looked last; a new process looks at once."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._looked: datetime | None = None

    def lost(self, now: datetime) -> Iterator[tuple[Request, Disqualified, Write]]:
        """Yield each lease to end, its entry, and what must stand still for it; nothing before it is time again."""
        if self._looked is not None and timedelta() <= now - self._looked < LOOK_EACH:
            return
        version = self._room.book.policy().version
        try:
            policy = self._room.policy()
        except PolicyError as error:
            logger.warning("the rules cannot be read; nobody is ended by them", detail=str(error))
            return
        self._looked = now
        for request in self._held():
            why = _why(self._room, policy, request)
            if why:
                yield request, Disqualified(why=why), Write(stream="policy", expected=version, entries=(), actor=CLOCK)

    def _held(self) -> list[Request]:
        found = map(self._room.book.request, self._room.book.requests.open(stage="held"))
        return [each for each in found if each is not None and _holds(each)]


def disqualify(room: Room, request: Request, entry: Disqualified, policy: Write) -> None:
    """End the lease, if neither it nor the policy moved since they were looked at."""
    room.book.append(write_of(request, entry, actor=CLOCK), policy)


def _holds(request: Request) -> bool:
    return request.status in {Status.STARTING, Status.RUNNING} and request.form.kind is FormKind.LEASE


def _why(room: Room, policy: Policy, request: Request) -> str:
    slack = room.book.people().slack(request.beneficiary)
    if slack is None:
        return NOT_KNOWN
    return "" if policy.eligible(f"user:{slack}", request.form) else NO_RULE
