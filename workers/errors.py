"""Every error the hands raise."""

from __future__ import annotations


class WorkerError(Exception):
    """Raised when the hands cannot do what was ordered. Root of every error of this folder."""

    def __init__(self, detail: str = "") -> None:
        message = (self.__doc__ or "").strip().splitlines()[0]
        super().__init__(f"{message} ({detail})" if detail else message)
        self.detail = detail


class BackendError(WorkerError):
    """Raised when a backend refused or failed; nothing of the grant is in place unless `observe` says otherwise."""


class RefusedError(BackendError):
    """Raised when a backend will not do it, and its detail says why in words for whoever asked."""


class StaleGrantError(WorkerError):
    """Raised when a grant is older than what the backend has seen, or over; nothing was started."""


class OccupiedError(WorkerError):
    """Raised when somebody else is still at work on the same subject and resource; the sweep comes again."""


class SettingsError(WorkerError):
    """Raised when a setting is missing or contradicts another; it names the variable."""


class ServiceError(WorkerError):
    """Raised when a service that a single machine needs cannot be started."""
