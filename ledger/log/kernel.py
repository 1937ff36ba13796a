"""What both stores do inside a transaction: give drafts their place. Plain sqlite3, as few statements as will do.

Everybody who waits is placed at once, by one query for the versions and one insert for the entries. Only when that
fails by somebody's own fault is each placed alone, so that whoever is at fault fails alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from itertools import repeat
from typing import Final

from ledger.errors import LedgerError, TamperedError, VersionConflictError
from ledger.log import tiles
from ledger.log.canonical import format_time, parse_time
from ledger.log.merkle import Frontier
from ledger.log.ready import Ready, ReadyDraft
from ledger.log.rows import is_of_one
from ledger.log.schema import ERASING
from ledger.log.store import ANY, Clock, Projector, Receipt, Stored

Outcome = Receipt | Exception
_MARKS: Final = 256
_INSERT: Final = (
    "INSERT OR FAIL INTO entry (seq, stream, version, kind, at, actor, id, bytes, leaf_hash) VALUES (?,?,?,?,?,?,?,?,?)"
)
"""OR FAIL: see schema.py. A row that is refused leaves those before it, and `commit` takes all of them back."""


_Row = tuple[int, str, int, str, str, str, str, bytes, bytes]
"""An entry in its place, as its table has it: seq, stream, version, kind, at, actor, id, bytes, leaf hash."""


def prepare(tx: sqlite3.Connection) -> None:
    """Give a connection the function without which nothing is erased; it says no until `erase` says otherwise."""
    tx.create_function(ERASING, 0, lambda: False)


def head(tx: sqlite3.Connection) -> Frontier:
    """Return the frontier of the last batch; raises TamperedError when entries and batches disagree."""
    return _head(tx)[0]


def _head(tx: sqlite3.Connection) -> tuple[Frontier, str | None]:
    """The frontier, and the time of the last entry."""
    # One statement, so that a reader outside a transaction sees both tables at one moment.
    sql = (
        "SELECT e.seq, e.at, b.size, b.root, b.frontier FROM (SELECT 1)"
        " LEFT JOIN (SELECT seq, at FROM entry ORDER BY seq DESC LIMIT 1) e"
        " LEFT JOIN (SELECT * FROM batch ORDER BY size DESC LIMIT 1) b"
    )
    seq, at, size, root, joined = tx.execute(sql).fetchone()
    entries = 0 if seq is None else seq + 1
    if entries != (size or 0):
        raise TamperedError(min(entries, size or 0), "entries and batches disagree")
    frontier = Frontier(entries, tiles.split(joined or b""))
    if size and frontier.root() != root:
        raise TamperedError(entries, "the frontier does not give the root")
    return frontier, at


def commit(
    tx: sqlite3.Connection, clock: Clock, appends: Sequence[Ready], projectors: Sequence[Projector]
) -> list[Outcome]:
    """Write all appends in one durable transaction and return each one's outcome, in order.

    Raises what is nobody's own fault (a full disk, a lock, a tampered head); then nothing was written.
    """
    try:
        return _at_once(tx, clock, appends, projectors)
    except Exception as error:
        if not is_of_one(error, tx):
            raise
        tx.rollback()
    return _one_by_one(tx, clock, appends, projectors)


def _at_once(
    tx: sqlite3.Connection, clock: Clock, appends: Sequence[Ready], projectors: Sequence[Projector]
) -> list[Outcome]:
    tx.execute("BEGIN IMMEDIATE")
    frontier, last = _head(tx)
    before, at = frontier.size, _not_before(last, clock())
    outcomes = _place(tx, frontier, at, appends, projectors)
    _seal_batch(tx, frontier, before)
    tx.execute("COMMIT")
    return outcomes


def _one_by_one(
    tx: sqlite3.Connection, clock: Clock, appends: Sequence[Ready], projectors: Sequence[Projector]
) -> list[Outcome]:
    tx.execute("BEGIN IMMEDIATE")
    frontier, last = _head(tx)
    before, at = frontier.size, _not_before(last, clock())
    outcomes = [_admit(tx, frontier, at, ready, projectors) for ready in appends]
    _seal_batch(tx, frontier, before)
    tx.execute("COMMIT")
    return outcomes


def _admit(
    tx: sqlite3.Connection, frontier: Frontier, at: datetime, ready: Ready, projectors: Sequence[Projector]
) -> Outcome:
    """Place one append; if it fails by its own fault, only it is undone."""
    tx.execute("SAVEPOINT one")
    outcome: Outcome
    try:
        outcome = stored_before(tx, ready) or _place(tx, frontier, at, [ready], projectors)[0]
    except Exception as error:
        if not is_of_one(error, tx):
            raise
        outcome = error
        tx.execute("ROLLBACK TO one")
    tx.execute("RELEASE one")
    return outcome


def stored_before(tx: sqlite3.Connection, ready: Ready) -> Receipt | None:
    """Return the receipt of an earlier append of exactly these ids, None when none of them is stored."""
    rows: dict[str, tuple[int, str]] = {}
    for some in _chunks(ready.ids):
        sql = f"SELECT id, seq, stream FROM entry WHERE id IN ({','.join('?' * len(some))})"  # noqa: S608 marks
        rows.update((row[0], (row[1], row[2])) for row in tx.execute(sql, some))
    if not rows:
        return None
    if any(rows.get(each.draft.id, (0, None))[1] != each.stream for each in ready.drafts):
        raise LedgerError("some of these ids are stored already, by another append")
    seqs = tuple(rows[each][0] for each in ready.ids)
    return Receipt(ids=ready.ids, seqs=seqs, size=max(seqs) + 1)


def _place(
    tx: sqlite3.Connection,
    frontier: Frontier,
    at: datetime,
    appends: Sequence[Ready],
    projectors: Sequence[Projector],
) -> list[Outcome]:
    """Insert every draft behind the frontier, with full tiles and read models; the batch row is the caller's to write.

    A stale version keeps only its own append out. The frontier grows last: after an exception it stands where it stood.
    """
    versions = _versions(tx, appends)
    drafts = _numbered(appends, versions)
    rows = _rows(frontier.size, format_time(at), drafts)
    tx.executemany(_INSERT, rows)
    _insert_seals(tx, frontier.size, drafts)
    for project in projectors:
        for row, (each, _) in zip(rows, drafts, strict=True):
            project(tx, _stored(row, each, at))
    outcomes = _outcomes(tx, frontier.size, appends, versions)
    leaves = [row[-1] for row in rows]
    tiles.write_full(tx, frontier.size, leaves)
    frontier.extend(leaves)
    return outcomes


def _numbered(
    appends: Sequence[Ready], versions: Sequence[list[int] | VersionConflictError]
) -> list[tuple[ReadyDraft, int]]:
    """The drafts that may be placed, in order, each with its version."""
    fits = ((ready, given) for ready, given in zip(appends, versions, strict=True) if isinstance(given, list))
    return [pair for ready, given in fits for pair in zip(ready.drafts, given, strict=True)]


def _rows(size: int, when: str, drafts: Sequence[tuple[ReadyDraft, int]]) -> list[_Row]:
    """The rows, with `in_place` and `leaf_hash` written out: a thousand waiters wait for this loop."""
    at, rows = when.encode(), []
    for seq, (each, version) in enumerate(drafts, start=size):
        draft, stream, front, back, _ = each
        data = b"%b%b%b%d}" % (front, at, back, version)
        leaf = sha256(b"\x00" + data).digest()
        rows.append((seq, stream, version, draft.kind, when, draft.actor, draft.id, data, leaf))
    return rows


def _insert_seals(tx: sqlite3.Connection, size: int, drafts: Sequence[tuple[ReadyDraft, int]]) -> None:
    rows = [
        (key, seq, seal.field, seal.salt, seal.value)
        for seq, (each, _) in enumerate(drafts, start=size)
        for key, seal in each.seals
    ]
    if rows:
        tx.executemany("INSERT INTO sealed (commitment, seq, field, salt, value) VALUES (?,?,?,?,?)", rows)


def _outcomes(
    tx: sqlite3.Connection, size: int, appends: Sequence[Ready], versions: Sequence[list[int] | VersionConflictError]
) -> list[Outcome]:
    """Receipts, and for a stale version the receipt of its earlier append if it was one: asked after the insert."""
    outcomes: list[Outcome] = []
    for ready, given in zip(appends, versions, strict=True):
        if isinstance(given, VersionConflictError):
            outcomes.append(_again_or(tx, ready, given))
            continue
        seqs = tuple(range(size, size + len(ready.drafts)))
        size += len(seqs)
        outcomes.append(Receipt(ids=ready.ids, seqs=seqs, size=size))
    return outcomes


def _again_or(tx: sqlite3.Connection, ready: Ready, conflict: VersionConflictError) -> Outcome:
    try:
        return stored_before(tx, ready) or conflict
    except LedgerError as error:
        return error


def _not_before(last: str | None, now: datetime) -> datetime:
    """The time for the next entries: now, but never before the last entry."""
    return now if last is None else max(now, parse_time(last))


def _seal_batch(tx: sqlite3.Connection, frontier: Frontier, before: int) -> None:
    """Write the batch row; nothing if nothing was placed."""
    if frontier.size == before:
        return
    row = (frontier.size, frontier.root(), frontier.hashes())
    tx.execute("INSERT INTO batch (size, root, frontier) VALUES (?,?,?)", row)


def erase(tx: sqlite3.Connection, commitments: Iterable[bytes]) -> int:
    """Delete the values behind these commitments, in one transaction, and return how many there were."""
    tx.create_function(ERASING, 0, lambda: True)
    tx.execute("BEGIN IMMEDIATE")
    try:
        gone = sum(tx.execute("DELETE FROM sealed WHERE commitment = ?", (each,)).rowcount for each in commitments)
        tx.execute("COMMIT")
    except BaseException:
        tx.rollback()
        raise
    finally:
        prepare(tx)
    return gone


def _versions(tx: sqlite3.Connection, appends: Sequence[Ready]) -> list[list[int] | VersionConflictError]:
    """The version of each draft of each append, or the conflict that keeps the append out."""
    last = _last_versions(tx, dict.fromkeys(move.stream for ready in appends for move in ready.moves))
    return [_given(last, ready) for ready in appends]


def _given(last: dict[str, int], ready: Ready) -> list[int] | VersionConflictError:
    """The versions of one append's drafts; `last` moves on only if all its moves fit."""
    mine: dict[str, int] = {}
    given: list[int] = []
    for move in ready.moves:
        version = mine.get(move.stream, last[move.stream])
        if move.expected not in {ANY, version}:
            return VersionConflictError(move.stream, move.expected, version)
        mine[move.stream] = version + len(move.drafts)
        given.extend(range(version + 1, mine[move.stream] + 1))
    last.update(mine)
    return given


def _last_versions(tx: sqlite3.Connection, streams: Iterable[str]) -> dict[str, int]:
    """Where each stream stands, 0 where there is none; one look into the index each."""
    last: dict[str, int] = {}
    for some in _chunks(tuple(streams)):
        sql = (
            f"WITH wanted (stream) AS (VALUES {','.join(repeat('(?)', len(some)))})"  # noqa: S608 marks
            " SELECT stream, (SELECT max(version) FROM entry WHERE entry.stream = wanted.stream) FROM wanted"
        )
        last.update((stream, version or 0) for stream, version in tx.execute(sql, some))
    return last


def _chunks(values: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(values), _MARKS):
        yield values[start : start + _MARKS]


def _stored(row: _Row, each: ReadyDraft, at: datetime) -> Stored:
    return Stored(
        seq=row[0],
        id=each.draft.id,
        stream=each.stream,
        version=row[2],
        kind=each.draft.kind,
        v=each.draft.v,
        at=at,
        actor=each.draft.actor,
        body=dict(each.draft.body),
        data=row[7],
        leaf_hash=row[8],
        sealed={seal.field: seal for _, seal in each.seals},
    )
