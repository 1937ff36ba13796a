"""Answers to what people ask a model from Slack: through the governed endpoint, with the budget of their own key.

The hands have no key of anybody's. They name the grant, together with a secret of this house that the endpoint knows,
and everything else is as for any caller: bounds, budgets, routes, and the version that answers.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any, Final

import httpx
import structlog

from ledger.book import Book, Write
from ledger.nouns import Personal
from ledger.streams.question import Answered, Asked, Unanswered, Waiting, stream_of
from ledger.streams.request import Request, Status
from workers.room import WORKER

logger = structlog.get_logger(__name__)

ANSWER_S: Final = 80.0
"""How long one answer may take: three of them, one after the other, within what a message may."""
PATIENCE: Final = timedelta(minutes=5)
"""How long a question waits for an endpoint that is away, or for somebody in place of a worker that died over it."""
LONGEST: Final = 100_000
"""Characters of an answer that are kept."""
KEY_OVER: Final = "The key's time was over before the model could answer."
NOBODY: Final = "Nobody answered within 5 minutes. Ask again, or ask whoever runs the models."
REFUSED: Final = "The model's server refused this question."
NONSENSE: Final = "The model's server gave no answer that can be read."
_TIMES: Final = httpx.Timeout(ANSWER_S, connect=2.0)
_AWAY: Final = frozenset({"server_away", "keys_away"})
_OTHERS_WORDS: Final = "refused_by_server"
"""The code of an error whose words are the server's, which may repeat the question."""


class AwayError(Exception):
    """Raised when nobody answers now; the question waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """Answers what waits.

    Args:
        endpoint: address of the governed endpoint, such as `http://127.0.0.1:8400`.
        token: returns what the endpoint wants to hear from this house for a grant, by its key.
        locks: folder for the locks by which one worker at a time asks with a key.
    """

    book: Book
    endpoint: str
    token: Callable[[str], str]
    locks: Path
    clock: Callable[[], datetime]
    transport: httpx.BaseTransport | None = None
    """For tests; None is the network."""

    def answer(self, number: int) -> None:
        """Answer every question that waits with the key of request `number`, the oldest first."""
        with self._alone(number) as alone:
            for waiting in self.book.questions(number).waiting if alone else ():
                self._answer(number, waiting)

    def _answer(self, number: int, waiting: Waiting) -> None:
        asked, request = waiting.asked, self.book.request(number)
        if request is None or not _runs(request, self.clock()):
            self._enter(number, Unanswered(question=asked.question, why=KEY_OVER))
        elif self.clock() - waiting.at > PATIENCE:
            self._enter(number, Unanswered(question=asked.question, why=NOBODY))
        else:
            try:
                self._enter(number, self._ask(asked, request))
            except AwayError as away:
                logger.warning("a question waits", request=number, detail=str(away))

    def _ask(self, asked: Asked, request: Request) -> Answered | Unanswered:
        """Return what became of a question; raises AwayError when it may be asked again."""
        began = monotonic()
        try:
            with httpx.Client(timeout=_TIMES, trust_env=False, transport=self.transport) as client:
                answer = client.post(
                    f"{self.endpoint}/v1/chat/completions",
                    json=body_of(asked),
                    headers={"authorization": f"Bearer {self.token(request.grant_key or '')}"},
                )
        except httpx.ConnectError as error:
            raise AwayError("the endpoint does not answer") from error
        except httpx.HTTPError as error:
            logger.warning("a question was not answered", request=request.number, error=type(error).__name__)
            return Unanswered(
                question=asked.question, why=NOBODY if isinstance(error, httpx.TimeoutException) else NONSENSE
            )
        return _read(asked, answer, round(1000 * (monotonic() - began)))

    def _enter(self, number: int, entry: Answered | Unanswered) -> None:
        stream = stream_of(number)
        expected = self.book.questions(number).version
        self.book.append(Write(stream=stream, expected=expected, entries=(entry,), actor=WORKER))

    @contextmanager
    def _alone(self, number: int) -> Iterator[bool]:
        """Whether nobody else asks with this key; the kernel lets go for whoever dies."""
        self.locks.mkdir(parents=True, exist_ok=True)
        with (self.locks / f"questions-{number}").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True


def body_of(asked: Asked) -> dict[str, Any]:
    """Return the call that asks a question: with the same version behind the route, it can be made again."""
    return {
        "model": asked.model,
        "messages": [{"role": "user", "content": str(asked.prompt)}],
        "temperature": asked.sampling.temperature / 100,
        "max_tokens": asked.sampling.max_tokens,
        "seed": asked.sampling.seed,
    }


def _runs(request: Request, now: datetime) -> bool:
    return request.status is Status.RUNNING and (request.not_after is None or now < request.not_after)


def _read(asked: Asked, answer: httpx.Response, took_ms: int) -> Answered | Unanswered:
    try:
        body = answer.json()
    except ValueError:
        body = {}
    match body:
        case {"error": {"code": str(code), "message": str(message)}} if code in _AWAY:
            raise AwayError(message)
        case {"error": {"code": str(code), "message": str(message)}}:
            return Unanswered(question=asked.question, why=REFUSED if code == _OTHERS_WORDS else message[:300])
        case {"choices": [{"message": {"content": str(text)}}, *_], "usage": {**usage}}:
            return Answered(
                question=asked.question,
                answer=Personal(text[:LONGEST]),
                version=answer.headers.get("x-quartermaster-version", ""),
                prompt_tokens=_count(usage.get("prompt_tokens")),
                answer_tokens=_count(usage.get("completion_tokens")),
                took_ms=took_ms,
            )
    return Unanswered(question=asked.question, why=NONSENSE)


def _count(value: object) -> int:
    return value if type(value) is int and value > 0 else 0
