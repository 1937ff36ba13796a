"""How fast what was approved takes effect: through broker, worker and ledger, beside the same effect called directly."""

from __future__ import annotations

import os
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from services.place import Place

from ledger.book import utc_now
from ledger.nouns import Grant
from ledger.streams.request import Status
from workers.room import grant_of

ROUNDS, MANY = 40, 200
DONE = {Status.RUNNING, Status.DONE}


def rows(folder: Path) -> list[tuple[str, str, str]]:
    """Return (what, measured, reach) of every executor that runs without a backend of its own."""
    place = Place(folder / "workers")
    try:
        place.crew.start("worker")
        place.until_status(place.ask("gpu"), Status.RUNNING)
        place.until_status(place.ask("data"), Status.RUNNING)
        place.until_status(place.ask("deploy"), Status.DONE)
        sync = ("a sync of 4 KiB on this disk, ms, p50 (p99)", _two(_syncs(folder)), "-")
        return [sync] + [
            row for scheme, name in (("gpu", "gpu_pool"), ("data", "memory")) for row in _of(place, scheme, name)
        ]
    finally:
        place.close()


def _of(place: Place, scheme: str, name: str) -> list[tuple[str, str, str]]:
    through, direct = [], []
    for _ in range(ROUNDS):  # interleaved: one of each in turn
        number = place.ask(scheme)
        place.until(lambda number=number: place.status(number) in DONE, 20)
        request = place.book.request(number)
        through.append((request.started_at - request.approved_at).total_seconds() * 1_000)
        direct.append(_direct(place, scheme, grant_of(request)))
    added = statistics.median(through) - statistics.median(direct)
    return [
        (f"{name}: ms from approval to started, p50 (p99)", _two(through), "-"),
        (f"{name}: ms of the effect called directly, p50 (p99)", _two(direct), "-"),
        (f"{name}: ms added, p50", f"{added:.1f}", "<= 15"),
        (f"{name}: grants a second, many approved at once", f"{_rate(place, scheme):.0f}", "-"),
    ]


def _direct(place: Place, scheme: str, grant: Grant) -> float:
    """Milliseconds of `ensure` for a grant like this one, called in this process."""
    executor, like = place.room.executors[scheme], replace(grant, key=f"{time.monotonic_ns():032x}", devices=())
    began = time.perf_counter()
    executor.ensure(like)
    spent = (time.perf_counter() - began) * 1_000
    executor.revoke(like)
    return spent


def _syncs(folder: Path) -> list[float]:
    """Milliseconds of syncs alone: two of them stand between an approval and its start, and nothing can take them out."""
    spent = []
    with (folder / "synced").open("wb", buffering=0) as file:
        for _ in range(ROUNDS):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fsync(file.fileno())
            spent.append((time.perf_counter() - began) * 1_000)
    return spent


def _rate(place: Place, scheme: str) -> float:
    """Approve many while no worker looks, then nudge them all: the wall time until the last is started."""
    scheme = "deploy" if scheme == "data" else scheme
    quiet = place.desk_with(lambda _: None)
    numbers = [place.ask(scheme, desk=quiet) for _ in range(MANY if scheme != "gpu" else 50)]
    began = utc_now()
    for number in numbers:
        place.desk._nudge(number)
    place.until(lambda: all(place.status(number) in DONE for number in reversed(numbers)), 120)
    last = max(place.book.request(number).started_at for number in numbers)
    return len(numbers) / (last - began).total_seconds()


def _two(times: list[float]) -> str:
    return f"{statistics.median(times):.1f} ({statistics.quantiles(times, n=100)[98]:.1f})"
