"""The steps that every verb shares: who is who, which seat is open, what is written, and trying again after a race."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Final, TypeVar

from bot.errors import Reason, Refused
from ledger import crash
from ledger.book import Book, Write
from ledger.errors import BusyError, DiskLowError, ReadOnlyError, UnlawfulError, VersionConflictError
from ledger.nouns import Form, GpuForm, Personal, Seat, new_subject, window_end
from ledger.streams.codec import Entry
from ledger.streams.house import Enrolled
from ledger.streams.law import Place
from ledger.streams.pool import Booked, Rebooked
from ledger.streams.request import Approved, Request, Status, evolve
from policies import budgets
from policies.budgets import Payer
from policies.decide import Policy
from policies.grounds import Grounds

TRIES: Final = 60
"""How often somebody in turn may still lose to those who come for the first time."""
DESK: Final = "svc:desk"
T = TypeVar("T")


class Steps:
    """What verbs are made of; see `bot.desk.Desk` for the arguments."""

    def __init__(
        self, book: Book, policy: Callable[[], Policy], nudge: Callable[[int], None], clock: Callable[[], datetime]
    ) -> None:
        self.book = book
        self.policy = policy
        self._nudge = nudge
        self._clock = clock

    def subject(self, slack: str) -> str:
        """Return the subject of a Slack user whom the directory accepted, enrolling them when new."""
        known = self.book.people().subject(slack)
        return known if known is not None else self._until_landed(lambda: self._enrolled(slack))

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

    def _seat(self, reviewer: str, slack: str, number: int, form_digest: str) -> tuple[Request, Seat, str] | Refused:
        """Return the open seat that this person may fill, with the rule that says so."""
        request = self.book.request(number)
        if request is None:
            return Refused(reason=Reason.UNKNOWN_REQUEST, number=number)
        if reviewer in request.barred:
            return Refused(reason=Reason.OWN_REQUEST, number=number, people=self._who(request))
        if request.status is not Status.WAITING:
            return Refused(reason=Reason.OVER if request.final else Reason.ALREADY_DECIDED, number=number)
        if reviewer in {vote.person for vote in request.votes}:
            return Refused(reason=Reason.ALREADY_VOTED, number=number)
        if request.form_digest != form_digest:
            return Refused(reason=Reason.CHANGED, number=number)
        for seat in request.open_seats:
            rule = self.policy().may_vote(f"user:{slack}", seat.name, seat.team, request.form)
            if rule is not None:
                return request, seat, rule
        return Refused(reason=Reason.NOT_YOUR_SEAT, number=number, people=self._who(request))

    def _approving(
        self, request: Request, actor: str, entries: tuple[Entry, ...], grounds: Grounds
    ) -> list[Write] | Refused:
        """Return the writes for `entries`; when they complete the request with `Approved`, booking and budget.

        Args:
            grounds: of the beneficiary, read before anything that `entries` rest on.
        """
        after = request
        for offset, entry in enumerate(entries, start=1):
            after = evolve(after, entry, Place(at=self._clock(), actor=actor, version=request.version + offset))
        complete = after.status is Status.WAITING and not after.open_seats and not after.accept_pending
        if not complete:
            return [self._write(request, actor, *entries), *grounds.unmoved(actor)]
        payer = budgets.payer(after, self._clock())
        if why := self._short(payer, after.form):
            return Refused(reason=Reason.OVER_BUDGET, number=request.number, detail=why)
        approved = Approved(form_digest=after.form_digest)
        write = self._write(request, actor, *entries, approved)
        return [write, *self._granting(request.number, payer, after.form), *grounds.claim(request.number, actor)]

    def _granting(self, number: int, payer: Payer, form: Form) -> list[Write]:
        """Return what an approval takes: the devices for its window, and its price out of the payer's budget."""
        return [*self._bookings(number, form), *budgets.reserve(self.book, self.policy(), payer, number, form)]

    def _short(self, payer: Payer, form: Form) -> str:
        """Return why the payer's budget does not reach for `form`, empty when it does."""
        policy = self.policy()
        return budgets.short(budgets.left(self.book, policy, payer.team, payer.start), form, policy)

    @staticmethod
    def _frozen(grounds: Grounds, request: Request) -> Refused | None:
        """Return the refusal of whatever moves a request towards its start while its resource is halted."""
        stop = grounds.halts.over(request.form.resource)
        if stop is None:
            return None
        return Refused(
            reason=Reason.FROZEN,
            number=request.number,
            people=(stop.by,),
            detail=str(stop.reason),
            resource=stop.resource,
        )

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

    def _rebooking(self, request: Request, end: datetime) -> list[Write]:
        """Return the write that keeps the devices until `end` instead; none where the pool keeps none."""
        name = self._pool_of(request.form)
        if name is None or self.book.pool(name).booking(request.number) is None:
            return []
        entry = Rebooked(request=request.number, end=end)
        return [
            Write(stream=f"pool:{name}", expected=self.book.pool(name).version, entries=(entry,), actor=DESK),
        ]

    def _mine(self, subject: str, number: int) -> Request | Refused:
        request = self.book.request(number)
        if request is None:
            return Refused(reason=Reason.UNKNOWN_REQUEST, number=number)
        if subject not in request.barred:
            return Refused(reason=Reason.NOT_YOURS, number=number, people=(request.asker,))
        return request

    def _who(self, request: Request) -> tuple[str, ...]:
        return tuple(dict.fromkeys(subject for _, subjects in self.missing(request) for subject in subjects))

    def _landed(self, number: int, writes: list[Write] | Refused) -> Request | Refused:
        return writes if isinstance(writes, Refused) else self._land(number, *writes)

    def _land(self, number: int, *writes: Write) -> Request | Refused:
        crash.point("before-append", number)
        self.book.append(*writes)
        crash.point("after-append", number)
        self._nudge(number)
        request = self.book.request(number)
        return request if request is not None else Refused(reason=Reason.UNKNOWN_REQUEST, number=number)

    def _retry(self, attempt: Callable[[], T | Refused]) -> T | Refused:
        try:
            return self._until_landed(attempt)
        except UnlawfulError as error:
            return Refused(reason=Reason.CHANGED, detail=error.detail)
        except DiskLowError as error:
            return Refused(reason=Reason.DISK_LOW, detail=error.detail)
        except (ReadOnlyError, BusyError) as error:
            return Refused(reason=Reason.UNAVAILABLE, detail=error.detail)

    def _until_landed(self, attempt: Callable[[], T]) -> T:
        """Decide at once while nobody waits for a turn; what was lost in a race is decided again in turn.

        A race can also end as something unlawful: what fitted when it was read is gone when it is to be reserved.
        """
        if not self.book.store.waited_for():
            with suppress(VersionConflictError, UnlawfulError):
                return attempt()
        with self.book.store.in_turn():
            for _ in range(TRIES):
                with suppress(VersionConflictError):
                    return attempt()
        raise BusyError("too many people at once")

    def _enrolled(self, slack: str) -> str:
        """Return the subject of somebody who was not known a moment ago, enrolling them if that is still so."""
        people = self.book.people()
        known = people.subject(slack)
        if known is not None:
            return known
        entry = Enrolled(subject=new_subject(), slack=Personal(slack))
        self.book.append(Write(stream="people", expected=people.version, entries=(entry,), actor=DESK))
        return entry.subject

    @staticmethod
    def _pool_of(form: Form) -> str | None:
        return form.resource.removeprefix("gpu:") if isinstance(form, GpuForm) else None

    @staticmethod
    def _write(request: Request, actor: str, *entries: Entry) -> Write:
        return Write(stream=f"request:{request.number}", expected=request.version, entries=entries, actor=actor)
