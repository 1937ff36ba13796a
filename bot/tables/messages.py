"""Messages that the desk keeps true, each with one claim to post it, and how often people were reminded."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bot.waiting import Step
from ledger.log.canonical import format_time, parse_time

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS message (key TEXT PRIMARY KEY, request INTEGER NOT NULL, viewer TEXT NOT NULL,
    channel TEXT NOT NULL, ts TEXT NOT NULL, thread TEXT NOT NULL, shown TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS message_request ON message (request);
CREATE TABLE IF NOT EXISTS nudge (request INTEGER NOT NULL, at TEXT NOT NULL, PRIMARY KEY (request, at)) STRICT;
CREATE TABLE IF NOT EXISTS step (request INTEGER NOT NULL, step TEXT NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (request, step)) STRICT;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """Where a message stands: a request's card (viewer empty), an approver's card, a line, or a draft."""

    key: str
    request: int
    viewer: str
    channel: str
    ts: str
    thread: str
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Nudges:
    """How often the approvers of a request were reminded, by its asker or by time, and when last.

    Args:
        by_itself: whether the last reminder was by time.
        escalated: when the asker was told who has not answered; None if not yet.
    """

    count: int = 0
    last: datetime | None = None
    by_itself: bool = False
    escalated: datetime | None = None


class Messages:
    """The table of messages, and of nudges."""

    def _do(self, sql: str, *values: Any) -> sqlite3.Cursor:
        raise NotImplementedError

    def claim(self, key: str, request: int, viewer: str, channel: str, thread: str) -> bool:
        """Claim the posting of one message; false when somebody has, posted or not."""
        row = (key, request, viewer, channel, "", thread, "")
        return self._do("INSERT OR IGNORE INTO message VALUES (?,?,?,?,?,?,?)", *row).rowcount == 1

    def claim_at(self, key: str, request: int, channel: str, ts: str, thread: str) -> None:
        """Claim a message that stands already, under another key; in one statement, or whoever came between posts a second."""
        self._do("INSERT OR IGNORE INTO message VALUES (?,?,'',?,?,?,'')", key, request, channel, ts, thread)

    def posted(self, key: str, channel: str, ts: str, shown: str) -> None:
        """Note where a message stands and what it shows."""
        self._do("UPDATE message SET channel = ?, ts = ?, shown = ? WHERE key = ?", channel, ts, shown, key)

    def seen_at(self, key: str, channel: str, ts: str) -> None:
        """Somebody clicked on a message whose place was not known: it is there."""
        self._do("UPDATE message SET channel = ?, ts = ? WHERE key = ? AND ts = ''", channel, ts, key)

    def move(self, key: str, channel: str, thread: str) -> None:
        """A message that cannot stand where it stood is to be posted elsewhere."""
        self._do("UPDATE message SET channel = ?, ts = '', thread = ?, shown = '' WHERE key = ?", channel, thread, key)

    def message(self, key: str) -> Posted | None:
        """Return the message of this key, None when nobody claimed it."""
        rows = self._messages("WHERE key = ?", key)
        return rows[0] if rows else None

    def messages(self, request: int) -> list[Posted]:
        """Return every message about a request."""
        return self._messages("WHERE request = ?", request)

    def messages_like(self, beginning: str) -> list[Posted]:
        """Return every message whose key begins like this."""
        return self._messages("WHERE substr(key, 1, ?) = ?", len(beginning), beginning)

    def nudge(self, request: int, now: datetime) -> None:
        """The approvers of a request are reminded now."""
        self._do("INSERT OR IGNORE INTO nudge VALUES (?, ?)", request, format_time(now))

    def nudges(self, request: int) -> Nudges:
        """Return how often its approvers were reminded, and whether its asker was told who has not answered."""
        count, last = self._do("SELECT count(*), max(at) FROM nudge WHERE request = ?", request).fetchone()
        steps = dict(self._do("SELECT step, at FROM step WHERE request = ?", request).fetchall())
        timed, escalated = steps.get(Step.REMINDED), steps.get(Step.ESCALATED)
        latest = max((at for at in (last, timed) if at), default=None)
        return Nudges(
            count=count + (timed is not None),
            last=parse_time(latest) if latest else None,
            by_itself=latest is not None and latest == timed,
            escalated=parse_time(escalated) if escalated else None,
        )

    def step(self, request: int, step: str, now: datetime) -> bool:
        """Note that time did this to a request; true once, over restarts and processes."""
        return self._do("INSERT OR IGNORE INTO step VALUES (?, ?, ?)", request, step, format_time(now)).rowcount == 1

    def _messages(self, where: str, *values: Any) -> list[Posted]:
        rows = self._do(f"SELECT * FROM message {where} ORDER BY rowid", *values).fetchall()  # noqa: S608 fixed text
        names = ("key", "request", "viewer", "channel", "ts", "thread", "shown")
        return [Posted(**dict(zip(names, row, strict=True))) for row in rows]
