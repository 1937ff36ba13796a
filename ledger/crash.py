"""Labelled steps at which a test ends a process as a power cut would. Off, and a call that does nothing, unless armed.

The entry point of a process arms it once, from `QM_CRASH_FOLDER`, which only tests set. A step is due when that folder
holds a file named after it: `worker.after-ensure.1001` with the process ids to kill, one a line (0 is the process
itself, -1 its whole group). The file is renamed first, so that nothing dies of it twice; one that begins with
`always` stays. `hang 30` kills nobody, and lets the step take 30 s.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

VARIABLE: Final = "QM_CRASH_FOLDER"
ITSELF, ITS_GROUP = 0, -1
_ALWAYS: Final = "always"
_HANG: Final = "hang"


def _nothing(step: str, number: int) -> None:
    """Do nothing: what production does at every step."""


_reached: Callable[[str, int], None] = _nothing


def point(step: str, number: int) -> None:
    """Say that request `number` has come to `step` in this process."""
    _reached(step, number)


def arm(role: str, environment: Mapping[str, str]) -> None:
    """Make the steps of this process, which plays `role`, deadly where the folder says so; without one, change nothing."""
    global _reached  # noqa: PLW0603 one switch a process, thrown once at its start
    folder = environment.get(VARIABLE)
    if folder:
        _reached = _deadly(Path(folder), role)


def _deadly(folder: Path, role: str) -> Callable[[str, int], None]:
    def reached(step: str, number: int) -> None:
        order = folder / f"{role}.{step}.{number}"
        try:
            victims = order.read_text().split()
            if victims[:1] == [_ALWAYS]:
                del victims[0]
            else:
                order.rename(folder / f"{role}.{step}.reached.{number}")
        except FileNotFoundError:
            return
        if victims[:1] == [_HANG]:
            time.sleep(float(victims.pop()))
            return
        for victim in victims:
            _kill(int(victim))

    return reached


def _kill(victim: int) -> None:
    if victim == ITS_GROUP:
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os.kill(victim if victim > 0 else os.getpid(), signal.SIGKILL)
