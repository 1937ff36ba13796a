"""A request's life as law: its entries, its states, and the one fold that says what may follow what.

Pure: no clock, no database, no policy. Whoever verifies the ledger replays exactly this, so "nobody approved their
own" is proved by the population of entries, not claimed by the program that wrote them.
Laws on time are lower bounds only ("not before"), because `at` is given after the check and never earlier.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final

from ledger.nouns import (
    DataForm,
    Decision,
    DeployForm,
    Form,
    FormKind,
    GpuForm,
    Personal,
    Receipt,
    Seat,
    Usage,
    window_end,
)
from ledger.streams.codec import Entry, digest, registry_of
from ledger.streams.law import Place, refuse, require
from ledger.streams.seats import Vote, filled, missing

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
)


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
    generation: int = 0
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
        if self.approved_at is None or isinstance(self.form, DeployForm):
            return None
        named_end = self.form.not_after
        if self.form.start is not None:
            return window_end(self.form, self.form.start)
        limit = self.approved_at + LAPSE_AFTER
        return limit if named_end is None else min(limit, named_end)


def evolve(state: Request | None, entry: Entry, place: Place) -> Request:
    """Return the request after `entry`, or raise UnlawfulError when it may not follow."""
    if state is None:
        require(isinstance(entry, Submitted), "a request begins with its submission")
        return _submitted(entry, place)  # type: ignore[arg-type]
    require(not state.final, f"{state.name} is over ({state.status})")
    step = _STEPS.get(type(entry))
    if step is None:
        refuse(f"{entry.kind} does not belong to a request")
    after = step(state, entry, place)
    mark = (entry.kind, place.at, place.actor, place.seq)
    return replace(after, version=place.version, since=place.at, seq=place.seq, history=(*state.history, mark))


def is_lower(lower: Form, asked: Form) -> bool:
    """Whether `lower` asks for less than `asked` in something and for more in nothing."""
    if lower == asked or type(lower) is not type(asked):
        return False
    if isinstance(lower, GpuForm) and isinstance(asked, GpuForm):
        same = replace(lower, gpus=asked.gpus, duration_s=asked.duration_s) == asked
        return same and 0 < lower.gpus <= asked.gpus and 0 < lower.duration_s <= asked.duration_s
    if isinstance(lower, DataForm) and isinstance(asked, DataForm):
        same = replace(lower, columns=asked.columns, duration_s=asked.duration_s) == asked
        fewer = not asked.columns or (bool(lower.columns) and set(lower.columns) <= set(asked.columns))
        return same and fewer and 0 < lower.duration_s <= asked.duration_s
    return False


def _submitted(entry: Submitted, place: Place) -> Request:
    require(entry.form_digest == digest(entry.form), "the digest is not that of the form")
    require(entry.asker.startswith("user:") and entry.beneficiary.startswith("user:"), "only people ask")
    require(place.actor == entry.asker, "the asker enters their own request")
    return Request(
        number=entry.request,
        version=place.version,
        status=Status.SUBMITTED,
        asker=entry.asker,
        beneficiary=entry.beneficiary,
        form=entry.form,
        asked_form=entry.form,
        form_digest=entry.form_digest,
        purpose=entry.purpose,
        submitted_at=place.at,
        since=place.at,
        seq=place.seq,
        history=((entry.kind, place.at, place.actor, place.seq),),
    )


def _decided(state: Request, entry: Decided, place: Place) -> Request:
    del place
    allowed = {
        Phase.SUBMIT: {Status.SUBMITTED},
        Phase.LOWER: {Status.WAITING},
        Phase.DISPATCH: {Status.APPROVED, Status.QUEUED},
    }[entry.phase]
    require(state.status in allowed, f"a decision at {entry.phase} does not follow {state.status}")
    require(entry.form_digest == state.form_digest, "the decision is about another form")
    decision = entry.decision
    if not decision.permitted:
        return replace(state, status=Status.DENIED, decision=decision, why=decision.why)
    require(decision.auto or bool(decision.seats), "a permit without seats must be by rule: an empty seat list denies")
    after = replace(state, decision=decision)
    if entry.phase is Phase.DISPATCH and (decision.auto or filled(decision.seats, after.votes)):
        return after
    return replace(after, status=Status.WAITING, approved_at=None, queued=None)


def _reviewed(state: Request, entry: Reviewed, place: Place) -> Request:
    require(state.status is Status.WAITING, f"nothing to review: {state.name} is {state.status}")
    require(entry.form_digest == state.form_digest, "the review is of another form")
    require(place.actor == entry.reviewer, "a review is entered by the reviewer")
    require(entry.reviewer.startswith("user:"), "only people review")
    require(entry.reviewer not in state.barred, "nobody reviews their own request")
    require(entry.seat in {seat.name for seat in state.open_seats}, f"seat {entry.seat} is not open")
    require(entry.reviewer not in {vote.person for vote in state.votes}, "one person fills one seat")
    review = Review(
        reviewer=entry.reviewer,
        seat=entry.seat,
        verdict=entry.verdict,
        form_digest=entry.form_digest,
        rule=entry.rule,
        reason=entry.reason,
        at=place.at,
        seq=place.seq,
    )
    after = replace(state, reviews=(*state.reviews, review))
    if entry.verdict is Verdict.DENY:
        return replace(after, status=Status.DENIED, ended_by=entry.reviewer, reason=entry.reason)
    return after


def _lowered(state: Request, entry: Lowered, place: Place) -> Request:
    require(state.status is Status.WAITING, f"nothing to lower: {state.name} is {state.status}")
    require(place.actor == entry.reviewer, "a lower approval is entered by the reviewer")
    require(entry.reviewer.startswith("user:") and entry.reviewer not in state.barred, "nobody reviews their own")
    require(entry.form_digest == digest(entry.form), "the digest is not that of the form")
    require(is_lower(entry.form, state.form), "approving less must not ask for more")
    require(set(entry.carried) == {vote.person for vote in state.votes}, "every earlier approval carries over")
    carried = tuple(
        replace(review, form_digest=entry.form_digest) if review.reviewer in entry.carried else review
        for review in state.reviews
    )
    return replace(
        state,
        form=entry.form,
        form_digest=entry.form_digest,
        reviews=carried,
        lowered_by=entry.reviewer,
        lower_reason=entry.reason,
        accept_pending=state.form.start is None,
    )


def _accepted(state: Request, entry: Accepted, place: Place) -> Request:
    require(state.status is Status.WAITING and state.accept_pending, "there is nothing to accept")
    require(place.actor == state.asker, "only the asker accepts")
    require(entry.form_digest == state.form_digest, "the acceptance is of another form")
    return replace(state, accept_pending=False)


def _approved(state: Request, entry: Approved, place: Place) -> Request:
    require(state.status is Status.WAITING, f"{state.name} is {state.status}")
    require(entry.form_digest == state.form_digest, "the approval is of another form")
    require(not state.accept_pending, "the asker has not accepted the lower form")
    decision = state.decision
    by_rule = decision is not None and decision.auto
    require(by_rule or filled(state.seats, state.votes), "the votes do not fill the seats")
    return replace(state, status=Status.APPROVED, approved_at=place.at)


def _reopened(state: Request, entry: Reopened, place: Place) -> Request:
    del place
    require(state.status in {Status.APPROVED, Status.QUEUED}, f"{state.name} is {state.status}")
    require(entry.reviewer in {vote.person for vote in state.votes}, "that person holds no seat here")
    kept = tuple(review for review in state.reviews if review.reviewer != entry.reviewer)
    return replace(state, status=Status.WAITING, reviews=kept, approved_at=None, queued=None, why=entry.why)


def _queued(state: Request, entry: Queued, place: Place) -> Request:
    del place
    require(state.status in {Status.APPROVED, Status.QUEUED}, f"{state.name} is {state.status}")
    return replace(state, status=Status.QUEUED, queued=entry)


def _dispatched(state: Request, entry: Dispatched, place: Place) -> Request:
    again = state.status is Status.STARTING
    require(state.status in {Status.APPROVED, Status.QUEUED, Status.STARTING}, f"{state.name} is {state.status}")
    require(entry.generation == state.generation + 1, "generations go up by one")
    require(entry.form_digest == state.form_digest, "the dispatch is of another form")
    require(not again or entry.grant_key == state.grant_key, "a grant keeps its key")
    by_rule = state.decision is not None and state.decision.auto
    require(by_rule or filled(state.seats, state.votes), "the votes do not fill the seats")
    _lawful_window(state, entry, place)
    return replace(
        state,
        status=Status.STARTING,
        generation=entry.generation,
        grant_key=entry.grant_key,
        executor=entry.executor,
        devices=entry.devices,
        dispatched_at=place.at,
        not_after=entry.not_after,
    )


def _lawful_window(state: Request, entry: Dispatched, place: Place) -> None:
    form = state.form
    if isinstance(form, DeployForm):
        require(entry.not_after is None, "a change has no window")
        return
    require(form.start is None or place.at >= form.start, "it may not start before its window")
    require(entry.not_after is not None, "a lease has an end")
    first = state.dispatched_at if state.status is Status.STARTING else None
    latest = window_end(form, first or place.at)
    require(entry.not_after is None or entry.not_after <= latest, "the end lies beyond what was approved")


def _started(state: Request, entry: Started, place: Place) -> Request:
    require(state.status is Status.STARTING, f"{state.name} is {state.status}")
    require(state.form.kind is FormKind.LEASE, "a change is done, not started")
    require(entry.generation == state.generation, "a stale worker's success does not count")
    return replace(state, status=Status.RUNNING, receipt=entry.receipt, started_at=place.at)


def _done(state: Request, entry: Done, place: Place) -> Request:
    require(state.status is Status.STARTING, f"{state.name} is {state.status}")
    require(state.form.kind is FormKind.CHANGE, "a lease is started, not done")
    require(entry.generation == state.generation, "a stale worker's success does not count")
    return replace(state, status=Status.DONE, receipt=entry.receipt, started_at=place.at)


def _failed(state: Request, entry: Failed, place: Place) -> Request:
    require(state.status in {Status.APPROVED, Status.QUEUED, Status.STARTING}, f"{state.name} is {state.status}")
    return replace(state, status=Status.FAILED, why=entry.why, ended_at=place.at)


_HELD: Final = frozenset({Status.STARTING, Status.RUNNING})


def _ending(state: Request, entry: Entry, place: Place, by: str, reason: Personal | None = None) -> Request:
    require(state.status in _HELD and state.form.kind is FormKind.LEASE, f"{state.name} is {state.status}")
    return replace(
        state, status=Status.ENDING, ended_at=place.at, ended_by=by, end=entry.kind, reason=reason, attempts=0
    )


def _expired(state: Request, entry: Expired, place: Place) -> Request:
    require(state.not_after is not None and place.at >= state.not_after, "a lease never ends early")
    return _ending(state, entry, place, place.actor)


def _released(state: Request, entry: Released, place: Place) -> Request:
    require(entry.holder == place.actor and entry.holder in state.barred, "only the holder releases")
    return _ending(state, entry, place, entry.holder)


def _revoked(state: Request, entry: Revoked, place: Place) -> Request:
    require(place.actor == entry.revoker and entry.revoker not in state.barred, "a revocation is someone else's")
    require(bool(entry.rule), "a revocation names its rule")
    return _ending(state, entry, place, entry.revoker, entry.reason)


def _ended_unlogged(state: Request, entry: EndedUnlogged, place: Place) -> Request:
    require(state.not_after is not None and entry.happened_at >= state.not_after, "a lease never ends early")
    require(entry.happened_at <= place.at, "it lies in the future")
    return replace(_ending(state, entry, place, place.actor), ended_at=entry.happened_at)


def _not_confirmed(state: Request, entry: NotConfirmed, place: Place) -> Request:
    del place
    require(state.status in {Status.ENDING, Status.UNCONFIRMED}, f"{state.name} is {state.status}")
    require(entry.attempt == state.attempts + 1, "attempts are counted one by one")
    return replace(state, status=Status.UNCONFIRMED, attempts=entry.attempt, why=entry.why)


def _settled(state: Request, entry: Settled, place: Place) -> Request:
    del place
    require(state.status in {Status.ENDING, Status.UNCONFIRMED}, f"{state.name} is {state.status}")
    return replace(state, status=Status.ENDED, usage=entry.usage)


def _withdrawn(state: Request, entry: Withdrawn, place: Place) -> Request:
    require(state.status in {Status.WAITING, Status.APPROVED, Status.QUEUED}, f"{state.name} is {state.status}")
    require(place.actor == entry.asker == state.asker, "only the asker withdraws")
    return replace(state, status=Status.WITHDRAWN, ended_at=place.at, ended_by=entry.asker)


def _lapsed(state: Request, entry: Lapsed, place: Place) -> Request:
    del entry
    require(state.status is Status.WAITING, f"{state.name} is {state.status}")
    require(place.at >= state.lapse_at, "its time is not over")
    return replace(state, status=Status.LAPSED, ended_at=place.at)


def _missed(state: Request, entry: Missed, place: Place) -> Request:
    require(state.status in {Status.APPROVED, Status.QUEUED}, f"{state.name} is {state.status}")
    require(state.missed_at is not None and place.at >= state.missed_at, "its window is not over")
    return replace(state, status=Status.MISSED, ended_at=place.at, why=entry.why)


def _replaced(state: Request, entry: Replaced, place: Place) -> Request:
    require(state.status is Status.WAITING, f"{state.name} is {state.status}")
    require(place.actor == state.asker and entry.by != state.number, "only the asker replaces their request")
    return replace(state, status=Status.REPLACED, ended_at=place.at, replaced_by=entry.by)


_STEPS: Final[dict[type[Entry], Callable[..., Request]]] = {
    Decided: _decided,
    Reviewed: _reviewed,
    Lowered: _lowered,
    Accepted: _accepted,
    Approved: _approved,
    Reopened: _reopened,
    Queued: _queued,
    Dispatched: _dispatched,
    Started: _started,
    Done: _done,
    Failed: _failed,
    Expired: _expired,
    Released: _released,
    Revoked: _revoked,
    EndedUnlogged: _ended_unlogged,
    NotConfirmed: _not_confirmed,
    Settled: _settled,
    Withdrawn: _withdrawn,
    Lapsed: _lapsed,
    Missed: _missed,
    Replaced: _replaced,
}
