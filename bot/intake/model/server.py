"""One question to the model server, answered in time or not at all: an OpenAI-compatible address over HTTP."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

import httpx

from bot.errors import DeskError
from bot.intake.model.proposal import NonsenseError
from bot.settings import ReaderSettings

MOST_BYTES: Final = 64 * 1024
"""Of an answer with everything around it."""


class SilentError(DeskError):
    """Raised when the model server does not answer, or not as one does; says what was seen."""


class LateError(SilentError):
    """Raised when the model server took too long."""


class ModelServer:
    """The server at `settings.url`. Certificates are verified, redirects are refused, proxies of the machine not used.

    Args:
        transport: what carries the calls, for tests.
        monotonic: seconds that only grow.
    """

    def __init__(
        self,
        settings: ReaderSettings,
        *,
        transport: httpx.BaseTransport | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._monotonic = settings, monotonic
        key = settings.key.get_secret_value()
        self._client = httpx.Client(
            transport=transport,
            verify=ssl.create_default_context(),
            headers={"authorization": f"Bearer {key}"} if key else {},
            follow_redirects=False,
            trust_env=False,
            timeout=settings.timeout_s,
        )

    @property
    def model(self) -> str:
        """The name that the server knows the model by."""
        return self._settings.model

    def ask(self, body: Mapping[str, Any]) -> str:
        """Return what the model wrote.

        Raises:
            LateError: it took longer than the budget.
            SilentError: it cannot be reached, refuses, or answers more than is read.
            NonsenseError: it answered, and that holds no text.
        """
        raw = self._read("POST", "/chat/completions", body)
        try:
            content = json.loads(raw)["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
            raise NonsenseError("no chat answer") from error
        if not isinstance(content, str):
            raise NonsenseError("an answer without text")
        return content

    def models(self) -> tuple[str, ...]:
        """Return the names that the server lists; raises SilentError as `ask` does."""
        raw = self._read("GET", "/models", None)
        try:
            return tuple(str(each["id"]) for each in json.loads(raw)["data"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise SilentError("it lists no models") from error

    def _read(self, method: str, path: str, body: Mapping[str, Any] | None) -> bytes:
        deadline = self._monotonic() + self._settings.timeout_s
        url = self._settings.url.rstrip("/") + path
        try:
            with self._client.stream(method, url, json=body) as answer:
                if answer.status_code != httpx.codes.OK:
                    raise SilentError(f"it answered {answer.status_code}")
                return self._whole(answer, deadline)
        except httpx.TimeoutException as error:
            raise LateError(f"no answer within {self._settings.timeout_s:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise SilentError(f"{type(error).__name__}: {error}"[:200]) from error

    def _whole(self, answer: httpx.Response, deadline: float) -> bytes:
        """Return what comes before the deadline: one that drips is as late as one that is silent."""
        raw = bytearray()
        for piece in answer.iter_bytes(4096):
            raw += piece
            if len(raw) > MOST_BYTES:
                raise SilentError(f"it answered more than {MOST_BYTES:,} bytes")
            if self._monotonic() > deadline:
                raise LateError(f"no whole answer within {self._settings.timeout_s:g} s")
        return bytes(raw)

    def close(self) -> None:
        """End its connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
