"""What failed as nobody foresaw: counted in the ledger, tried again ever more rarely, and given up after five tries.

The pause before the next try is the index's due time, so that no process has to remember it. Nothing is said to have
failed before it was seen gone: until then it stays, it is tried to be taken back, and the admins are told.
"""

from __future__ import annotations

import traceback
from typing import Final

import structlog

from ledger import crash
from ledger.streams.request import Failed, Request, Stumbled
from workers.attempts import GIVE_UP
from workers.entering import enter
from workers.errors import BackendError
from workers.executors.base import Executor, Observation
from workers.room import Room, grant_of

logger = structlog.get_logger(__name__)

UNFORESEEN: Final = "something broke that nobody foresaw; the log of the worker says more"
DIED: Final = "The worker died over it, more than once."


def taken_back(request: Request, executor: Executor) -> tuple[bool, str]:
    """Revoke and read back: (True, "") only if it was observed gone, else False and why; never raises."""
    try:
        crash.point("before-revoke", request.number)
        executor.revoke(grant_of(request))
        crash.point("after-revoke", request.number)
        seen = executor.observe(grant_of(request))
    except Exception as error:  # noqa: BLE001 an executor's edge: a fault in one must not keep a lease from being counted
        return False, f"{executor.name}: {told(request, error)}"
    return (True, "") if seen is Observation.GONE else (False, "The backend cannot say that it is gone.")


def stumble(room: Room, request: Request, executor: Executor, why: str) -> None:
    """Count one more try that failed; the last one takes it back."""
    count(room, request, f"{executor.name}: {why}.")
    after = room.book.request(request.number)
    if after is not None and given_up(after):
        end(room, after, executor)


def count(room: Room, request: Request, why: str) -> None:
    """Enter one more try that failed; when it is due again follows from that entry."""
    enter(room, request, Stumbled(attempt=request.stumbles + 1, why=why))


def given_up(request: Request) -> bool:
    """Whether it is not tried any more: all that is left is to take it back."""
    return request.stumbles >= GIVE_UP


def end(room: Room, request: Request, executor: Executor) -> None:
    """Enter `Failed` once it is seen gone; until then it stays, and the sweep comes again."""
    gone, why = taken_back(request, executor)
    if gone:
        sentence = f"{executor.name} broke {request.stumbles} times in a row. It is not tried again. Admins were told."
        enter(room, request, Failed(why=sentence), free=True)
    else:
        logger.error("given up, and not seen gone", request=request.number, detail=why)


def give_up(room: Room, request: Request) -> None:
    """Enter `Failed` for what kills its worker before any executor was told of it."""
    sentence = f"It was tried {GIVE_UP} times, and the worker died each time. Admins were told."
    enter(room, request, Failed(why=sentence), free=True)


def told(request: Request, error: Exception) -> str:
    """Return what a person may read of an error; the log has the trace, without values, which may be personal."""
    if isinstance(error, BackendError):
        return error.detail
    trace = "".join(traceback.format_exception(error))
    logger.error("an executor broke", request=request.number, trace=trace)
    return UNFORESEEN
