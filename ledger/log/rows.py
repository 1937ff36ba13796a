"""Entries read back from their rows, and SQLite's errors in the ledger's words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ledger.errors import BusyError, LedgerError, MalformedError, ReadOnlyError, TamperedError
from ledger.log.canonical import parse_entry, parse_time
from ledger.log.store import Sealed, Stored

COLUMNS: Final = "seq, stream, version, kind, at, actor, id, bytes, leaf_hash"
PAGE: Final = 1000
_NAMES: Final = ("stream", "version", "kind", "at", "actor", "id")
_BUSY: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_UNWRITABLE: Final = {
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_CORRUPT,
}


def told(error: BaseException) -> BaseException:
    """Return what the caller is told of `error`: the ledger's own error, or the same one if it is not SQLite's."""
    if isinstance(error, OSError):
        return ReadOnlyError(str(error))
    if not isinstance(error, sqlite3.Error):
        return error
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # the primary code of an extended one
    if code in _BUSY:
        return BusyError(str(error))
    return ReadOnlyError(str(error)) if code in _UNWRITABLE else LedgerError(str(error))


def is_of_one(error: Exception, tx: sqlite3.Connection) -> bool:
    """Whether `error` is the fault of one append, so that the others of its transaction can still be written."""
    broken = isinstance(error, sqlite3.Error) and isinstance(told(error), BusyError | ReadOnlyError)
    return tx.in_transaction and not broken


def read_stream(tx: sqlite3.Connection, stream: str, after: int) -> list[Stored]:
    """Return the entries of `stream` with version > `after`, in order."""
    sql = f"SELECT {COLUMNS} FROM entry WHERE stream = ? AND version > ? ORDER BY version"  # noqa: S608 constants
    return _from_rows(tx, tx.execute(sql, (stream, after)).fetchall())


def read_page(tx: sqlite3.Connection, start: int, stop: int) -> list[Stored]:
    """Return the entries start <= seq < stop in order, a thousand at most."""
    sql = f"SELECT {COLUMNS} FROM entry WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT {PAGE}"  # noqa: S608 constants
    return _from_rows(tx, tx.execute(sql, (start, stop)).fetchall())


def stored_from(seq: int, envelope: Mapping[str, Any], data: bytes, leaf: bytes, seals: dict[str, Sealed]) -> Stored:
    """Return the entry with this parsed envelope in its place."""
    return Stored(
        seq=seq,
        id=envelope["id"],
        stream=envelope["stream"],
        version=envelope["version"],
        kind=envelope["kind"],
        v=envelope["v"],
        at=parse_time(envelope["at"]),
        actor=envelope["actor"],
        body=envelope["body"],
        data=data,
        leaf_hash=leaf,
        sealed=seals,
    )


def _from_rows(tx: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> list[Stored]:
    seals = _seals(tx, [row[0] for row in rows])
    return list(_checked(rows, seals))


def _checked(rows: Sequence[tuple[Any, ...]], seals: Mapping[int, dict[str, Sealed]]) -> Iterator[Stored]:
    for row in rows:
        try:
            envelope = parse_entry(row[7])
        except MalformedError as error:
            raise TamperedError(row[0], error.detail) from error
        if tuple(envelope[name] for name in _NAMES) != row[1:7]:
            raise TamperedError(row[0], "the columns differ from the bytes")
        yield stored_from(row[0], envelope, row[7], row[8], seals.get(row[0], {}))


def _seals(tx: sqlite3.Connection, seqs: Sequence[int]) -> dict[int, dict[str, Sealed]]:
    seals: dict[int, dict[str, Sealed]] = {}
    if not seqs:
        return seals
    for start in range(0, len(seqs), PAGE):
        some = seqs[start : start + PAGE]
        sql = f"SELECT seq, field, salt, value FROM sealed WHERE seq IN ({','.join('?' * len(some))})"  # noqa: S608
        for seq, field, salt, value in tx.execute(sql, some):
            seals.setdefault(seq, {})[field] = Sealed(field=field, salt=salt, value=value)
    return seals
