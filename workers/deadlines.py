"""When a request is too late, counting out the time in which nobody could have decided or started it.

Time under a halt is not the asker's: the hours given to decide and to start stop meanwhile. A window that the person
named does not move, so a request whose window went by under a halt has missed it.
"""

from __future__ import annotations

from datetime import datetime

from ledger.nouns import Change
from ledger.streams.halt import Halts
from ledger.streams.request import LAPSE_AFTER, Request, Status


def lapsed(request: Request, halts: Halts, now: datetime) -> bool:
    """Whether nobody decided in time; never while it is halted."""
    resource = request.form.resource
    if request.status is not Status.WAITING or halts.over(resource) is not None:
        return False
    return now >= request.lapse_at + halts.stopped_for(resource, request.submitted_at, now)


def missed(request: Request, halts: Halts, now: datetime) -> bool:
    """Whether an approved request is too late to start: its named window is over, or its hours to start are."""
    waiting = request.status in {Status.APPROVED, Status.QUEUED}
    if not waiting or request.missed_at is None or request.approved_at is None or now < request.missed_at:
        return False
    form = request.form
    if form.start is not None or isinstance(form, Change):
        return True
    if form.not_after is not None and now >= form.not_after:
        return True
    stopped = halts.stopped_for(form.resource, request.approved_at, now)
    return halts.over(form.resource) is None and now >= request.approved_at + LAPSE_AFTER + stopped
