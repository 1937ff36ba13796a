"""Who is reminded of a request that waits, and when its asker is told who has not answered; decided by nobody but time.

A quarter of the time to lapse after it was asked, whoever may fill an open seat is reminded once; at half of it the
asker reads who has not answered, and where a single person or nobody could, the admins read so too. They may not vote
for it. Times under a halt do not count, as they do not count towards the lapse.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from ledger.streams.halt import Halts
from ledger.streams.request import Request, Status


class Step(StrEnum):
    """What time does to a request that waits; each happens once."""

    REMINDED = "reminded"
    ESCALATED = "escalated"


_SHARES = {Step.REMINDED: 4, Step.ESCALATED: 2}
"""After which part of the time to lapse: a quarter, a half."""


def due(request: Request, halts: Halts, now: datetime) -> list[tuple[Step, datetime]]:
    """Return each step with its time, the first one first; none while nobody can or need decide, or all is halted."""
    resource = request.form.resource
    waits = request.status is Status.WAITING and bool(request.open_seats) and not request.accept_pending
    if not waits or halts.over(resource) is not None:
        return []
    stopped = halts.stopped_for(resource, request.submitted_at, now)
    whole = request.lapse_at - request.submitted_at
    return [(step, request.submitted_at + whole / share + stopped) for step, share in _SHARES.items()]
