"""The read models' tables and how an entry folds into them, inside the appending transaction.

Nothing here says where a request stands (only the fold of its entries does): the index says which requests to fold, and
the standing counts a person's, so that asking costs the same however much somebody has open. `views.py` asks both.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from ledger.log.canonical import format_time, parse_time
from ledger.log.store import Stored
from ledger.nouns import Effect
from ledger.streams.request import ANSWERS, LAPSE_AFTER, Phase, Verdict, warn_at

TABLES: Final = ("request_index", "standing")
SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS request_index (
        number INTEGER PRIMARY KEY, version INTEGER NOT NULL, asker TEXT NOT NULL, beneficiary TEXT NOT NULL,
        resource TEXT NOT NULL, gpus INTEGER NOT NULL,
        submitted_at TEXT NOT NULL, lapse_at TEXT NOT NULL, start_at TEXT, not_after TEXT,
        due_at TEXT, open INTEGER NOT NULL, last_kind TEXT NOT NULL, last_at TEXT NOT NULL,
        stage TEXT NOT NULL,
        waiting INTEGER NOT NULL GENERATED ALWAYS AS (stage = 'waiting') VIRTUAL,
        held INTEGER NOT NULL GENERATED ALWAYS AS (CASE WHEN stage IN ('approved', 'held') THEN gpus ELSE 0 END) VIRTUAL
        ) STRICT""",
    "CREATE INDEX IF NOT EXISTS request_due ON request_index (due_at) WHERE open = 1",
    "CREATE INDEX IF NOT EXISTS request_open ON request_index (number) WHERE open = 1",
    "CREATE INDEX IF NOT EXISTS request_asker ON request_index (asker, number)",
    "CREATE INDEX IF NOT EXISTS request_line ON request_index (resource, number) WHERE stage = 'approved'",
    """CREATE TABLE IF NOT EXISTS standing (
        subject TEXT PRIMARY KEY, waiting INTEGER NOT NULL, held_gpus INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
    """CREATE TRIGGER IF NOT EXISTS standing_begins AFTER INSERT ON request_index
        BEGIN INSERT OR IGNORE INTO standing VALUES (new.beneficiary, 0, 0); END""",
    """CREATE TRIGGER IF NOT EXISTS standing_moves AFTER UPDATE OF stage, gpus ON request_index
        BEGIN UPDATE standing SET waiting = waiting + new.waiting - old.waiting,
            held_gpus = held_gpus + new.held - old.held WHERE subject = new.beneficiary; END""",
)
"""Tables of the read models; idempotent. `stage` is asked, waiting, approved (not dispatched yet), held or over."""

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
        "INSERT INTO request_index VALUES (?,?,?,?,?,?,?,?,?,NULL,?,1,?,?,'asked')",
        (
            stored.body["request"],
            stored.version,
            stored.body["asker"],
            stored.body["beneficiary"],
            form["resource"],
            form.get("gpus", 0),
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
        tx.execute("UPDATE request_index SET open = 0, due_at = NULL, stage = 'over' WHERE number = ?", (number,))
        return
    moves = _MOVES.get(stored.kind)
    if moves is not None:
        sql, value = moves(stored)
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


_Moved = tuple[str, tuple[Any, ...]]


def _at(delay: timedelta = timedelta()) -> Callable[[Stored], _Moved]:
    return lambda stored: ("due_at = ?", (format_time(stored.at + delay),))


def _when_lowered(stored: Stored) -> _Moved:
    return "gpus = ?", (stored.body["form"].get("gpus", 0),)


def _when_approved(stored: Stored) -> _Moved:
    return "stage = 'approved', due_at = coalesce(start_at, ?)", (format_time(stored.at),)


def _when_dispatched(stored: Stored) -> _Moved:
    due = format_time(stored.at + RECEIPT_GRACE)
    return "stage = 'held', due_at = ?, not_after = ?", (due, stored.body["not_after"])


def _when_end_moves(stored: Stored) -> _Moved:
    return "due_at = ?, not_after = ?", (format_time(stored.at), stored.body["not_after"])


def _when_stumbled(stored: Stored) -> _Moved:
    wait = min(STUMBLE_AGAIN * 2 ** (stored.body["attempt"] - 1), CONFIRM_AGAIN)
    return "due_at = ?", (format_time(stored.at + wait),)


def _when_decided(stored: Stored) -> _Moved:
    """A decision at dispatch that goes on stands in one transaction with its dispatch; alone, seats are open again."""
    again = stored.body["phase"] == Phase.DISPATCH.value
    return "stage = 'waiting'" + ", due_at = lapse_at" * again, ()


_MOVES: Final[dict[str, Callable[[Stored], _Moved]]] = {
    "request.approved": _when_approved,
    "request.queued": _at(timedelta(seconds=2)),
    "request.lowered": _when_lowered,
    "request.reopened": lambda _: ("stage = 'waiting', due_at = lapse_at", ()),
    "request.decided": _when_decided,
    "request.dispatched": _when_dispatched,
    "request.stumbled": _when_stumbled,
    "request.extended": _when_end_moves,
    "request.not-prolonged": _when_end_moves,
    "request.shortened": _when_end_moves,
    "request.credential-shown": _at(),
    "request.warned": lambda _: ("due_at = not_after", ()),
    "request.disqualified": _at(),
    "request.expired": _at(),
    "request.released": _at(),
    "request.revoked": _at(),
    "request.ended-unlogged": _at(),
    "request.not-confirmed": _at(CONFIRM_AGAIN),
}
