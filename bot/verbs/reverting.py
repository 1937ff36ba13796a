"""Asking what becomes of a side door, taken away or known for a while: a request of its own, that somebody else approves."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from bot.errors import Reason, Refused
from bot.verbs.asking import Asking
from ledger.nouns import DoorForm, ExplainForm, RevertForm
from ledger.streams.request import Request
from ledger.streams.watch import Fault

DOORS: Final = "desk:revert"
KNOWN_FOR: Final = timedelta(days=90)
"""How long a side door can be known at most before it is found again."""
ADMINS_ALONE: Final = "Admins alone ask to take a side door away or explain it, and a second one approves it."
NOT_FOR_EVER: Final = "Name an end from now on, within 90 days; then it is found again, and can be explained again."


class Reverting(Asking):
    """Ask for a revert, or explain what was found."""

    def may_revert(self, slack: str) -> bool:
        """Whether this person may ask what becomes of side doors."""
        return self.policy().may(f"user:{slack}", "revert", DOORS) is not None

    def why_not_revert(self, slack: str, backend: str, finding: str) -> Refused | None:
        """Return why this person cannot ask to take it away now, None when they can."""
        found = self.book.watch(backend).finding(finding)
        if found is None or found.fault is not Fault.UNEXPLAINED:
            return Refused(reason=Reason.NO_FINDING)
        if not self.may_revert(slack):
            return Refused(reason=Reason.NOT_ALLOWED, detail=ADMINS_ALONE)
        asked = self.reverts_of(backend, finding)
        return Refused(reason=Reason.ALREADY_ASKED, number=asked.number) if asked is not None else None

    def revert(self, slack: str, backend: str, finding: str, reason: str) -> Request | Refused:
        """Ask to take away what a finding is about; who asks cannot approve it."""
        refused = self.why_not_revert(slack, backend, finding)
        if refused is not None:
            return refused
        form = RevertForm(resource=DOORS, backend=backend, finding=finding)
        return self.submit(slack, form, purpose=reason, said="")

    def explain(self, slack: str, backend: str, finding: str, until: datetime, reason: str) -> Request | Refused:
        """Ask that everybody knows of it until a moment, and that it is found again then; who asks cannot approve it."""
        refused = self.why_not_revert(slack, backend, finding)
        if refused is not None:
            return refused
        if not self._clock() < until <= self._clock() + KNOWN_FOR:
            return Refused(reason=Reason.NOT_ALLOWED, detail=NOT_FOR_EVER)
        form = ExplainForm(resource=DOORS, backend=backend, finding=finding, until=until)
        return self.submit(slack, form, purpose=reason, said="")

    def reverts_of(self, backend: str, finding: str) -> Request | None:
        """Return the open request that asks to take a finding away or explains it, None when there is none."""
        for request in map(self.book.request, self.book.requests.open(resource=DOORS)):
            form = request.form if request is not None else None
            if isinstance(form, DoorForm) and (form.backend, form.finding) == (backend, finding):
                return request
        return None
