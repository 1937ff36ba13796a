"""Token budgets that cannot be overrun: reserved before a call is passed on, settled when it is over.

A mutable table and no evidence; what it counted is entered in the ledger for each key and hour. A reservation takes
from every budget of the caller or from none, in one statement's transaction, whoever else asks at the same moment. What
a process reserved and never settled, because it died, was sent for all that is known: it stays charged.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from ledger.log.canonical import format_time

FILE: Final = "tokens.sqlite3"
"""The table in the folder of served models."""
_BUSY_S: Final = 10.0
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS budget (name TEXT PRIMARY KEY, tokens INTEGER NOT NULL CHECK (tokens >= 0),
    used INTEGER NOT NULL CHECK (used >= 0)) STRICT;
CREATE TABLE IF NOT EXISTS hour (key TEXT NOT NULL, model TEXT NOT NULL, hour TEXT NOT NULL, calls INTEGER NOT NULL,
    tokens INTEGER NOT NULL, PRIMARY KEY (hour, key, model)) STRICT;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Short:
    """A budget that has not enough left.

    Args:
        name: of the budget.
        left: tokens that nobody has reserved or used.
    """

    name: str
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """What a key used of a model in the hour that begins at `hour`, as in an entry's time."""

    key: str
    model: str
    hour: str
    calls: int
    tokens: int


class Counters:
    """The table in the file at `path`; safe to share between threads, and between processes by the file."""

    def __init__(self, path: Path) -> None:
        self._tx = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=_BUSY_S)
        self._lock = threading.Lock()
        self._tx.execute("PRAGMA journal_mode = WAL")
        self._tx.execute("PRAGMA synchronous = NORMAL")
        self._tx.executescript(_SCHEMA)

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._tx.close()

    def allow(self, name: str, tokens: int) -> None:
        """Set what may be used in all under a name, such as `key:7f3a` or `team:vision@2026-11`; what was used stays."""
        sql = "INSERT INTO budget VALUES (?, ?, 0) ON CONFLICT DO UPDATE SET tokens = excluded.tokens"
        with self._together():
            self._tx.execute(sql, (name, tokens))

    def reserve(self, budgets: Sequence[str], tokens: int) -> Short | None:
        """Take tokens from every budget; returns the one that has not enough, and nothing was taken then.

        A name that was never allowed anything has nothing.
        """
        with self._together():
            for name in budgets:
                left = self._left(name)
                if left < tokens:
                    return Short(name=name, left=max(0, left))
            self._add(budgets, tokens)
        return None

    def settle(self, budgets: Sequence[str], reserved: int, used: int, *, key: str, model: str, at: datetime) -> None:
        """Put back what was reserved and not used, and count the call for its hour; more than was reserved is taken too."""
        count = (
            "INSERT INTO hour VALUES (?, ?, ?, 1, ?)"
            " ON CONFLICT DO UPDATE SET calls = calls + 1, tokens = tokens + excluded.tokens"
        )
        hour = format_time(at.replace(minute=0, second=0, microsecond=0))
        with self._together():
            self._add(budgets, used - reserved)
            self._tx.execute(count, (key, model, hour, used))

    def give_back(self, budgets: Sequence[str], reserved: int) -> None:
        """Put back the whole reservation of a call that never reached a server."""
        with self._together():
            self._add(budgets, -reserved)

    def left(self, name: str) -> int:
        """Return how many tokens of a budget nobody has reserved or used; none are left of one that was overrun."""
        with self._lock:
            return max(0, self._left(name))

    def hours(self, before: datetime) -> list[Hour]:
        """Return what was counted in the hours that ended by `before`, the oldest first."""
        return self._hours("<", before.replace(minute=0, second=0, microsecond=0))

    def since(self, hour: datetime) -> list[Hour]:
        """Return what was counted from the beginning of an hour on."""
        return self._hours(">=", hour)

    def _hours(self, which: str, hour: datetime) -> list[Hour]:
        sql = f"SELECT key, model, hour, calls, tokens FROM hour WHERE hour {which} ? ORDER BY hour, key, model"  # noqa: S608
        with self._lock:
            rows = self._tx.execute(sql, (format_time(hour),)).fetchall()
        names = ("key", "model", "hour", "calls", "tokens")
        return [Hour(**dict(zip(names, row, strict=True))) for row in rows]

    def used(self, name: str) -> int:
        """Return the tokens that were used or are reserved under a name."""
        with self._lock:
            row = self._tx.execute("SELECT used FROM budget WHERE name = ?", (name,)).fetchone()
        return 0 if row is None else int(row[0])

    def forget(self, hours: Iterable[Hour]) -> None:
        """Drop what was counted in some hours."""
        rows = [(each.hour, each.key, each.model) for each in hours]
        with self._together():
            self._tx.executemany("DELETE FROM hour WHERE hour = ? AND key = ? AND model = ?", rows)

    def _left(self, name: str) -> int:
        row = self._tx.execute("SELECT tokens - used FROM budget WHERE name = ?", (name,)).fetchone()
        return 0 if row is None else int(row[0])

    def _add(self, budgets: Sequence[str], tokens: int) -> None:
        sql = "UPDATE budget SET used = max(0, used + ?) WHERE name = ?"
        self._tx.executemany(sql, [(tokens, name) for name in budgets])

    @contextmanager
    def _together(self) -> Iterator[None]:
        with self._lock:
            self._tx.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._tx.execute("ROLLBACK")
                raise
            self._tx.execute("COMMIT")
