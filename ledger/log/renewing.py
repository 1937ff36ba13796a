"""Read models made anew from the entries when a new version of the program keeps them otherwise.

Without this, tables of an earlier version would stand as they were: a count that begins at nothing is a wrong one.
"""

from __future__ import annotations

import re
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from typing import Final

from ledger.log import rows
from ledger.log.store import Projector, Stored

_TABLE: Final = re.compile(r"CREATE TABLE IF NOT EXISTS (\w+)")
_END: Final = 2**62


def renew(tx: sqlite3.Connection, schema: Sequence[str], projectors: Sequence[Projector]) -> None:
    """Create the tables of `schema`, folded from every entry unless they were made by just these statements.

    The caller's transaction holds it together: who reads meanwhile sees the tables before, or those after.
    """
    mark = zlib.crc32("\n".join(schema).encode()) >> 1
    if tx.execute("PRAGMA user_version").fetchone()[0] == mark:
        return
    for name in (found[1] for statement in schema if (found := _TABLE.match(statement))):
        tx.execute(f"DROP TABLE IF EXISTS {name}")
    for statement in schema:
        tx.execute(statement)
    for stored in _entries(tx):
        for project in projectors:
            project(tx, stored)
    tx.execute(f"PRAGMA user_version = {mark}")


def _entries(tx: sqlite3.Connection) -> Iterator[Stored]:
    start = 0
    while page := rows.read_page(tx, start, _END):
        yield from page
        start = page[-1].seq + 1
