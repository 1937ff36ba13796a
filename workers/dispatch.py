"""Before the executor is called: the policy asked again, the devices leased, and `Dispatched` entered and sealed."""

from __future__ import annotations

import secrets
from datetime import datetime

from ledger import crash
from ledger.book import Write
from ledger.nouns import Change, GpuForm, window_end
from ledger.streams.codec import Entry
from ledger.streams.pool import Booked, Leased, Pool
from ledger.streams.request import Decided, Dispatched, Failed, Phase, Queued, Reopened, Request
from ledger.streams.seats import filled
from policies import budgets
from policies.facts import facts_of
from policies.grounds import Grounds
from workers.entering import enter, pool_name, write_of
from workers.executors.base import Executor
from workers.room import WORKER, Room


def decided_anew(room: Room, request: Request) -> Decided | None:
    """Ask the policy again: the same answer or a looser one is returned; anything else is entered and stops here."""
    entry = _asked_anew(room, request)
    goes_on = _goes_on(request, entry)
    if goes_on is None:
        enter(room, request, entry, free=True)
    return goes_on


def may_still_start(room: Room, request: Request) -> bool:
    """Whether the policy of now would let go on what waited in its backend's line; enters nothing."""
    return _goes_on(request, _asked_anew(room, request)) is not None


def _goes_on(request: Request, entry: Decided | Failed | Reopened) -> Decided | None:
    if not isinstance(entry, Decided):
        return None
    decision = entry.decision
    goes_on = decision.permitted and (decision.auto or filled(decision.seats, request.votes))
    return entry if goes_on else None


def _asked_anew(room: Room, request: Request) -> Decided | Failed | Reopened:
    policy, people = room.policy(), room.book.people()
    asker = people.slack(request.asker)
    if asker is None:
        return Failed(why="The asker is no longer known.")
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
            return Reopened(reviewer=vote.person, seat=vote.seat, why=why)
    if not budgets.reserved(room.book, decision.team, request.number):
        known = budgets.left(room.book, policy, decision.team, request.form.start or room.clock())
        decision = budgets.within_budget(decision, known, request.form, policy)
    return Decided(phase=Phase.DISPATCH, form_digest=request.form_digest, decision=decision)


def dispatch(
    room: Room, request: Request, decided: Decided, executor: Executor, now: datetime, grounds: Grounds
) -> Request | None:
    """Enter the decision and `Dispatched` with its devices in one transaction; None when nothing is free yet.

    Args:
        grounds: read before the decision was made: a halt, a new policy or another grant since then is a conflict.
    """
    form = request.form
    not_after = None if isinstance(form, Change) else window_end(form, now)
    devices: tuple[str, ...] = ()
    writes: list[Write] = []
    if isinstance(form, GpuForm) and not_after is not None and room.keeps_devices_of(form):
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
    writes += _paid(room, request, decided, now)
    crash.point("before-dispatched", request.number)
    receipt = room.book.append(write_of(request, decided, entry), *writes, *grounds.unclaimed(WORKER))
    receipt.wait_sealed()
    crash.point("after-dispatched", request.number)
    return room.book.request(request.number)


def _paid(room: Room, request: Request, decided: Decided, now: datetime) -> list[Write]:
    """Return what moves the money when it is not reserved where it is now paid: a new budget, or the asker's new team."""
    before, team = request.decision.team if request.decision else "", decided.decision.team
    if before == team and budgets.reserved(room.book, team, request.number):
        return []
    payer = budgets.payer_of(decided.decision, request.form, now)
    moved = [] if before == team else budgets.hand_back(room.book, before, request.number, actor=WORKER)
    return [*moved, *budgets.reserve(room.book, room.policy(), payer, request.number, request.form)]


def _lease(
    room: Room, request: Request, form: GpuForm, now: datetime, end: datetime
) -> tuple[tuple[str, ...], Write] | None:
    """Return the devices and the pool's entries that lease them, or note the place in line and return None."""
    pool = room.book.pool(pool_name(form))
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
    return devices, Write(stream=f"pool:{pool_name(form)}", expected=pool.version, entries=entries, actor=WORKER)


def _queue(room: Room, request: Request, form: GpuForm, pool: Pool) -> None:
    """Enter the place in line, once: again only when it changed."""
    free = len(pool.free_now(form.gpu_type))
    ends = sorted(lease.end for lease in pool.leases)
    entry = Queued(
        place=room.book.requests.ahead(form.resource, request.number) + 1,
        estimate=ends[0] if ends else None,
        why=f"{free} of {pool.total(form.gpu_type)} devices are free; {form.gpus} are needed.",
    )
    if request.queued != entry:
        enter(room, request, entry)
