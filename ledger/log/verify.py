"""Find the first fault: bytes first, canonical form second, then the tree over them. It needs no database.

`verify_entries` takes entries from anywhere (a bundle, a database, a test). `verify_store` also holds what a store keeps
beside the bytes against them: columns, tiles, batches and sealed values.
Truncating the tail leaves a sound shorter log: only a checkpoint held elsewhere tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Any, Final, Protocol

from ledger.errors import LedgerError, MalformedError
from ledger.log import tiles
from ledger.log.canonical import at_path, commitment, parse_entry
from ledger.log.checkpoint import Checkpoint
from ledger.log.merkle import Frontier, leaf_hash, leaf_hashes_of, perfect_root
from ledger.log.schema import TILE_LEVEL_SHIFT
from ledger.log.store import Sealed, Store

_PAGE: Final = 4096
_SALT_SIZE: Final = 16
_COLUMNS: Final = ("stream", "version", "kind", "at", "actor", "id")


class FaultKind(StrEnum):
    """What is wrong with the first bad entry. Closed: an auditor's report may count on these words."""

    ALTERED = "altered"
    """The bytes, or what is kept beside them, are not those that were hashed."""
    MISSING = "missing"
    """No entry has this place, though later ones follow."""
    DUPLICATED = "duplicated"
    """A place or an id stands twice."""
    REORDERED = "reordered"
    """The entry of this place comes later."""
    NOT_CANONICAL = "not canonical"
    """The hash fits, but the bytes are not an entry in canonical form."""
    TIME_WENT_BACK = "time went back"
    """`at` lies before that of the entry in front."""
    VERSION_GAP = "version gap"
    """`version` is not one more than that of the stream's entry before."""
    SEAL_BROKEN = "seal broken"
    """A personal value is not the one the entry commits to."""
    TRUNCATED = "truncated"
    """A checkpoint or a batch covers entries that are not here."""
    FORKED = "forked"
    """The tree over these entries is not the one that a batch or a checkpoint states."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The first fault: at which place, of what kind. For `forked`, `seq` is the first entry it can be."""

    seq: int
    kind: FaultKind
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """How far the log is sound: its first `size` entries give `root`.

    Args:
        fault: the first fault, None when all is sound.
        anchored: the entries were held against a checkpoint, and fit.
    """

    size: int
    root: bytes
    fault: Fault | None = None
    anchored: bool = False

    @property
    def sound(self) -> bool:
        """Whether nothing wrong was found."""
        return self.fault is None


class Leaf(Protocol):
    """What is verified: a `Stored`, or anything of its shape. An empty `leaf_hash` states none."""

    @property
    def seq(self) -> int:
        """Its place."""

    @property
    def data(self) -> bytes:
        """The bytes as hashed."""

    @property
    def leaf_hash(self) -> bytes:
        """The hash stated beside them."""

    @property
    def sealed(self) -> Mapping[str, Sealed]:
        """The personal values that are left, by field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A leaf as a store keeps it; `columns` are those of the entry that the store repeats beside the bytes."""

    seq: int
    data: bytes
    leaf_hash: bytes = b""
    sealed: Mapping[str, Sealed] = field(default_factory=dict)
    columns: tuple[Any, ...] | None = None


class _Found(Exception):  # noqa: N818 never leaves this module
    def __init__(self, seq: int, kind: FaultKind, detail: str = "") -> None:
        super().__init__(detail)
        self.fault = Fault(seq=seq, kind=kind, detail=detail)


def verify_entries(
    entries: Iterable[Leaf],
    *,
    frontier: Frontier | None = None,
    checkpoint: Checkpoint | None = None,
    integrity_only: bool = False,
) -> Verified:
    """Return the first fault of `entries`, or how far they are sound.

    Args:
        frontier: the tree in front of the first entry, when it is not entry 0; left as it is.
        checkpoint: already opened with a key from outside; its size must not lie before the first entry.
        integrity_only: hash bytes and tree, do not look into the entries.
    """
    check = _Check(frontier.copy() if frontier else Frontier(), checkpoint, integrity_only=integrity_only)
    return check.run(entries)


def verify_chosen(entries: Iterable[Leaf], *, contiguous: bool) -> Verified:
    """Return the first fault of entries chosen from a log, each with the leaf hash that the log states for it.

    Args:
        contiguous: they are a whole stretch of the log, so that none may be missing between them.
    """
    inside, seq = _Inside(whole=False, gaps=not contiguous), -1
    try:
        for each in entries:
            if each.seq <= seq:
                raise _Found(each.seq, FaultKind.REORDERED, f"entry {each.seq} after {seq}")
            if contiguous and seq >= 0 and each.seq != seq + 1:
                raise _Found(seq + 1, FaultKind.MISSING, f"entry {each.seq} follows")
            if leaf_hash(each.data) != each.leaf_hash:
                raise _Found(each.seq, FaultKind.ALTERED, "the bytes do not give the leaf hash beside them")
            inside.check(each)
            seq = each.seq
    except _Found as found:
        return Verified(size=seq + 1, root=b"", fault=found.fault)
    return Verified(size=seq + 1, root=b"")


def verify_store(store: Store, *, checkpoint: Checkpoint | None = None, integrity_only: bool = False) -> Verified:
    """Return the first fault of a store: its entries, and what stands beside them."""
    batches = _Batches(store)
    check = _Check(Frontier(), checkpoint, integrity_only=integrity_only, batches=batches)
    outcome = check.run(_rows(store))
    if not outcome.sound:
        return outcome
    try:
        batches.finish(outcome.size)
        _check_tiles(store, outcome.size)
        _check_orphans(store, outcome.size)
    except _Found as found:
        return Verified(size=outcome.size, root=outcome.root, fault=found.fault)
    return outcome


class _Check:
    def __init__(
        self,
        frontier: Frontier,
        checkpoint: Checkpoint | None,
        *,
        integrity_only: bool,
        batches: _Batches | None = None,
    ) -> None:
        self._frontier = frontier
        self._checkpoint = checkpoint
        self._inside = None if integrity_only else _Inside(whole=frontier.size == 0)
        self._batches = batches
        self._anchored = False
        if checkpoint is not None and checkpoint.size < frontier.size:
            raise LedgerError(f"a checkpoint of {checkpoint.size} says nothing of entries from {frontier.size} on")

    def run(self, entries: Iterable[Leaf]) -> Verified:
        source = iter(entries)
        try:
            self._stops()
            while page := list(islice(source, _PAGE)):
                self._page(page, source)
            self._end()
        except _Found as found:
            return Verified(size=self._frontier.size, root=self._frontier.root(), fault=found.fault)
        return Verified(size=self._frontier.size, root=self._frontier.root(), anchored=self._anchored)

    def _page(self, page: list[Leaf], rest: Iterator[Leaf]) -> None:
        leaves = leaf_hashes_of([each.data for each in page])
        for index, (each, leaf) in enumerate(zip(page, leaves, strict=True)):
            seq = self._frontier.size + index
            try:
                if each.seq != seq:
                    self._misplaced(seq, each.seq, [*page[index:], *rest])
                if each.leaf_hash and each.leaf_hash != leaf:
                    raise _Found(seq, FaultKind.ALTERED, "the bytes do not give the leaf hash beside them")
                if self._inside is not None:
                    self._inside.check(each)
            except _Found:
                self._grow(leaves[:index])  # a batch before this entry may name an earlier one
                raise
        self._grow(leaves)

    def _misplaced(self, seq: int, found: int, rest: Sequence[Leaf]) -> None:
        if found < seq:
            raise _Found(seq, FaultKind.DUPLICATED, f"entry {found} again")
        if any(each.seq == seq for each in rest):
            raise _Found(seq, FaultKind.REORDERED, f"entry {found} stands here")
        raise _Found(seq, FaultKind.MISSING, f"entry {found} follows")

    def _grow(self, leaves: list[bytes]) -> None:
        """Add leaves, stopping where a batch or the checkpoint states a root."""
        done = 0
        while done < len(leaves):
            stop = min(self._next_stop() - self._frontier.size, len(leaves) - done)
            self._frontier.extend(leaves[done : done + stop])
            done += stop
            self._stops()

    def _next_stop(self) -> int:
        size = self._frontier.size
        stops = [self._batches.next_size(size)] if self._batches else []
        if self._checkpoint is not None and self._checkpoint.size > size:
            stops.append(self._checkpoint.size)
        return min(stops, default=size + _PAGE)

    def _stops(self) -> None:
        size, root = self._frontier.size, None
        if self._batches is not None and self._batches.next_size(size - 1) == size:
            root = self._frontier.root()
            self._batches.hold(size, root)
        if self._checkpoint is not None and self._checkpoint.size == size:
            if (root or self._frontier.root()) != self._checkpoint.root:
                raise _Found(0, FaultKind.FORKED, f"the checkpoint of {size} entries has another root")
            self._anchored = True

    def _end(self) -> None:
        if self._checkpoint is not None and not self._anchored:
            size = self._frontier.size
            raise _Found(size, FaultKind.TRUNCATED, f"the checkpoint covers {self._checkpoint.size} entries")


class _Inside:
    """What entries say of themselves and of each other. `whole`: no entries came before these; `gaps`: some are left out."""

    def __init__(self, *, whole: bool, gaps: bool = False) -> None:
        self._whole = whole
        self._gaps = gaps
        self._at = ""
        self._versions: dict[str, int] = {}
        self._ids: set[bytes] = set()

    def check(self, each: Leaf) -> None:
        try:
            entry = parse_entry(each.data)
        except MalformedError as error:
            raise _Found(each.seq, FaultKind.NOT_CANONICAL, error.detail) from error
        columns = getattr(each, "columns", None)
        if columns is not None and columns != tuple(entry[name] for name in _COLUMNS):
            raise _Found(each.seq, FaultKind.ALTERED, "the columns differ from the bytes")
        self._order(each.seq, entry)
        for path, seal in each.sealed.items():
            _check_seal(each.seq, path, seal, entry["body"])

    def _order(self, seq: int, entry: Mapping[str, Any]) -> None:
        if entry["at"] < self._at:  # one format of one length: text sorts as time does
            raise _Found(seq, FaultKind.TIME_WENT_BACK, f"{entry['at']} after {self._at}")
        entry_id = bytes.fromhex(entry["id"])
        if entry_id in self._ids:
            raise _Found(seq, FaultKind.DUPLICATED, f"id {entry['id']} again")
        stream, version = entry["stream"], entry["version"]
        before = self._versions.get(stream, 0 if self._whole else version - 1)
        if version != before + 1 and not (self._gaps and version > before):
            raise _Found(seq, FaultKind.VERSION_GAP, f"{stream}: {version} after {before}")
        self._at = entry["at"]
        self._ids.add(entry_id)
        self._versions[stream] = version


class _Batches:
    """The sizes and roots of a store's commits, in order, a page at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._page: list[tuple[Any, ...]] = []
        self._at = 0
        self._sound = 0
        self._fill(0)

    def next_size(self, size: int) -> int:
        """The first batch size above `size`; far away when there is none."""
        while self._at < len(self._page) and self._page[self._at][0] <= size:
            self._at += 1
            if self._at == len(self._page):
                self._fill(self._page[-1][0])
        return self._page[self._at][0] if self._at < len(self._page) else 2**62

    def hold(self, size: int, root: bytes) -> None:
        """Hold the batch of `size` against the tree."""
        if self._page[self._at][1] != root:
            detail = f"the batch of {size} entries has another root"
            raise _Found(self._sound, FaultKind.FORKED, detail)
        self._sound = size

    def finish(self, size: int) -> None:
        last = self._store.size()
        if last > size:
            raise _Found(size, FaultKind.TRUNCATED, f"the last batch covers {last} entries")
        if last < size:
            raise _Found(last, FaultKind.ALTERED, "no batch covers this entry")

    def _fill(self, after: int) -> None:
        sql = "SELECT size, root, frontier FROM batch WHERE size > ? ORDER BY size LIMIT 1000"
        self._page, self._at = self._store.query(sql, (after,)), 0


def _check_seal(seq: int, path: str, seal: Sealed, body: Any) -> None:
    try:
        digest = commitment(seal.salt, seal.value)
    except LedgerError as error:
        raise _Found(seq, FaultKind.SEAL_BROKEN, path) from error
    if len(seal.salt) != _SALT_SIZE or at_path(body, path) != {"sealed": digest}:
        raise _Found(seq, FaultKind.SEAL_BROKEN, path)


def _rows(store: Store) -> Iterator[Row]:
    """Rows straight from the tables: reading them as entries would stop at the first that is none."""
    sql = (
        "SELECT seq, bytes, leaf_hash, stream, version, kind, at, actor, id FROM entry"
        " WHERE seq > ? ORDER BY seq LIMIT 1000"
    )
    last = -1
    while rows := store.query(sql, (last,)):
        seals: dict[int, dict[str, Sealed]] = {}
        first, last = rows[0][0], rows[-1][0]
        between = "SELECT seq, field, salt, value FROM sealed WHERE seq BETWEEN ? AND ?"
        for seq, path, salt, value in store.query(between, (first, last)):
            seals.setdefault(seq, {})[path] = Sealed(field=path, salt=salt, value=value)
        for row in rows:
            yield Row(seq=row[0], data=row[1], leaf_hash=row[2], sealed=seals.get(row[0], {}), columns=row[3:])


def _check_tiles(store: Store, size: int) -> None:
    """Hold every tile against the leaves, or the roots of the tiles below it."""
    level, full = 0, size // tiles.TILE
    while full:
        for number in range(full):
            _check_tile(store, level, number)
        level, full = level + 1, full // tiles.TILE


def _check_tile(store: Store, level: int, number: int) -> None:
    place, first = (level << TILE_LEVEL_SHIFT) + number, number * tiles.TILE
    if level == 0:
        below = store.leaf_hashes(first, first + tiles.TILE)
    else:
        start = ((level - 1) << TILE_LEVEL_SHIFT) + first
        sql = "SELECT root FROM tile WHERE place >= ? AND place < ? ORDER BY place"
        below = [row[0] for row in store.query(sql, (start, start + tiles.TILE))]
    rows = store.query("SELECT hashes, root FROM tile WHERE place = ?", (place,))
    if not rows or rows[0] != (b"".join(below), perfect_root(below)):
        detail = f"tile {number} of level {level} is not over these entries"
        raise _Found(first << (8 * level), FaultKind.ALTERED, detail)


def _check_orphans(store: Store, size: int) -> None:
    rows = store.query("SELECT seq, field FROM sealed WHERE seq < 0 OR seq >= ? ORDER BY seq LIMIT 1", (size,))
    if rows:
        raise _Found(rows[0][0], FaultKind.SEAL_BROKEN, f"{rows[0][1]} belongs to no entry")
