"""The entries of a request: what can happen to it, each tagged, versioned and frozen.

Never reorder or remove a field: bytes of old entries must read for ever. A change is a new version.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Final

from ledger.nouns import Decision, Form, Personal, Receipt, Usage
from ledger.streams.codec import Entry, registry_of
from ledger.streams.request import extending
from ledger.streams.request.shortening import Shortened


class Verdict(StrEnum):
    """What a reviewer said."""

    APPROVE = "approve"
    DENY = "deny"


class Phase(StrEnum):
    """When a decision was made."""

    SUBMIT = "submit"
    LOWER = "lower"
    DISPATCH = "dispatch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted(Entry):
    """Someone asked. `form_digest` is what approvers will approve; who asks is never taken from the text."""

    kind: ClassVar[str] = "request.submitted"
    request: int
    asker: str
    beneficiary: str
    form: Form
    form_digest: str
    purpose: Personal
    said: Personal


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided(Entry):
    """The policy decided about the form with `form_digest`, in one of three phases."""

    kind: ClassVar[str] = "request.decided"
    phase: Phase
    form_digest: str
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed(Entry):
    """A person filled a seat, or refused: bound to the digest of what they saw and the VOTE rule that let them."""

    kind: ClassVar[str] = "request.reviewed"
    reviewer: str
    seat: str
    verdict: Verdict
    form_digest: str
    rule: str
    reason: Personal


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowered(Entry):
    """A reviewer approves less: `form` replaces the one asked for, earlier approvals carry over to it."""

    kind: ClassVar[str] = "request.lowered"
    reviewer: str
    form: Form
    form_digest: str
    reason: Personal
    carried: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted(Entry):
    """The asker takes the lower form."""

    kind: ClassVar[str] = "request.accepted"
    form_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved(Entry):
    """Every seat is filled. Lawful only if the recorded votes fill the recorded seats."""

    kind: ClassVar[str] = "request.approved"
    form_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopened(Entry):
    """At dispatch a voter no longer held the right to their seat; it must be filled again."""

    kind: ClassVar[str] = "request.reopened"
    reviewer: str
    seat: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued(Entry):
    """Approved, and nothing is free: `place` in line from 1, `estimate` when it may start, if known."""

    kind: ClassVar[str] = "request.queued"
    place: int
    estimate: datetime | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatched(Entry):
    """The one worker whose append landed may call the executor, until `not_after`."""

    kind: ClassVar[str] = "request.dispatched"
    generation: int
    grant_key: str
    form_digest: str
    not_after: datetime | None
    executor: str
    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Entry):
    """The executor says the lease is in place."""

    kind: ClassVar[str] = "request.started"
    generation: int
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(Entry):
    """The executor says the change is made."""

    kind: ClassVar[str] = "request.done"
    generation: int
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Entry):
    """It did not start and nothing is left behind. `why` is a plain sentence without personal data."""

    kind: ClassVar[str] = "request.failed"
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stumbled(Entry):
    """Starting it failed in a way nobody foresaw, for the `attempt`th time; `why` is plain, without personal data."""

    kind: ClassVar[str] = "request.stumbled"
    attempt: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialShown(Entry):
    """The holder was shown a secret, for the `count`th time; only its verifier is kept, for the backend."""

    kind: ClassVar[str] = "request.credential-shown"
    holder: str
    count: int
    verifier: Personal


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialSet(Entry):
    """The backend takes the secret that was shown for the `count`th time, and no earlier one."""

    kind: ClassVar[str] = "request.credential-set"
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Disqualified(Entry):
    """The holder lost what allowed the grant: it ends early. `why` is plain, without personal data."""

    kind: ClassVar[str] = "request.disqualified"
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept(Entry):
    """Somebody lets a lease stand until its end, though rules adopted since would not permit it.

    `rule` lets the keeper say so, `policy` is the digest of those rules, `fails` the part of them that it does not
    pass, in the rules' own words and without personal data.
    """

    kind: ClassVar[str] = "request.kept"
    keeper: str
    rule: str
    policy: str
    fails: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired(Entry):
    """The window ended."""

    kind: ClassVar[str] = "request.expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Released(Entry):
    """The holder handed it back early."""

    kind: ClassVar[str] = "request.released"
    holder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked(Entry):
    """Somebody with the right to do so ended it early."""

    kind: ClassVar[str] = "request.revoked"
    revoker: str
    rule: str
    reason: Personal


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedUnlogged(Entry):
    """It was taken away at `happened_at` while the ledger could not be written; entered from the local journal."""

    kind: ClassVar[str] = "request.ended-unlogged"
    happened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NotConfirmed(Entry):
    """Taking it back was tried `attempt` times; the backend cannot say that it is gone."""

    kind: ClassVar[str] = "request.not-confirmed"
    attempt: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled(Entry):
    """Taken back and observed gone."""

    kind: ClassVar[str] = "request.settled"
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn(Entry):
    """The asker took it back before it started."""

    kind: ClassVar[str] = "request.withdrawn"
    asker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lapsed(Entry):
    """Nobody decided in time."""

    kind: ClassVar[str] = "request.lapsed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed(Entry):
    """Approved, but its window went by before it could start."""

    kind: ClassVar[str] = "request.missed"
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced(Entry):
    """The asker edited it: request number `by` takes its place."""

    kind: ClassVar[str] = "request.replaced"
    by: int


ENTRIES: Final = registry_of(
    Submitted,
    Decided,
    Reviewed,
    Lowered,
    Accepted,
    Approved,
    Reopened,
    Queued,
    Dispatched,
    Started,
    Done,
    Failed,
    Stumbled,
    CredentialShown,
    CredentialSet,
    Disqualified,
    Kept,
    Expired,
    Released,
    Revoked,
    EndedUnlogged,
    NotConfirmed,
    Settled,
    Withdrawn,
    Lapsed,
    Missed,
    Replaced,
    *extending.STEPS,
    Shortened,
)
