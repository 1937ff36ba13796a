"""The connections of one process to one SQLite file: a few that read, lent in turn, and one that writes.

None may cross a fork: SQLite counts its file locks a process, so a child that opens the file beside an inherited
connection believes it holds locks that only its parent holds. So all are closed before a fork, and opened again after.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ledger.log import kernel

BUSY_S: Final = 10.0
_FORK_S: Final = 1.0
_CACHE_KIB: Final = 32 * 1024
"""Ids are random, so each insert touches another page of their index: the writer keeps those of some 200,000 entries."""


def open_writer(path: Path) -> sqlite3.Connection:
    """Return a connection that writes durably; call it under the lock."""
    tx = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        tx.execute("PRAGMA journal_mode = WAL")
        tx.execute("PRAGMA synchronous = FULL")
        tx.execute("PRAGMA secure_delete = ON")
        tx.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        kernel.prepare(tx)
    except BaseException:
        tx.close()
        raise
    return tx


def open_reader(path: Path, *, query_only: bool = True) -> sqlite3.Connection:
    """Return a connection that cannot write the file at `path`, also where its folder cannot be written."""
    try:
        return _reader(path, "mode=ro", query_only=query_only)
    except sqlite3.OperationalError:
        # Reading a write-ahead log makes files beside it. Without such a log there is nothing to share: nobody writes.
        if not path.exists() or _has_content(path.with_name(f"{path.name}-wal")):
            raise
        return _reader(path, "mode=ro&immutable=1", query_only=query_only)


def _reader(path: Path, how: str, *, query_only: bool) -> sqlite3.Connection:
    tx = sqlite3.connect(
        f"{path.as_uri()}?{how}", uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )
    try:
        tx.execute(f"PRAGMA query_only = {query_only}")
        tx.execute("SELECT 1 FROM sqlite_schema").fetchone()  # opening is lazy
    except BaseException:
        tx.close()
        raise
    return tx


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


class Readers:
    """Connections to read with, opened when needed, each lent to one thread at a time; a writer never blocks them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = threading.Condition()
        self._idle: list[sqlite3.Connection] = []
        self._lent = 0
        self._still = False

    @contextmanager
    def lend(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection until the end of the block; no statement may outlive it."""
        tx = self._take()
        try:
            yield tx
        finally:
            self._give_back(tx)

    def hold_still(self) -> None:
        """Close every connection that is not lent and lend none until `go_on`, waiting a second for those that are."""
        with self._changed:
            self._still = True
            self._changed.wait_for(lambda: not self._lent, _FORK_S)
            self._close_idle()

    def go_on(self) -> None:
        """Lend again."""
        with self._changed:
            self._still = False
            self._changed.notify_all()

    def close(self) -> None:
        """Close every connection that is not lent; those are closed when they come back or with their thread."""
        with self._changed:
            self._close_idle()

    def _take(self) -> sqlite3.Connection:
        with self._changed:
            self._changed.wait_for(lambda: not self._still, BUSY_S)
            self._lent += 1
            if self._idle:
                return self._idle.pop()
        try:
            return open_reader(self._path)
        except BaseException:
            self._one_less()
            raise

    def _give_back(self, tx: sqlite3.Connection) -> None:
        with self._changed:
            self._idle.append(tx)
        self._one_less()

    def _one_less(self) -> None:
        with self._changed:
            self._lent -= 1
            self._changed.notify_all()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()
