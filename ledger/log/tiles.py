"""The tree's inner hashes in storage: full tiles of 256 hashes, eight levels of the tree each, written once.

A tile of level 0 holds leaf hashes, one of level 1 the roots of 256 tiles of level 0, and so on; each with its own root.
What no full tile holds yet is read from the entries (level 0) or from the roots of the level below. A proof thus reads
a few rows a level, whatever the size of the log.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

from ledger.errors import ProofError
from ledger.log.merkle import EMPTY_ROOT, HASH_SIZE, NodeSource, perfect_root, range_hash
from ledger.log.schema import TILE_LEVEL_SHIFT

TILE: Final = 256
_TILE_BITS: Final = 8
_KEPT_NODES: Final = 64


def write_full(tx: sqlite3.Connection, before: int, leaves: Sequence[bytes]) -> None:
    """Write every tile that became full while the log grew from size `before` by `leaves`."""
    level, old, new = 0, before // TILE, (before + len(leaves)) // TILE
    if old == new:
        return
    first = old * TILE
    known = [*hashes_between(tx, 0, first, before), *leaves]
    while old < new:
        tiles = [known[at : at + TILE] for at in range(0, (new - old) * TILE, TILE)]
        roots = [perfect_root(hashes) for hashes in tiles]
        rows = zip(range(_place(level, old), _place(level, new)), roots, map(b"".join, tiles), strict=True)
        tx.executemany("INSERT INTO tile (place, root, hashes) VALUES (?,?,?)", rows)
        above = old // TILE * TILE
        known = [*hashes_between(tx, level + 1, above, old), *roots]
        level, old, new = level + 1, old // TILE, new // TILE


def node_source(tx: sqlite3.Connection) -> NodeSource:
    """Return (level, index) -> hash of that complete subtree, reading each tile once."""
    tiles: dict[tuple[int, int], bytes | None] = {}

    def node(level: int, index: int) -> bytes:
        tile_level, height = divmod(level, _TILE_BITS)
        first = index << height
        at = (tile_level, first // TILE)
        if at not in tiles:
            if len(tiles) > _KEPT_NODES:
                tiles.clear()
            row = tx.execute("SELECT hashes FROM tile WHERE place = ?", (_place(*at),)).fetchone()
            tiles[at] = row[0] if row else None
        joined = tiles[at]
        if joined is None:
            return perfect_root(hashes_between(tx, tile_level, first, first + (1 << height)))
        offset = first % TILE * HASH_SIZE
        return perfect_root(split(joined[offset : offset + (HASH_SIZE << height)]))

    return node


def hashes_between(tx: sqlite3.Connection, level: int, start: int, stop: int) -> list[bytes]:
    """Return the hashes start <= i < stop of a tile level: leaf hashes at 0, roots of the tiles below above it.

    Raises:
        ProofError: the log does not reach that far.
    """
    if level == 0:
        sql, bounds = "SELECT leaf_hash FROM entry WHERE seq >= ? AND seq < ? ORDER BY seq", (start, stop)
    else:
        sql = "SELECT root FROM tile WHERE place >= ? AND place < ? ORDER BY place"
        bounds = (_place(level - 1, start), _place(level - 1, stop))
    hashes = [row[0] for row in tx.execute(sql, bounds)]
    if len(hashes) != stop - start:
        raise ProofError(f"the log holds {len(hashes)} of {stop - start} hashes")
    return hashes


def root_at(tx: sqlite3.Connection, size: int, node: Callable[[int, int], bytes] | None = None) -> bytes:
    """Return the root hash of the first `size` entries, from the tiles."""
    return range_hash(node or node_source(tx), 0, size) if size else EMPTY_ROOT


def split(joined: bytes) -> Sequence[bytes]:
    """Return the hashes that stand joined in `joined`."""
    return [joined[i : i + HASH_SIZE] for i in range(0, len(joined), HASH_SIZE)]


def _place(level: int, number: int) -> int:
    return (level << TILE_LEVEL_SHIFT) + number
