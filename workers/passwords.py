"""The password of a data grant: the desk showed it and entered its verifier; here the backend is told the verifier."""

from __future__ import annotations

import structlog

from ledger.streams.request import CredentialSet, Request, Status
from workers.entering import enter
from workers.errors import BackendError, StaleGrantError
from workers.executors.base import TakesVerifiers
from workers.room import Room, grant_of

logger = structlog.get_logger(__name__)


def password_due(request: Request) -> bool:
    """Whether a password was shown that the backend does not know yet."""
    shown = request.status is Status.RUNNING and request.credential is not None
    return shown and request.credentials_shown > request.credentials_set


def set_password(room: Room, request: Request) -> None:
    """Tell the backend the verifier of the password that was shown last; whatever fails, the sweep comes again."""
    if not password_due(request) or request.credential is None:
        return
    executor = _taker(room.executor_of(request))
    if executor is None:
        logger.error("its executor takes no password", request=request.number, executor=request.executor)
        return
    try:
        executor.set_verifier(grant_of(request), request.credential)
    except (BackendError, StaleGrantError) as error:
        logger.warning("the password is not set yet", request=request.number, detail=error.detail)
        return
    enter(room, request, CredentialSet(count=request.credentials_shown))


def _taker(executor: object) -> TakesVerifiers | None:
    return executor if isinstance(executor, TakesVerifiers) else None
