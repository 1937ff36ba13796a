"""`quartermaster gpu run`: a command under a lease, stopped when the lease ends, whoever else is dead by then."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from ledger.book import utc_now
from workers.errors import BackendError, WorkerError
from workers.executors.leases import MARK, Lease, alone, lease_of, note_run, read_lease
from workers.executors.processes import end, living, started_at

LOOK_S: Final = 0.5
GRACE_S: Final = 10.0
"""How long the command may take to end before it is killed."""
ENDED: Final = 128 + signal.SIGTERM
"""The exit status when the lease ended first."""
_PASSED_ON: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class NoLeaseError(WorkerError):
    """Raised when the request holds no GPUs on this machine now; `/qm status` says where it stands."""


class NoCommandError(WorkerError):
    """Raised when there is no such command on this machine; nothing was started."""


class _ToldError(BaseException):
    """A signal asked us to end: what we started ends first."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """A command that was started under a lease."""

    key: str
    lease: Lease
    child: subprocess.Popen[bytes]
    since: str
    mark: str
    note: Path

    def alive(self) -> tuple[int, ...]:
        """The command and all that it started, also what left its session; not what else runs under the lease."""
        return living(self.mark, {self.child.pid: self.since})


def run_under_lease(folder: Path, request: str, command: Sequence[str], *, grace_s: float = GRACE_S) -> int:
    """Run `command` with the leased devices visible, and return its exit status as a shell would (128 + signal).

    Nothing that it started outlives it, or the lease: then the status is 143.
    """
    number = re.fullmatch(r"(?:REQ-)?([1-9][0-9]{0,8})", request)
    if number is None or not command:
        raise NoLeaseError("write it like: quartermaster gpu run REQ-1001 -- python train.py")
    if shutil.which(command[0]) is None:
        raise NoCommandError(command[0])
    with _told_by_signals():
        run = _begin(folder, int(number.group(1)), command)
        try:
            return _watch(folder, run)
        except _ToldError as told:
            return 128 + told.number
        finally:
            end(run.alive, grace_s)
            run.child.wait()
            run.note.unlink(missing_ok=True)


def _begin(folder: Path, number: int, command: Sequence[str]) -> _Run:
    """Start the command while no lease can be taken back: whoever revokes afterwards finds it marked and noted."""
    if not folder.is_dir():
        raise NoLeaseError(f"REQ-{number}")
    with alone(folder):
        found = lease_of(folder, number, utc_now())
        if found is None:
            raise NoLeaseError(f"REQ-{number}")
        key, lease = found
        run = secrets.token_hex(8)
        variables = {"CUDA_VISIBLE_DEVICES": ",".join(lease.devices), MARK: key, "QM_RUN": run}
        child = subprocess.Popen(  # noqa: S603 the holder's own command
            [*_dies_with_us(), *command], env={**os.environ, **variables}, start_new_session=True
        )
        since = started_at(child.pid)
        note = note_run(folder, key, child.pid)
    return _Run(key=key, lease=lease, child=child, since=since, mark=f"QM_RUN={run}", note=note)


def _watch(folder: Path, run: _Run) -> int:
    while True:
        with suppress(subprocess.TimeoutExpired):
            status = run.child.wait(LOOK_S)
            return status if status >= 0 else 128 - status
        if _over(folder, run):
            sys.stderr.write("quartermaster: the lease has ended; stopping the command\n")
            return ENDED


def _over(folder: Path, run: _Run) -> bool:
    """Whether the lease is gone or past its end; while its file cannot be read, the end known first holds."""
    try:
        lease = read_lease(folder, run.key)
    except (BackendError, OSError):
        lease = run.lease
    return lease is None or utc_now() >= lease.not_after


def _dies_with_us() -> list[str]:
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []


@contextmanager
def _told_by_signals() -> Iterator[None]:
    """Turn a signal to end into an exception, so that what we started ends first. Only a main thread is told."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def tell(number: int, _frame: FrameType | None) -> None:
        raise _ToldError(number)

    before = {number: signal.signal(number, tell) for number in _PASSED_ON}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
