"""Which backends do not answer: since when, how often each was tried, and when it is tried next.

A marker beside the ledger and no evidence: nothing is granted or ended by it, and whoever loses the file tries once more.
It lies in the home, so that every worker, clock and desk reads the same, also after a restart. The next try is claimed:
of many workers and many requests one asks, and the others leave the backend alone until then.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog

from ledger.log.canonical import format_time, parse_time
from ledger.streams.request import Status

logger = structlog.get_logger(__name__)

FILE: Final = "outages.sqlite3"
HELD_UP: Final = frozenset({Status.APPROVED, Status.QUEUED, Status.STARTING})
"""The states in which a request waits for its backend to start it."""
FIRST: Final = timedelta(seconds=1)
"""How soon a backend that did not answer is tried again; doubled each time."""
LONGEST: Final = timedelta(seconds=60)
BUSY_S: Final = 5.0
T = TypeVar("T")
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS outage (backend TEXT NOT NULL, since TEXT NOT NULL, tries INTEGER NOT NULL,
    due TEXT NOT NULL, request INTEGER NOT NULL, why TEXT NOT NULL, back TEXT, PRIMARY KEY (backend, since)) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS outage_stands ON outage (backend) WHERE back IS NULL;
"""
_FAILED: Final = """
INSERT INTO outage VALUES (?,?,?,?,?,?,NULL) ON CONFLICT (backend) WHERE back IS NULL DO UPDATE SET
    tries = excluded.tries, due = excluded.due, request = excluded.request, why = excluded.why
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A backend that did not answer.

    Args:
        backend: as `Catalogue.backend` names it.
        tries: how often it was tried in vain since `since`.
        due: when it is tried next.
        request: whose try failed last.
        why: what was said then, in one sentence.
        back: when it answered again; None as long as it does not.
    """

    backend: str
    since: datetime
    tries: int
    due: datetime
    request: int
    why: str
    back: datetime | None


class Outages:
    """The marker in the file at `path`. What cannot be read or written is logged, and nothing counts as dark."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def standing(self) -> dict[str, Outage]:
        """Return the outages that stand, by backend."""
        rows = self._read("SELECT * FROM outage WHERE back IS NULL ORDER BY backend")
        return {row[0]: _outage(row) for row in rows}

    def of(self, backend: str) -> dict[datetime, Outage]:
        """Return every outage of a backend that is noted, by its beginning, whether it stands or is over."""
        rows = self._read("SELECT * FROM outage WHERE backend = ? ORDER BY since", backend)
        return {outage.since: outage for outage in map(_outage, rows)}

    def may_try(self, backend: str, now: datetime) -> bool:
        """Whether to ask this backend now: always while it answers, else for one caller each time a try is due."""
        outage = self.standing().get(backend)
        if outage is None:
            return True
        claim = "UPDATE outage SET due = ? WHERE backend = ? AND back IS NULL AND due <= ?"
        values = (format_time(now + pause(outage.tries)), backend, format_time(now))
        return self._write(claim, *values, otherwise=1) == 1

    def failed(self, backend: str, now: datetime, request: int, why: str) -> None:
        """Count one more try in vain; the first one begins the outage."""
        outage = self.standing().get(backend)
        since, tries = (outage.since, outage.tries + 1) if outage else (now, 1)
        values = (backend, format_time(since), tries, format_time(now + pause(tries)), request, why)
        self._write(_FAILED, *values)

    def answered(self, backend: str, now: datetime) -> None:
        """It answered: an outage that stood is over."""
        if backend in self.standing():
            self._write("UPDATE outage SET back = ? WHERE backend = ? AND back IS NULL", format_time(now), backend)

    def forget(self, backend: str) -> None:
        """Nothing waits for it, so nobody tries it: whether it answers is not known any more."""
        self._write("DELETE FROM outage WHERE backend = ? AND back IS NULL", backend)

    def _read(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Read; there is no file as long as nothing was ever dark, which is all that a start in good times pays for."""
        return self._do(lambda tx: tx.execute(sql, values).fetchall(), []) if self._path.exists() else []

    def _write(self, sql: str, *values: object, otherwise: int = 0) -> int:
        """Write one statement and return how many rows it changed, `otherwise` when it could not be written."""
        return self._do(lambda tx: tx.execute(sql, values).rowcount, otherwise)

    def _do(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        try:
            with closing(sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)) as tx:
                tx.execute("PRAGMA synchronous = OFF")
                tx.executescript(_SCHEMA)
                return work(tx)
        except sqlite3.Error as error:
            logger.warning("cannot note which backends do not answer", detail=str(error))
            return otherwise


def pause(tries: int) -> timedelta:
    """Return how long a backend is left alone after so many tries in vain: 1, 2, 4 seconds, a minute at most."""
    return min(FIRST * (1 << min(tries - 1, 10)), LONGEST)


def _outage(row: tuple[str, str, int, str, int, str, str | None]) -> Outage:
    backend, since, tries, due, request, why, back = row
    return Outage(
        backend=backend,
        since=parse_time(since),
        tries=tries,
        due=parse_time(due),
        request=request,
        why=why,
        back=parse_time(back) if back else None,
    )
