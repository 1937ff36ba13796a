"""Entries as JSON lines: the entry exactly as hashed, with its place, its leaf hash and the personal values that are left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import orjson

from ledger.export.choice import Choice
from ledger.log.store import Store

_PAGE: Final = 1000


def lines(store: Store, size: int, choice: Choice) -> Iterator[bytes]:
    """Yield a line for each chosen entry of the first `size`, with its end: `entry`, `leaf_hash`, `personal`, `seq`.

    The bytes of `entry` are those that were hashed: cut out, they give the leaf hash again. They are not parsed here:
    an export is as quick as the disk, and verifying is another command.
    """
    places = choice.places(store, size)
    stream = None if choice.request is None else f"request:{choice.request}"
    of_stream = "" if stream is None else " AND stream = ?"
    sql = f"SELECT seq, leaf_hash, bytes FROM entry WHERE seq >= ? AND seq < ?{of_stream} ORDER BY seq"  # noqa: S608
    for start in range(places.start, places.stop, _PAGE):
        stop = min(start + _PAGE, places.stop)
        personal = _personal(store, start, stop)
        for seq, leaf, data in store.query(sql, (start, stop) if stream is None else (start, stop, stream)):
            values = orjson.dumps(personal[seq]) if seq in personal else b"{}"
            yield b'{"entry":%b,"leaf_hash":"%b","personal":%b,"seq":%d}\n' % (data, leaf.hex().encode(), values, seq)


def _personal(store: Store, start: int, stop: int) -> dict[int, dict[str, str]]:
    """The personal values that are left, by place and field."""
    found: dict[int, dict[str, str]] = {}
    sql = "SELECT seq, field, value FROM sealed WHERE seq >= ? AND seq < ? ORDER BY seq, field"
    for seq, field, value in store.query(sql, (start, stop)):
        found.setdefault(seq, {})[field] = value
    return found
