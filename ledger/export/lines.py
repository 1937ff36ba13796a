"""Entries as JSON lines: the entry exactly as hashed, with its place, its leaf hash and the personal values that are left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import orjson

from ledger.log.store import Stored


def lines(entries: Iterable[Stored]) -> Iterator[bytes]:
    """Yield a line an entry, each with its end: `entry`, `leaf_hash`, `personal`, `seq`.

    The bytes of `entry` are those that were hashed: cut out, they give the leaf hash again.
    """
    for stored in entries:
        values = orjson.dumps({field: seal.value for field, seal in stored.sealed.items()}) if stored.sealed else b"{}"
        leaf = stored.leaf_hash.hex().encode()
        yield b'{"entry":%b,"leaf_hash":"%b","personal":%b,"seq":%d}\n' % (stored.data, leaf, values, stored.seq)
