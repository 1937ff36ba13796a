"""A store in memory: the same tables in a private SQLite connection, without files, locks or durability. For tests."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from ledger.log import kernel, merkle
from ledger.log.schema import SCHEMA
from ledger.log.store import Clock, Move, Projector, Receipt, Stored


def utc_now() -> datetime:
    """Return the time now, aware UTC."""
    return datetime.now(UTC)


class MemoryStore:
    """Entries that are gone with the process.

    Args:
        projectors: fold each entry into read models, in its transaction.
        schema: their tables; idempotent statements.
        clock: now, for `at`.
    """

    def __init__(
        self, projectors: Sequence[Projector] = (), schema: Sequence[str] = (), clock: Clock = utc_now
    ) -> None:
        self._tx = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._lock = threading.RLock()
        self._projectors = tuple(projectors)
        self._clock = clock
        for statement in (*SCHEMA, *schema):
            self._tx.execute(statement)

    def append(self, moves: Sequence[Move]) -> Receipt:
        """Write every move at once, or none."""
        with self._lock:
            before = kernel.stored_before(self._tx, moves)
            if before is not None:
                return before
            self._tx.execute("BEGIN")
            try:
                receipt = self._write(moves)
                self._tx.execute("COMMIT")
            except BaseException:
                self._tx.execute("ROLLBACK")
                raise
            return receipt

    def _write(self, moves: Sequence[Move]) -> Receipt:
        frontier = kernel.head(self._tx)
        size, now, last = frontier.size, self._clock(), kernel.last_time(self._tx)
        receipt = kernel.place(self._tx, frontier, max(now, last) if last else now, moves, self._projectors)
        if frontier.size > size:
            kernel.seal_batch(self._tx, frontier, size)
        return receipt

    def read(self, stream: str, after: int = 0) -> list[Stored]:
        """Return the entries of `stream` with version > `after`."""
        with self._lock:
            return kernel.read_stream(self._tx, stream, after)

    def scan(self, start: int = 0, stop: int | None = None) -> Iterator[Stored]:
        """Yield the entries with start <= seq < stop."""
        with self._lock:
            entries = list(kernel.scan_pages(self._tx, start, stop))
        yield from entries

    def version(self, stream: str) -> int:
        """Return the version of the last entry of `stream`."""
        rows = self.query("SELECT coalesce(max(version), 0) FROM entry WHERE stream = ?", (stream,))
        return int(rows[0][0])

    def size(self) -> int:
        """Return the number of entries."""
        return int(self.query("SELECT coalesce(max(size), 0) FROM batch")[0][0])

    def root(self, size: int | None = None) -> bytes:
        """Return the root hash of the first `size` entries."""
        with self._lock:
            return kernel.root_at(self._tx, self.size() if size is None else size)

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """Return the sibling hashes of leaf `index`."""
        with self._lock:
            return merkle.inclusion_proof(self._node, index, size)

    def consistency_proof(self, old: int, new: int) -> list[bytes]:
        """Return the proof that `old` is a prefix of `new`."""
        with self._lock:
            return merkle.consistency_proof(self._node, old, new)

    def leaf_hashes(self, start: int, stop: int) -> list[bytes]:
        """Return the leaf hashes of start <= seq < stop."""
        with self._lock:
            return kernel.leaf_hashes(self._tx, start, stop)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Read from the tables; refuses anything that would write."""
        with self._lock:
            self._tx.execute("PRAGMA query_only = ON")
            try:
                return self._tx.execute(sql, tuple(parameters)).fetchall()
            finally:
                self._tx.execute("PRAGMA query_only = OFF")

    def erase(self, commitments: Iterable[bytes]) -> int:
        """Delete the values behind these commitments."""
        with self._lock:
            return kernel.erase(self._tx, commitments)

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._tx.close()

    def _node(self, level: int, index: int) -> bytes:
        return kernel.node(self._tx, level, index)
