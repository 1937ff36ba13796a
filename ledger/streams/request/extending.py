"""Running longer, as law: asked for by the holder, decided anew on the new totals, voted on like any request.

An extension lives inside its request's stream. What is decided is the form from the first start to the new end, so
that no limit is evaded hour by hour. `Extended` moves the end and orders the hands to tell the backend, which
`Prolonged` confirms; where the backend will not, `NotProlonged` puts the old end back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Final

from ledger.nouns import Change, Decision, Form, Personal, Receipt, Seat
from ledger.streams.codec import Entry, digest
from ledger.streams.law import Place, refuse, require
from ledger.streams.seats import Vote, filled, lawful_permit, missing

if TYPE_CHECKING:
    from ledger.streams.request.state import Request

WARN_LEAST: Final = timedelta(minutes=15)
WARN_MOST: Final = timedelta(hours=24)
ANSWERS: Final = frozenset({"request.started", "request.prolonged", "request.not-prolonged", "request.credential-set"})
"""Kinds of entries after which it is settled until when a lease is held: the holder is warned of that end next."""
_SETTLED: Final = ANSWERS | {"request.shortened"}
"""A sooner end is settled before the backend answers, which is told of it first."""


class Outcome(StrEnum):
    """Where an extension stands."""

    PENDING = "pending"
    GRANTED = "granted"
    DENIED = "denied"
    LAPSED = "lapsed"
    """The lease ended before anybody agreed."""
    UNDONE = "undone"
    """Agreed, and the backend would not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionAsked(Entry):
    """The holder wants to hold it until `not_after`; `form` is the request on its new totals."""

    kind: ClassVar[str] = "request.extension-asked"
    form: Form
    form_digest: str
    added_s: int
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionDecided(Entry):
    """The policy decided about the new totals."""

    kind: ClassVar[str] = "request.extension-decided"
    form_digest: str
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionReviewed(Entry):
    """A person filled a seat of the extension (`approve`), or refused it."""

    kind: ClassVar[str] = "request.extension-reviewed"
    reviewer: str
    seat: str
    approve: bool
    form_digest: str
    rule: str
    reason: Personal


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended(Entry):
    """Agreed: the lease now ends at `not_after`, and the hands tell the backend under a new generation."""

    kind: ClassVar[str] = "request.extended"
    form_digest: str
    generation: int
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Prolonged(Entry):
    """The backend holds the lease to its new end, whether that is later or sooner."""

    kind: ClassVar[str] = "request.prolonged"
    generation: int
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class NotProlonged(Entry):
    """The backend would not: the lease ends when it did before. `why` is a plain sentence without personal data."""

    kind: ClassVar[str] = "request.not-prolonged"
    generation: int
    not_after: datetime
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned(Entry):
    """The holder is told ahead that the lease ends at `not_after`; once for each end."""

    kind: ClassVar[str] = "request.warned"
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """The last extension that was asked for, and where it stands; `before` is the end that it would move."""

    form: Form
    form_digest: str
    added_s: int
    not_after: datetime
    before: datetime
    before_form: Form
    asked_at: datetime
    outcome: Outcome = Outcome.PENDING
    decision: Decision | None = None
    votes: tuple[Vote, ...] = ()
    denied_by: str | None = None
    reason: Personal | None = None
    why: str = ""

    @property
    def seats(self) -> tuple[Seat, ...]:
        """The seats that must be filled."""
        return () if self.decision is None else self.decision.seats

    @property
    def open_seats(self) -> tuple[Seat, ...]:
        """Seats not filled yet, each with how many are missing; none unless it waits for people."""
        return missing(self.seats, self.votes) if self.waiting else ()

    @property
    def waiting(self) -> bool:
        """Whether people must still agree."""
        return self.outcome is Outcome.PENDING and self.decision is not None

    @property
    def agreed(self) -> bool:
        """Whether the policy permits it and every seat is filled, or a rule approves it."""
        decision = self.decision
        return decision is not None and decision.permitted and (decision.auto or filled(decision.seats, self.votes))


def longer(form: Form, added_s: int, not_after: datetime) -> Form:
    """Return `form` on its new totals: `added_s` more (less where negative), and never past `not_after` where it named an end."""
    if isinstance(form, Change):
        refuse("a change has no end to move")
    named = None if form.not_after is None else not_after
    return replace(form, duration_s=form.duration_s + added_s, not_after=named)


def warn_at(since: datetime, end: datetime) -> datetime:
    """Return when to warn of `end`: a tenth of [since, end) ahead, 15 minutes to 24 hours, at most half of it."""
    window = end - since
    return end - min(max(window / 10, WARN_LEAST), WARN_MOST, window / 2)


def held_since(state: Request) -> datetime | None:
    """Return since when a lease is held until its end: its backend answered, or its holder shortened it; else None."""
    return next((at for kind, at, *_ in reversed(state.history) if kind in _SETTLED), None)


def warned_at(state: Request) -> datetime | None:
    """Return when to warn of a running lease's end at the latest, counted from `held_since`; None for no lease."""
    since = held_since(state)
    return None if state.not_after is None or since is None else warn_at(since, max(since, state.not_after))


def asked(state: Request, entry: ExtensionAsked, place: Place) -> Request:
    """Return the request with the extension that its holder asks for."""
    end = running_until(state)
    require(place.actor in state.barred, "only the holder extends")
    require(state.extension is None or state.extension.outcome is not Outcome.PENDING, "an extension is pending")
    # Asked any earlier, this one would take the place of what the backend may still undo.
    require(state.confirmed == state.generation, "the backend has not answered to the last one")
    require(entry.added_s > 0, "an extension adds time")
    require(entry.not_after == end + timedelta(seconds=entry.added_s), "the new end is the old one and what is added")
    require(entry.form == longer(state.form, entry.added_s, entry.not_after), "the form is not on the new totals")
    require(entry.form_digest == digest(entry.form), "the digest is not that of the form")
    extension = Extension(
        form=entry.form,
        form_digest=entry.form_digest,
        added_s=entry.added_s,
        not_after=entry.not_after,
        before=end,
        before_form=state.form,
        asked_at=place.at,
    )
    return replace(state, extension=extension)


def decided(state: Request, entry: ExtensionDecided, place: Place) -> Request:
    """Return the request once the policy decided about its extension; a denial leaves the lease as it was."""
    del place
    extension = _pending(state, entry.form_digest)
    require(extension.decision is None, "it is decided already")
    decision = entry.decision
    if not decision.permitted:
        denied = replace(extension, decision=decision, outcome=Outcome.DENIED, why=decision.why)
        return replace(state, extension=denied)
    lawful_permit(decision)
    return replace(state, extension=replace(extension, decision=decision))


def reviewed(state: Request, entry: ExtensionReviewed, place: Place) -> Request:
    """Return the request with one person's vote on its extension."""
    extension = _pending(state, entry.form_digest)
    require(place.actor == entry.reviewer, "a review is entered by the reviewer")
    require(entry.reviewer.startswith("user:"), "only people review")
    require(entry.reviewer not in state.barred, "nobody reviews their own request")
    require(entry.seat in {seat.name for seat in extension.open_seats}, f"seat {entry.seat} is not open")
    require(entry.reviewer not in {vote.person for vote in extension.votes}, "one person fills one seat")
    if entry.approve:
        votes = (*extension.votes, Vote(person=entry.reviewer, seat=entry.seat))
        return replace(state, extension=replace(extension, votes=votes))
    denied = replace(extension, outcome=Outcome.DENIED, denied_by=entry.reviewer, reason=entry.reason)
    return replace(state, extension=denied)


def extended(state: Request, entry: Extended, place: Place) -> Request:
    """Return the request with its end moved: lawful only while it runs, and only if everybody agreed."""
    del place
    extension = _pending(state, entry.form_digest)
    require(extension.agreed, "the votes do not fill the seats")
    require(entry.not_after == extension.not_after, "the end is not the one agreed")
    require(entry.generation == state.generation + 1, "generations go up by one")
    return replace(
        state,
        form=extension.form,
        form_digest=extension.form_digest,
        generation=entry.generation,
        not_after=entry.not_after,
        extension=replace(extension, outcome=Outcome.GRANTED),
        shortened_from=None,
    )


def prolonged(state: Request, entry: Prolonged, place: Place) -> Request:
    """Return the request once the backend holds it to its new end."""
    del place
    running_until(state)
    require(entry.generation == state.generation > state.confirmed, "a stale worker's success does not count")
    return replace(state, receipt=entry.receipt, confirmed=entry.generation)


def not_prolonged(state: Request, entry: NotProlonged, place: Place) -> Request:
    """Return the request with its old end: the backend would not hold it any longer."""
    del place
    running_until(state)
    extension = state.extension
    if extension is None or extension.outcome is not Outcome.GRANTED:
        refuse("no extension was granted")
    require(entry.generation == state.generation > state.confirmed, "a stale worker's failure does not count")
    require(entry.not_after == extension.before, "the end is the one before")
    return replace(
        state,
        form=extension.before_form,
        form_digest=digest(extension.before_form),
        not_after=extension.before,
        confirmed=state.generation,
        extension=replace(extension, outcome=Outcome.UNDONE, why=entry.why),
    )


def warned(state: Request, entry: Warned, place: Place) -> Request:
    """Return the request once its holder was told of this end."""
    del place
    require(entry.not_after == running_until(state), "that is not its end")
    require(state.warned_of != entry.not_after, "that end was announced already")
    return replace(state, warned_of=entry.not_after)


def lapse(state: Request) -> Extension | None:
    """Return what becomes of an extension when its lease ends: nobody can agree to it any more."""
    extension = state.extension
    pending = extension is not None and extension.outcome is Outcome.PENDING
    return replace(extension, outcome=Outcome.LAPSED) if pending and extension is not None else extension


def running_until(state: Request) -> datetime:
    """Return the end of a lease that runs; raises UnlawfulError for anything else."""
    require(state.status.value == "running", f"{state.name} is {state.status}")
    if state.not_after is None:
        refuse("a change has no end")
    return state.not_after


def _pending(state: Request, form_digest: str) -> Extension:
    running_until(state)
    extension = state.extension
    if extension is None or extension.outcome is not Outcome.PENDING:
        refuse("no extension is pending")
    require(form_digest == extension.form_digest, "that is about another extension")
    return extension


STEPS: Final[dict[type[Entry], Callable[..., Request]]] = {
    ExtensionAsked: asked,
    ExtensionDecided: decided,
    ExtensionReviewed: reviewed,
    Extended: extended,
    Prolonged: prolonged,
    NotProlonged: not_prolonged,
    Warned: warned,
}
"""The entries of this module, and what each makes of a request."""
