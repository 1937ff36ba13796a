"""Every refusal of the workspace, in the words that Slack's Web API publishes."""

from __future__ import annotations

from typing import Any


class WorkspaceError(Exception):
    """Raised when the workspace cannot do what was asked. Root of every error of this folder."""


class SlackError(WorkspaceError):
    """Raised when a method answers `ok: false`.

    Args:
        code: the error code, as in Slack's reference of the method.
        extra: further fields of the answer, e.g. `response_metadata`.
    """

    def __init__(self, code: str, **extra: Any) -> None:
        super().__init__(code)
        self.code = code
        self.extra = extra


class PageError(WorkspaceError):
    """Raised when the page asks for what it may not have; `status` is the HTTP status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class PersonError(WorkspaceError):
    """Raised when a simulated person cannot do what a test asked, e.g. there is no such button."""
