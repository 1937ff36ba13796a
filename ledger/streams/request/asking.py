"""From asking to approval: who may say what about which form, and when the seats are filled."""

from __future__ import annotations

from dataclasses import replace

from ledger.nouns import DataForm, Form, GpuForm, KeyForm
from ledger.streams.codec import digest
from ledger.streams.law import Place, require
from ledger.streams.request.entries import (
    Accepted,
    Approved,
    Decided,
    Lowered,
    Phase,
    Reopened,
    Reviewed,
    Submitted,
    Verdict,
)
from ledger.streams.request.state import Request, Review, Status
from ledger.streams.seats import filled, lawful_permit


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
    if isinstance(lower, KeyForm) and isinstance(asked, KeyForm):
        same = replace(lower, tokens=asked.tokens, duration_s=asked.duration_s) == asked
        return same and 0 < lower.tokens <= asked.tokens and 0 < lower.duration_s <= asked.duration_s
    return False


def submitted(entry: Submitted, place: Place) -> Request:
    """Return a new request: only people ask, under their own name, for the form whose digest is stated."""
    require(entry.form_digest == digest(entry.form), "the digest is not that of the form")
    require(entry.asker.startswith("user:") and entry.beneficiary.startswith("user:"), "only people ask")
    require(place.actor == entry.asker, "the asker enters their own request")
    require(place.stream in {"", f"request:{entry.request}"}, "a request has the number of its stream")
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


def decided(state: Request, entry: Decided, place: Place) -> Request:
    """Follow the policy's decision: denied, by rule, or waiting for the seats it names."""
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
    lawful_permit(decision)
    after = replace(state, decision=decision)
    if entry.phase is Phase.DISPATCH and (decision.auto or filled(decision.seats, after.votes)):
        return after
    return replace(after, status=Status.WAITING, approved_at=None, queued=None)


def reviewed(state: Request, entry: Reviewed, place: Place) -> Request:
    """Fill an open seat, or deny: somebody else than asker and beneficiary, of the form as it stands, one seat each."""
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


def lowered(state: Request, entry: Lowered, place: Place) -> Request:
    """Put a lower form in place; earlier approvals carry over to it, and a start at once waits for the asker."""
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


def accepted(state: Request, entry: Accepted, place: Place) -> Request:
    """Take the lower form, as the asker."""
    require(state.status is Status.WAITING and state.accept_pending, "there is nothing to accept")
    require(place.actor == state.asker, "only the asker accepts")
    require(entry.form_digest == state.form_digest, "the acceptance is of another form")
    return replace(state, accept_pending=False)


def approved(state: Request, entry: Approved, place: Place) -> Request:
    """Approve: lawful only when the recorded votes fill the recorded seats, or a rule approves by itself."""
    require(state.status is Status.WAITING, f"{state.name} is {state.status}")
    require(entry.form_digest == state.form_digest, "the approval is of another form")
    require(not state.accept_pending, "the asker has not accepted the lower form")
    decision = state.decision
    by_rule = decision is not None and decision.auto
    require(by_rule or filled(state.seats, state.votes), "the votes do not fill the seats")
    return replace(state, status=Status.APPROVED, approved_at=place.at)


def reopened(state: Request, entry: Reopened, place: Place) -> Request:
    """Take a voter's approval away; the seat is open again."""
    del place
    require(state.status in {Status.APPROVED, Status.QUEUED}, f"{state.name} is {state.status}")
    require(entry.reviewer in {vote.person for vote in state.votes}, "that person holds no seat here")
    kept = tuple(review for review in state.reviews if review.reviewer != entry.reviewer)
    return replace(state, status=Status.WAITING, reviews=kept, approved_at=None, queued=None, why=entry.why)
