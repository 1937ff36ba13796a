"""The one task a worker knows: attend to a request. Its argument is a number; the ledger says the rest."""

from __future__ import annotations

import signal
from collections.abc import Callable

import structlog
from celery import Celery

from workers.hands import attend
from workers.queue import LIMIT_S, TASK
from workers.room import Room

logger = structlog.get_logger(__name__)


def register(app: Celery, room: Callable[[], Room]) -> None:
    """Give `app` the task; `room` is built on first use, in the process that works."""

    @app.task(name=TASK, shared=False)  # type: ignore[untyped-decorator]
    def attend_to(number: object) -> None:
        if type(number) is not int or number < 1:
            logger.warning("a message without a request was dropped")
            return
        signal.alarm(LIMIT_S)  # nobody hears it: the process dies, as it would by `kill -9`
        try:
            attend(room(), number)
        finally:
            signal.alarm(0)
