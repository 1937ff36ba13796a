"""The desk's own mutable tables: drafts, messages, events seen. None of it is evidence; losing it loses no request."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from ledger.log.canonical import format_time, parse_time
from ledger.nouns import Form
from ledger.streams.codec import form_body, form_of

DRAFT_LIFE: Final = timedelta(minutes=30)
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS draft (id TEXT PRIMARY KEY, slack TEXT NOT NULL, form TEXT NOT NULL, purpose TEXT NOT NULL,
    said TEXT NOT NULL, channel TEXT NOT NULL, ts TEXT NOT NULL, thread TEXT NOT NULL, replacing INTEGER,
    expires TEXT NOT NULL, used INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE IF NOT EXISTS message (key TEXT PRIMARY KEY, request INTEGER NOT NULL, viewer TEXT NOT NULL,
    channel TEXT NOT NULL, ts TEXT NOT NULL, thread TEXT NOT NULL, shown TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS message_request ON message (request);
CREATE TABLE IF NOT EXISTS seen (key TEXT PRIMARY KEY) STRICT;
CREATE TABLE IF NOT EXISTS cursor (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL) STRICT;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A read-back that nobody confirmed yet: the exact form, who may confirm it, and the message that shows it."""

    id: str
    slack: str
    form: Form
    purpose: str
    said: str
    channel: str
    ts: str
    thread: str
    replacing: int | None
    expires: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A message that the desk keeps true: a request's card (viewer empty) or an approver's card."""

    key: str
    request: int
    viewer: str
    channel: str
    ts: str
    thread: str
    shown: str


class Tables:
    """The desk's tables in one SQLite file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._tx = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        self._lock = threading.RLock()
        self._tx.execute("PRAGMA journal_mode = WAL")
        self._tx.executescript(_SCHEMA)

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._tx.close()

    def first_time(self, key: str) -> bool:
        """Whether `key` was never seen before; true once, over restarts too."""
        return self._do("INSERT OR IGNORE INTO seen VALUES (?)", key).rowcount == 1

    def new_draft(
        self,
        slack: str,
        form: Form,
        *,
        purpose: str,
        said: str,
        channel: str,
        thread: str,
        now: datetime,
        replacing: int | None = None,
    ) -> str:
        """Keep a draft for half an hour and return its id."""
        draft_id = secrets.token_hex(8)
        body = json.dumps(form_body(form))
        row = (draft_id, slack, body, purpose, said, channel, "", thread, replacing, format_time(now + DRAFT_LIFE))
        self._do("INSERT INTO draft VALUES (?,?,?,?,?,?,?,?,?,?,0)", *row)
        return draft_id

    def place_draft(self, draft_id: str, channel: str, ts: str) -> None:
        """Note which message shows the draft."""
        self._do("UPDATE draft SET channel = ?, ts = ? WHERE id = ?", channel, ts, draft_id)

    def draft(self, draft_id: str) -> Draft | None:
        """Return a draft that is neither used nor discarded; it may have expired."""
        row = self._do("SELECT * FROM draft WHERE id = ? AND used = 0", draft_id).fetchone()
        if row is None:
            return None
        return Draft(
            id=row[0],
            slack=row[1],
            form=form_of(json.loads(row[2])),
            purpose=row[3],
            said=row[4],
            channel=row[5],
            ts=row[6],
            thread=row[7],
            replacing=row[8],
            expires=parse_time(row[9]),
        )

    def use_draft(self, draft_id: str) -> bool:
        """Take the draft; true for one caller only."""
        return self._do("UPDATE draft SET used = 1 WHERE id = ? AND used = 0", draft_id).rowcount == 1

    def untake_draft(self, draft_id: str) -> None:
        """Give the draft back: nothing came of taking it."""
        self._do("UPDATE draft SET used = 0 WHERE id = ?", draft_id)

    def expired_drafts(self, now: datetime) -> list[str]:
        """Return the drafts nobody confirmed in time."""
        rows = self._do("SELECT id FROM draft WHERE used = 0 AND expires <= ?", format_time(now)).fetchall()
        return [row[0] for row in rows]

    def claim(self, key: str, request: int, viewer: str, channel: str, thread: str) -> bool:
        """Claim the posting of one message; false when somebody has, posted or not."""
        row = (key, request, viewer, channel, "", thread, "")
        return self._do("INSERT OR IGNORE INTO message VALUES (?,?,?,?,?,?,?)", *row).rowcount == 1

    def posted(self, key: str, channel: str, ts: str, shown: str) -> None:
        """Note where a message stands and what it shows."""
        self._do("UPDATE message SET channel = ?, ts = ?, shown = ? WHERE key = ?", channel, ts, shown, key)

    def message(self, key: str) -> Posted | None:
        """Return the message of this key, None when nobody claimed it."""
        rows = self._messages("WHERE key = ?", key)
        return rows[0] if rows else None

    def messages(self, request: int) -> list[Posted]:
        """Return every message about a request."""
        return self._messages("WHERE request = ?", request)

    def cursor(self) -> int:
        """Return the first entry that was not shown yet."""
        row = self._do("SELECT seq FROM cursor").fetchone()
        return int(row[0]) if row else 0

    def move_cursor(self, seq: int) -> None:
        """Everything before `seq` was shown."""
        self._do("INSERT OR REPLACE INTO cursor VALUES (1, ?)", seq)

    def _messages(self, where: str, *values: Any) -> list[Posted]:
        rows = self._do(f"SELECT * FROM message {where} ORDER BY rowid", *values).fetchall()  # noqa: S608 fixed text
        names = ("key", "request", "viewer", "channel", "ts", "thread", "shown")
        return [Posted(**dict(zip(names, row, strict=True))) for row in rows]

    def _do(self, sql: str, *values: Any) -> sqlite3.Cursor:
        with self._lock:
            return self._tx.execute(sql, values)
