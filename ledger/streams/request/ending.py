"""Every way a request is over: taken back and seen gone, or never begun. A lease never ends early by the clock.

And the one way in which it is said that a lease is not to end: kept, though the rules became stricter.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ledger.nouns import FormKind, Personal
from ledger.streams.codec import Entry
from ledger.streams.law import Place, require
from ledger.streams.request.entries import (
    Disqualified,
    EndedUnlogged,
    Expired,
    Kept,
    Lapsed,
    Missed,
    NotConfirmed,
    Released,
    Replaced,
    Revoked,
    Settled,
    Withdrawn,
)
from ledger.streams.request.extending import lapse
from ledger.streams.request.state import Keep, Request, Status

_HELD: Final = frozenset({Status.STARTING, Status.RUNNING})


def _ending(state: Request, entry: Entry, place: Place, by: str, reason: Personal | None = None) -> Request:
    require(state.status in _HELD and state.form.kind is FormKind.LEASE, f"{state.name} is {state.status}")
    return replace(
        state,
        status=Status.ENDING,
        ended_at=place.at,
        ended_by=by,
        end=entry.kind,
        reason=reason,
        attempts=0,
        extension=lapse(state),
    )


def expired(state: Request, entry: Expired, place: Place) -> Request:
    """End at the end of the window, never before."""
    require(state.not_after is not None and place.at >= state.not_after, "a lease never ends early")
    return _ending(state, entry, place, place.actor)


def released(state: Request, entry: Released, place: Place) -> Request:
    """End early, by the holder."""
    require(entry.holder == place.actor and entry.holder in state.barred, "only the holder releases")
    return _ending(state, entry, place, entry.holder)


def revoked(state: Request, entry: Revoked, place: Place) -> Request:
    """End early, by somebody else with the right to do so."""
    require(place.actor == entry.revoker and entry.revoker not in state.barred, "a revocation is someone else's")
    require(bool(entry.rule), "a revocation names its rule")
    return _ending(state, entry, place, entry.revoker, entry.reason)


def disqualified(state: Request, entry: Disqualified, place: Place) -> Request:
    """End early, because the holder lost what allowed it; people do not do this, they revoke."""
    require(place.actor.startswith("svc:"), "a service finds it out")
    require(bool(entry.why), "it says why")
    return replace(_ending(state, entry, place, place.actor), why=entry.why)


def kept(state: Request, entry: Kept, place: Place) -> Request:
    """Not end early, though today's rules would not permit it: somebody else than its holder said so, and of what."""
    require(state.status in _HELD and state.form.kind is FormKind.LEASE, f"{state.name} is {state.status}")
    require(place.actor == entry.keeper and entry.keeper.startswith("user:"), "a person lets it stand")
    require(entry.keeper not in state.barred, "it is for someone else to let it stand")
    require(bool(entry.rule and entry.policy and entry.fails), "it names its rule, the policy and what fails")
    return replace(state, keeps=(*state.keeps, Keep(keeper=entry.keeper, fails=entry.fails, at=place.at)))


def ended_unlogged(state: Request, entry: EndedUnlogged, place: Place) -> Request:
    """End at the time the journal holds, which is not before the end of the window."""
    require(state.not_after is not None and entry.happened_at >= state.not_after, "a lease never ends early")
    require(entry.happened_at <= place.at, "it lies in the future")
    return replace(_ending(state, entry, place, place.actor), ended_at=entry.happened_at)


def not_confirmed(state: Request, entry: NotConfirmed, place: Place) -> Request:
    """Count one more try that could not be confirmed."""
    del place
    require(state.status in {Status.ENDING, Status.UNCONFIRMED}, f"{state.name} is {state.status}")
    require(entry.attempt == state.attempts + 1, "attempts are counted one by one")
    return replace(state, status=Status.UNCONFIRMED, attempts=entry.attempt, why=entry.why)


def settled(state: Request, entry: Settled, place: Place) -> Request:
    """Be over: taken back and seen gone."""
    del place
    require(state.status in {Status.ENDING, Status.UNCONFIRMED}, f"{state.name} is {state.status}")
    return replace(state, status=Status.ENDED, usage=entry.usage)


def withdrawn(state: Request, entry: Withdrawn, place: Place) -> Request:
    """Be over by the asker's wish, before it started."""
    require(state.status in {Status.WAITING, Status.APPROVED, Status.QUEUED}, f"{state.name} is {state.status}")
    require(place.actor == entry.asker == state.asker, "only the asker withdraws")
    return replace(state, status=Status.WITHDRAWN, ended_at=place.at, ended_by=entry.asker)


def lapsed(state: Request, entry: Lapsed, place: Place) -> Request:
    """Be over because nobody decided in time."""
    del entry
    require(state.status is Status.WAITING, f"{state.name} is {state.status}")
    require(place.at >= state.lapse_at, "its time is not over")
    return replace(state, status=Status.LAPSED, ended_at=place.at)


def missed(state: Request, entry: Missed, place: Place) -> Request:
    """Be over because the window went by before it could start."""
    require(state.status in {Status.APPROVED, Status.QUEUED}, f"{state.name} is {state.status}")
    require(state.missed_at is not None and place.at >= state.missed_at, "its window is not over")
    return replace(state, status=Status.MISSED, ended_at=place.at, why=entry.why)


def replaced(state: Request, entry: Replaced, place: Place) -> Request:
    """Be over because the asker's edited request takes its place."""
    require(state.status is Status.WAITING, f"{state.name} is {state.status}")
    require(place.actor == state.asker and entry.by != state.number, "only the asker replaces their request")
    return replace(state, status=Status.REPLACED, ended_at=place.at, replaced_by=entry.by)
