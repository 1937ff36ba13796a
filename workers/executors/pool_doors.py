"""Everything that a lease folder and the processes around it hold, explained by a grant or not, and taking it away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from workers.errors import BackendError
from workers.executors.base import Holding
from workers.executors.leases import BARRED, MARK, Lease, alive_under, alone, end_lease, leases
from workers.executors.processes import end, marked

_KEY: Final = re.compile(r"[0-9a-f]{32}")
_PROCESS: Final = re.compile(r"process ([0-9]+)\b")
_RUN: Final = "QM_RUN"


def holdings_of(folder: Path) -> tuple[Holding, ...]:
    """Return what `folder` leases, and the processes that claim a lease which nobody gave them; raises OSError."""
    found = leases(folder)
    files = tuple(_file(key, lease) for key, lease in found.items())
    return (*files, *_strays(folder, frozenset(key for key, lease in found.items() if lease is not None)))


def _file(key: str, lease: Lease | None) -> Holding:
    if lease is None or not _KEY.fullmatch(key):
        return Holding(key=None, what=f"{key}.lease")
    devices = tuple(sorted(lease.devices))
    return Holding(key=key, what=f"lease of {' '.join(devices)}", until=lease.not_after, devices=devices)


def _strays(folder: Path, standing: frozenset[str]) -> Iterator[Holding]:
    """Whatever says that it runs under a lease of this folder and should not: the lease ended, or no run started it.

    What `gpu run` starts carries the name of its run, or belongs to a session that is noted. A key that this folder
    never knew is another installation's.
    """
    for stray in marked(MARK, _RUN):
        if not _KEY.fullmatch(stray.value):
            continue
        noted = (folder / f"{stray.value}.run.{stray.session}").exists()
        if stray.value not in standing:
            if (folder / f"{stray.value}.ended").exists():
                yield Holding(key=stray.value, who=stray.user, what=f"process {stray.pid}")
        elif not stray.has_also and not noted:
            yield Holding(key=None, who=stray.user, what=f"process {stray.pid}, not started by gpu run, uses a lease")


def take_away(folder: Path, holding: Holding, grace_s: float) -> None:
    """Take away what `holdings_of` returned: the lease with what runs under it, the foreign file, or the process.

    Raises:
        BackendError: something does not end, or it is none of these.
    """
    if holding.key is not None:
        _take_lease(folder, holding.key, grace_s)
        return
    process = _PROCESS.match(holding.what)
    if process is None:
        _foreign_file(folder, holding.what).unlink(missing_ok=True)
        return
    pid = int(process.group(1))
    if not end(lambda: tuple(each.pid for each in marked(MARK, _RUN) if each.pid == pid), grace_s):
        raise BackendError(f"process {pid} does not end; it may belong to another user of this machine")


def _take_lease(folder: Path, key: str, grace_s: float) -> None:
    with alone(folder):
        end_lease(folder, key, BARRED)
    if not end(lambda: alive_under(folder, key), grace_s):
        raise BackendError("something that runs under it does not end")


def _foreign_file(folder: Path, name: str) -> Path:
    """Return the file of this name in the folder itself; a name that leads elsewhere is none of ours."""
    path = folder / name
    if path.parent != folder or path.suffix != ".lease":
        raise BackendError("that is no lease file")
    return path
