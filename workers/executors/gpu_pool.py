"""GPUs of this machine, leased by id: a lease is a file that `quartermaster gpu run` obeys.

`advisory`: the operating system does not keep a person with a shell off a device. What runs under `gpu run` sees the
leased devices alone and is stopped when the lease ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from ledger.book import utc_now
from ledger.nouns import Enforcement, Grant, Receipt
from workers.errors import BackendError, StaleGrantError
from workers.executors.base import Holding, Observation
from workers.executors.leases import (
    Lease,
    alive_under,
    alone,
    end_lease,
    ended,
    forget_ended,
    leases,
    read_lease,
    write_lease,
)
from workers.executors.pool_doors import holdings_of, take_away
from workers.executors.processes import end

GRACE_S: Final = 5.0
"""How long a command may take to end when its lease was taken back; then it is killed."""


class GpuPoolExecutor:
    """Leases as files in one folder, written whole and synced before they count.

    Args:
        folder: where leases live; shared by worker, clock and `gpu run`.
        labels: what people call a device, by id.
        simulated: the devices come from a catalogue, not from a driver.
        grace_s: seconds between asking a command to end and killing it.
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
        grace_s: float = GRACE_S,
    ) -> None:
        self._folder = folder
        self._labels = labels
        self.simulated = simulated
        self._clock = clock
        self._grace_s = grace_s
        folder.mkdir(parents=True, exist_ok=True)

    def ensure(self, grant: Grant) -> Receipt:
        """Write the lease; the same generation again finds it written."""
        if grant.not_after is None or self._clock() >= grant.not_after:
            raise StaleGrantError(grant.key)
        lease = Lease(
            request=grant.request, generation=grant.generation, devices=grant.devices, not_after=grant.not_after
        )
        with _files(), alone(self._folder):
            held = read_lease(self._folder, grant.key)
            known = held.generation if held is not None else 0
            if ended(self._folder, grant.key) >= grant.generation or known > grant.generation:
                raise StaleGrantError(grant.key)
            self._refuse_taken(grant)
            if known < grant.generation:
                write_lease(self._folder, grant.key, lease)
        labels = tuple(self._labels(device) for device in grant.devices)
        return Receipt(executor=self.name, enforcement=self.enforcement, devices=labels, simulated=self.simulated)

    def observe(self, grant: Grant) -> Observation:
        """Return whether the lease stands or anything still runs under it; UNKNOWN without the folder or a readable file."""
        try:
            with _files():
                is_there = self._folder.is_dir()
                held = read_lease(self._folder, grant.key) is not None or bool(alive_under(self._folder, grant.key))
        except BackendError:
            return Observation.UNKNOWN
        if held:
            return Observation.HELD
        return Observation.GONE if is_there else Observation.UNKNOWN

    def revoke(self, grant: Grant) -> None:
        """End the lease, then whatever runs under it: asked first, killed after the grace."""
        with _files():
            with alone(self._folder):
                if self._later(grant):
                    return
                end_lease(self._folder, grant.key, grant.generation)
            if not end(lambda: alive_under(self._folder, grant.key), self._grace_s):
                raise BackendError("something that runs under it does not end")
            for note in self._folder.glob(f"{grant.key}.run.*"):
                note.unlink(missing_ok=True)

    def holdings(self) -> tuple[Holding, ...]:
        """Return every lease by its key, and what is foreign: a file that is no lease, a process no lease explains."""
        with _files():
            return holdings_of(self._folder)

    def take_away(self, holding: Holding) -> None:
        """End a lease that no grant explains, with whatever runs under it; or the process, or the file, that is foreign."""
        with _files():
            take_away(self._folder, holding, self._grace_s)

    def forget(self, over: Callable[[str], bool]) -> int:
        """Drop what bars the generations of grants that are `over`: the ledger itself starts them no more."""
        with _files():
            return forget_ended(self._folder, over)

    def _later(self, grant: Grant) -> bool:
        """Whether a later generation holds the key; a lease that cannot be read is not protected."""
        lease = leases(self._folder).get(grant.key)
        return lease is not None and lease.generation > grant.generation

    def _refuse_taken(self, grant: Grant) -> None:
        """No device stands in two leases, whatever the ledger says: then one of the two is a fault."""
        for key, lease in leases(self._folder).items():
            if key != grant.key and lease is not None and set(lease.devices) & set(grant.devices):
                raise BackendError(f"REQ-{lease.request} holds a device of this lease")


@contextmanager
def _files() -> Iterator[None]:
    """What the file system or the kernel refuses is the backend's failure."""
    try:
        yield
    except OSError as error:
        raise BackendError(error.strerror or "lease folder") from error
