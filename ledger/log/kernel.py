"""What both stores share: giving drafts their place inside a transaction. Plain sqlite3, few statements.

All that needs no place is done before the lock (`make_ready`): bodies become bytes, seals are checked.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ledger.errors import LedgerError, NotCanonicalError, TamperedError, VersionConflictError
from ledger.log import tiles
from ledger.log.canonical import at_path, canonical, commitment, format_time, is_id, parse_time, place_body
from ledger.log.merkle import Frontier, leaf_hashes_of
from ledger.log.schema import ERASING
from ledger.log.store import ANY, Clock, Draft, Move, Projector, Receipt, Sealed, Stored

SALT_SIZE: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyDraft:
    """A draft whose body is bytes already, with the key of each personal value."""

    draft: Draft
    stream: str
    body: bytes
    seals: tuple[tuple[bytes, Sealed], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """An append as the lock's holder needs it: the moves for their versions, the drafts of all of them in order."""

    moves: tuple[Move, ...]
    drafts: tuple[ReadyDraft, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the entries, in order."""
        return tuple(each.draft.id for each in self.drafts)


def make_ready(moves: Sequence[Move]) -> Ready:
    """Return `moves`, ready to be placed; raises NotCanonicalError when a draft cannot be an entry."""
    ready = Ready(moves=tuple(moves), drafts=tuple(_ready(m.stream, draft) for m in moves for draft in m.drafts))
    if len(set(ready.ids)) != len(ready.ids):
        raise NotCanonicalError("an id stands twice")
    return ready


def _ready(stream: str, draft: Draft) -> ReadyDraft:
    if type(draft.id) is not str or not is_id(draft.id) or type(draft.v) is not int or draft.v < 1:
        raise NotCanonicalError(f"id {draft.id!r}, v {draft.v!r}")
    body = dict(draft.body)
    seals = tuple((_key(seal, body), seal) for seal in draft.sealed)
    if len({seal.field for seal in draft.sealed}) != len(seals):
        raise NotCanonicalError("a field is sealed twice")
    return ReadyDraft(draft=draft, stream=stream, body=canonical(body), seals=seals)


def _key(seal: Sealed, body: dict[str, Any]) -> bytes:
    """The commitment of a personal value, which must stand in the body where the seal says."""
    digest = commitment(seal.salt, seal.value)
    if len(seal.salt) != SALT_SIZE or at_path(body, seal.field) != {"sealed": digest}:
        raise NotCanonicalError(f"the body does not commit to {seal.field}")
    return bytes.fromhex(digest)


def prepare(tx: sqlite3.Connection) -> None:
    """Give a connection the function without which nothing is erased; it says no until `erase` says otherwise."""
    tx.create_function(ERASING, 0, lambda: False)


def head(tx: sqlite3.Connection) -> Frontier:
    """Return the frontier of the last batch; raises TamperedError when entries and batches disagree."""
    # One statement, so that a reader outside a transaction sees both tables at one moment.
    sql = (
        "SELECT (SELECT coalesce(max(seq), -1) + 1 FROM entry), "
        "b.size, b.root, b.frontier FROM (SELECT 1) LEFT JOIN (SELECT * FROM batch ORDER BY size DESC LIMIT 1) b"
    )
    entries, size, root, joined = tx.execute(sql).fetchone()
    if entries != (size or 0):
        raise TamperedError(min(entries, size or 0), "entries and batches disagree")
    frontier = Frontier(entries, tiles.split(joined or b""))
    if size and frontier.root() != root:
        raise TamperedError(entries, "the frontier does not give the root")
    return frontier


def stored_before(tx: sqlite3.Connection, ready: Ready) -> Receipt | None:
    """Return the receipt of an earlier append of exactly these ids, None when none of them is stored."""
    ids = ready.ids
    rows: dict[str, tuple[int, str]] = {}
    for start in range(0, len(ids), tiles.TILE):
        some = ids[start : start + tiles.TILE]
        sql = f"SELECT id, seq, stream FROM entry WHERE id IN ({','.join('?' * len(some))})"  # noqa: S608 marks
        rows.update((row[0], (row[1], row[2])) for row in tx.execute(sql, some))
    if not rows:
        return None
    if any(rows.get(each.draft.id, (0, None))[1] != each.stream for each in ready.drafts):
        raise LedgerError("some of these ids are stored already, by another append")
    seqs = tuple(rows[each][0] for each in ids)
    return Receipt(ids=ids, seqs=seqs, size=max(seqs) + 1)


def now_after(tx: sqlite3.Connection, clock: Clock) -> datetime:
    """Return the time for the next entries: now, but never before the last entry."""
    row = tx.execute("SELECT at FROM entry ORDER BY seq DESC LIMIT 1").fetchone()
    return max(clock(), parse_time(row[0])) if row else clock()


def place(
    tx: sqlite3.Connection, frontier: Frontier, at: datetime, ready: Ready, projectors: Sequence[Projector]
) -> Receipt:
    """Insert every draft behind the frontier and fold the read models; the batch row is the caller's to write.

    The frontier grows last: after an exception it stands where it stood.
    """
    when, seqs = format_time(at), range(frontier.size, frontier.size + len(ready.drafts))
    versions = _versions(tx, ready.moves)
    placed = list(zip(seqs, ready.drafts, versions, strict=True))
    data = [place_body(each.body, each.draft, each.stream, version, when) for _, each, version in placed]
    leaves = leaf_hashes_of(data)
    tx.executemany(
        "INSERT INTO entry (seq, stream, version, kind, at, actor, id, bytes, leaf_hash) VALUES (?,?,?,?,?,?,?,?,?)",
        [
            (seq, each.stream, version, each.draft.kind, when, each.draft.actor, each.draft.id, entry, leaf)
            for (seq, each, version), entry, leaf in zip(placed, data, leaves, strict=True)
        ],
    )
    _insert_seals(tx, placed)
    if projectors:
        for (seq, each, version), entry, leaf in zip(placed, data, leaves, strict=True):
            stored = _stored(seq, each, version, at, entry, leaf)
            for project in projectors:
                project(tx, stored)
    frontier.extend(leaves)
    return Receipt(ids=ready.ids, seqs=tuple(seqs), size=frontier.size)


def seal_batch(tx: sqlite3.Connection, frontier: Frontier, before: int) -> None:
    """Write the batch row, and the tiles that became full since size `before`; nothing if nothing was placed."""
    if frontier.size == before:
        return
    tiles.write_full(tx, before, frontier.size)
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


def _versions(tx: sqlite3.Connection, moves: Sequence[Move]) -> list[int]:
    """The version of each draft; raises VersionConflictError when a stream is not where its move expects it."""
    last: dict[str, int] = {}
    given: list[int] = []
    for move in moves:
        if move.stream not in last:
            sql = "SELECT coalesce(max(version), 0) FROM entry WHERE stream = ?"
            last[move.stream] = tx.execute(sql, (move.stream,)).fetchone()[0]
        version = last[move.stream]
        if move.expected not in {ANY, version}:
            raise VersionConflictError(move.stream, move.expected, version)
        last[move.stream] = version + len(move.drafts)
        given.extend(range(version + 1, last[move.stream] + 1))
    return given


def _insert_seals(tx: sqlite3.Connection, placed: Sequence[tuple[int, ReadyDraft, int]]) -> None:
    rows = [(key, seq, seal.field, seal.salt, seal.value) for seq, each, _ in placed for key, seal in each.seals]
    if rows:
        tx.executemany("INSERT INTO sealed (commitment, seq, field, salt, value) VALUES (?,?,?,?,?)", rows)


def _stored(seq: int, each: ReadyDraft, version: int, at: datetime, data: bytes, leaf: bytes) -> Stored:
    return Stored(
        seq=seq,
        id=each.draft.id,
        stream=each.stream,
        version=version,
        kind=each.draft.kind,
        v=each.draft.v,
        at=at,
        actor=each.draft.actor,
        body=dict(each.draft.body),
        data=data,
        leaf_hash=leaf,
        sealed={seal.field: seal for _, seal in each.seals},
    )
