"""Leases as files: one folder that worker, clock and `gpu run` share, one file a grant key, written whole and synced.

`<key>.lease` stands while the grant does; `<key>.ended` bars generations that were taken back; `<key>.run.<pid>` notes
a session that runs under it.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from ledger.errors import LedgerError
from ledger.log.canonical import format_time, parse_time
from workers.durable import write_whole
from workers.errors import BackendError
from workers.executors.processes import living, started_at

MARK: Final = "QM_LEASE"
"""The variable that names the grant key in everything that runs under it."""
BARRED: Final = sys.maxsize
"""The generation that an unreadable `.ended` bars: all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Devices of a request until `not_after`, aware UTC."""

    request: int
    generation: int
    devices: tuple[str, ...]
    not_after: datetime


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let nobody else change leases, or start under one, meanwhile. Held for moments only."""
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def read_lease(folder: Path, key: str) -> Lease | None:
    """Return the lease of `key` if it stands; raises BackendError for a file that we did not write."""
    path = folder / f"{key}.lease"
    try:
        body = json.loads(path.read_text())
        lease = Lease(
            request=body["request"],
            generation=body["generation"],
            devices=tuple(body["devices"]),
            not_after=parse_time(body["not_after"]),
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, LedgerError) as error:
        raise BackendError(f"{path.name} is not a lease; look at it and remove it") from error
    if type(lease.request) is not int or type(lease.generation) is not int or not _names(lease.devices):
        raise BackendError(f"{path.name} is not a lease; look at it and remove it")
    return lease


def write_lease(folder: Path, key: str, lease: Lease) -> None:
    """Make the lease stand, durably; whoever reads meanwhile sees the old one or the new one."""
    body = {
        "request": lease.request,
        "generation": lease.generation,
        "devices": list(lease.devices),
        "not_after": format_time(lease.not_after),
    }
    write_whole(folder / f"{key}.lease", json.dumps(body).encode())


def end_lease(folder: Path, key: str, generation: int) -> None:
    """Bar `generation` and all before it, then take the lease away: a crash between the two bars it already."""
    last, lease = max(generation, ended(folder, key)), folder / f"{key}.lease"
    try:
        write_whole(folder / f"{key}.ended", json.dumps({"generation": last}).encode())
    except OSError:
        if not lease.exists():
            raise
        _turn_into_bar(lease, folder / f"{key}.ended", last)
    lease.unlink(missing_ok=True)


def _turn_into_bar(lease: Path, bar: Path, generation: int) -> None:
    """On a disk without any room: the lease's own file says which generation is over, and is then written in place."""
    lease.replace(bar)
    body = json.dumps({"generation": generation})
    with bar.open("r+") as file:
        file.write(body.ljust(bar.stat().st_size))
        file.flush()
        os.fsync(file.fileno())


def ended(folder: Path, key: str) -> int:
    """Return the last generation that was taken back, 0 if none; everything when the file cannot be read."""
    try:
        generation = json.loads((folder / f"{key}.ended").read_text())["generation"]
    except FileNotFoundError:
        return 0
    except (ValueError, KeyError, TypeError):
        return BARRED
    return generation if type(generation) is int else BARRED


def forget_ended(folder: Path, over: Callable[[str], bool]) -> int:
    """Take away the `.ended` of every key that is `over`; return how many there were."""
    gone = [path for path in folder.glob("*.ended") if over(path.stem)]
    with alone(folder):
        for path in gone:
            path.unlink(missing_ok=True)
    return len(gone)


def leases(folder: Path) -> dict[str, Lease | None]:
    """Return every lease file by its key, None for one that cannot be read; raises OSError without the folder."""
    keys = (path.stem for path in sorted(folder.iterdir()) if path.suffix == ".lease")
    return {key: _or_none(folder, key) for key in keys}


def lease_of(folder: Path, request: int, now: datetime) -> tuple[str, Lease] | None:
    """Return (key, lease) of a request's lease that is not over, None when it holds none."""
    for key, lease in leases(folder).items():
        if lease is not None and lease.request == request and now < lease.not_after:
            return key, lease
    return None


def note_run(folder: Path, key: str, pid: int) -> Path:
    """Note that the session led by `pid` runs under the lease; the caller removes the note when it is over."""
    path = folder / f"{key}.run.{pid}"
    path.write_text(started_at(pid))
    return path


def alive_under(folder: Path, key: str) -> tuple[int, ...]:
    """Return the processes that run under the lease; raises BackendError for a note that we did not write."""
    try:
        noted = {int(path.suffix[1:]): path.read_text() for path in folder.glob(f"{key}.run.*")}
    except ValueError as error:
        raise BackendError(f"a foreign file beside {key}.run; look at it and remove it") from error
    except FileNotFoundError:  # a run ended between the listing and the reading
        return alive_under(folder, key)
    return living(f"{MARK}={key}", noted)


def _or_none(folder: Path, key: str) -> Lease | None:
    try:
        return read_lease(folder, key)
    except BackendError:
        return None


def _names(devices: tuple[Any, ...]) -> bool:
    return all(type(device) is str for device in devices)
