"""How the hands enter what they did: one entry of a request, with what its pool and its team's budget keep for it."""

from __future__ import annotations

from ledger import crash
from ledger.book import Write
from ledger.nouns import GpuForm
from ledger.streams.codec import Entry
from ledger.streams.pool import Freed
from ledger.streams.request import Request, Settled
from policies.budgets import hand_back, spend
from workers.room import WORKER, Room


def enter(
    room: Room,
    request: Request,
    entry: Entry,
    *,
    free: bool = False,
    actor: str = WORKER,
    first: tuple[Write, ...] = (),
    also: tuple[Write, ...] = (),
) -> None:
    """Append one entry to the request, with `free` hand back what its pool and its team's budget keep, and write `also`.

    Args:
        first: what the law wants to see in the same transaction before the entry.
    """
    writes = [*first, write_of(request, entry, actor=actor), *also]
    if free and isinstance(request.form, GpuForm):
        pool = room.book.pool(pool_name(request.form))
        if pool.booking(request.number) is not None:
            stream, freed = f"pool:{pool_name(request.form)}", Freed(request=request.number)
            writes.append(Write(stream=stream, expected=pool.version, entries=(freed,), actor=actor))
    if free:
        writes += _budget(room, request, entry, actor)
    step = entry.kind.removeprefix("request.")
    crash.point(f"before-{step}", request.number)
    room.book.append(*writes)
    crash.point(f"after-{step}", request.number)


def _budget(room: Room, request: Request, entry: Entry, actor: str) -> list[Write]:
    """What was used takes the place of what was reserved; what never started hands it all back."""
    team = request.decision.team if request.decision else ""
    if isinstance(entry, Settled):
        return spend(room.book, team, request.number, entry.usage, actor=actor)
    return hand_back(room.book, team, request.number, actor=actor)


def write_of(request: Request, *entries: Entry, actor: str = WORKER) -> Write:
    """Return the write of `entries`, lawful only while nothing else moves the request."""
    return Write(stream=f"request:{request.number}", expected=request.version, entries=entries, actor=actor)


def pool_name(form: GpuForm) -> str:
    """Return the name of the pool that the form asks for, without its prefix."""
    return form.resource.partition(":")[2]
