"""Running longer: asked by the holder, decided anew on the new totals, and agreed to by whoever the policy names.

The end moves in one transaction with the pool's booking, and only while halt, policy and budget stand where they were read.
Until then, and whatever is refused, the lease ends when it did before.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from bot.errors import Reason, Refused
from bot.verbs.steps import Steps
from ledger.book import Write
from ledger.nouns import Change, Decision, Form, GpuForm, Personal, Seat
from ledger.streams.codec import Entry, digest
from ledger.streams.law import Place
from ledger.streams.request import (
    Extended,
    Extension,
    ExtensionAsked,
    ExtensionDecided,
    ExtensionReviewed,
    Outcome,
    Request,
    Status,
    evolve,
    longer,
    settled_end,
)
from ledger.streams.seats import Vote, filled
from policies import budgets
from policies.facts import facts_of_extension
from policies.grounds import Grounds

SHORT: Final = "{} What you hold ends as planned."
POLICY_MOVED: Final = "The policy changed since the extension was asked for, so nothing changed: {}"
VOTER_LOST: Final = "An approver of this extension no longer holds the role that it needs. Nothing changed."

_MOVED: Final = (Status.SUBMITTED, Status.WAITING, Status.APPROVED, Status.QUEUED, Status.STARTING, Status.DONE)


class Extending(Steps):
    """Extend, and review an extension."""

    def extend(self, slack: str, number: int, added_s: int, form_digest: str = "") -> Request | Refused:
        """Ask to hold `number` for `added_s` seconds more; by rule it is extended at once, a denial is entered too.

        Args:
            form_digest: of the form that the person saw; empty when they saw none.
        """
        holder = self.subject(slack)
        return self._retry(lambda: self._extend(holder, slack, number, added_s, form_digest))

    def review_extension(
        self, slack: str, number: int, form_digest: str, *, approve: bool, reason: str = ""
    ) -> Request | Refused:
        """Enter one person's approve or deny of exactly the extension they saw; the last seat moves the end."""
        reviewer = self.subject(slack)
        return self._retry(lambda: self._review_extension(reviewer, slack, number, form_digest, approve, reason))

    def why_not_extension(self, slack: str, number: int, form_digest: str) -> Refused | None:
        """Return why this person may not decide an extension now, None when they may."""
        seated = self._extension_seat(self.subject(slack), slack, number, form_digest)
        return seated if isinstance(seated, Refused) else None

    def extension_missing(self, request: Request) -> tuple[tuple[Seat, tuple[str, ...]], ...]:
        """Return the open seats of a pending extension, each with who may still fill it."""
        extension = pending(request)
        if extension is None:
            return ()
        barred = request.barred | {vote.person for vote in extension.votes}
        return tuple((seat, self.voters(extension.form, seat, frozenset(barred))) for seat in extension.open_seats)

    def taken_from(self, request: Request, until: datetime) -> bool:
        """Whether somebody else has booked what the request holds, for any moment between its end and `until`."""
        form, name = request.form, self._pool_of(request.form)
        booking = self.book.pool(name).booking(request.number) if name is not None else None
        if booking is None or name is None or not isinstance(form, GpuForm) or until <= booking.end:
            return False
        free = self.book.pool(name).bookable(form.gpu_type, booking.end, until, ignoring=request.number)
        return free < form.gpus

    # -- asking -------------------------------------------------------------------------------------------------

    def _extend(self, holder: str, slack: str, number: int, added_s: int, seen: str) -> Request | Refused:
        grounds = Grounds.read(self.book, holder)
        request = self._extensible(holder, number, added_s, seen)
        if isinstance(request, Refused):
            return request
        end = (request.not_after or self._clock()) + timedelta(seconds=added_s)
        form = longer(request.form, added_s, end)
        decision = self._decision(slack, request, form, added_s)
        refused = self._hindered(request, form, end, grounds) if decision.permitted else None
        if refused is not None:
            return refused
        asked = ExtensionAsked(form=form, form_digest=digest(form), added_s=added_s, not_after=end)
        decided = ExtensionDecided(form_digest=digest(form), decision=decision)
        return self._land(number, *self._agreeing(request, holder, (asked, decided), grounds))

    def _extensible(self, holder: str, number: int, added_s: int, seen: str) -> Request | Refused:
        """Return the request if its holder may ask for more time now."""
        request = self._mine(holder, number)
        if isinstance(request, Refused):
            return request
        if request.status in _MOVED or isinstance(request.form, Change):
            return Refused(reason=Reason.NOT_RUNNING, number=number)
        if not self._runs(request):
            return Refused(reason=Reason.OVER, number=number)
        if not settled_end(request):
            return Refused(reason=Reason.EXTENSION_PENDING, number=number)
        if request.confirmed != request.generation:
            return Refused(reason=Reason.END_UNTOLD, number=number)
        if seen and request.form_digest != seen:
            return Refused(reason=Reason.END_MOVED, number=number)
        return request if added_s > 0 else Refused(reason=Reason.NOT_LONGER, number=number)

    def _runs(self, request: Request) -> bool:
        """A lease whose end has come is over, also while the clock has not said so yet."""
        ends = request.not_after
        return request.status is Status.RUNNING and ends is not None and self._clock() < ends

    def _decision(self, slack: str, request: Request, form: Form, added_s: int) -> Decision:
        return self.policy().extend(f"user:{slack}", form, facts_of_extension(self.book, request, added_s))

    def _hindered(self, request: Request, form: Form, end: datetime, grounds: Grounds) -> Refused | None:
        """Return what stands in the way of a lease that the policy would let run until `end`."""
        frozen = self._frozen(grounds, request)
        if frozen is not None:
            return frozen
        policy, payer = self.policy(), budgets.payer(request, self._clock())
        known = budgets.left(self.book, policy, payer.team, payer.start, ignoring=request.number)
        if why := budgets.short(known, form, policy):
            return Refused(reason=Reason.NOT_ALLOWED, number=request.number, detail=SHORT.format(why))
        if self.taken_from(request, end):
            return Refused(reason=Reason.TAKEN, number=request.number)
        return None

    # -- deciding -----------------------------------------------------------------------------------------------

    def _review_extension(
        self, reviewer: str, slack: str, number: int, form_digest: str, approve: bool, reason: str
    ) -> Request | Refused:
        asked = self.book.request(number)
        grounds = Grounds.read(self.book, asked.beneficiary if asked is not None else reviewer)
        seated = self._extension_seat(reviewer, slack, number, form_digest)
        if isinstance(seated, Refused):
            return seated
        request, extension, seat, rule = seated
        entry = ExtensionReviewed(
            reviewer=reviewer,
            seat=seat.name,
            approve=approve,
            form_digest=form_digest,
            rule=rule,
            reason=Personal(reason),
        )
        if not approve:
            return self._land(number, self._write(request, reviewer, entry))
        votes = (*extension.votes, Vote(person=reviewer, seat=seat.name))
        refused = self._hindered(request, extension.form, extension.not_after, grounds)
        refused = refused or self._no_longer(request, extension, votes)
        return refused or self._land(number, *self._agreeing(request, reviewer, (entry,), grounds))

    def _extension_seat(
        self, reviewer: str, slack: str, number: int, form_digest: str
    ) -> tuple[Request, Extension, Seat, str] | Refused:
        """Return the open seat of a pending extension that this person may fill, with the rule that says so."""
        request = self.book.request(number)
        if request is None:
            return Refused(reason=Reason.UNKNOWN_REQUEST, number=number)
        extension = request.extension
        who = tuple(dict.fromkeys(s for _, subjects in self.extension_missing(request) for s in subjects))
        if reviewer in request.barred:
            return Refused(reason=Reason.OWN_REQUEST, number=number, people=who)
        if extension is None or extension.form_digest != form_digest or extension.outcome is not Outcome.PENDING:
            return Refused(reason=Reason.EXTENSION_SETTLED, number=number)
        if not self._runs(request):
            return Refused(reason=Reason.OVER, number=number)
        if reviewer in {vote.person for vote in extension.votes}:
            return Refused(reason=Reason.ALREADY_VOTED, number=number)
        for seat in extension.open_seats:
            rule = self.policy().may_vote(f"user:{slack}", seat.name, seat.team, extension.form)
            if rule is not None:
                return request, extension, seat, rule
        return Refused(reason=Reason.NOT_YOUR_SEAT, number=number, people=who)

    def _no_longer(self, request: Request, extension: Extension, votes: tuple[Vote, ...]) -> Refused | None:
        """Once the votes fill the seats, nothing asks again: so policy and voters are looked at before they do."""
        if not filled(extension.seats, votes):
            return None
        asker = self.slack(request.asker)
        decision = self._decision(asker or "", request, extension.form, extension.added_s)
        if not decision.permitted or not (decision.auto or filled(decision.seats, votes)):
            words = POLICY_MOVED.format(decision.why)
            return Refused(reason=Reason.NOT_ALLOWED, number=request.number, detail=words)
        if all(self._still_votes(extension, vote) for vote in votes):
            return None
        return Refused(reason=Reason.NOT_ALLOWED, number=request.number, detail=VOTER_LOST)

    def _still_votes(self, extension: Extension, vote: Vote) -> bool:
        slack = self.slack(vote.person)
        seat = next((each for each in extension.seats if each.name == vote.seat), None)
        if slack is None or seat is None:
            return False
        return self.policy().may_vote(f"user:{slack}", seat.name, seat.team, extension.form) is not None

    # -- writing ------------------------------------------------------------------------------------------------

    def _agreeing(self, request: Request, actor: str, entries: tuple[Entry, ...], grounds: Grounds) -> list[Write]:
        """Return the writes for `entries`, with `Extended` and the booking's new end when everybody agrees by them."""
        after = request
        for offset, entry in enumerate(entries, start=1):
            after = evolve(after, entry, Place(at=self._clock(), actor=actor, version=request.version + offset))
        extension = pending(after)
        if extension is None or not extension.agreed:
            return [self._write(request, actor, *entries), *grounds.unmoved(actor)]
        extended = Extended(
            form_digest=extension.form_digest, generation=after.generation + 1, not_after=extension.not_after
        )
        payer = budgets.payer(request, self._clock())
        taken = [
            *self._rebooking(request, extension.not_after),
            *budgets.reserve(self.book, self.policy(), payer, request.number, extension.form),
        ]
        return [self._write(request, actor, *entries, extended), *taken, *grounds.claim(request.number, actor)]


def pending(request: Request) -> Extension | None:
    """Return the extension that people still decide about, None when there is none."""
    extension = request.extension
    return extension if extension is not None and extension.outcome is Outcome.PENDING else None
