"""An executor without a backend: it keeps what it was told in one SQLite file, and counts its effects.

For demos and tests. Nothing outside that file changes, and its receipts say so.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from ledger.book import utc_now
from ledger.nouns import Enforcement, Grant, Receipt
from workers.errors import StaleGrantError
from workers.executors.base import Observation

_SCHEMA = """
CREATE TABLE IF NOT EXISTS held (key TEXT PRIMARY KEY, generation INTEGER NOT NULL, state TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS effect (n INTEGER PRIMARY KEY, key TEXT NOT NULL, what TEXT NOT NULL) STRICT;
"""


class MemoryExecutor:
    """Grants that exist in one file only.

    Args:
        path: the SQLite file; several processes may share it.
        clock: now, to refuse what is already over.
    """

    name = "memory"
    enforcement = Enforcement.ADVISORY
    simulated = True

    def __init__(self, path: Path, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._path = path
        self._clock = clock
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as tx:
            tx.executescript(_SCHEMA)

    def ensure(self, grant: Grant) -> Receipt:
        """Hold the key from now on; one effect however often it is asked."""
        if grant.not_after is not None and self._clock() >= grant.not_after:
            raise StaleGrantError(grant.key)
        with self._open() as tx:
            row = tx.execute("SELECT generation, state FROM held WHERE key = ?", (grant.key,)).fetchone()
            if row is not None and (row[0] > grant.generation or (row[1] == "gone" and row[0] >= grant.generation)):
                raise StaleGrantError(grant.key)
            if row is None or row[1] == "gone":
                tx.execute("INSERT INTO effect (key, what) VALUES (?, 'start')", (grant.key,))
            tx.execute("INSERT OR REPLACE INTO held VALUES (?, ?, 'held')", (grant.key, grant.generation))
        return Receipt(executor=self.name, enforcement=self.enforcement, devices=grant.devices, simulated=True)

    def observe(self, grant: Grant) -> Observation:
        """Return what the file says."""
        with self._open() as tx:
            row = tx.execute("SELECT state FROM held WHERE key = ?", (grant.key,)).fetchone()
        return Observation.HELD if row is not None and row[0] == "held" else Observation.GONE

    def revoke(self, grant: Grant) -> None:
        """Let go of the key, and remember its generation so that a late start is refused."""
        with self._open() as tx:
            row = tx.execute("SELECT generation, state FROM held WHERE key = ?", (grant.key,)).fetchone()
            if row is not None and row[1] == "held":
                tx.execute("INSERT INTO effect (key, what) VALUES (?, 'end')", (grant.key,))
            generation = max(grant.generation, row[0] if row else 0)
            tx.execute("INSERT OR REPLACE INTO held VALUES (?, ?, 'gone')", (grant.key, generation))

    def effects(self, key: str | None = None) -> list[tuple[str, str]]:
        """Return (key, `start` or `end`) of every effect in order, of one key if given."""
        with self._open() as tx:
            rows = tx.execute("SELECT key, what FROM effect ORDER BY n").fetchall()
        return [(k, what) for k, what in rows if key in (None, k)]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        tx = sqlite3.connect(self._path, timeout=30, isolation_level=None)
        try:
            tx.execute("BEGIN IMMEDIATE")
            yield tx
            tx.commit() if tx.in_transaction else None
        except BaseException:
            if tx.in_transaction:
                tx.rollback()
            raise
        finally:
            tx.close()
