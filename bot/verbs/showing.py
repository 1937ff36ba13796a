"""Showing the holder of a data grant its password: made here, shown once, and entered as its verifier alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.errors import Reason, Refused
from bot.verbs.steps import Steps
from ledger.nouns import DataForm, Enforcement, Personal
from ledger.streams.request import CredentialShown, Request, Status
from policies.backends import POSTGRES
from workers.scram import make_verifier, new_secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Password:
    """A secret that exists in this value alone: for one modal, and for nothing that is kept or logged."""

    request: Request
    secret: str = field(repr=False)


def takes_password(request: Request) -> bool:
    """Whether the grant is a login of its own; who uses it from their own account has their own password."""
    receipt = request.receipt
    if request.status is not Status.RUNNING or receipt is None or not isinstance(request.form, DataForm):
        return False
    own_login = receipt.enforcement is Enforcement.SELF_ENDING
    return own_login and receipt.executor.startswith(f"{POSTGRES}:")


class Showing(Steps):
    """Show a password."""

    def show_password(self, slack: str, number: int) -> Password | Refused:
        """Enter that the holder is shown a new password, by its verifier, and return it; the one before stops to count."""
        holder, secret = self.subject(slack), new_secret()
        verifier = Personal(make_verifier(secret).text())
        outcome = self._retry(lambda: self._show(holder, number, verifier))
        return outcome if isinstance(outcome, Refused) else Password(request=outcome, secret=secret)

    def _show(self, holder: str, number: int, verifier: Personal) -> Request | Refused:
        request = self._mine(holder, number)
        if isinstance(request, Refused):
            return request
        if not takes_password(request):
            return Refused(reason=Reason.OVER if request.final else Reason.ALREADY_DECIDED, number=number)
        entry = CredentialShown(holder=holder, count=request.credentials_shown + 1, verifier=verifier)
        return self._land(number, self._write(request, holder, entry))
