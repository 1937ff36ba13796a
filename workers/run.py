"""`quartermaster gpu run`: a command under a lease, stopped when the lease ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from ledger.book import utc_now
from workers.errors import WorkerError
from workers.executors.gpu_pool import lease_end, lease_of, read_lease, register_run

LOOK_S: Final = 0.5
GRACE_S: Final = 10.0


class NoLeaseError(WorkerError):
    """Raised when the request holds no GPUs on this machine now; `/qm status` says where it stands."""


def run_under_lease(folder: Path, request: str, command: Sequence[str]) -> int:
    """Run `command` with the leased devices visible and return its exit status; 143 when the lease ended first."""
    number = re.fullmatch(r"(?:REQ-)?([1-9][0-9]{0,8})", request)
    if number is None or not command:
        raise NoLeaseError("write it like: quartermaster gpu run REQ-1001 -- python train.py")
    found = lease_of(folder, int(number.group(1)))
    if found is None:
        raise NoLeaseError(request)
    key, lease = found
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ",".join(lease["devices"])}
    child = subprocess.Popen(list(command), env=environment, start_new_session=True)  # noqa: S603 the holder's own command
    note = register_run(folder, key, child.pid)
    try:
        return _watch(folder, key, child)
    finally:
        note.unlink(missing_ok=True)


def _watch(folder: Path, key: str, child: subprocess.Popen[bytes]) -> int:
    while True:
        with suppress(subprocess.TimeoutExpired):
            return child.wait(LOOK_S)
        lease = read_lease(folder, key)
        if lease is None or utc_now() >= lease_end(lease):
            sys.stderr.write("quartermaster: the lease has ended; stopping the command\n")
            return _stop(child)


def _stop(child: subprocess.Popen[bytes]) -> int:
    """End the whole group: politely first, then for certain."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(GRACE_S)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    return 128 + signal.SIGTERM
