"""Carry out, look again, take back. Whoever calls, the ledger alone says what is to be done.

A message, a sweep and a crash all lead here with nothing but a request's number. Only the process whose `Dispatched`
landed goes on to the executor, and only after it is sealed in the tree.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Final

import structlog

from ledger.book import Write
from ledger.errors import UnlawfulError, VersionConflictError
from ledger.nouns import DeployForm, FormKind, GpuForm, window_end
from ledger.streams.codec import Entry
from ledger.streams.pool import Booked, Freed, Leased, Pool
from ledger.streams.request import (
    Decided,
    Dispatched,
    Done,
    Failed,
    Missed,
    NotConfirmed,
    Phase,
    Queued,
    Reopened,
    Request,
    Settled,
    Started,
    Status,
)
from ledger.streams.seats import filled
from policies.facts import facts_of
from workers.errors import BackendError, StaleGrantError
from workers.executors.base import Executor, Observation
from workers.room import WORKER, Room, grant_of, usage_of

logger = structlog.get_logger(__name__)

TRIES: Final = 5
"""How often a lost race is read and decided again before the sweep takes over."""
NOBODY: Final = "Nothing carries this out yet. You hold nothing and nothing is charged."


def attend(room: Room, number: int) -> Status | None:
    """Do whatever the ledger orders for request `number` now, and return where it stands; None if there is none.

    Losing a race to another worker is not an error: the winner does the work.
    """
    request = room.book.request(number)
    if request is None:
        return None
    for _ in range(TRIES):
        try:
            with room.alone_with(request):
                _step(room, number)
            break
        except VersionConflictError as lost:
            logger.info("somebody else was first", request=number, detail=lost.detail)
        except UnlawfulError as refused:
            logger.info("the law refused", request=number, detail=refused.detail)
            break
    after = room.book.request(number)
    return after.status if after else None


def _step(room: Room, number: int) -> None:
    request = room.book.request(number)
    if request is None:
        return
    if request.status in {Status.APPROVED, Status.QUEUED}:
        _carry_out(room, request)
    elif request.status is Status.STARTING:
        _look_again(room, request)
    elif request.status in {Status.ENDING, Status.UNCONFIRMED}:
        take_back(room, request)


def _carry_out(room: Room, request: Request) -> None:
    now = room.clock()
    if request.form.start is not None and now < request.form.start:
        return
    if request.missed_at is not None and now >= request.missed_at:
        _enter(room, request, Missed(why="Its window went by before it could start."), free=True)
        return
    executor = room.executor_for(request.form)
    if executor is None:
        _enter(room, request, Failed(why=NOBODY), free=True)
        return
    decided = _decided_anew(room, request)
    dispatched = _dispatch(room, request, decided, executor, now) if decided is not None else None
    if dispatched is not None:
        _start(room, dispatched, executor)


def _decided_anew(room: Room, request: Request) -> Decided | None:
    """Ask the policy again: the same answer or a looser one is returned; anything else is entered and stops here."""
    policy, people = room.policy(), room.book.people()
    asker = people.slack(request.asker)
    if asker is None:
        _enter(room, request, Failed(why="The asker is no longer known."), free=True)
        return None
    decision = policy.decide(
        f"user:{asker}", request.form, facts_of(room.book, request.asker, except_for=request.number)
    )
    for vote in request.votes:
        slack = people.slack(vote.person)
        seat = next((s for s in request.seats if s.name == vote.seat), None)
        if (
            seat is None
            or slack is None
            or policy.may_vote(f"user:{slack}", vote.seat, seat.team, request.form) is None
        ):
            why = "An approver no longer holds the role that this seat needs."
            _enter(room, request, Reopened(reviewer=vote.person, seat=vote.seat, why=why), free=True)
            return None
    goes_on = decision.permitted and (decision.auto or filled(decision.seats, request.votes))
    entry = Decided(phase=Phase.DISPATCH, form_digest=request.form_digest, decision=decision)
    if goes_on:
        return entry
    _enter(room, request, entry, free=True)
    return None


def _dispatch(room: Room, request: Request, decided: Decided, executor: Executor, now: datetime) -> Request | None:
    """Enter the decision and `Dispatched` with its devices in one transaction; None when nothing is free yet."""
    form = request.form
    not_after = None if isinstance(form, DeployForm) else window_end(form, now)
    devices: tuple[str, ...] = ()
    writes: list[Write] = []
    if isinstance(form, GpuForm) and not_after is not None:
        lease = _lease(room, request, form, now, not_after)
        if lease is None:
            return None
        devices, write = lease
        writes.append(write)
    entry = Dispatched(
        generation=request.generation + 1,
        grant_key=secrets.token_hex(16),
        form_digest=request.form_digest,
        not_after=not_after,
        executor=executor.name,
        devices=devices,
    )
    receipt = room.book.append(_write(request, decided, entry), *writes)
    receipt.wait_sealed()
    return room.book.request(request.number)


def _lease(
    room: Room, request: Request, form: GpuForm, now: datetime, end: datetime
) -> tuple[tuple[str, ...], Write] | None:
    """Return the devices and the pool's entries that lease them, or note the place in line and return None."""
    pool = _pool(room, form)
    free = pool.free_now(form.gpu_type)
    booked = pool.booking(request.number) is not None
    open_window = booked or pool.bookable(form.gpu_type, now, end) >= form.gpus
    if len(free) < form.gpus or not open_window:
        _queue(room, request, form, pool)
        return None
    devices = tuple(device.id for device in free[: form.gpus])
    entries: tuple[Entry, ...] = (Leased(request=request.number, devices=devices, end=end),)
    if not booked:
        booking = Booked(request=request.number, gpu_type=form.gpu_type, count=form.gpus, start=now, end=end)
        entries = (booking, *entries)
    name = form.resource.partition(":")[2]
    return devices, Write(stream=f"pool:{name}", expected=pool.version, entries=entries, actor=WORKER)


def _queue(room: Room, request: Request, form: GpuForm, pool: Pool) -> None:
    """Enter the place in line, once: again only when it changed."""
    ahead = [
        other
        for number in room.book.requests.open()
        if number < request.number
        and (other := room.book.request(number)) is not None
        and other.status in {Status.QUEUED, Status.APPROVED}
        and other.form.resource == form.resource
    ]
    free = len(pool.free_now(form.gpu_type))
    ends = sorted(lease.end for lease in pool.leases)
    entry = Queued(
        place=len(ahead) + 1,
        estimate=ends[0] if ends else None,
        why=f"{free} of {pool.total(form.gpu_type)} devices are free; {form.gpus} are needed.",
    )
    if request.queued != entry:
        _enter(room, request, entry)


def _start(room: Room, request: Request, executor: Executor) -> None:
    """Call the executor for a sealed dispatch, and enter what it says."""
    try:
        receipt = executor.ensure(grant_of(request))
    except StaleGrantError:
        _look_again(room, request)
        return
    except BackendError as error:
        _could_not_start(room, request, executor, error)
        return
    if request.not_after is not None and room.clock() >= request.not_after:
        executor.revoke(grant_of(request))
        return
    change = request.form.kind is FormKind.CHANGE
    entry: Entry = (Done if change else Started)(generation=request.generation, receipt=receipt)
    _enter(room, request, entry)


def _could_not_start(room: Room, request: Request, executor: Executor, error: BackendError) -> None:
    """Enter `Failed` only once nothing is left behind; otherwise the sweep comes again."""
    logger.warning("executor failed", request=request.number, executor=executor.name, detail=error.detail)
    executor.revoke(grant_of(request))
    if executor.observe(grant_of(request)) is Observation.GONE:
        why = f"{executor.name} could not start it. You hold nothing and nothing is charged."
        _enter(room, request, Failed(why=why), free=True)


def _look_again(room: Room, request: Request) -> None:
    """After a crash between dispatch and receipt: repeat what is safe to repeat. What is over is the clock's to end."""
    executor = room.executor_for(request.form)
    over = request.not_after is not None and room.clock() >= request.not_after
    if executor is not None and not over:
        _start(room, request, executor)


def take_back(room: Room, request: Request) -> None:
    """Revoke, read back, and settle only what was observed gone."""
    executor = room.executor_for(request.form)
    if executor is None:
        raise BackendError(f"no executor for {request.form.resource}")
    why = "The backend cannot say that it is gone."
    try:
        executor.revoke(grant_of(request))
        gone = executor.observe(grant_of(request)) is Observation.GONE
    except BackendError as error:
        gone, why = False, f"{executor.name}: {error.detail}"
    if gone:
        _enter(room, request, Settled(usage=usage_of(request, room.policy())), free=True)
    else:
        _enter(room, request, NotConfirmed(attempt=request.attempts + 1, why=why))


def _pool(room: Room, form: GpuForm) -> Pool:
    return room.book.pool(form.resource.partition(":")[2])


def _write(request: Request, *entries: Entry) -> Write:
    return Write(stream=f"request:{request.number}", expected=request.version, entries=entries, actor=WORKER)


def _enter(room: Room, request: Request, entry: Entry, *, free: bool = False) -> None:
    """Append one entry to the request, and with `free` hand back whatever its pool keeps for it."""
    writes = [_write(request, entry)]
    if free and isinstance(request.form, GpuForm):
        pool = _pool(room, request.form)
        if pool.booking(request.number) is not None:
            name = request.form.resource.partition(":")[2]
            freed = Freed(request=request.number)
            writes.append(Write(stream=f"pool:{name}", expected=pool.version, entries=(freed,), actor=WORKER))
    room.book.append(*writes)
