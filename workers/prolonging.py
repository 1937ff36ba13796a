"""Telling the backend of another end, and of what becomes of it.

`Extended` and `Shortened` order it; only the backend's own answer is entered. One that answers and refuses to hold a
lease longer gets the old end back; one that does not answer is asked again: the lease then ends when the ledger says, or
as soon as the backend says it did. What its holder shortened ends then whatever the backend answers.
One that a crash makes forget is asked again too, until it can forget the new end no more.
"""

from __future__ import annotations

from typing import Final

import structlog

from ledger import crash
from ledger.book import Write
from ledger.nouns import GpuForm
from ledger.streams.pool import Rebooked
from ledger.streams.request import Extension, NotProlonged, Outcome, Prolonged, Request, Status
from policies import budgets
from policies.errors import PolicyError
from workers.entering import enter, pool_name, write_of
from workers.errors import BackendError, StaleGrantError
from workers.executors.base import Executor, Observation, Pending, SavesLate
from workers.room import WORKER, Room, grant_of

logger = structlog.get_logger(__name__)

WOULD_NOT: Final = "{} would not hold it any longer. It ends when it did before."
ENDED_IT: Final = "{} had ended it already."
DIED: Final = "Whoever told {} of it died, again and again. It ends when it did before."


def unconfirmed(request: Request) -> bool:
    """Whether the lease runs, and its backend has not answered to its newest end."""
    return request.status is Status.RUNNING and request.generation > request.confirmed


def prolong(room: Room, request: Request) -> None:
    """Have the backend hold the lease to its new end, and enter what it says."""
    executor = room.executor_of(request)
    if executor is None:
        logger.error("nobody can be told of its new end", request=request.number, executor=request.executor)
        return
    if _over(room, request) or not _sealed(room, request):
        return  # the clock ends it; the sweep comes again
    try:
        crash.point("before-prolong", request.number)
        said = executor.ensure(grant_of(request))
        crash.point("after-prolong", request.number)
    except StaleGrantError:
        _undo_extension(room, request, ENDED_IT.format(executor.name))
    except BackendError as error:
        _refused(room, request, executor, error.detail)
    else:
        if not isinstance(executor, SavesLate) or executor.kept(grant_of(request)):
            _answered(room, request, said)


def stop_prolonging(room: Room, request: Request) -> None:
    """Settle what kills whoever carries it on: a clock that dies of one extension ends nothing else either.

    A sooner end needs no settling: it stands, and the clock takes the lease back then.
    """
    if request.extension is not None and request.extension.outcome is Outcome.GRANTED:
        undo(room, request, request.extension, DIED.format(request.executor))


def _answered(room: Room, request: Request, said: object) -> None:
    if isinstance(said, Pending):
        logger.warning("its backend has put it back in line; the sweep comes again", request=request.number)
    elif not _over(room, request):
        enter(room, request, Prolonged(generation=request.generation, receipt=said))  # type: ignore[arg-type]


def _refused(room: Room, request: Request, executor: Executor, detail: str) -> None:
    """Believe a backend that answers; ask one that does not answer again."""
    logger.warning("not told of its new end", request=request.number, executor=executor.name, detail=detail)
    if executor.observe(grant_of(request)) is not Observation.UNKNOWN:
        _undo_extension(room, request, WOULD_NOT.format(executor.name))


def _undo_extension(room: Room, request: Request, why: str) -> None:
    """Put the end before an extension back. What was shortened stays so: the backend is asked again until it is over."""
    extension = request.extension
    if extension is not None and extension.outcome is Outcome.GRANTED:
        undo(room, request, extension, why)
    else:
        logger.warning("its holder's sooner end stands", request=request.number, detail=why)


def undo(room: Room, request: Request, extension: Extension, why: str) -> None:
    """Enter that the lease ends when it did before, together with what its pool keeps for it."""
    entry = NotProlonged(generation=request.generation, not_after=extension.before, why=why)
    writes = [write_of(request, entry)]
    if isinstance(request.form, GpuForm):
        name = pool_name(request.form)
        pool = room.book.pool(name)
        booking = pool.booking(request.number)
        if booking is not None and extension.before > booking.start:
            back = Rebooked(request=request.number, end=extension.before)
            writes.append(Write(stream=f"pool:{name}", expected=pool.version, entries=(back,), actor=WORKER))
    crash.point("before-not-prolonged", request.number)
    room.book.append(*writes, *_reserving_less(room, request, extension))
    crash.point("after-not-prolonged", request.number)


def _reserving_less(room: Room, request: Request, extension: Extension) -> list[Write]:
    """The team pays again for the window before; without rules in force the reservation stays, and is settled by use."""
    try:
        policy = room.policy()
    except PolicyError:
        return []
    team = request.decision.team if request.decision else ""
    return budgets.reserve_less(room.book, policy, team, request.number, extension.before_form)


def _sealed(room: Room, request: Request) -> bool:
    """No ledger, no grant: what is not in the tree yet orders nothing."""
    return room.book.store.size() > request.seq


def _over(room: Room, request: Request) -> bool:
    return request.not_after is not None and room.clock() >= request.not_after
