"""A lease in its backend's own line: dispatched, accepted, and not started. Time in line is not time held.

The end that was given with the dispatch bounds it meanwhile. When the backend starts it, or half of that time went by,
it is dispatched again to a later end, so that nobody pays for waiting with the time that was approved.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from ledger.nouns import Change, window_end
from ledger.streams.request import Dispatched, Queued, Request
from policies.grounds import Grounds
from workers.dispatch import may_still_start
from workers.entering import write_of
from workers.room import WORKER, Room

DRIFT: Final = timedelta(minutes=1)
"""By how much the backend's estimate may move before it is entered again."""
WAITED_OUT: Final = "It waited in its backend's line until it was too late to start."
NOT_ANY_MORE: Final = "Today's policy does not allow it any more, as it came to its turn in line."


def waited(request: Request) -> bool:
    """Whether the backend said, since the last dispatch, that it waits in its line."""
    moves = [kind for kind, *_ in request.history if kind in {"request.queued", "request.dispatched"}]
    return request.queued is not None and moves[-1:] == ["request.queued"]


def differs(before: Queued | None, now: Queued) -> bool:
    """Whether people should be told: another place or reason, or an estimate that moved by more than a minute."""
    if before is None or (before.place, before.why) != (now.place, now.why):
        return True
    if before.estimate is None or now.estimate is None:
        return before.estimate is not now.estimate
    return abs(before.estimate - now.estimate) > DRIFT


def runs_out(request: Request, now: datetime) -> bool:
    """Whether half of its time went by in line, and a later end is within what was approved."""
    if request.not_after is None or request.dispatched_at is None or isinstance(request.form, Change):
        return False
    half = request.dispatched_at + (request.not_after - request.dispatched_at) / 2
    return now >= half and window_end(request.form, now) > request.not_after


def waited_out(request: Request, now: datetime) -> bool:
    """Whether it is too late to start what still waits."""
    return request.missed_at is not None and now >= request.missed_at


def dispatch_again(room: Room, request: Request, now: datetime) -> Request | None:
    """Enter a dispatch of the next generation with the end counted from `now`, sealed; None when policy forbids it."""
    if isinstance(request.form, Change) or request.grant_key is None or request.executor is None:
        return None
    grounds = Grounds.read(room.book, request.beneficiary)
    if not may_still_start(room, request):
        return None
    entry = Dispatched(
        generation=request.generation + 1,
        grant_key=request.grant_key,
        form_digest=request.form_digest,
        not_after=window_end(request.form, now),
        executor=request.executor,
        devices=(),
    )
    room.book.append(write_of(request, entry), *grounds.unmoved(WORKER)).wait_sealed()
    return room.book.request(request.number)
