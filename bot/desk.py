"""The human verbs: preview, submit, review, approve less, accept, withdraw, release, revoke, replace.

Each one decides, appends and nudges. Who acts is always a Slack user id that the directory accepted, never text.
A race is read again and decided again; what may not be is a `Refused`, and then nothing was written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from bot.errors import Reason, Refused
from ledger.book import Book, Write
from ledger.errors import BusyError, ReadOnlyError, UnlawfulError, VersionConflictError
from ledger.nouns import Decision, DeployForm, Form, GpuForm, Personal, Seat, new_subject, window_end
from ledger.streams.codec import Entry, digest
from ledger.streams.house import Enrolled
from ledger.streams.law import Place
from ledger.streams.pool import Booked, Freed
from ledger.streams.request import (
    Accepted,
    Approved,
    Decided,
    Lowered,
    Phase,
    Released,
    Replaced,
    Request,
    Reviewed,
    Revoked,
    Status,
    Submitted,
    Verdict,
    Withdrawn,
    evolve,
    is_lower,
)
from policies.decide import Nearest, Policy
from policies.facts import facts_of

TRIES: Final = 8
DESK: Final = "svc:desk"
_HELD: Final = frozenset({Status.STARTING, Status.RUNNING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would be decided about a form, before anything is written.

    Args:
        cost_minor: price of the whole window, minor units of the catalogue's currency.
        voters: for each open seat, the subjects who may fill it.
        nearest: for a denial, the nearest request that would pass.
    """

    form: Form
    decision: Decision
    cost_minor: int
    voters: tuple[tuple[Seat, tuple[str, ...]], ...]
    nearest: Nearest | None


class Desk:
    """The one place where people's intentions become entries.

    Args:
        book: the ledger.
        policy: returns the policy in force now.
        nudge: asks a worker to attend to a request; never raises.
        clock: now, aware UTC.
    """

    def __init__(
        self, book: Book, policy: Callable[[], Policy], nudge: Callable[[int], None], clock: Callable[[], datetime]
    ) -> None:
        self.book = book
        self.policy = policy
        self._nudge = nudge
        self._clock = clock

    # -- who is who ---------------------------------------------------------------------------------------------

    def subject(self, slack: str) -> str:
        """Return the subject of a Slack user whom the directory accepted, enrolling them when new."""
        for _ in range(TRIES):
            people = self.book.people()
            known = people.subject(slack)
            if known is not None:
                return known
            entry = Enrolled(subject=new_subject(), slack=Personal(slack))
            try:
                self.book.append(Write(stream="people", expected=people.version, entries=(entry,), actor=DESK))
            except (VersionConflictError, UnlawfulError):
                continue
        return self._known(slack)

    def slack(self, subject: str) -> str | None:
        """Return the Slack user behind a subject, None once erased."""
        return self.book.people().slack(subject)

    def voters(self, form: Form, seat: Seat, barred: frozenset[str]) -> tuple[str, ...]:
        """Return the subjects who may fill `seat` for `form`, without those who are barred."""
        persons = self.policy().voters(seat.name, seat.team, form)
        subjects = (self.subject(person.removeprefix("user:")) for person in persons)
        return tuple(subject for subject in subjects if subject not in barred)

    def missing(self, request: Request) -> tuple[tuple[Seat, tuple[str, ...]], ...]:
        """Return the open seats of a request, each with who may still fill it."""
        voted = frozenset(vote.person for vote in request.votes)
        return tuple((seat, self.voters(request.form, seat, request.barred | voted)) for seat in request.open_seats)

    # -- asking -------------------------------------------------------------------------------------------------

    def preview(self, slack: str, form: Form) -> Preview:
        """Return what would be decided; nothing is written but the person's enrolment."""
        policy, asker = self.policy(), self.subject(slack)
        decision = policy.decide(f"user:{slack}", form, facts_of(self.book, asker))
        voters = tuple((seat, self.voters(form, seat, frozenset({asker}))) for seat in decision.seats)
        nearest = None if decision.permitted else policy.nearest(f"user:{slack}", form, facts_of(self.book, asker))
        return Preview(
            form=form, decision=decision, cost_minor=policy.catalogue.price(form), voters=voters, nearest=nearest
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
        decision = self.policy().decide(f"user:{slack}", form, facts_of(self.book, asker, except_for=replacing))
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
        writes: list[Write] = []
        if decision.permitted and decision.auto:
            entries = (*entries, Approved(form_digest=form_digest))
            writes = self._bookings(number, form)
        writes.insert(0, Write(stream=f"request:{number}", expected=0, entries=entries, actor=asker))
        if replacing is not None:
            old = self.book.request(replacing)
            if old is None or old.asker != asker or old.status is not Status.WAITING:
                return Refused(reason=Reason.CHANGED, number=replacing)
            writes.append(self._write(old, asker, Replaced(by=number)))
        return self._land(number, *writes)

    # -- deciding -----------------------------------------------------------------------------------------------

    def review(
        self, slack: str, number: int, form_digest: str, verdict: Verdict, reason: str = ""
    ) -> Request | Refused:
        """Enter one person's approve or deny of exactly the form they saw; the last seat approves the request."""
        reviewer = self.subject(slack)
        return self._retry(lambda: self._review(reviewer, slack, number, form_digest, verdict, reason))

    def why_not(self, slack: str, number: int) -> Refused | None:
        """Return why this person may not decide a request now, None when they may."""
        request = self.book.request(number)
        form_digest = request.form_digest if request else ""
        seated = self._seat(self.subject(slack), slack, number, form_digest)
        return seated if isinstance(seated, Refused) else None

    def _review(
        self, reviewer: str, slack: str, number: int, form_digest: str, verdict: Verdict, reason: str
    ) -> Request | Refused:
        seated = self._seat(reviewer, slack, number, form_digest)
        if isinstance(seated, Refused):
            return seated
        request, seat, rule = seated
        entry = Reviewed(
            reviewer=reviewer,
            seat=seat.name,
            verdict=verdict,
            form_digest=request.form_digest,
            rule=rule,
            reason=Personal(reason),
        )
        return self._land(number, *self._approving(request, reviewer, (entry,)))

    def approve_less(self, slack: str, number: int, form_digest: str, lower: Form, reason: str) -> Request | Refused:
        """Lower the request to `lower`, decide that anew, and approve it; the earlier approvals carry over."""
        reviewer = self.subject(slack)
        return self._retry(lambda: self._approve_less(reviewer, slack, number, form_digest, lower, reason))

    def _approve_less(
        self, reviewer: str, slack: str, number: int, form_digest: str, lower: Form, reason: str
    ) -> Request | Refused:
        seated = self._seat(reviewer, slack, number, form_digest)
        if isinstance(seated, Refused):
            return seated
        request, seat, rule = seated
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
        return self._land(number, *self._approving(request, reviewer, entries))

    def accept(self, slack: str, number: int, form_digest: str) -> Request | Refused:
        """Take the lower form that a reviewer approved."""
        asker = self.subject(slack)
        return self._retry(lambda: self._accept(asker, number, form_digest))

    def _accept(self, asker: str, number: int, form_digest: str) -> Request | Refused:
        request = self._mine(asker, number)
        if isinstance(request, Refused):
            return request
        if not request.accept_pending or request.status is not Status.WAITING:
            return Refused(reason=Reason.ALREADY_DECIDED, number=number)
        if request.form_digest != form_digest:
            return Refused(reason=Reason.CHANGED, number=number)
        entries = (Accepted(form_digest=form_digest),)
        return self._land(number, *self._approving(request, asker, entries))

    # -- ending -------------------------------------------------------------------------------------------------

    def withdraw(self, slack: str, number: int) -> Request | Refused:
        """Take back a request of one's own that has not started."""
        asker = self.subject(slack)
        return self._retry(lambda: self._withdraw(asker, number))

    def _withdraw(self, asker: str, number: int) -> Request | Refused:
        request = self._mine(asker, number)
        if isinstance(request, Refused):
            return request
        if request.status not in {Status.WAITING, Status.APPROVED, Status.QUEUED}:
            return Refused(reason=Reason.OVER if request.final else Reason.ALREADY_DECIDED, number=number)
        writes = [self._write(request, asker, Withdrawn(asker=asker))]
        pool = self._pool_of(request.form)
        if pool is not None and self.book.pool(pool).booking(number) is not None:
            freed = Freed(request=number)
            version = self.book.pool(pool).version
            writes.append(Write(stream=f"pool:{pool}", expected=version, entries=(freed,), actor=asker))
        return self._land(number, *writes)

    def release(self, slack: str, number: int) -> Request | Refused:
        """Hand back early what one holds."""
        holder = self.subject(slack)
        return self._retry(lambda: self._release(holder, number))

    def _release(self, holder: str, number: int) -> Request | Refused:
        request = self._mine(holder, number)
        if isinstance(request, Refused):
            return request
        if request.status not in _HELD or isinstance(request.form, DeployForm):
            return Refused(reason=Reason.OVER if request.final else Reason.ALREADY_DECIDED, number=number)
        return self._land(number, self._write(request, holder, Released(holder=holder)))

    def revoke(self, slack: str, number: int, reason: str) -> Request | Refused:
        """End somebody else's lease early; needs a rule that lets this person."""
        revoker = self.subject(slack)
        return self._retry(lambda: self._revoke(revoker, slack, number, reason))

    def _revoke(self, revoker: str, slack: str, number: int, reason: str) -> Request | Refused:
        request = self.book.request(number)
        if request is None:
            return Refused(reason=Reason.UNKNOWN_REQUEST, number=number)
        rule = self.policy().may(f"user:{slack}", "revoke", request.form.resource)
        if rule is None or revoker in request.barred:
            return Refused(reason=Reason.NOT_ALLOWED, number=number)
        if request.status not in _HELD:
            return Refused(reason=Reason.OVER if request.final else Reason.ALREADY_DECIDED, number=number)
        entry = Revoked(revoker=revoker, rule=rule, reason=Personal(reason))
        return self._land(number, self._write(request, revoker, entry))

    # -- the same steps everywhere --------------------------------------------------------------------------------

    def _seat(self, reviewer: str, slack: str, number: int, form_digest: str) -> tuple[Request, Seat, str] | Refused:
        """Return the open seat that this person may fill, with the rule that says so."""
        request = self.book.request(number)
        if request is None:
            return Refused(reason=Reason.UNKNOWN_REQUEST, number=number)
        if reviewer in request.barred:
            return Refused(reason=Reason.OWN_REQUEST, number=number, people=self._who(request))
        if reviewer in {vote.person for vote in request.votes}:
            return Refused(reason=Reason.ALREADY_VOTED, number=number)
        if request.status is not Status.WAITING:
            return Refused(reason=Reason.OVER if request.final else Reason.ALREADY_DECIDED, number=number)
        if request.form_digest != form_digest:
            return Refused(reason=Reason.CHANGED, number=number)
        for seat in request.open_seats:
            rule = self.policy().may_vote(f"user:{slack}", seat.name, seat.team, request.form)
            if rule is not None:
                return request, seat, rule
        return Refused(reason=Reason.NOT_YOUR_SEAT, number=number, people=self._who(request))

    def _approving(self, request: Request, actor: str, entries: tuple[Entry, ...]) -> list[Write]:
        """Return the writes for `entries`, with `Approved` and the booking when they complete the request."""
        after = request
        for offset, entry in enumerate(entries, start=1):
            after = evolve(after, entry, Place(at=self._clock(), actor=actor, version=request.version + offset))
        complete = after.status is Status.WAITING and not after.open_seats and not after.accept_pending
        if not complete:
            return [self._write(request, actor, *entries)]
        approved = Approved(form_digest=after.form_digest)
        return [self._write(request, actor, *entries, approved), *self._bookings(request.number, after.form)]

    def _bookings(self, number: int, form: Form) -> list[Write]:
        """Return the write that keeps the devices for this window; none when they are not free and it must queue."""
        name = self._pool_of(form)
        if name is None or not isinstance(form, GpuForm):
            return []
        pool, start = self.book.pool(name), form.start or self._clock()
        end = window_end(form, start)
        if end <= start or pool.bookable(form.gpu_type, start, end) < form.gpus:
            return []
        entry = Booked(request=number, gpu_type=form.gpu_type, count=form.gpus, start=start, end=end)
        return [Write(stream=f"pool:{name}", expected=pool.version, entries=(entry,), actor=DESK)]

    def _mine(self, subject: str, number: int) -> Request | Refused:
        request = self.book.request(number)
        if request is None:
            return Refused(reason=Reason.UNKNOWN_REQUEST, number=number)
        if subject not in request.barred:
            return Refused(reason=Reason.NOT_YOURS, number=number, people=(request.asker,))
        return request

    def _who(self, request: Request) -> tuple[str, ...]:
        return tuple(dict.fromkeys(subject for _, subjects in self.missing(request) for subject in subjects))

    def _land(self, number: int, *writes: Write) -> Request | Refused:
        self.book.append(*writes)
        self._nudge(number)
        request = self.book.request(number)
        return request if request is not None else Refused(reason=Reason.UNKNOWN_REQUEST, number=number)

    def _retry(self, attempt: Callable[[], Request | Refused]) -> Request | Refused:
        for _ in range(TRIES):
            try:
                return attempt()
            except VersionConflictError:
                continue
            except UnlawfulError as error:
                return Refused(reason=Reason.CHANGED, detail=error.detail)
            except (ReadOnlyError, BusyError) as error:
                return Refused(reason=Reason.UNAVAILABLE, detail=error.detail)
        return Refused(reason=Reason.UNAVAILABLE, detail="too many people at once")

    def _known(self, slack: str) -> str:
        subject = self.book.people().subject(slack)
        if subject is None:
            raise BusyError("enrolment")
        return subject

    @staticmethod
    def _pool_of(form: Form) -> str | None:
        return form.resource.removeprefix("gpu:") if isinstance(form, GpuForm) else None

    @staticmethod
    def _write(request: Request, actor: str, *entries: Entry) -> Write:
        return Write(stream=f"request:{request.number}", expected=request.version, entries=entries, actor=actor)
