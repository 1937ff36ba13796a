"""What the endpoint does not pass on, in the shape in which OpenAI's clients expect an error."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from workers.errors import WorkerError


class TableError(WorkerError):
    """Raised when the route table cannot be read, or would not be one; the one before stays in force."""


class LostTableError(TableError):
    """Raised when the route table is gone or broken; the keeper writes it anew, and nobody else does."""


class CallError(Exception):
    """Raised when a call is answered by the endpoint itself.

    Args:
        status: of the HTTP answer.
        code: a word for programs.
        message: a sentence for people, which says what to do.
        param: the field of the body that is meant.
    """

    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.param = status, code, message, param

    def body(self) -> dict[str, Any]:
        """Return the JSON of the answer."""
        kind = "server_error" if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def bad(param: str, what: str) -> CallError:
    """Return the refusal of a field."""
    return CallError(400, "invalid_value", f"{param} {what}", param)
