"""What both stores share: giving drafts their place inside a transaction, and reading entries back. Plain sqlite3."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from ledger.errors import MalformedError, TamperedError, VersionConflictError
from ledger.log.canonical import commitment, entry_bytes, format_time, parse_entry, parse_time
from ledger.log.merkle import HASH_SIZE, Frontier, leaf_hash, range_hash
from ledger.log.store import ANY, Move, Projector, Receipt, Sealed, Stored

TILE: Final = 256
_TILE_LEVEL: Final = 8
_COLUMNS: Final = "seq, stream, version, kind, at, actor, id, bytes, leaf_hash"


def head(tx: sqlite3.Connection) -> Frontier:
    """Return the frontier of the last batch; raises TamperedError when entries and batches disagree."""
    row = tx.execute("SELECT size, root, frontier FROM batch ORDER BY size DESC LIMIT 1").fetchone()
    last = tx.execute("SELECT coalesce(max(seq), -1) FROM entry").fetchone()[0]
    size, root, joined = row or (0, None, b"")
    if last + 1 != size:
        raise TamperedError(min(last + 1, size), "entries and batches disagree")
    frontier = Frontier(size, [joined[i : i + HASH_SIZE] for i in range(0, len(joined), HASH_SIZE)])
    if row and frontier.root() != root:
        raise TamperedError(size, "the frontier does not give the root")
    return frontier


def stored_before(tx: sqlite3.Connection, moves: Sequence[Move]) -> Receipt | None:
    """Return the receipt of an earlier append of exactly these ids, None when none of them is stored."""
    ids = [draft.id for move in moves for draft in move.drafts]
    marks = ",".join("?" * len(ids))
    rows = dict(tx.execute(f"SELECT id, seq FROM entry WHERE id IN ({marks})", ids).fetchall())  # noqa: S608
    if not ids or len(rows) != len(ids):
        return None
    return Receipt(ids=tuple(ids), seqs=tuple(rows[each] for each in ids), size=max(rows.values()) + 1)


def check_versions(tx: sqlite3.Connection, moves: Sequence[Move]) -> dict[str, int]:
    """Return the version of each stream that is moved; raises VersionConflictError when one is not as expected."""
    versions: dict[str, int] = {}
    for move in moves:
        if move.stream not in versions:
            sql = "SELECT coalesce(max(version), 0) FROM entry WHERE stream = ?"
            versions[move.stream] = tx.execute(sql, (move.stream,)).fetchone()[0]
        if move.expected not in {ANY, versions[move.stream]}:
            raise VersionConflictError(move.stream, move.expected, versions[move.stream])
    return versions


def place(
    tx: sqlite3.Connection, frontier: Frontier, at: datetime, moves: Sequence[Move], projectors: Sequence[Projector]
) -> Receipt:
    """Insert every draft behind the frontier and fold the read models; the batch row is the caller's to write."""
    versions = check_versions(tx, moves)
    ids, seqs = [], []
    for move in moves:
        for draft in move.drafts:
            versions[move.stream] += 1
            data = entry_bytes(draft, move.stream, versions[move.stream], at)
            stored = _stored(frontier.size, data, leaf_hash(data), {seal.field: seal for seal in draft.sealed})
            _insert(tx, stored)
            frontier.add(stored.leaf_hash)
            for project in projectors:
                project(tx, stored)
            ids.append(draft.id)
            seqs.append(stored.seq)
    return Receipt(ids=tuple(ids), seqs=tuple(seqs), size=frontier.size)


def seal_batch(tx: sqlite3.Connection, frontier: Frontier, before: int) -> None:
    """Write the batch row, and the tiles that became full since size `before`."""
    for number in range(before // TILE, frontier.size // TILE):
        hashes = _leaf_rows(tx, number * TILE, (number + 1) * TILE)
        tx.execute("INSERT INTO tile VALUES (?,?,?)", (number, b"".join(hashes), _root(hashes)))
    tx.execute("INSERT INTO batch VALUES (?,?,?)", (frontier.size, frontier.root(), frontier.hashes()))


def last_time(tx: sqlite3.Connection) -> datetime | None:
    """Return the time of the last entry, None for an empty log."""
    row = tx.execute("SELECT at FROM entry ORDER BY seq DESC LIMIT 1").fetchone()
    return parse_time(row[0]) if row else None


def read_stream(tx: sqlite3.Connection, stream: str, after: int) -> list[Stored]:
    """Return the entries of `stream` with version > `after`, in order."""
    sql = f"SELECT {_COLUMNS} FROM entry WHERE stream = ? AND version > ? ORDER BY version"  # noqa: S608
    return list(_from_rows(tx, tx.execute(sql, (stream, after)).fetchall()))


def scan_pages(tx: sqlite3.Connection, start: int, stop: int | None, page: int = 1000) -> Iterator[Stored]:
    """Yield entries in order of seq, a page at a time."""
    sql = f"SELECT {_COLUMNS} FROM entry WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT ?"  # noqa: S608
    end = stop if stop is not None else 2**62
    while rows := tx.execute(sql, (start, end, page)).fetchall():
        yield from _from_rows(tx, rows)
        start = rows[-1][0] + 1


def erase(tx: sqlite3.Connection, commitments: Iterable[bytes]) -> int:
    """Delete the values behind these commitments and return how many there were."""
    return sum(tx.execute("DELETE FROM sealed WHERE commitment = ?", (each,)).rowcount for each in commitments)


def leaf_hashes(tx: sqlite3.Connection, start: int, stop: int) -> list[bytes]:
    """Return the leaf hashes of start <= seq < stop."""
    return _leaf_rows(tx, start, stop)


def node(tx: sqlite3.Connection, level: int, index: int) -> bytes:
    """Return the hash of a complete subtree, from tiles where it spans them, from leaves below."""
    start, width = index << level, 1 << level
    if level < _TILE_LEVEL:
        return _root(_leaf_rows(tx, start, start + width))
    sql = "SELECT root FROM tile WHERE number >= ? AND number < ? ORDER BY number"
    return _root([row[0] for row in tx.execute(sql, (start // TILE, (start + width) // TILE))])


def root_at(tx: sqlite3.Connection, size: int) -> bytes:
    """Return the root hash of the first `size` entries."""
    row = tx.execute("SELECT root FROM batch WHERE size = ?", (size,)).fetchone()
    if row is not None:
        return bytes(row[0])
    return range_hash(lambda level, index: node(tx, level, index), 0, size) if size else Frontier().root()


def _root(hashes: Sequence[bytes]) -> bytes:
    frontier = Frontier()
    for each in hashes:
        frontier.add(each)
    return frontier.root()


def _leaf_rows(tx: sqlite3.Connection, start: int, stop: int) -> list[bytes]:
    sql = "SELECT leaf_hash FROM entry WHERE seq >= ? AND seq < ? ORDER BY seq"
    return [row[0] for row in tx.execute(sql, (start, stop))]


def _insert(tx: sqlite3.Connection, stored: Stored) -> None:
    tx.execute(
        "INSERT INTO entry VALUES (?,?,?,?,?,?,?,?,?)",
        (
            stored.seq,
            stored.stream,
            stored.version,
            stored.kind,
            format_time(stored.at),
            stored.actor,
            stored.id,
            stored.data,
            stored.leaf_hash,
        ),
    )
    for seal in stored.sealed.values():
        key = bytes.fromhex(commitment(seal.salt, seal.value))
        tx.execute("INSERT INTO sealed VALUES (?,?,?,?,?)", (key, stored.seq, seal.field, seal.salt, seal.value))


def _from_rows(tx: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> Iterator[Stored]:
    if not rows:
        return
    seals: dict[int, dict[str, Sealed]] = {}
    sql = "SELECT seq, field, salt, value FROM sealed WHERE seq >= ? AND seq <= ?"
    for seq, field, salt, value in tx.execute(sql, (rows[0][0], rows[-1][0])):
        seals.setdefault(seq, {})[field] = Sealed(field=field, salt=salt, value=value)
    for row in rows:
        stored = _stored(row[0], row[7], row[8], seals.get(row[0], {}))
        columns = (stored.stream, stored.version, stored.kind, format_time(stored.at), stored.actor, stored.id)
        if columns != row[1:7]:
            raise TamperedError(row[0], "the columns differ from the bytes")
        yield stored


def _stored(seq: int, data: bytes, leaf: bytes, seals: dict[str, Sealed]) -> Stored:
    try:
        envelope = parse_entry(data)
    except MalformedError as error:
        raise TamperedError(seq, error.detail) from error
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
