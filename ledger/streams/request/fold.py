"""The one fold: what may follow what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from ledger.streams.codec import Entry
from ledger.streams.law import Place, refuse, require
from ledger.streams.request import asking, carrying, ending, extending, shortening
from ledger.streams.request.entries import (
    Accepted,
    Approved,
    CredentialSet,
    CredentialShown,
    Decided,
    Dispatched,
    Disqualified,
    Done,
    EndedUnlogged,
    Expired,
    Failed,
    Kept,
    Lapsed,
    Lowered,
    Missed,
    NotConfirmed,
    Queued,
    Released,
    Reopened,
    Replaced,
    Reviewed,
    Revoked,
    Settled,
    Started,
    Stumbled,
    Submitted,
    Withdrawn,
)
from ledger.streams.request.shortening import Shortened
from ledger.streams.request.state import Request


def evolve(state: Request | None, entry: Entry, place: Place) -> Request:
    """Return the request after `entry`, or raise UnlawfulError when it may not follow."""
    if state is None:
        require(isinstance(entry, Submitted), "a request begins with its submission")
        return asking.submitted(entry, place)  # type: ignore[arg-type]
    require(not state.final, f"{state.name} is over ({state.status})")
    step = _STEPS.get(type(entry))
    if step is None:
        refuse(f"{entry.kind} does not belong to a request")
    after = step(state, entry, place)
    mark = (entry.kind, place.at, place.actor, place.seq)
    return replace(after, version=place.version, since=place.at, seq=place.seq, history=(*state.history, mark))


_STEPS: Final[dict[type[Entry], Callable[..., Request]]] = {
    Decided: asking.decided,
    Reviewed: asking.reviewed,
    Lowered: asking.lowered,
    Accepted: asking.accepted,
    Approved: asking.approved,
    Reopened: asking.reopened,
    Queued: carrying.queued,
    Dispatched: carrying.dispatched,
    Started: carrying.started,
    Done: carrying.done,
    Failed: carrying.failed,
    Stumbled: carrying.stumbled,
    CredentialShown: carrying.credential_shown,
    CredentialSet: carrying.credential_set,
    Disqualified: ending.disqualified,
    Kept: ending.kept,
    Expired: ending.expired,
    Released: ending.released,
    Revoked: ending.revoked,
    EndedUnlogged: ending.ended_unlogged,
    NotConfirmed: ending.not_confirmed,
    Settled: ending.settled,
    Withdrawn: ending.withdrawn,
    Lapsed: ending.lapsed,
    Missed: ending.missed,
    Replaced: ending.replaced,
    **extending.STEPS,
    Shortened: shortening.shortened,
}
