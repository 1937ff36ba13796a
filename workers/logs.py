"""The program log of every process: one line an event, JSON in files, and never the values of variables.

The ledger is what happened; this is what the program ran into. It goes to standard error.
"""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog


def configure(stream: TextIO | None = None) -> None:
    """Write events from INFO up to `stream` as JSON; on a terminal only warnings, in words.

    Tracebacks are plain: a log must not hold what a frame's variables did.
    """
    out = sys.stderr if stream is None else stream
    people = out.isatty()
    last: list[structlog.typing.Processor] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    if people:
        last = [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING if people else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=out),
        cache_logger_on_first_use=True,
    )
