"""A small table of ours in a SQLite file, opened anew for each use: any process may read and write it, and none holds it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

_BUSY_S: Final = 5.0


@contextmanager
def opened(path: Path, schema: str) -> Iterator[sqlite3.Connection]:
    """Open a table that is no evidence, and is made by `schema` where it is missing; raises sqlite3.Error."""
    with closing(sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)) as tx:
        tx.execute("PRAGMA journal_mode = WAL")
        tx.execute("PRAGMA synchronous = OFF")
        tx.executescript(schema)
        yield tx
