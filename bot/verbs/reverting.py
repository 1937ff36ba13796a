"""Asking to take away a side door: a request of its own, that somebody else approves."""

from __future__ import annotations

from typing import Final

from bot.errors import Reason, Refused
from bot.verbs.asking import Asking
from ledger.nouns import RevertForm
from ledger.streams.request import Request
from ledger.streams.watch import Fault

ADMINS_ALONE: Final = "Admins alone ask to take a side door away, and a second one approves it."


class Reverting(Asking):
    """Ask for a revert."""

    def why_not_revert(self, slack: str, backend: str, finding: str) -> Refused | None:
        """Return why this person cannot ask to take it away now, None when they can."""
        found = self.book.watch(backend).finding(finding)
        if found is None or found.fault is not Fault.UNEXPLAINED:
            return Refused(reason=Reason.NO_FINDING)
        if self.policy().may(f"user:{slack}", "revert", "desk:revert") is None:
            return Refused(reason=Reason.NOT_ALLOWED, detail=ADMINS_ALONE)
        asked = self.reverts_of(backend, finding)
        return Refused(reason=Reason.ALREADY_ASKED, number=asked.number) if asked is not None else None

    def revert(self, slack: str, backend: str, finding: str, reason: str) -> Request | Refused:
        """Ask to take away what a finding is about; who asks cannot approve it."""
        refused = self.why_not_revert(slack, backend, finding)
        if refused is not None:
            return refused
        form = RevertForm(resource="desk:revert", backend=backend, finding=finding)
        return self.submit(slack, form, purpose=reason, said="")

    def reverts_of(self, backend: str, finding: str) -> Request | None:
        """Return the open request that asks to take a finding away, None when nobody does."""
        for request in map(self.book.request, self.book.requests.open()):
            form = request.form if request is not None else None
            if isinstance(form, RevertForm) and (form.backend, form.finding) == (backend, finding):
                return request
        return None
