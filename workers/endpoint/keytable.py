"""Who may call, in one SQLite file: the executor of keys writes it, every endpoint reads it at every call.

It holds the SHA-256 of keys and never a key. Whoever looks up a key keeps the file open, and looks first whether it is
still the one at its path: what was put in its place counts from the next call on.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from ledger.log.canonical import format_time, parse_time
from ledger.streams.budget import Span

FILE: Final = "keys.sqlite3"
"""The table in the folder of served models."""
_BUSY_S: Final = 10.0
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS key (grant_key TEXT PRIMARY KEY, generation INTEGER NOT NULL, held INTEGER NOT NULL,
    request INTEGER NOT NULL, model TEXT NOT NULL, environment TEXT NOT NULL, team TEXT NOT NULL,
    not_after TEXT NOT NULL, verifier TEXT UNIQUE) STRICT;
CREATE TABLE IF NOT EXISTS team (team TEXT PRIMARY KEY, span TEXT NOT NULL, tokens INTEGER NOT NULL) STRICT;
"""
_ROWS: Final = "SELECT grant_key, generation, held, request, model, environment, team, not_after, verifier FROM key"
_OF_GRANT: Final = f"{_ROWS} WHERE grant_key = ?"
_OF_VERIFIER: Final = f"{_ROWS} WHERE verifier = ? AND held = 1"
_HELD: Final = f"{_ROWS} WHERE held = 1 ORDER BY grant_key"
_PUT: Final = """INSERT INTO key VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (grant_key) DO UPDATE SET
    generation = excluded.generation, held = excluded.held, request = excluded.request, model = excluded.model,
    environment = excluded.environment, team = excluded.team, not_after = excluded.not_after,
    verifier = excluded.verifier"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """A grant of a key as the table has it.

    Args:
        held: whether it stands; one that was taken back stays as a bar against late starts.
        team: who pays, without prefix; empty for nobody.
        verifier: SHA-256 of the key that was shown last, None before the first.
    """

    grant_key: str
    generation: int
    held: bool
    request: int
    model: str
    environment: str
    team: str
    not_after: datetime
    verifier: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamTokens:
    """What a team's keys may use together in each window: `span` long, `tokens` in all."""

    team: str
    span: Span
    tokens: int


class KeyTable:
    """The table in the file at `path`, which is made when there is none.

    Every method raises sqlite3.Error when the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._reader: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    def prepare(self) -> None:
        """Make the file, readable by its owner alone, and its tables."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch(mode=0o600)
        with self._open() as tx:
            tx.execute("PRAGMA journal_mode = WAL")
            tx.executescript(_SCHEMA)

    def of_verifier(self, verifier: str) -> KeyRow | None:
        """Return the grant whose key has this SHA-256 and stands, None when there is none."""
        with self._reading() as tx:
            return _one(tx, _OF_VERIFIER, verifier)

    def of_grant(self, grant_key: str) -> KeyRow | None:
        """Return the row of a grant, None when it was never seen."""
        with self._open() as tx:
            return _of_grant(tx, grant_key)

    def held(self) -> tuple[KeyRow, ...]:
        """Return every grant that stands."""
        with self._open() as tx:
            rows = tx.execute(_HELD).fetchall()
        return tuple(_row(row) for row in rows)

    @contextmanager
    def changing(self) -> Iterator[Change]:
        """Look and change in one transaction, beside which nobody else changes anything."""
        with self._open() as tx:
            tx.execute("BEGIN IMMEDIATE")
            try:
                yield Change(tx)
            except BaseException:
                tx.execute("ROLLBACK")
                raise
            tx.execute("COMMIT")

    def team(self, team: str) -> TeamTokens | None:
        """Return what a team may use in each window, None when that has no limit."""
        with self._reading() as tx:
            row = tx.execute("SELECT team, span, tokens FROM team WHERE team = ?", (team,)).fetchone()
        return None if row is None else TeamTokens(team=row[0], span=Span(row[1]), tokens=int(row[2]))

    def set_teams(self, teams: Iterable[TeamTokens]) -> None:
        """Put the teams' limits in the place of those before."""
        rows = [(each.team, each.span.value, each.tokens) for each in teams]
        with self._open() as tx:
            tx.execute("BEGIN IMMEDIATE")
            if sorted(rows) == sorted(tx.execute("SELECT team, span, tokens FROM team").fetchall()):
                tx.execute("ROLLBACK")
                return
            tx.execute("DELETE FROM team")
            tx.executemany("INSERT INTO team VALUES (?, ?, ?)", rows)
            tx.execute("COMMIT")

    def close(self) -> None:
        """Let go of the file that lookups keep open."""
        with self._lock:
            self._let_go()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """The connection that lookups share: a new one for each of them would cost more than everything else."""
        with self._lock:
            try:
                found = self._path.stat()
            except OSError as error:
                self._let_go()
                raise sqlite3.OperationalError(f"{self._path.name}: {error.strerror}") from error
            if self._reader is None or self._file != (found.st_dev, found.st_ino):
                self._let_go()
                self._reader, self._file = self._connect(), (found.st_dev, found.st_ino)
            yield self._reader

    def _let_go(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader = self._file = None

    def _connect(self) -> sqlite3.Connection:
        address = f"{self._path.absolute().as_uri()}?mode=rw"
        return sqlite3.connect(address, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        tx = self._connect()
        try:
            yield tx
        finally:
            tx.close()


class Change:
    """What may be done inside one transaction of the table."""

    def __init__(self, tx: sqlite3.Connection) -> None:
        self._tx = tx

    def of_grant(self, grant_key: str) -> KeyRow | None:
        """Return the row of a grant, None when it was never seen."""
        return _of_grant(self._tx, grant_key)

    def put(self, row: KeyRow) -> None:
        """Put a row in the place of its grant's; raises sqlite3.IntegrityError where another grant has its verifier."""
        values = (
            row.grant_key,
            row.generation,
            int(row.held),
            row.request,
            row.model,
            row.environment,
            row.team,
            format_time(row.not_after),
            row.verifier,
        )
        self._tx.execute(_PUT, values)

    def drop(self, grant_key: str) -> None:
        """Forget a grant."""
        self._tx.execute("DELETE FROM key WHERE grant_key = ?", (grant_key,))

    def barred(self) -> list[str]:
        """Return the keys of the grants that were taken back."""
        return [row[0] for row in self._tx.execute("SELECT grant_key FROM key WHERE held = 0")]


def _of_grant(tx: sqlite3.Connection, grant_key: str) -> KeyRow | None:
    return _one(tx, _OF_GRANT, grant_key)


def _one(tx: sqlite3.Connection, sql: str, value: str) -> KeyRow | None:
    row = tx.execute(sql, (value,)).fetchone()
    return None if row is None else _row(row)


def _row(row: tuple[str, int, int, int, str, str, str, str, str | None]) -> KeyRow:
    grant_key, generation, held, request, model, environment, team, not_after, verifier = row
    return KeyRow(
        grant_key=grant_key,
        generation=generation,
        held=bool(held),
        request=request,
        model=model,
        environment=environment,
        team=team,
        not_after=parse_time(not_after),
        verifier=verifier,
    )
