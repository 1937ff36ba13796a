"""Questions to the read models: which requests exist, which are open, when to look next, and what a person has open.

They can be dropped and rebuilt from the entries, and `differs` compares the two.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from ledger.index import SCHEMA, TABLES, project
from ledger.log.canonical import format_time, parse_time
from ledger.log.store import Store, Stored

_ALL: Final = tuple(f"SELECT * FROM {table} ORDER BY 1" for table in TABLES)  # noqa: S608 fixed names

Stage = Literal["waiting", "approved", "held"]
"""How far an open request is: until it is agreed to, until it is dispatched, until it is seen gone."""


class Standing(NamedTuple):
    """How many requests of a person wait for their approvers, and how many GPUs the approved ones hold or will."""

    waiting: int
    held_gpus: int


class RequestIndex:
    """Questions to the index."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def open(self, *, stage: Stage | None = None, resource: str | None = None) -> list[int]:
        """Return the numbers of every request that is not over, oldest first; only those of a stage or a resource."""
        sql = (
            "SELECT number FROM request_index WHERE open = 1"
            " AND stage = coalesce(?, stage) AND resource = coalesce(?, resource) ORDER BY number"
        )
        return _numbers(self._store.query(sql, (stage, resource)))

    def in_line(self, resource: str) -> int:
        """Return how many approved requests for `resource` were told that nothing is free for them yet."""
        sql = (
            "SELECT count(*) FROM request_index"
            " WHERE stage = 'approved' AND resource = ? AND last_kind = 'request.queued'"
        )
        return int(self._store.query(sql, (resource,))[0][0])

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

    def ahead(self, resource: str, number: int) -> int:
        """Return how many older requests for `resource` are approved and not dispatched yet."""
        sql = "SELECT count(*) FROM request_index WHERE stage = 'approved' AND resource = ? AND number < ?"
        return int(self._store.query(sql, (resource, number))[0][0])

    def standing(self, subject: str, *, except_for: int | None = None) -> Standing:
        """Return what `subject` waits for and holds, leaving out one request: one look, however much that is."""
        sql = (
            "SELECT s.waiting - coalesce(r.waiting, 0), s.held_gpus - coalesce(r.held, 0) FROM standing s"
            " LEFT JOIN request_index r ON r.number = ? AND r.beneficiary = s.subject WHERE s.subject = ?"
        )
        rows = self._store.query(sql, (except_for, subject))
        return Standing(*rows[0]) if rows else Standing(0, 0)

    def last(self) -> int:
        """Return the highest number given, 0 if none."""
        rows = self._store.query("SELECT max(number) FROM request_index")
        return int(rows[0][0] or 0) if rows else 0


def rebuild(entries: Iterable[Stored]) -> list[tuple[Any, ...]]:
    """Return the rows of every read model as they follow from `entries` alone."""
    scratch = sqlite3.connect(":memory:")
    for statement in SCHEMA:
        scratch.execute(statement)
    for stored in entries:
        project(scratch, stored)
    rows = [row for sql in _ALL for row in scratch.execute(sql)]
    scratch.close()
    return rows


def differs(store: Store) -> bool:
    """Whether the stored read models are not what the entries say."""
    return rebuild(store.scan()) != [row for sql in _ALL for row in store.query(sql)]


def _numbers(rows: list[tuple[Any, ...]]) -> list[int]:
    return [int(row[0]) for row in rows]
