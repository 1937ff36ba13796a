"""Letting stand: what is held and would not be permitted under stricter rules any more, until its end."""

from __future__ import annotations

from typing import Final

from bot.errors import Reason, Refused
from bot.verbs.steps import Steps
from ledger.book import Write
from ledger.nouns import FormKind, Seat
from ledger.streams.request import Kept, Request, Status
from policies.decide import DEFAULT_SEATS
from policies.stricter import Shortfall, shortfall

_HELD: Final = frozenset({Status.STARTING, Status.RUNNING})
_LEAD: Final = DEFAULT_SEATS[0][0]


class Letting(Steps):
    """Who is asked about a lease that stricter rules would not permit, and their word that it may stand."""

    def shortfall(self, request: Request) -> Shortfall | None:
        """Return what a held lease does not pass under the rules in force, None for what passes or is not held."""
        return shortfall(self.policy(), self.book, request) if holds(request) else None

    def owners(self, request: Request) -> tuple[str, ...]:
        """Return the subjects who are asked: the leads of what is held, and whoever may revoke it if none of them may.

        Never its holder. In the shipped rules that is a lead, and the admins for data and where there is no other lead.
        """
        leads = self.voters(request.form, self._lead_seat(request), request.barred)
        if any(self.may_revoke(lead, request) for lead in leads):
            return leads
        return tuple(dict.fromkeys((*leads, *(each for each in self._able(request) if each not in request.barred))))

    def may_revoke(self, subject: str, request: Request) -> bool:
        """Whether a rule lets this subject revoke what is held."""
        slack = self.slack(subject)
        rule = self.policy().may(f"user:{slack}", "revoke", request.form.resource) if slack else None
        return rule is not None and subject not in request.barred

    def let_stand(self, slack: str, number: int, form_digest: str, fails: str) -> Request | Refused:
        """Enter that a lease may stand until its end, though it does not pass what was seen to fail."""
        keeper = self.subject(slack)
        return self._retry(lambda: self._let_stand(keeper, slack, number, form_digest, fails))

    def _let_stand(self, keeper: str, slack: str, number: int, form_digest: str, fails: str) -> Request | Refused:
        version, request = self.book.policy().version, self.book.request(number)
        if request is None:
            return Refused(reason=Reason.UNKNOWN_REQUEST, number=number)
        if keeper in request.barred:
            return Refused(reason=Reason.OWN_LEASE, number=number, people=self.owners(request))
        rule = self._may_keep(slack, request)
        if rule is None:
            return Refused(reason=Reason.NOT_ALLOWED, number=number)
        if not holds(request):
            return Refused(reason=Reason.OVER if request.final else Reason.ALREADY_DECIDED, number=number)
        found = self.shortfall(request)
        if found is None:
            return Refused(reason=Reason.PASSES, number=number)
        if (request.form_digest, found.fails) != (form_digest, fails):
            return Refused(reason=Reason.CHANGED, number=number)
        before = next((keep for keep in request.keeps if keep.fails == fails), None)
        if before is not None:
            return Refused(reason=Reason.KEPT, number=number, people=(before.keeper,))
        entry = Kept(keeper=keeper, rule=rule, policy=self.policy().digest, fails=fails)
        unmoved = Write(stream="policy", expected=version, entries=(), actor=keeper)
        return self._land(number, self._write(request, keeper, entry), unmoved)

    def _may_keep(self, slack: str, request: Request) -> str | None:
        """The rule by which a person may let it stand: to fill the lead's seat for the like, or to revoke it."""
        policy, person, seat = self.policy(), f"user:{slack}", self._lead_seat(request)
        rule = policy.may_vote(person, seat.name, seat.team, request.form)
        return rule or policy.may(person, "revoke", request.form.resource)

    def _lead_seat(self, request: Request) -> Seat:
        return Seat(name=_LEAD, count=1, team=self.policy().catalogue.owner(request.form.resource) or "")

    def _able(self, request: Request) -> tuple[str, ...]:
        policy = self.policy()
        may = (slack for slack in policy.people() if policy.may(f"user:{slack}", "revoke", request.form.resource))
        return tuple(self.subject(slack) for slack in may)


def holds(request: Request) -> bool:
    """Whether it is a lease that is held."""
    return request.status in _HELD and request.form.kind is FormKind.LEASE
