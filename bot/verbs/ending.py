"""Ending: withdraw what has not started, release what one holds, revoke what somebody else holds."""

from __future__ import annotations

from typing import Final

from bot.errors import Reason, Refused
from bot.verbs.steps import Steps
from ledger.book import Write
from ledger.nouns import Change, Personal
from ledger.streams.pool import Freed
from ledger.streams.request import Released, Request, Revoked, Status, Withdrawn
from policies.budgets import hand_back

_HELD: Final = frozenset({Status.STARTING, Status.RUNNING})


class Ending(Steps):
    """Withdraw, release and revoke."""

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
        team = request.decision.team if request.decision else ""
        writes += hand_back(self.book, team, number, actor=asker)
        return self._land(number, *writes)

    def release(self, slack: str, number: int) -> Request | Refused:
        """Hand back early what one holds."""
        holder = self.subject(slack)
        return self._retry(lambda: self._release(holder, number))

    def _release(self, holder: str, number: int) -> Request | Refused:
        request = self._mine(holder, number)
        if isinstance(request, Refused):
            return request
        if request.status not in _HELD or isinstance(request.form, Change):
            return Refused(reason=Reason.OVER if request.final else Reason.ALREADY_DECIDED, number=number)
        return self._land(number, self._write(request, holder, Released(holder=holder)))

    def revoke(self, slack: str, number: int, reason: str) -> Request | Refused:
        """End somebody else's lease early; needs a rule that lets this person."""
        revoker = self.subject(slack)
        return self._retry(lambda: self._revoke(revoker, slack, number, reason))

    def why_not_revoke(self, slack: str, number: int) -> Refused | None:
        """Return why this person may not revoke a lease now, None when they may."""
        found = self._revocable(self.subject(slack), slack, number)
        return found if isinstance(found, Refused) else None

    def _revoke(self, revoker: str, slack: str, number: int, reason: str) -> Request | Refused:
        found = self._revocable(revoker, slack, number)
        if isinstance(found, Refused):
            return found
        request, rule = found
        entry = Revoked(revoker=revoker, rule=rule, reason=Personal(reason))
        return self._land(number, self._write(request, revoker, entry))

    def _revocable(self, revoker: str, slack: str, number: int) -> tuple[Request, str] | Refused:
        request = self.book.request(number)
        if request is None:
            return Refused(reason=Reason.UNKNOWN_REQUEST, number=number)
        rule = self.policy().may(f"user:{slack}", "revoke", request.form.resource)
        if rule is None or revoker in request.barred:
            return Refused(reason=Reason.NOT_ALLOWED, number=number)
        if request.status not in _HELD:
            return Refused(reason=Reason.OVER if request.final else Reason.ALREADY_DECIDED, number=number)
        return request, rule
