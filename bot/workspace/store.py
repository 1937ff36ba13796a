"""Where the workspace keeps what must survive a restart: one SQLite file, or nothing at all."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from bot.workspace.model import Json

VERSION: Final = 1
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS record (kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, key));
CREATE TABLE IF NOT EXISTS content (id TEXT PRIMARY KEY, bytes BLOB NOT NULL);
"""


class Store(Protocol):
    """Keeps records by kind and key, and the bytes of files."""

    def put(self, kind: str, key: str, body: Json) -> None:
        """Keep `body`; an older one of the same key is gone."""

    def drop(self, kind: str, key: str) -> None:
        """Forget a record; one that is not there is no fault."""

    def every(self, kind: str) -> list[Json]:
        """Return every record of `kind`, by key."""

    def put_bytes(self, file_id: str, content: bytes) -> None:
        """Keep the bytes of a file."""

    def bytes_of(self, file_id: str) -> bytes | None:
        """Return the bytes of a file, or None when they never came."""

    def close(self) -> None:
        """Let go of the file."""


class MemoryStore:
    """Keeps the bytes of files until the process ends, and no records: the state already holds them."""

    def __init__(self) -> None:
        self._content: dict[str, bytes] = {}

    def put(self, kind: str, key: str, body: Json) -> None:
        """Do nothing: the state holds what is asked for again."""

    def drop(self, kind: str, key: str) -> None:
        """Do nothing."""

    def every(self, kind: str) -> list[Json]:  # noqa: ARG002 - the port's signature
        """Return nothing: a new start begins empty."""
        return []

    def put_bytes(self, file_id: str, content: bytes) -> None:
        """Keep the bytes of a file."""
        self._content[file_id] = content

    def bytes_of(self, file_id: str) -> bytes | None:
        """Return the bytes of a file, or None when they never came."""
        return self._content.get(file_id)

    def close(self) -> None:
        """Do nothing."""


class SqliteStore:
    """Keeps everything in one SQLite file. Used by one thread at a time: the server's."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_TABLES)
        self._connection.execute(f"PRAGMA user_version={VERSION}")

    def put(self, kind: str, key: str, body: Json) -> None:
        """Keep `body`; an older one of the same key is gone."""
        row = (kind, key, json.dumps(body))
        self._connection.execute("INSERT OR REPLACE INTO record VALUES (?, ?, ?)", row)

    def drop(self, kind: str, key: str) -> None:
        """Forget a record; one that is not there is no fault."""
        self._connection.execute("DELETE FROM record WHERE kind = ? AND key = ?", (kind, key))

    def every(self, kind: str) -> list[Json]:
        """Return every record of `kind`, by key."""
        rows = self._connection.execute("SELECT body FROM record WHERE kind = ? ORDER BY key", (kind,))
        return [json.loads(body) for (body,) in rows]

    def put_bytes(self, file_id: str, content: bytes) -> None:
        """Keep the bytes of a file."""
        self._connection.execute("INSERT OR REPLACE INTO content VALUES (?, ?)", (file_id, content))

    def bytes_of(self, file_id: str) -> bytes | None:
        """Return the bytes of a file, or None when they never came."""
        row = self._connection.execute("SELECT bytes FROM content WHERE id = ?", (file_id,)).fetchone()
        return row[0] if row else None

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
