"""The desk's own mutable tables in one SQLite file: drafts, messages, what was heard, what is owed to Slack.

None of it is evidence; losing it loses no request.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from bot.tables.drafts import SCHEMA as DRAFTS
from bot.tables.drafts import Draft, Drafts, State
from bot.tables.judged import SCHEMA as JUDGED
from bot.tables.judged import Judged, Judgements
from bot.tables.messages import SCHEMA as MESSAGES
from bot.tables.messages import Messages, Nudges, Posted
from bot.tables.tallies import SCHEMA as TALLIES
from bot.tables.tallies import Tallies
from ledger.log.canonical import format_time

__all__ = ["Draft", "Judged", "Nudges", "Owed", "Posted", "State", "Tables"]

HEARD_FOR: Final = timedelta(days=2)
"""How long a redelivery is known as one; Slack gives up after an hour."""
_HOUSE: Final = """
CREATE TABLE IF NOT EXISTS heard (key TEXT PRIMARY KEY, at TEXT NOT NULL, body TEXT) STRICT;
CREATE TABLE IF NOT EXISTS owed (key TEXT PRIMARY KEY, due TEXT NOT NULL, tries INTEGER NOT NULL,
    mark INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS cursor (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL) STRICT;
DROP TABLE IF EXISTS seen;
DROP TABLE IF EXISTS draft;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """What must be shown, how often that was tried, and a mark that changes when it is owed again."""

    key: str
    tries: int
    mark: int


class Tables(Drafts, Messages, Judgements, Tallies):
    """The desk's tables; safe to share between threads."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._tx = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        self._lock = threading.RLock()
        self._tx.execute("PRAGMA journal_mode = WAL")
        for schema in (_HOUSE, DRAFTS, MESSAGES, JUDGED, TALLIES):
            self._tx.executescript(schema)
        self.grow_drafts()

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._tx.close()

    # -- what was heard -----------------------------------------------------------------------------------------

    def first_time(self, key: str, now: datetime) -> bool:
        """Whether `key` was never seen before; true once, over restarts too."""
        return self._do("INSERT OR IGNORE INTO heard VALUES (?, ?, NULL)", key, format_time(now)).rowcount == 1

    def keep(self, key: str, body: str, now: datetime, due: datetime) -> bool:
        """Keep what was said until it is answered, and owe the answer from `due`; false when it is known already."""
        with self._together():
            at = format_time(now)
            if self._do("INSERT OR IGNORE INTO heard VALUES (?, ?, ?)", key, at, body).rowcount != 1:
                return False
            self.owe(key, due)
            return True

    def kept(self, key: str) -> str | None:
        """Return what was said under `key`, None once it was answered."""
        row = self._do("SELECT body FROM heard WHERE key = ?", key).fetchone()
        return None if row is None else row[0]

    def answered(self, key: str) -> None:
        """It was answered: the words are forgotten, that it was heard is not."""
        with self._together():
            self._do("UPDATE heard SET body = NULL WHERE key = ?", key)
            self.paid(key)

    # -- what is owed to Slack ----------------------------------------------------------------------------------

    def owe(self, key: str, due: datetime) -> None:
        """Something must be shown: `request:1001`, `ask:<draft>`, `event:<id>`; at `due`, or sooner if it was owed sooner."""
        sql = "INSERT INTO owed VALUES (?, ?, 0, 0) ON CONFLICT DO UPDATE SET due = min(due, excluded.due), mark = mark + 1"
        self._do(sql, key, format_time(due))

    def owing(self, now: datetime) -> list[Owed]:
        """Return what is due by `now`, the longest due first."""
        sql = "SELECT key, tries, mark FROM owed WHERE due <= ? ORDER BY due, rowid"
        return [Owed(key=key, tries=tries, mark=mark) for key, tries, mark in self._do(sql, format_time(now))]

    def later(self, key: str, due: datetime) -> None:
        """It was tried and not taken; try again at `due`."""
        self._do("UPDATE owed SET due = ?, tries = tries + 1 WHERE key = ?", format_time(due), key)

    def again(self, key: str, due: datetime) -> None:
        """What is being shown is owed once more, from `due` and not sooner: for what shows itself again and again."""
        self._do("UPDATE owed SET due = ?, tries = 0, mark = mark + 1 WHERE key = ?", format_time(due), key)

    def paid(self, key: str, mark: int | None = None) -> None:
        """Nothing is owed under `key` any more, unless it was owed again since `mark`."""
        if mark is None:
            self._do("DELETE FROM owed WHERE key = ?", key)
        else:
            self._do("DELETE FROM owed WHERE key = ? AND mark = ?", key, mark)

    def cursor(self) -> int:
        """Return the first entry of the ledger that was not looked at yet."""
        row = self._do("SELECT seq FROM cursor").fetchone()
        return int(row[0]) if row else 0

    def move_cursor(self, seq: int, moved: Iterable[str], now: datetime) -> None:
        """Everything before `seq` was looked at, and what moved is owed: both or neither, whenever the process dies."""
        with self._together():
            for key in moved:
                self.owe(key, now)
            self._do("INSERT OR REPLACE INTO cursor VALUES (1, ?)", seq)

    def swap_draft(self, old: str, fresh: Draft) -> bool:
        """Put a draft in the place of an open one, both or neither; true for one caller only."""
        with self._together():
            return self.take_draft(old, State.REPLACED) and self.new_draft(fresh)

    def tidy(self, now: datetime) -> None:
        """Forget what no redelivery can bring back."""
        before = format_time(now - HEARD_FOR)
        self._do("DELETE FROM heard WHERE at < ? AND body IS NULL", before)
        self.forget_drafts(before)

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

    def _do(self, sql: str, *values: Any) -> sqlite3.Cursor:
        with self._lock:
            return self._tx.execute(sql, values)
