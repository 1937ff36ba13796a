"""Everything the hands need in one frozen value, built once a process."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ledger.book import Book, Write
from ledger.nouns import Form, GpuForm, Grant, Usage
from ledger.streams.pool import Device, Inventoried
from ledger.streams.request import Request
from policies.decide import Policy
from workers.errors import BackendError
from workers.executors.base import Executor
from workers.journal import Journal

WORKER = "svc:worker"
CLOCK = "svc:clock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What the hands work with.

    Args:
        book: the ledger.
        policy: returns the policy in force now.
        executors: by the scheme of the resource: `gpu`, `data`, `deploy`.
        journal: where endings are noted when the ledger cannot be written.
        locks: folder for the locks that serialise effects on one (subject, resource).
        clock: now, aware UTC.
    """

    book: Book
    policy: Callable[[], Policy]
    executors: Mapping[str, Executor]
    journal: Journal
    locks: Path
    clock: Callable[[], datetime]

    def executor_for(self, form: Form) -> Executor | None:
        """Return who carries out this form, None when nobody does yet."""
        return self.executors.get(form.resource.partition(":")[0])

    @contextmanager
    def alone_with(self, request: Request) -> Iterator[None]:
        """Let nobody else touch this subject's hold on this resource meanwhile."""
        self.locks.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(f"{request.beneficiary} {request.form.resource}".encode()).hexdigest()[:32]
        with (self.locks / name).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


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


def usage_of(request: Request, policy: Policy) -> Usage:
    """Return what a lease took, from its start to its end, at the catalogue's price."""
    start, end = request.started_at or request.dispatched_at, request.ended_at
    held = 0 if start is None or end is None else max(0, int((end - start).total_seconds()))
    gpus = request.form.gpus if isinstance(request.form, GpuForm) else 0
    cost = policy.catalogue.price_for(request.form, held)
    return Usage(held_s=held, gpu_s=held * gpus, cost_minor=cost, currency=policy.catalogue.currency)


def take_inventory(book: Book, pool: str, source: str, devices: tuple[Device, ...]) -> None:
    """Enter what the pool holds, if it is not what the ledger says."""
    state = book.pool(pool)
    if (state.source, state.devices) != (source, devices):
        entry = Inventoried(source=source, devices=devices)
        book.append(Write(stream=f"pool:{pool}", expected=state.version, entries=(entry,), actor=WORKER))
