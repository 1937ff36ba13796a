"""A shift for each kind of resource: a Celery worker of its own, so that a backend that hangs holds up its own alone.

One process starts them by forking, before it has opened anything, and starts anew whichever ends by itself. They share
what was imported; each has its connection to the broker and its children.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterable
from multiprocessing.process import BaseProcess
from typing import Final

import structlog

logger = structlog.get_logger(__name__)

LOOK_S: Final = 0.5
AGAIN_S: Final = 2.0
"""How long a shift that ended by itself stays away: one that cannot start must not start all the time."""
_PR_SET_PDEATHSIG: Final = 1


def keep(names: Iterable[str], work: Callable[[str], object], stop: threading.Event) -> None:
    """Run `work(name)` for each name in a process of its own until `stop` is set; each has ended afterwards."""
    shifts = {name: _start(name, work) for name in names}
    while not stop.wait(LOOK_S):
        for name in [name for name, process in shifts.items() if not process.is_alive()]:
            logger.warning("a shift ended by itself; starting it anew", queues=name, status=shifts[name].exitcode)
            if not stop.wait(AGAIN_S):
                shifts[name] = _start(name, work)
    for process in shifts.values():
        process.terminate()
    for process in shifts.values():
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
