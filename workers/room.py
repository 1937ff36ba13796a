"""Everything the hands need in one frozen value, built once a process."""

from __future__ import annotations

import fcntl
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, TextIO

from ledger.book import Book, Write
from ledger.nouns import AdapterForm, DeployForm, Form, GpuForm, Grant, Usage
from ledger.streams.pool import Device, Inventoried
from ledger.streams.request import Request
from policies.catalogue import Catalogue
from policies.decide import Policy
from workers.errors import BackendError, OccupiedError
from workers.executors.base import Executor
from workers.journal import Journal
from workers.outages import Outages

WORKER = "svc:worker"
CLOCK = "svc:clock"
_LOOK_S: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What the hands work with.

    Args:
        book: the ledger.
        policy: returns the policy in force now.
        executors: by what `Catalogue.backend` says of a resource: `gpu`, `data`, `deploy`, `slurm:POOL`,
            `postgres:DATABASE`.
        journal: where endings are noted when the ledger cannot be written.
        locks: folder for the locks that serialise effects on one (subject, resource).
        outages: which backends do not answer.
        clock: now, aware UTC.
        prices: what a lease costs, also while the policy decides nothing; None means the policy's.
        patience_s: how long to wait for somebody who is at work on the same subject and resource.
    """

    book: Book
    policy: Callable[[], Policy]
    executors: Mapping[str, Executor]
    journal: Journal
    locks: Path
    outages: Outages
    clock: Callable[[], datetime]
    prices: Callable[[], Catalogue] | None = None
    patience_s: float = 20.0

    def executor_for(self, form: Form) -> Executor | None:
        """Return who carries out this form, None when nobody does yet."""
        return self.executors.get(self.policy().catalogue.backend(form.resource))

    def keeps_devices_of(self, form: GpuForm) -> bool:
        """Whether the ledger hands out the pool's devices; those of a cluster come with its receipt."""
        return self.policy().catalogue.backend(form.resource) == "gpu"

    def executor_of(self, request: Request) -> Executor | None:
        """Return who was told to carry out this request, None when that one is not configured any more.

        Another one in its place knows nothing of the grant: it would say "gone" of what it never held.
        """
        named = (each for each in self.executors.values() if each.name == request.executor)
        return next(named, None)

    def backend_of(self, request: Request) -> str:
        """Return the name under which its backend's outages are noted: the catalogue's, as long as that is who was told."""
        named = self.price_list().backend(request.form.resource)
        there = self.executors.get(named)
        told = request.executor or (there.name if there else named)
        return named if there is not None and there.name == told else told

    def price_list(self) -> Catalogue:
        """Return the catalogue whose prices count now."""
        return self.prices() if self.prices is not None else self.policy().catalogue

    @contextmanager
    def alone_with(self, request: Request) -> Iterator[None]:
        """Let nobody else touch this subject's hold on this resource meanwhile.

        Raises:
            OccupiedError: somebody did not let go within `patience_s`. The kernel lets go for whoever dies.
        """
        resource = request.form.resource
        what = resource if isinstance(request.form, DeployForm | AdapterForm) else f"{request.beneficiary} {resource}"
        with alone_on(self.locks, what, self.patience_s):
            yield


@contextmanager
def alone_on(locks: Path, what: str, patience_s: float) -> Iterator[None]:
    """Let nobody else touch `what` meanwhile: somebody's hold on a resource, or what answers for a model.

    Raises:
        OccupiedError: somebody did not let go within `patience_s`. The kernel lets go for whoever dies.
    """
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / hashlib.sha256(what.encode()).hexdigest()[:32]).open("w") as file:
        _lock(file, what, patience_s)
        yield


def _lock(file: TextIO, what: str, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if time.monotonic() >= deadline:
            raise OccupiedError(what)
        time.sleep(_LOOK_S)


def team_of(book: Book, number: int) -> str:
    """Return the team that pays for a request, without prefix; empty where nobody's rules decided about it."""
    request = book.request(number)
    return request.decision.team.removeprefix("team:") if request is not None and request.decision else ""


def grant_of(request: Request) -> Grant:
    """Return what a dispatched request told the executor to make true."""
    if request.grant_key is None:
        raise BackendError(f"{request.name} was never dispatched")
    return Grant(
        request=request.number,
        key=request.grant_key,
        subject=request.beneficiary,
        form=request.form,
        generation=request.generation,
        not_after=request.not_after,
        devices=request.devices,
    )


def usage_of(request: Request, catalogue: Catalogue, tokens: int = 0) -> Usage:
    """Return what a lease took, from its start to its end, at the catalogue's price.

    What was never seen started costs nothing: its holder was not told that it is theirs.
    """
    start, end = request.started_at, request.ended_at
    held = 0 if start is None or end is None else max(0, int((end - start).total_seconds()))
    gpus = request.form.gpus if isinstance(request.form, GpuForm) else 0
    cost = catalogue.price_for(request.form, held)
    return Usage(held_s=held, gpu_s=held * gpus, cost_minor=cost, currency=catalogue.currency, tokens=tokens)


def take_inventory(book: Book, pool: str, source: str, devices: tuple[Device, ...]) -> None:
    """Enter what the pool holds, if it is not what the ledger says."""
    state = book.pool(pool)
    if (state.source, state.devices) != (source, devices):
        entry = Inventoried(source=source, devices=devices)
        book.append(Write(stream=f"pool:{pool}", expected=state.version, entries=(entry,), actor=WORKER))
