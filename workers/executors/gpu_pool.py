"""GPUs of this machine, leased by id: a lease is a file that `quartermaster gpu run` obeys.

`advisory`: the operating system does not keep a person with a shell off a device. What runs under `gpu run` sees the
leased devices alone and is stopped when the lease ends.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ledger.book import utc_now
from ledger.log.canonical import format_time, parse_time
from ledger.nouns import Enforcement, Grant, Receipt
from workers.errors import BackendError, StaleGrantError
from workers.executors.base import Observation


class GpuPoolExecutor:
    """Leases as files in one folder, written whole and synced before they count.

    Args:
        folder: where leases live; shared by worker, clock and `gpu run`.
        labels: what people call a device, by id.
        simulated: the devices come from a catalogue, not from a driver.
    """

    name = "gpu_pool"
    enforcement = Enforcement.ADVISORY

    def __init__(
        self,
        folder: Path,
        *,
        labels: Callable[[str], str] = str,
        simulated: bool = False,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._folder = folder
        self._labels = labels
        self.simulated = simulated
        self._clock = clock
        folder.mkdir(parents=True, exist_ok=True)

    def ensure(self, grant: Grant) -> Receipt:
        """Write the lease; the same generation again finds it written."""
        if grant.not_after is None or self._clock() >= grant.not_after:
            raise StaleGrantError(grant.key)
        if self._ended(grant.key) >= grant.generation:
            raise StaleGrantError(grant.key)
        held = read_lease(self._folder, grant.key)
        if held is not None and held["generation"] > grant.generation:
            raise StaleGrantError(grant.key)
        if held is None or held["generation"] < grant.generation:
            _write_whole(self._lease(grant.key), _lease_body(grant))
        labels = tuple(self._labels(device) for device in grant.devices)
        return Receipt(executor=self.name, enforcement=self.enforcement, devices=labels, simulated=self.simulated)

    def observe(self, grant: Grant) -> Observation:
        """Return whether the lease stands or anything still runs under it."""
        if self._lease(grant.key).exists() or live_runs(self._folder, grant.key):
            return Observation.HELD
        return Observation.GONE

    def revoke(self, grant: Grant) -> None:
        """End the lease, then whatever runs under it."""
        try:
            ended = max(grant.generation, self._ended(grant.key))
            _write_whole(self._folder / f"{grant.key}.ended", {"generation": ended})
            self._lease(grant.key).unlink(missing_ok=True)
            for pid in live_runs(self._folder, grant.key):
                os.killpg(pid, signal.SIGTERM)
        except ProcessLookupError:
            return
        except OSError as error:
            raise BackendError(error.strerror or "lease folder") from error

    def _lease(self, key: str) -> Path:
        return self._folder / f"{key}.lease"

    def _ended(self, key: str) -> int:
        path = self._folder / f"{key}.ended"
        return int(json.loads(path.read_text())["generation"]) if path.exists() else 0


def read_lease(folder: Path, key: str) -> dict[str, Any] | None:
    """Return the lease of `key` if it stands: request, generation, devices, not_after."""
    try:
        body: dict[str, Any] = json.loads((folder / f"{key}.lease").read_text())
    except FileNotFoundError:
        return None
    return body


def lease_of(folder: Path, request: int) -> tuple[str, dict[str, Any]] | None:
    """Return (key, lease) of a request, None when it holds none."""
    for path in folder.glob("*.lease"):
        body = read_lease(folder, path.stem)
        if body is not None and body["request"] == request:
            return path.stem, body
    return None


def lease_end(lease: Mapping[str, Any]) -> datetime:
    """Return when the lease ends, aware UTC."""
    return parse_time(lease["not_after"])


def register_run(folder: Path, key: str, pid: int) -> Path:
    """Note that process group `pid` runs under the lease; the caller removes the file when it is over."""
    path = folder / f"{key}.run.{pid}"
    path.write_text(_started_at(pid))
    return path


def live_runs(folder: Path, key: str) -> list[int]:
    """Return the process groups that still run under the lease; a reused process id does not count."""
    runs = ((int(path.suffix[1:]), path) for path in folder.glob(f"{key}.run.*"))
    return [
        pid for pid, path in runs if _started_at(pid) not in {"", "zombie"} and path.read_text() == _started_at(pid)
    ]


def _started_at(pid: int) -> str:
    """The kernel's start time of a process, empty when it is gone: tells a reused id from the process that we started."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "zombie" if after_name[0] == "Z" else after_name[19]


def _lease_body(grant: Grant) -> dict[str, Any]:
    return {
        "request": grant.request,
        "generation": grant.generation,
        "devices": list(grant.devices),
        "not_after": "" if grant.not_after is None else format_time(grant.not_after),
    }


def _write_whole(path: Path, body: Mapping[str, Any]) -> None:
    """Write beside, sync, rename: a crash leaves the old file or the new one, never half of one."""
    beside = path.with_suffix(f".{os.getpid()}.new")
    with beside.open("w") as file:
        json.dump(body, file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
