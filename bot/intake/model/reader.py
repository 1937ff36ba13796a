"""The second reader: asks the model about a sentence, waits for it no longer than is bearable, and never fails.

A call runs on a thread of its own, so that the wait has one end whatever the server does. Who has a call running is
not asked about again until it is over; only a few run at all; and a server that failed again and again is left alone
for a while.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as WaitedEnoughError
from datetime import datetime
from typing import Final

import structlog

from bot.intake.forms import known_to, may_be_read_twice
from bot.intake.grammar import mark
from bot.intake.kept import Kept
from bot.intake.model.prompt import LONGEST, body_of
from bot.intake.model.proposal import NonsenseError, Outcome, Proposal, Second, parse, schema_of
from bot.intake.model.server import LateError, ModelServer, SilentError
from bot.intake.model.together import together
from bot.intake.reading import Reading
from bot.settings import ReaderSettings
from policies.catalogue import Catalogue

MOST_AT_ONCE: Final = 3
"""Calls of one desk. Its listeners are five threads, and two of them stay free."""
FAILURES: Final = 3
REST_S: Final = 30.0
logger = structlog.get_logger(__name__)
_SCHEMAS: Final = Kept(schema_of)


class Breaker:
    """Opens after some failures in a row, and lets one call through when it has rested."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic, self._lock = monotonic, threading.Lock()
        self._failed, self._until = 0, 0.0

    def lets_through(self) -> bool:
        """Whether the server may be asked now; after a rest, true for one caller until that call has ended."""
        with self._lock:
            if self._failed < FAILURES:
                return True
            if self._monotonic() < self._until:
                return False
            self._until = self._monotonic() + REST_S
            return True

    def ended(self, *, well: bool) -> None:
        """A call ended; an answer closes the breaker, whatever it said."""
        with self._lock:
            self._failed = 0 if well else self._failed + 1
            self._until = self._monotonic() + REST_S


class Reader:
    """Asks one model server about the sentences of one desk.

    Args:
        timeout_s: how long a person waits at most.
        monotonic: seconds that only grow.
    """

    def __init__(
        self, server: ModelServer, *, timeout_s: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._server, self._timeout_s = server, timeout_s
        self._breaker = Breaker(monotonic)
        self._calls = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="reader")
        self._asking: set[str] = set()
        self._lock = threading.Lock()

    def second(self, text: str, reading: Reading, *, now: datetime, catalogue: Catalogue, person: str) -> Second:
        """Return what the model says of a sentence, or why it says nothing; the grammar's reading stands either way.

        Args:
            reading: the grammar's.
            person: the Slack id of who wrote it; the model is not told.
        """
        marked = mark(text, known_to(catalogue))
        if not may_be_read_twice(reading) or not marked.whole.tokens or len(marked.text) > LONGEST:
            return Second()
        answer = self._within_time(person, lambda: self._asked(text, catalogue))
        if isinstance(answer, Outcome):
            return Second(outcome=answer)
        try:
            both = together(reading, answer, text, now=now, vocabulary=known_to(catalogue), sender=person)
        except NonsenseError as error:
            return Second(outcome=_nonsense(error))
        return Second(outcome=both.outcome, proposal=answer)

    def _asked(self, text: str, catalogue: Catalogue) -> Proposal:
        vocabulary = known_to(catalogue)
        schema = _SCHEMAS.of(vocabulary)
        return parse(self._server.ask(body_of(mark(text, vocabulary), vocabulary, schema, self._server.model)), schema)

    def _within_time(self, person: str, ask: Callable[[], Proposal]) -> Proposal | Outcome:
        with self._lock:
            if person in self._asking or len(self._asking) >= MOST_AT_ONCE:
                return Outcome.BUSY
            if not self._breaker.lets_through():
                return Outcome.DOWN
            self._asking.add(person)
        future = self._calls.submit(self._counted, person, ask)
        return _outcome(future, self._timeout_s)

    def _counted(self, person: str, ask: Callable[[], Proposal]) -> Proposal:
        """The call, on its own thread: that it ran is forgotten, and how it ended is noted, only when it is over."""
        well = False
        try:
            answer = ask()
            well = True
        except NonsenseError:
            well = True
            raise
        else:
            return answer
        finally:
            self._breaker.ended(well=well)
            with self._lock:
                self._asking.discard(person)

    def close(self) -> None:
        """Ask no more, and end the connections; a call that still runs ends by itself."""
        self._calls.shutdown(wait=False, cancel_futures=True)
        self._server.close()


def reader_of(settings: ReaderSettings) -> Reader | None:
    """Return the reader that the settings describe, None where they name no model.

    Raises:
        SettingsError: they contradict themselves.
    """
    settings.check()
    return Reader(ModelServer(settings), timeout_s=settings.timeout_s) if settings.on else None


def _outcome(future: Future[Proposal], timeout_s: float) -> Proposal | Outcome:
    try:
        return future.result(timeout_s)
    except WaitedEnoughError:
        return Outcome.SLOW
    except LateError:
        return Outcome.SLOW
    except NonsenseError as error:
        return _nonsense(error)
    except SilentError as error:
        logger.warning("the reader's model does not answer", detail=error.detail)
    except Exception:  # whatever a reader does, the grammar's reading stands
        logger.exception("the reader failed")
    return Outcome.DOWN


def _nonsense(error: NonsenseError) -> Outcome:
    logger.info("the model's answer counts for nothing", detail=error.detail)
    return Outcome.NONSENSE
