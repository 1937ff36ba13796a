"""Deciding: approve, deny, approve less, and the asker's word on what was lowered."""

from __future__ import annotations

from dataclasses import replace

from bot.errors import Reason, Refused
from bot.verbs.steps import Steps
from ledger.nouns import Form, Personal
from ledger.streams.codec import Entry, digest
from ledger.streams.request import Accepted, Decided, Lowered, Phase, Request, Reviewed, Status, Verdict, is_lower
from policies.facts import facts_of
from policies.grounds import Grounds


class Deciding(Steps):
    """Review, approve less and accept."""

    def review(
        self, slack: str, number: int, form_digest: str, verdict: Verdict, reason: str = ""
    ) -> Request | Refused:
        """Enter one person's approve or deny of exactly the form they saw; the last seat approves the request."""
        reviewer = self.subject(slack)
        return self._retry(lambda: self._review(reviewer, slack, number, form_digest, verdict, reason))

    def why_not(self, slack: str, number: int, form_digest: str = "", *, approving: bool = False) -> Refused | None:
        """Return why this person may not decide a request now, None when they may; a digest says what they saw.

        Args:
            approving: also when it is frozen, which no denial is.
        """
        request = self.book.request(number)
        form_digest = form_digest or (request.form_digest if request else "")
        seated = self._seat(self.subject(slack), slack, number, form_digest)
        if isinstance(seated, Refused):
            return seated
        return self._frozen(Grounds.read(self.book, seated[0].beneficiary), seated[0]) if approving else None

    def _grounds(self, number: int) -> Grounds:
        """Read what a decision about this request rests on."""
        request = self.book.request(number)
        return Grounds.read(self.book, request.beneficiary if request else "")

    def _review(
        self, reviewer: str, slack: str, number: int, form_digest: str, verdict: Verdict, reason: str
    ) -> Request | Refused:
        grounds, seated = self._grounds(number), self._seat(reviewer, slack, number, form_digest)
        if isinstance(seated, Refused):
            return seated
        request, seat, rule = seated
        frozen = self._frozen(grounds, request)
        if frozen is not None and verdict is Verdict.APPROVE:
            return frozen
        entry = Reviewed(
            reviewer=reviewer,
            seat=seat.name,
            verdict=verdict,
            form_digest=request.form_digest,
            rule=rule,
            reason=Personal(reason),
        )
        return self._landed(number, self._approving(request, reviewer, (entry,), grounds))

    def approve_less(self, slack: str, number: int, form_digest: str, lower: Form, reason: str) -> Request | Refused:
        """Lower the request to `lower`, decide that anew, and approve it; the earlier approvals carry over."""
        reviewer = self.subject(slack)
        return self._retry(lambda: self._approve_less(reviewer, slack, number, form_digest, lower, reason))

    def _approve_less(
        self, reviewer: str, slack: str, number: int, form_digest: str, lower: Form, reason: str
    ) -> Request | Refused:
        grounds, seated = self._grounds(number), self._seat(reviewer, slack, number, form_digest)
        if isinstance(seated, Refused):
            return seated
        request, seat, rule = seated
        if (frozen := self._frozen(grounds, request)) is not None:
            return frozen
        if not is_lower(lower, request.form):
            return Refused(reason=Reason.NOT_LOWER, number=number)
        asker = self.slack(request.asker)
        facts = facts_of(self.book, request.asker, except_for=number)
        decision = self.policy().decide(f"user:{asker}", lower, facts)
        if not decision.permitted:
            return Refused(reason=Reason.NOT_ALLOWED, number=number, detail=decision.why)
        decision = replace(decision, seats=decision.seats or request.seats, auto=False)
        lowered = digest(lower)
        carried = tuple(vote.person for vote in request.votes)
        entries: tuple[Entry, ...] = (
            Lowered(reviewer=reviewer, form=lower, form_digest=lowered, reason=Personal(reason), carried=carried),
            Decided(phase=Phase.LOWER, form_digest=lowered, decision=decision),
            Reviewed(
                reviewer=reviewer,
                seat=seat.name,
                verdict=Verdict.APPROVE,
                form_digest=lowered,
                rule=rule,
                reason=Personal(reason),
            ),
        )
        return self._landed(number, self._approving(request, reviewer, entries, grounds))

    def accept(self, slack: str, number: int, form_digest: str) -> Request | Refused:
        """Take the lower form that a reviewer approved."""
        asker = self.subject(slack)
        return self._retry(lambda: self._accept(asker, number, form_digest))

    def _accept(self, asker: str, number: int, form_digest: str) -> Request | Refused:
        grounds, request = self._grounds(number), self._mine(asker, number)
        if isinstance(request, Refused):
            return request
        if (frozen := self._frozen(grounds, request)) is not None:
            return frozen
        if not request.accept_pending or request.status is not Status.WAITING:
            return Refused(reason=Reason.ALREADY_DECIDED, number=number)
        if request.form_digest != form_digest:
            return Refused(reason=Reason.CHANGED, number=number)
        entries = (Accepted(form_digest=form_digest),)
        return self._landed(number, self._approving(request, asker, entries, grounds))
