"""Shifts: processes for each kind of resource, so that a backend that hangs holds up what is its own and nothing else.

One process starts them by forking, before it has opened anything, and starts anew whichever ends by itself. Each takes
up one message at a time: Celery's own pool of children was seen to spin without end after its broker and a child had
died within a second of each other, and to take nothing up any more.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from typing import Final

import structlog

logger = structlog.get_logger(__name__)

LOOK_S: Final = 0.2
AGAIN_S: Final = 2.0
"""The least time between two starts of a shift: one that cannot start must not start all the time."""
_PR_SET_PDEATHSIG: Final = 1


def keep(names: Sequence[str], work: Callable[[str], object], stop: threading.Event) -> None:
    """Run `work(name)` for each of `names` in a process of its own until `stop` is set; each has ended afterwards."""
    shifts = [_start(name, work) for name in names]
    since = [time.monotonic() for _ in names]
    while not stop.wait(LOOK_S):
        for place, name in enumerate(names):
            if shifts[place].is_alive() or time.monotonic() < since[place] + AGAIN_S:
                continue
            logger.warning("a shift ended by itself; starting it anew", shift=name, status=shifts[place].exitcode)
            shifts[place], since[place] = _start(name, work), time.monotonic()
    for process in shifts:
        process.terminate()
    for process in shifts:
        process.join()


def _start(name: str, work: Callable[[str], object]) -> BaseProcess:
    process = multiprocessing.get_context("fork").Process(target=_on_duty, args=(name, work), name=name)
    process.start()
    return process


def _on_duty(name: str, work: Callable[[str], object]) -> None:
    """Work, and end with whoever started us, however that ended."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    work(name)
