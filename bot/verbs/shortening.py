"""Ending sooner: the holder gives back the rest of a lease, and nobody is asked.

The end moves in one transaction with what the pool and the team's budget keep for it. A halt stops none of this.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from bot.errors import Reason, Refused
from bot.verbs.steps import Steps
from ledger.nouns import Change
from ledger.streams.codec import digest
from ledger.streams.request import Request, Shortened, Status, settled_end, shorter
from policies import budgets

LEAST: Final = timedelta(seconds=1)
"""By how much sooner a lease ends at least: what is reserved is counted in whole seconds."""


class Shortening(Steps):
    """Shorten."""

    def shorten(self, slack: str, number: int, end: datetime) -> Request | Refused:
        """Have `number` end at `end` (aware), later than now and sooner than it would."""
        holder = self.subject(slack)
        return self._retry(lambda: self._shorten(holder, number, end))

    def _shorten(self, holder: str, number: int, end: datetime) -> Request | Refused:
        request = self._shortenable(holder, number, end)
        if isinstance(request, Refused):
            return request
        form = shorter(request.form, request.not_after or end, end)
        entry = Shortened(
            holder=holder, form=form, form_digest=digest(form), generation=request.generation + 1, not_after=end
        )
        team = request.decision.team if request.decision else ""
        given_back = [
            *self._rebooking(request, end),
            *budgets.reserve_less(self.book, self.policy(), team, number, form),
        ]
        return self._land(number, self._write(request, holder, entry), *given_back)

    def _shortenable(self, holder: str, number: int, end: datetime) -> Request | Refused:
        """Return the request if its holder may have it end at `end`."""
        request = self._mine(holder, number)
        if isinstance(request, Refused):
            return request
        before, now = request.not_after, self._clock()
        if request.final or request.status in {Status.ENDING, Status.UNCONFIRMED}:
            return Refused(reason=Reason.OVER, number=number)
        if request.status is not Status.RUNNING or isinstance(request.form, Change) or before is None:
            return Refused(reason=Reason.NOT_RUNNING, number=number)
        if now >= before:
            return Refused(reason=Reason.OVER, number=number)
        if not settled_end(request):
            return Refused(reason=Reason.EXTENSION_PENDING, number=number)
        if end <= now:
            return Refused(reason=Reason.END_PAST, number=number)
        return request if end <= before - LEAST else Refused(reason=Reason.NOT_SOONER, number=number)
