"""The ledger's figures: what an audited write costs against the barest write of the same bytes, and so on."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ledger.export import lines
from ledger.export.choice import Choice
from ledger.log import merkle
from ledger.log.canonical import entry_bytes
from ledger.log.schema import TILE_LEVEL_SHIFT
from ledger.log.sqlite import SqliteStore
from ledger.log.store import ANY, Draft, Move
from ledger.log.tiles import TILE
from ledger.log.verify import Row, verify_entries

ROUNDS = 9
BATCH = 1000
WAITERS = 64
TURNS = 8
NOW = datetime(2026, 11, 24, tzinfo=UTC)


def drafts(count: int) -> tuple[Draft, ...]:
    """Entries of about 430 bytes, as those of a request are."""
    body = {"request": 1042, "seat": "owner-lead", "form_digest": "ab" * 32, "reviewer": "user:" + "c" * 32, "n": 1}
    return tuple(
        Draft(id=secrets.token_hex(16), kind="bench.said", v=1, actor="svc:bench", body=body) for _ in range(count)
    )


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes by the wall."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ratio(ours: Callable[[], object], theirs: Callable[[], object], rounds: int = ROUNDS) -> float:
    """How many times faster `ours` is: the median over rounds in which both ran, one after the other."""
    ours()
    theirs()
    return statistics.median(seconds(theirs) / seconds(ours) for _ in range(rounds))


@contextmanager
def folder() -> Iterator[Path]:
    """A place for one figure's files."""
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def raw_table(path: Path) -> sqlite3.Connection:
    """The same columns and indexes, without guards."""
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("PRAGMA journal_mode = WAL")
    raw.execute("PRAGMA synchronous = FULL")
    raw.execute(
        "CREATE TABLE entry (seq INTEGER PRIMARY KEY, stream TEXT, version INTEGER, kind TEXT, at TEXT, actor TEXT,"
        " id TEXT UNIQUE, bytes BLOB, leaf_hash BLOB, UNIQUE (stream, version)) STRICT"
    )
    return raw


def batches() -> float:
    """Canonical form, hash, tree, guards and a durable commit, against inserting rows that are ready."""
    with folder() as place:
        store, raw = SqliteStore(place / "ours"), raw_table(place / "raw")
        ready = iter([drafts(BATCH) for _ in range(ROUNDS + 1)])
        size = len(entry_bytes(drafts(1)[0], "s", 1000, NOW))
        rows = iter(
            [
                [
                    (
                        at,
                        "s",
                        at + 1,
                        "bench.said",
                        "2026-11-24T00:00:00.000000Z",
                        "svc:bench",
                        d.id,
                        bytes(size),
                        bytes(32),
                    )
                    for at, d in enumerate(drafts(BATCH), start=number * BATCH)
                ]
                for number in range(ROUNDS + 1)
            ]
        )

        def theirs() -> None:
            raw.execute("BEGIN IMMEDIATE")
            raw.executemany("INSERT INTO entry VALUES (?,?,?,?,?,?,?,?,?)", next(rows))
            raw.execute("COMMIT")

        return ratio(lambda: store.append([Move(stream="s", expected=ANY, drafts=next(ready))]), theirs)


class Crowd:
    """Threads that wait for a start, append `TURNS` times each, and wait again: starting threads is not what is timed."""

    def __init__(self, append: Callable[[int], None]) -> None:
        self._append = append
        self._go, self._end = threading.Barrier(WAITERS + 1), threading.Barrier(WAITERS + 1)
        for number in range(WAITERS):
            threading.Thread(target=self._work, args=(number,), daemon=True).start()

    def _work(self, number: int) -> None:
        while True:
            self._go.wait()
            for _ in range(TURNS):
                self._append(number)
            self._end.wait()

    def __call__(self) -> None:
        self._go.wait()
        self._end.wait()


def waiters() -> float:
    """64 threads that each want a durable append, against the same appends one by one."""
    with folder() as place:
        store = SqliteStore(place / "group")

        def one(number: int) -> None:
            store.append([Move(stream=f"s{number}", expected=ANY, drafts=drafts(1))])

        def singles() -> None:
            for number in range(WAITERS):
                one(number)

        return ratio(Crowd(one), singles) * TURNS


def hashed(count: int) -> tuple[list[bytes], Callable[[], None]]:
    """Entries, and the pure SHA-256 work for their leaves and tree."""
    entries = [entry_bytes(draft, f"s{n}", 1, NOW) for n, draft in enumerate(drafts(count))]
    node = bytes(64)

    def pure() -> None:
        for data in entries:
            hashlib.sha256(b"\x00" + data).digest()
        for _ in range(count - 1):
            hashlib.sha256(b"\x01" + node).digest()

    return entries, pure


def integrity() -> float:
    """Leaves and tree alone."""
    entries, pure = hashed(20_000)
    rows = [Row(seq=seq, data=data) for seq, data in enumerate(entries)]
    return ratio(lambda: verify_entries(rows, integrity_only=True), pure)


def verification() -> float:
    """Parse, canonical form, ids, versions, times, hash and tree."""
    entries, pure = hashed(20_000)
    rows = [Row(seq=seq, data=data) for seq, data in enumerate(entries)]
    return ratio(lambda: verify_entries(rows), pure)


def grown(path: Path, size: int) -> SqliteStore:
    """A store with the tree of `size` entries that are all alike, so that it is made in seconds; only its tail has rows."""
    SqliteStore(path).close()
    tx = sqlite3.connect(path, isolation_level=None)
    for (name,) in tx.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        tx.execute(f'DROP TRIGGER "{name}"')
    below, level, full = merkle.leaf_hash(b""), 0, size // TILE
    tail = range(full * TILE, size)
    tx.execute("BEGIN")
    tx.executemany("INSERT INTO entry VALUES (?,'s',?,'','','',?,x'',?)", [(n, n, str(n), below) for n in tail])
    frontier = merkle.Frontier()
    while full:
        joined, root = below * TILE, merkle.perfect_root([below] * TILE)
        places = range(level << TILE_LEVEL_SHIFT, (level << TILE_LEVEL_SHIFT) + full)
        tx.executemany("INSERT INTO tile VALUES (?,?,?)", ((place, root, joined) for place in places))
        below, level, full = root, level + 1, full // TILE
    frontier.extend([merkle.leaf_hash(b"")] * size)
    tx.execute("INSERT INTO batch VALUES (?,?,?)", (size, frontier.root(), frontier.hashes()))
    tx.execute("COMMIT")
    tx.close()
    return SqliteStore(path, read_only=True)


def proof_ms(store: SqliteStore, size: int) -> float:
    """Milliseconds of CPU an inclusion proof takes."""
    start = time.process_time()
    for index in range(100):
        store.inclusion_proof(index * 997 % size, size)
    return (time.process_time() - start) * 10


def proofs() -> tuple[float, float]:
    """How much dearer a proof is at 10 M entries than at 10 k, and its milliseconds of CPU."""
    with folder() as place:
        small, large = grown(place / "small", 10_000), grown(place / "large", 10_000_000)
        rounds = [(proof_ms(small, 10_000), proof_ms(large, 10_000_000)) for _ in range(ROUNDS)]
    return statistics.median(b / a for a, b in rounds), statistics.median(b for _, b in rounds)


def exporting() -> float:
    """JSON lines with leaf hash and place, against the same rows' bytes as they are stored."""
    with folder() as place:
        store = SqliteStore(place / "export")
        for _ in range(10):
            store.append([Move(stream="s", expected=ANY, drafts=drafts(BATCH))])

        def dump() -> None:
            with (place / "dump").open("wb") as file:
                for start in range(0, 10 * BATCH, BATCH):
                    sql = "SELECT bytes FROM entry WHERE seq >= ? AND seq < ? ORDER BY seq"
                    file.writelines(row[0] + b"\n" for row in store.query(sql, (start, start + BATCH)))

        def ours() -> None:
            with (place / "lines").open("wb") as file:
                file.writelines(lines.lines(store, 10 * BATCH, Choice()))

        return ratio(ours, dump)


def tree_bytes() -> float:
    """Bytes of storage a leaf costs beside its entry: the pages of full tiles."""
    with folder() as place:
        store = grown(place / "tree", 256 * 1000 + 1)
        return sum(row[0] for row in store.query("SELECT pgsize FROM dbstat WHERE name = 'tile'")) / (256 * 1000)


def rows() -> list[tuple[str, str, str]]:
    """Every figure: what, measured, to reach."""
    dearer, cpu = proofs()
    return [
        ("batches of 1,000 against raw inserts of rows that are ready", f"{batches():.2f}", ">= 0.50"),
        (f"{WAITERS} durable waiters against single durable commits", f"{waiters():.2f}", ">= 4"),
        ("full verification, share of pure SHA-256", f"{verification():.2f}", ">= 0.30"),
        ("integrity-only verification, share of pure SHA-256", f"{integrity():.2f}", ">= 0.75"),
        ("inclusion proof at 10 M entries against 10 k (CPU)", f"{dearer:.2f}", "<= 3"),
        ("inclusion proof at 10 M entries, ms of CPU", f"{cpu:.2f}", "<= 1"),
        ("JSON lines against dumping the stored bytes", f"{exporting():.2f}", ">= 0.40"),
        ("tree storage, bytes a leaf", f"{tree_bytes():.1f}", "<= 36"),
    ]


if __name__ == "__main__":
    for what, measured, reach in rows():
        print(f"{what:60} {measured:>6}  {reach}")
