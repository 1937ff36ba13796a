"""An executor without a backend: it keeps what it was told in one SQLite file, and counts its effects.

For demos and tests. Nothing outside that file changes, and its receipts say so. It can be told to behave as backends
do on bad days (`Mood`), so that the hands and the clock are tried through it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from ledger.book import utc_now
from ledger.nouns import Enforcement, Grant, Receipt
from workers.errors import BackendError, StaleGrantError
from workers.executors.base import Holding, Observation, Pending

_SCHEMA = """
CREATE TABLE IF NOT EXISTS held (key TEXT PRIMARY KEY, generation INTEGER NOT NULL, state TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS effect (n INTEGER PRIMARY KEY, key TEXT NOT NULL, what TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS mood (one INTEGER PRIMARY KEY CHECK (one = 1), what TEXT NOT NULL) STRICT;
"""


class Mood(StrEnum):
    """How the backend behaves."""

    READY = "ready"
    FULL = "full"
    """It accepts what is new and starts nothing."""
    DARK = "dark"
    """It answers nothing."""


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

    def ensure(self, grant: Grant) -> Receipt | Pending:
        """Hold the key from now on; one effect however often it is asked."""
        if grant.not_after is not None and self._clock() >= grant.not_after:
            raise StaleGrantError(grant.key)
        with self._answering() as (tx, mood):
            generation, state = _row(tx, grant.key)
            if generation > grant.generation or (state == "gone" and generation >= grant.generation):
                raise StaleGrantError(grant.key)
            if state != "held" and mood is Mood.FULL:
                _put(tx, grant, "queued")
                return Pending(place=_place(tx, grant.key), estimate=None, why="The simulated backend is full.")
            if state != "held":
                _count(tx, grant.key, "start")
            _put(tx, grant, "held")
        return Receipt(executor=self.name, enforcement=self.enforcement, devices=grant.devices, simulated=True)

    def observe(self, grant: Grant) -> Observation:
        """Return what the file says."""
        try:
            with self._answering() as (tx, _):
                _, state = _row(tx, grant.key)
        except BackendError:
            return Observation.UNKNOWN
        return Observation.HELD if state in {"held", "queued"} else Observation.GONE

    def revoke(self, grant: Grant) -> None:
        """Let go of the key, and remember its generation so that a late start is refused."""
        with self._answering() as (tx, _):
            generation, state = _row(tx, grant.key)
            if generation > grant.generation:
                return
            if state == "held":
                _count(tx, grant.key, "end")
            _put(tx, grant, "gone")

    def holdings(self) -> tuple[Holding, ...]:
        """Return every key that is held or queued."""
        with self._answering() as (tx, _):
            rows = tx.execute("SELECT key, state FROM held WHERE state != 'gone' ORDER BY key").fetchall()
        return tuple(Holding(key=key, what=state) for key, state in rows)

    def take_away(self, holding: Holding) -> None:
        """Let go of a key whoever put it there."""
        with self._answering() as (tx, _):
            tx.execute("UPDATE held SET state = 'gone' WHERE key = ?", (holding.key or holding.what,))

    def effects(self, key: str | None = None) -> list[tuple[str, str]]:
        """Return (key, `start` or `end`) of every effect in order, of one key if given."""
        with self._open() as tx:
            rows = tx.execute("SELECT key, what FROM effect ORDER BY n").fetchall()
        return [(k, what) for k, what in rows if key in (None, k)]

    def behave(self, mood: Mood) -> None:
        """Behave so from now on, in every process that shares the file."""
        with self._open() as tx:
            tx.execute("INSERT OR REPLACE INTO mood VALUES (1, ?)", (mood.value,))

    @contextmanager
    def _answering(self) -> Iterator[tuple[sqlite3.Connection, Mood]]:
        """Open the file as a backend that answers; raises BackendError when it does not."""
        try:
            with self._open() as tx:
                row = tx.execute("SELECT what FROM mood").fetchone()
                mood = Mood(row[0]) if row else Mood.READY
                if mood is Mood.DARK:
                    raise BackendError("it does not answer")
                yield tx, mood
        except sqlite3.Error as error:
            raise BackendError(str(error)) from error

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


def _row(tx: sqlite3.Connection, key: str) -> tuple[int, str]:
    """Generation and state of a key; (0, "") when it was never seen."""
    row = tx.execute("SELECT generation, state FROM held WHERE key = ?", (key,)).fetchone()
    return (int(row[0]), str(row[1])) if row else (0, "")


def _put(tx: sqlite3.Connection, grant: Grant, state: str) -> None:
    sql = """INSERT INTO held VALUES (?, ?, ?)
        ON CONFLICT (key) DO UPDATE SET generation = excluded.generation, state = excluded.state"""
    tx.execute(sql, (grant.key, grant.generation, state))


def _count(tx: sqlite3.Connection, key: str, what: str) -> None:
    tx.execute("INSERT INTO effect (key, what) VALUES (?, ?)", (key, what))


def _place(tx: sqlite3.Connection, key: str) -> int:
    queued = [row[0] for row in tx.execute("SELECT key FROM held WHERE state = 'queued' ORDER BY rowid")]
    return queued.index(key) + 1
