"""Carry out, look again, take back. Whoever calls, the ledger alone says what is to be done.

A message, a sweep and a crash all lead here with nothing but a request's number. Only the process whose `Dispatched`
landed goes on to the executor, and only after it is sealed in the tree.
"""

from __future__ import annotations

from typing import Final

import structlog

from ledger import crash
from ledger.errors import UnlawfulError, VersionConflictError
from ledger.nouns import FormKind, Receipt, Usage
from ledger.streams.request import (
    Done,
    Failed,
    Missed,
    NotConfirmed,
    Queued,
    Request,
    Settled,
    Started,
    Status,
)
from policies.grounds import Grounds
from workers import routing
from workers.attempts import GIVE_UP, Attempt, at_work
from workers.deadlines import missed
from workers.dispatch import decided_anew, dispatch
from workers.entering import enter
from workers.errors import BackendError, OccupiedError, RefusedError, StaleGrantError
from workers.executors.base import Executor, MayBeUnusable, Meters, Pending
from workers.line import NOT_ANY_MORE, WAITED_OUT, differs, dispatch_again, runs_out, waited, waited_out
from workers.passwords import set_password
from workers.prolonging import prolong, stop_prolonging, unconfirmed
from workers.revert import closing
from workers.room import Room, grant_of, usage_of
from workers.stumbling import DIED, count, end, give_up, given_up, stumble, taken_back, told

logger = structlog.get_logger(__name__)

TRIES: Final = 5
"""How often a lost race is read and decided again before the sweep takes over."""
NOBODY: Final = "Nothing carries this out yet. You hold nothing and nothing is charged."
UNLAWFUL: Final = "The ledger's law does not let it stand. It was taken back, and what answered before answers."
TOO_LATE: Final = "Its window went by before it could start."


def attend(room: Room, number: int) -> Status | None:
    """Do whatever the ledger orders for request `number` now, and return where it stands; None if there is none.

    Losing a race to another worker is not an error: the winner does the work.
    """
    request = room.book.request(number)
    if request is None:
        return None
    for _ in range(TRIES):
        try:
            with room.alone_with(request), at_work(room.locks, number) as attempt:
                _step(room, number, attempt)
            break
        except VersionConflictError as lost:
            logger.info("somebody else was first", request=number, detail=lost.detail)
        except UnlawfulError as refused:
            logger.info("the law refused", request=number, detail=refused.detail)
            break
        except OccupiedError as busy:
            logger.warning("somebody is still at work on it; the sweep comes again", request=number, detail=busy.detail)
            break
    after = room.book.request(number)
    return after.status if after else None


def _step(room: Room, number: int, attempt: Attempt) -> None:
    request = room.book.request(number)
    if request is None:
        return
    crash.point("taken-up", number)
    if request.status in {Status.APPROVED, Status.QUEUED}:
        (give_up if attempt.before >= GIVE_UP else _carry_out)(room, request)
    elif request.status is Status.STARTING:
        _look_again(room, request, attempt)
    elif unconfirmed(request):
        (stop_prolonging if attempt.before >= GIVE_UP else prolong)(room, request)
    elif request.status is Status.RUNNING:
        set_password(room, request)
    elif request.status in {Status.ENDING, Status.UNCONFIRMED}:
        _end(room, request, attempt)


def _carry_out(room: Room, request: Request) -> None:
    now, grounds = room.clock(), Grounds.read(room.book, request.beneficiary, request.form)
    if request.form.start is not None and now < request.form.start:
        return
    if missed(request, grounds.halts, now):
        enter(room, request, Missed(why=TOO_LATE), free=True)
        return
    if grounds.halts.over(request.form.resource) is not None:
        return  # it goes on by itself once it is lifted, and is decided anew
    executor = room.executor_for(request.form)
    if executor is None:
        enter(room, request, Failed(why=NOBODY), free=True)
        return
    if not _may_try(room, request):
        return  # nothing is dispatched to a backend that does not answer, but for one try at a time
    if fault := fault_of(executor):
        _tried_in_vain(room, request, executor, fault)
        return
    decided = decided_anew(room, request)
    dispatched = dispatch(room, request, decided, executor, now, grounds) if decided is not None else None
    if dispatched is not None:
        _start(room, dispatched, executor)


def fault_of(executor: Executor) -> str:
    """Return which setting of a backend is wrong, empty when it can be used."""
    return executor.fault() if isinstance(executor, MayBeUnusable) else ""


def _start(room: Room, request: Request, executor: Executor) -> None:
    """Call the executor for a sealed dispatch, and enter what it says."""
    try:
        crash.point("before-ensure", request.number)
        said = executor.ensure(grant_of(request))
        crash.point("after-ensure", request.number)
    except StaleGrantError:
        if not _over(room, request):  # its own generation was taken back: only before `Failed` could be entered
            _could_not_start(room, request, executor, "it was taken back before")
        return
    except BackendError as error:
        words = error.detail if isinstance(error, RefusedError) else ""
        _could_not_start(room, request, executor, error.detail, words)
        return
    except Exception as error:  # noqa: BLE001 an executor's edge: whatever broke in it is counted
        stumble(room, request, executor, told(request, error))
        return
    _answered(room, request)
    if _over(room, request):
        gone, why = taken_back(request, executor)
        logger.warning("a success came late", request=request.number, taken_back=gone, detail=why)
    elif isinstance(said, Pending):
        _wait_in_line(room, request, executor, said)
    elif request.form.kind is FormKind.CHANGE:
        _done(room, request, executor, said)
    elif waited(request):
        _start_in_full(room, request, executor)
    else:
        enter(room, request, Started(generation=request.generation, receipt=said))


def _done(room: Room, request: Request, executor: Executor, receipt: Receipt) -> None:
    """Enter `Done` with all that it changed elsewhere; what the law does not let stand is taken back."""
    entry = Done(generation=request.generation, receipt=receipt)
    try:
        enter(room, request, entry, first=routing.carried(room, request, executor), also=closing(room, request))
    except UnlawfulError as refused:
        logger.error("the law refused what was done", request=request.number, detail=refused.detail)  # noqa: TRY400
        _fail(room, request, executor, UNLAWFUL)


def _wait_in_line(room: Room, request: Request, executor: Executor, pending: Pending) -> None:
    """Enter the backend's place in line: after each dispatch, and when it changed. The sweep looks again."""
    entry = Queued(place=pending.place, estimate=pending.estimate, why=pending.why)
    moved = routing.moved(room, request, executor)
    if moved or not waited(request) or differs(request.queued, entry):
        enter(room, request, entry, first=moved)


def _start_in_full(room: Room, request: Request, executor: Executor) -> None:
    """The window counts from now, not from when it stood in line: dispatch it again to the end that was approved."""
    if room.book.halts().over(request.form.resource) is not None:
        return  # nothing is dispatched during a halt; it stays in line, and the sweep comes again
    again = dispatch_again(room, request, room.clock())
    if again is not None:
        _start(room, again, executor)
    else:
        _fail(room, request, executor, NOT_ANY_MORE)


def _fail(room: Room, request: Request, executor: Executor, sentence: str) -> bool:
    """Enter `Failed` only once nothing is left behind, in the backend's line or started; else the sweep comes again."""
    gone, why = taken_back(request, executor)
    if gone:
        enter(room, request, Failed(why=sentence), free=True, also=routing.taken_back(room, request, executor))
    else:
        logger.warning("it may be there yet; the sweep comes again", request=request.number, detail=why)
    return gone


def _could_not_start(room: Room, request: Request, executor: Executor, detail: str, words: str = "") -> None:
    """It was refused if it is seen gone; a backend that cannot even say that does not answer, and is tried again.

    Args:
        words: what whoever asked may read of it, if the backend said it for them.
    """
    logger.warning("executor failed", request=request.number, executor=executor.name, detail=detail)
    refused = words or f"{executor.name} could not start it. You hold nothing and nothing is charged."
    if _fail(room, request, executor, refused):
        _answered(room, request)
    else:
        _tried_in_vain(room, request, executor, detail)


def _may_try(room: Room, request: Request) -> bool:
    return room.outages.may_try(room.backend_of(request), room.clock())


def _answered(room: Room, request: Request) -> None:
    room.outages.answered(room.backend_of(request), room.clock())


def _tried_in_vain(room: Room, request: Request, executor: Executor, why: str) -> None:
    room.outages.failed(room.backend_of(request), room.clock(), request.number, f"{executor.name}: {why}")


def _look_again(room: Room, request: Request, attempt: Attempt) -> None:
    """After a crash between dispatch and receipt: repeat what is safe to repeat. What is over is the clock's to end."""
    executor = room.executor_of(request)
    if attempt.again:
        count(room, request, DIED)
        attempt.counted = True
    elif executor is None:
        logger.error("its executor is not configured", request=request.number, executor=request.executor)
    elif given_up(request):
        end(room, request, executor)
    elif waited(request) and waited_out(request, room.clock()):
        _fail(room, request, executor, WAITED_OUT)
    elif waited(request) and _halted_change(room, request):
        return  # nothing is switched during a halt; what is being prepared stays as it is, and the sweep comes again
    elif waited(request) and runs_out(request, room.clock()):
        if _may_try(room, request):
            _start_in_full(room, request, executor)
    elif not _over(room, request) and _may_try(room, request):
        _start(room, request, executor)


def _halted_change(room: Room, request: Request) -> bool:
    return request.form.kind is FormKind.CHANGE and room.book.halts().over(request.form.resource) is not None


def _end(room: Room, request: Request, attempt: Attempt) -> None:
    """Take it back, unless the last ones died over that: then say so, and leave it a while."""
    if attempt.again:
        _not_confirmed(room, request, DIED)
        attempt.counted = True
    else:
        take_back(room, request)


def take_back(room: Room, request: Request) -> None:
    """Revoke, read back, and settle only what was observed gone."""
    executor = room.executor_of(request)
    if executor is None:
        gone, why = False, f"No executor named {request.executor} is configured; configure it, and it is tried again."
    else:
        gone, why = taken_back(request, executor)
    if gone:
        enter(room, request, Settled(usage=_usage(room, request, executor)), free=True)
    else:
        _not_confirmed(room, request, why)


def _usage(room: Room, request: Request, executor: Executor | None) -> Usage:
    """What the lease took; an ending does not wait for counters of tokens that cannot be read."""
    tokens = 0
    try:
        tokens = executor.tokens_of(grant_of(request)) if isinstance(executor, Meters) else 0
    except BackendError as error:
        logger.warning("nobody can say what the key used", request=request.number, detail=error.detail)
    return usage_of(request, room.price_list(), tokens)


def _not_confirmed(room: Room, request: Request, why: str) -> None:
    enter(room, request, NotConfirmed(attempt=request.attempts + 1, why=why))


def _over(room: Room, request: Request) -> bool:
    return request.not_after is not None and room.clock() >= request.not_after
