"""The two tasks a worker knows: attend to a request, and answer what was asked with the key that it granted.

The argument is a number; the ledger says the rest.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

import structlog
from celery import Celery

from workers.answering import Answering
from workers.hands import attend
from workers.queue import ANSWER, LIMIT_S, TASK
from workers.room import Room

logger = structlog.get_logger(__name__)


def register(app: Celery, room: Callable[[], Room], answering: Callable[[], Answering]) -> None:
    """Give `app` the tasks; what they work with is built on first use, in the process that works."""
    _task(app, TASK, lambda number: attend(room(), number))
    _task(app, ANSWER, lambda number: answering().answer(number))


def _task(app: Celery, name: str, work: Callable[[int], object]) -> None:
    @app.task(name=name, shared=False)  # type: ignore[untyped-decorator]
    def take_up(number: object) -> None:
        if type(number) is not int or number < 1:
            logger.warning("a message without a request was dropped")
            return
        signal.alarm(LIMIT_S)  # nobody hears it: the process dies, as it would by `kill -9`
        try:
            work(number)
        finally:
            signal.alarm(0)
