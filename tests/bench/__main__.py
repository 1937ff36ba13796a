"""`make bench`: ratios in one run, variants interleaved, medians of same-round ratios. Never a timed test."""

from __future__ import annotations

import hashlib
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ledger.log import merkle
from ledger.log.canonical import entry_bytes
from ledger.log.sqlite import SqliteStore
from ledger.log.store import ANY, Draft, Move
from tests.bench import policies

ROUNDS = 5
BATCH = 1000


def drafts(count: int) -> tuple[Draft, ...]:
    salt = time.monotonic_ns()
    body = {"n": 1, "text": "x" * 200}
    return tuple(
        Draft(id=f"{salt:016x}{n:016x}", kind="bench.said", v=1, actor="svc:bench", body=body) for n in range(count)
    )


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ratio(ours: Callable[[], object], theirs: Callable[[], object]) -> float:
    """How many times faster `ours` is: the median over rounds in which both ran."""
    return statistics.median(seconds(theirs) / seconds(ours) for _ in range(ROUNDS))


def batches(folder: Path) -> float:
    store = SqliteStore(folder / "ours")
    raw = sqlite3.connect(folder / "raw", isolation_level=None)
    raw.execute("PRAGMA journal_mode = WAL")
    raw.execute("PRAGMA synchronous = FULL")
    raw.execute(
        "CREATE TABLE entry (seq INTEGER PRIMARY KEY, stream TEXT, version INTEGER, kind TEXT, at TEXT, actor TEXT,"
        " id TEXT UNIQUE, bytes BLOB, leaf_hash BLOB, UNIQUE (stream, version)) STRICT"
    )

    def ours() -> None:
        store.append([Move(stream="s", expected=ANY, drafts=drafts(BATCH))])

    def theirs() -> None:
        first = raw.execute("SELECT count(*) FROM entry").fetchone()[0]
        rows = [
            (first + n, "s", first + n, d.kind, "2026", d.actor, d.id, b"x" * 400, b"x" * 32)
            for n, d in enumerate(drafts(BATCH))
        ]
        raw.execute("BEGIN IMMEDIATE")
        raw.executemany("INSERT INTO entry VALUES (?,?,?,?,?,?,?,?,?)", rows)
        raw.execute("COMMIT")

    return ratio(ours, theirs)


def waiters(folder: Path) -> float:
    store = SqliteStore(folder / "group")

    def one() -> None:
        store.append([Move(stream="s", expected=ANY, drafts=drafts(1))])

    def group() -> None:
        threads = [threading.Thread(target=one) for _ in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return ratio(group, lambda: [one() for _ in range(64)])


def proofs(folder: Path) -> float:
    small, large = SqliteStore(folder / "small"), SqliteStore(folder / "large")
    small.append([Move(stream="s", expected=0, drafts=drafts(1_000))])
    for _ in range(30):
        large.append([Move(stream="s", expected=ANY, drafts=drafts(1_000))])
    return 1 / ratio(lambda: large.inclusion_proof(777, 30_000), lambda: small.inclusion_proof(777, 1_000))


def integrity(folder: Path) -> float:
    del folder
    entries = [entry_bytes(draft, "s", 1, datetime.now(UTC)) for draft in drafts(2_000)]

    def ours() -> None:
        merkle.root_of([merkle.leaf_hash(data) for data in entries])

    def pure() -> None:
        for data in entries:
            hashlib.sha256(b"\x00" + data).digest()
        for _ in entries:
            hashlib.sha256(b"\x01" + bytes(64)).digest()

    return ratio(ours, pure)


ROWS: tuple[tuple[str, Callable[[Path], float], str], ...] = (
    ("batches of 1,000 against raw inserts of the same columns", batches, ">= 0.50"),
    ("64 durable waiters against 64 single commits", waiters, ">= 4"),
    ("inclusion proof at 30,000 entries against 1,000 (cost)", proofs, "<= 3"),
    ("leaves and tree, share of pure SHA-256", integrity, ">= 0.75"),
    *policies.ROWS,
)


def main() -> None:
    """Print every ratio beside the figure to reach."""
    table = Table("what", "ratio", "reach")
    with tempfile.TemporaryDirectory() as folder:
        for name, measure, reach in ROWS:
            table.add_row(name, f"{measure(Path(folder)):.2f}", reach)
    Console().print(table)


if __name__ == "__main__":
    main()
