"""Read models, folded inside the appending transaction: which requests exist, which are open, and when to look next.

The index never says where a request stands (only the fold of its entries does); it says which ones to fold.
It can be dropped and rebuilt from the entries, and `differs` compares the two.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from ledger.log.canonical import format_time, parse_time
from ledger.log.store import Store, Stored
from ledger.nouns import Effect
from ledger.streams.request import ANSWERS, LAPSE_AFTER, Phase, Verdict, warn_at

SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS request_index (
        number INTEGER PRIMARY KEY, version INTEGER NOT NULL, asker TEXT NOT NULL, resource TEXT NOT NULL,
        submitted_at TEXT NOT NULL, lapse_at TEXT NOT NULL, start_at TEXT, not_after TEXT,
        due_at TEXT, open INTEGER NOT NULL, last_kind TEXT NOT NULL, last_at TEXT NOT NULL) STRICT""",
    "CREATE INDEX IF NOT EXISTS request_due ON request_index (due_at) WHERE open = 1",
    "CREATE INDEX IF NOT EXISTS request_asker ON request_index (asker, number)",
)
"""Tables of the read models; idempotent."""

RECEIPT_GRACE: Final = timedelta(seconds=20)
"""How long a dispatch may go without a receipt before somebody looks again."""
CONFIRM_AGAIN: Final = timedelta(seconds=30)
"""How soon a return that could not be confirmed is tried again."""

STUMBLE_AGAIN: Final = timedelta(seconds=1)
"""How soon a start that failed as nobody foresaw is tried again; doubled each time."""

_CLOSING: Final = frozenset(
    f"request.{status}" for status in ("settled", "withdrawn", "lapsed", "missed", "failed", "replaced", "done")
)


def project(tx: sqlite3.Connection, stored: Stored) -> None:
    """Fold one entry into the index; entries of other streams change nothing."""
    if not stored.stream.startswith("request:"):
        return
    if stored.kind == "request.submitted":
        _insert(tx, stored)
    else:
        _update(tx, stored)


def _insert(tx: sqlite3.Connection, stored: Stored) -> None:
    form: Mapping[str, Any] = stored.body["form"]
    start = form.get("start")
    lapse = start or format_time(stored.at + LAPSE_AFTER)
    at = format_time(stored.at)
    tx.execute(
        "INSERT INTO request_index VALUES (?,?,?,?,?,?,?,NULL,?,1,?,?)",
        (
            stored.body["request"],
            stored.version,
            stored.body["asker"],
            form["resource"],
            at,
            lapse,
            start,
            lapse,
            stored.kind,
            at,
        ),
    )


def _update(tx: sqlite3.Connection, stored: Stored) -> None:
    number = int(stored.stream.partition(":")[2])
    at = format_time(stored.at)
    tx.execute(
        "UPDATE request_index SET version = ?, last_kind = ?, last_at = ? WHERE number = ?",
        (stored.version, stored.kind, at, number),
    )
    if _closes(stored):
        tx.execute("UPDATE request_index SET open = 0, due_at = NULL WHERE number = ?", (number,))
        return
    due = _DUE.get(stored.kind)
    if due is not None:
        sql, value = due(stored)
        tx.execute(f"UPDATE request_index SET {sql} WHERE number = ?", (*value, number))  # noqa: S608 fixed fragments
    if stored.kind in ANSWERS:
        _due_for_warning(tx, stored, number)


def _due_for_warning(tx: sqlite3.Connection, stored: Stored, number: int) -> None:
    """Once it is settled until when a lease is held, its holder is warned next; the end comes after the warning."""
    end = tx.execute("SELECT not_after FROM request_index WHERE number = ?", (number,)).fetchone()[0]
    due = end and format_time(warn_at(stored.at, max(stored.at, parse_time(end))))
    tx.execute("UPDATE request_index SET due_at = ? WHERE number = ?", (due, number))


def _closes(stored: Stored) -> bool:
    if stored.kind == "request.decided":
        return bool(stored.body["decision"]["effect"] == Effect.DENY.value)
    if stored.kind == "request.reviewed":
        return bool(stored.body["verdict"] == Verdict.DENY.value)
    return stored.kind in _CLOSING


_Due = tuple[str, tuple[Any, ...]]


def _at(delay: timedelta = timedelta()) -> Callable[[Stored], _Due]:
    return lambda stored: ("due_at = ?", (format_time(stored.at + delay),))


def _when_approved(stored: Stored) -> _Due:
    return "due_at = coalesce(start_at, ?)", (format_time(stored.at),)


def _when_dispatched(stored: Stored) -> _Due:
    return "due_at = ?, not_after = ?", (format_time(stored.at + RECEIPT_GRACE), stored.body["not_after"])


def _when_end_moves(stored: Stored) -> _Due:
    return "due_at = ?, not_after = ?", (format_time(stored.at), stored.body["not_after"])


def _when_stumbled(stored: Stored) -> _Due:
    wait = min(STUMBLE_AGAIN * 2 ** (stored.body["attempt"] - 1), CONFIRM_AGAIN)
    return "due_at = ?", (format_time(stored.at + wait),)


def _when_decided(stored: Stored) -> _Due:
    again = stored.body["phase"] == Phase.DISPATCH.value
    return ("due_at = lapse_at", ()) if again else ("due_at = due_at", ())


_DUE: Final[dict[str, Callable[[Stored], _Due]]] = {
    "request.approved": _when_approved,
    "request.queued": _at(timedelta(seconds=2)),
    "request.reopened": lambda _: ("due_at = lapse_at", ()),
    "request.decided": _when_decided,
    "request.dispatched": _when_dispatched,
    "request.stumbled": _when_stumbled,
    "request.extended": _when_end_moves,
    "request.not-prolonged": _when_end_moves,
    "request.credential-shown": _at(),
    "request.warned": lambda _: ("due_at = not_after", ()),
    "request.disqualified": _at(),
    "request.expired": _at(),
    "request.released": _at(),
    "request.revoked": _at(),
    "request.ended-unlogged": _at(),
    "request.not-confirmed": _at(CONFIRM_AGAIN),
}


class RequestIndex:
    """Questions to the index."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def open(self) -> list[int]:
        """Return the numbers of every request that is not over, oldest first."""
        return _numbers(self._store.query("SELECT number FROM request_index WHERE open = 1 ORDER BY number"))

    def due(self, now: datetime) -> list[int]:
        """Return the open requests that somebody must look at by `now`, the longest due first."""
        sql = "SELECT number FROM request_index WHERE open = 1 AND due_at <= ? ORDER BY due_at, number"
        return _numbers(self._store.query(sql, (format_time(now),)))

    def next_due(self) -> datetime | None:
        """Return when the next open request is due, None if none is."""
        rows = self._store.query("SELECT min(due_at) FROM request_index WHERE open = 1")
        return parse_time(rows[0][0]) if rows and rows[0][0] else None

    def of(self, asker: str, limit: int = 50) -> list[int]:
        """Return the newest requests of `asker`, newest first."""
        sql = "SELECT number FROM request_index WHERE asker = ? ORDER BY number DESC LIMIT ?"
        return _numbers(self._store.query(sql, (asker, limit)))

    def alive_at(self, moment: datetime) -> list[int]:
        """Return the requests that were asked by `moment` and not over before it, oldest first."""
        sql = "SELECT number FROM request_index WHERE submitted_at <= ? AND (open = 1 OR last_at >= ?) ORDER BY number"
        return _numbers(self._store.query(sql, (format_time(moment), format_time(moment))))

    def resource(self, number: int) -> str:
        """Return what a request asks for (`gpu:h100-shared`), empty when there is no such request."""
        rows = self._store.query("SELECT resource FROM request_index WHERE number = ?", (number,))
        return str(rows[0][0]) if rows else ""

    def last(self) -> int:
        """Return the highest number given, 0 if none."""
        rows = self._store.query("SELECT max(number) FROM request_index")
        return int(rows[0][0] or 0) if rows else 0


def rebuild(entries: Iterable[Stored]) -> list[tuple[Any, ...]]:
    """Return the rows of the index as they follow from `entries` alone."""
    scratch = sqlite3.connect(":memory:")
    for statement in SCHEMA:
        scratch.execute(statement)
    for stored in entries:
        project(scratch, stored)
    rows = scratch.execute("SELECT * FROM request_index ORDER BY number").fetchall()
    scratch.close()
    return rows


def differs(store: Store) -> bool:
    """Whether the stored index is not what the entries say."""
    return rebuild(store.scan()) != store.query("SELECT * FROM request_index ORDER BY number")


def _numbers(rows: list[tuple[Any, ...]]) -> list[int]:
    return [int(row[0]) for row in rows]
