"""Asking: what would be decided about a form, and the entry of a request with its decision."""

from __future__ import annotations

from dataclasses import dataclass

from bot.errors import Reason, Refused
from bot.verbs.steps import Steps
from ledger.book import Write
from ledger.nouns import Decision, Form, Personal, Seat
from ledger.streams.codec import Entry, digest
from ledger.streams.request import Approved, Decided, Phase, Replaced, Request, Status, Submitted
from policies.budgets import Left, left, nearest_within, payer_of, short, within_budget
from policies.decide import Nearest
from policies.facts import facts_of
from policies.grounds import Grounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would be decided about a form, before anything is written.

    Args:
        cost_minor: price of the whole window, minor units of the catalogue's currency.
        voters: for each open seat, the subjects who may fill it.
        nearest: for a denial, the nearest request that would pass.
        left: what the asker's team may still spend, None when it has no budget.
    """

    form: Form
    decision: Decision
    cost_minor: int
    voters: tuple[tuple[Seat, tuple[str, ...]], ...]
    nearest: Nearest | None
    left: Left | None = None


class Asking(Steps):
    """Preview and submit."""

    def preview(self, slack: str, form: Form) -> Preview:
        """Return what would be decided; nothing is written but the person's enrolment."""
        policy, asker = self.policy(), self.subject(slack)
        facts = facts_of(self.book, asker)
        said = policy.decide(f"user:{slack}", form, facts)
        known = left(self.book, policy, said.team, form.start or self._clock())
        decision = within_budget(said, known, form, policy)
        voters = tuple((seat, self.voters(form, seat, frozenset({asker}))) for seat in decision.seats)
        nearest = None if said.permitted else policy.nearest(f"user:{slack}", form, facts)
        beyond = short(known, nearest.form if nearest else form, policy)
        if known is not None and beyond and not decision.permitted:
            nearest = nearest_within(known, f"user:{slack}", nearest.form if nearest else form, facts, policy)
        return Preview(
            form=form,
            decision=decision,
            cost_minor=policy.catalogue.price(form),
            voters=voters,
            nearest=nearest,
            left=known,
        )

    def submit(
        self, slack: str, form: Form, *, purpose: str, said: str, replacing: int | None = None
    ) -> Request | Refused:
        """Enter the request and its decision; approved by rule, it is handed on at once.

        `replacing` is a waiting request of the same person that this one takes the place of, in the same transaction.
        """
        asker = self.subject(slack)
        if form.start is not None and form.start < self._clock():
            return Refused(reason=Reason.PAST)
        return self._retry(lambda: self._submit(asker, slack, form, purpose, said, replacing))

    def _submit(
        self, asker: str, slack: str, form: Form, purpose: str, said: str, replacing: int | None
    ) -> Request | Refused:
        grounds, policy = Grounds.read(self.book, asker, form), self.policy()
        decision = policy.decide(f"user:{slack}", form, facts_of(self.book, asker, except_for=replacing))
        known = left(self.book, policy, decision.team, form.start or self._clock())
        decision = within_budget(decision, known, form, policy)
        number, form_digest = self.book.next_number(), digest(form)
        submitted = Submitted(
            request=number,
            asker=asker,
            beneficiary=asker,
            form=form,
            form_digest=form_digest,
            purpose=Personal(purpose),
            said=Personal(said),
        )
        entries: tuple[Entry, ...] = (
            submitted,
            Decided(phase=Phase.SUBMIT, form_digest=form_digest, decision=decision),
        )
        writes = grounds.claim(number, asker)
        if decision.permitted and decision.auto and grounds.halts.over(form.resource) is None:
            entries = (*entries, Approved(form_digest=form_digest))
            writes += self._granting(number, payer_of(decision, form, self._clock()), form)
        writes.insert(0, Write(stream=f"request:{number}", expected=0, entries=entries, actor=asker))
        if replacing is not None:
            old = self.book.request(replacing)
            if old is None or old.asker != asker or old.status is not Status.WAITING:
                return Refused(reason=Reason.CHANGED, number=replacing)
            writes.append(self._write(old, asker, Replaced(by=number)))
        return self._land(number, *writes)
