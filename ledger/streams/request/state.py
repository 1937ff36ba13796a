"""Where a request stands: the fold of its entries, and what follows from it alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from ledger.nouns import Change, Decision, Form, Personal, Receipt, Seat, Usage, window_end
from ledger.streams.request.entries import Queued, Verdict
from ledger.streams.request.extending import Extension
from ledger.streams.seats import Vote, missing

LAPSE_AFTER: Final = timedelta(hours=24)
"""How long a request without a start waits for its approvers."""


class Status(StrEnum):
    """Where a request stands."""

    SUBMITTED = "submitted"
    """Asked, not yet decided: only ever between two entries of one append."""
    DENIED = "denied"
    WAITING = "waiting"
    """Seats are open."""
    APPROVED = "approved"
    QUEUED = "queued"
    """Approved, and nothing is free yet."""
    STARTING = "starting"
    """Dispatched: an executor may be at work."""
    RUNNING = "running"
    DONE = "done"
    ENDING = "ending"
    """Over; not yet observed gone."""
    UNCONFIRMED = "not confirmed gone"
    """Taking it back was tried; the backend cannot say."""
    ENDED = "ended"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"
    MISSED = "missed"
    FAILED = "failed"
    REPLACED = "replaced"


FINAL: Final = frozenset(
    {
        Status.DENIED,
        Status.DONE,
        Status.ENDED,
        Status.WITHDRAWN,
        Status.LAPSED,
        Status.MISSED,
        Status.FAILED,
        Status.REPLACED,
    }
)

HOLDING: Final = frozenset(
    {Status.APPROVED, Status.QUEUED, Status.STARTING, Status.RUNNING, Status.ENDING, Status.UNCONFIRMED}
)
"""States in which a request holds, or is about to hold, what it asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A recorded review, for cards and recounts."""

    reviewer: str
    seat: str
    verdict: Verdict
    form_digest: str
    rule: str
    reason: Personal
    at: datetime
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Who let a lease stand, when, and which part of stricter rules it did not pass then."""

    keeper: str
    fails: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Where one request stands: the fold of its entries. `since` and `seq` are those of the last entry."""

    number: int
    version: int
    status: Status
    asker: str
    beneficiary: str
    form: Form
    form_digest: str
    purpose: Personal
    submitted_at: datetime
    since: datetime
    seq: int
    asked_form: Form
    decision: Decision | None = None
    reviews: tuple[Review, ...] = ()
    lowered_by: str | None = None
    lower_reason: Personal | None = None
    accept_pending: bool = False
    approved_at: datetime | None = None
    queued: Queued | None = None
    """Its place in line: ours while `QUEUED`, the backend's own while `STARTING`."""
    generation: int = 0
    confirmed: int = 0
    """The newest generation that the executor said is in place."""
    grant_key: str | None = None
    executor: str | None = None
    devices: tuple[str, ...] = ()
    dispatched_at: datetime | None = None
    not_after: datetime | None = None
    receipt: Receipt | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    ended_by: str | None = None
    end: str | None = None
    """Kind of the entry that ended the lease: `request.expired`, `request.released`, ..."""
    reason: Personal | None = None
    why: str = ""
    attempts: int = 0
    stumbles: int = 0
    extension: Extension | None = None
    """The last one that was asked for; none since its holder shortened the lease."""
    shortened_from: datetime | None = None
    """The end that its holder moved forward last; None once an extension moved it since."""
    keeps: tuple[Keep, ...] = ()
    warned_of: datetime | None = None
    """The end that the holder was told of ahead."""
    credential: str | None = None
    """The verifier of the secret that the holder was shown last, None if never (or erased)."""
    credentials_shown: int = 0
    credentials_set: int = 0
    usage: Usage | None = None
    replaced_by: int | None = None
    history: tuple[tuple[str, datetime, str, int], ...] = field(default=())
    """(kind, at, actor, seq) of every entry, in order."""

    @property
    def name(self) -> str:
        """What people read."""
        return f"REQ-{self.number}"

    @property
    def seats(self) -> tuple[Seat, ...]:
        """The seats of the decision in force."""
        return () if self.decision is None else self.decision.seats

    @property
    def votes(self) -> tuple[Vote, ...]:
        """Approvals that count: of the form as it stands now."""
        return tuple(
            Vote(person=review.reviewer, seat=review.seat)
            for review in self.reviews
            if review.verdict is Verdict.APPROVE and review.form_digest == self.form_digest
        )

    @property
    def open_seats(self) -> tuple[Seat, ...]:
        """Seats not filled yet, each with how many are missing."""
        return missing(self.seats, self.votes)

    @property
    def barred(self) -> frozenset[str]:
        """Who may fill no seat of this request: asker and beneficiary."""
        return frozenset({self.asker, self.beneficiary})

    @property
    def final(self) -> bool:
        """Whether nothing can follow."""
        return self.status in FINAL

    @property
    def lapse_at(self) -> datetime:
        """When it lapses if nobody decides: its start if given, else 24 h after asking."""
        return self.form.start or self.submitted_at + LAPSE_AFTER

    @property
    def missed_at(self) -> datetime | None:
        """When an approved lease is too late to start; None if not approved or a change."""
        if self.approved_at is None or isinstance(self.form, Change):
            return None
        named_end = self.form.not_after
        if self.form.start is not None:
            return window_end(self.form, self.form.start)
        limit = self.approved_at + LAPSE_AFTER
        return limit if named_end is None else min(limit, named_end)
