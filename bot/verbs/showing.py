"""Showing a holder the secret of their grant: made here, shown once, and entered as its verifier alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.errors import Reason, Refused
from bot.verbs.steps import Steps
from ledger.nouns import DataForm, Enforcement, KeyForm, Personal
from ledger.streams.request import CredentialShown, Request, Status
from policies.backends import POSTGRES
from policies.catalogue import ENDPOINT
from workers.apikeys import new_key, verifier_of
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


def takes_key(request: Request) -> bool:
    """Whether the grant is a key to a model, and stands."""
    receipt = request.receipt
    held = request.status is Status.RUNNING and isinstance(request.form, KeyForm)
    return held and receipt is not None and receipt.executor == ENDPOINT


class Showing(Steps):
    """Show a password, or a key."""

    def show_password(self, slack: str, number: int) -> Password | Refused:
        """Enter that the holder is shown a new secret, by its verifier, and return it; the one before stops to count."""
        holder, request = self.subject(slack), self.book.request(number)
        secret, verifier = _key() if request is not None and isinstance(request.form, KeyForm) else _password()
        outcome = self._retry(lambda: self._show(holder, number, Personal(verifier)))
        return outcome if isinstance(outcome, Refused) else Password(request=outcome, secret=secret)

    def _show(self, holder: str, number: int, verifier: Personal) -> Request | Refused:
        request = self._mine(holder, number)
        if isinstance(request, Refused):
            return request
        if not (takes_password(request) or takes_key(request)):
            return Refused(reason=Reason.OVER if request.final else Reason.ALREADY_DECIDED, number=number)
        entry = CredentialShown(holder=holder, count=request.credentials_shown + 1, verifier=verifier)
        return self._land(number, self._write(request, holder, entry))


def _password() -> tuple[str, str]:
    secret = new_secret()
    return secret, make_verifier(secret).text()


def _key() -> tuple[str, str]:
    key = new_key()
    return key, verifier_of(key)
