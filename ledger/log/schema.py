"""The tables of the log: insert-only by triggers, so that the database itself refuses update, delete and replace.

Triggers are a seat belt against programs; evidence against people is a checkpoint held elsewhere.
"""

from __future__ import annotations

from typing import Final

SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS entry (
        seq INTEGER PRIMARY KEY, stream TEXT NOT NULL, version INTEGER NOT NULL, kind TEXT NOT NULL, at TEXT NOT NULL,
        actor TEXT NOT NULL, id TEXT NOT NULL UNIQUE, bytes BLOB NOT NULL, leaf_hash BLOB NOT NULL,
        UNIQUE (stream, version)) STRICT""",
    "CREATE TABLE IF NOT EXISTS batch (size INTEGER PRIMARY KEY, root BLOB NOT NULL, frontier BLOB NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS tile (number INTEGER PRIMARY KEY, hashes BLOB NOT NULL, root BLOB NOT NULL) STRICT",
    """CREATE TABLE IF NOT EXISTS sealed (
        commitment BLOB PRIMARY KEY, seq INTEGER NOT NULL, field TEXT NOT NULL, salt BLOB NOT NULL, value TEXT NOT NULL
        ) STRICT""",
    "CREATE INDEX IF NOT EXISTS sealed_seq ON sealed (seq)",
    """CREATE TRIGGER IF NOT EXISTS entry_place BEFORE INSERT ON entry
        WHEN new.seq <> (SELECT coalesce(max(seq), -1) + 1 FROM entry)
        BEGIN SELECT raise(ABORT, 'an entry goes behind the last one'); END""",
    """CREATE TRIGGER IF NOT EXISTS entry_again BEFORE INSERT ON entry
        WHEN EXISTS (SELECT 1 FROM entry WHERE id = new.id OR (stream = new.stream AND version = new.version))
        BEGIN SELECT raise(ABORT, 'an entry is never replaced'); END""",
    """CREATE TRIGGER IF NOT EXISTS batch_place BEFORE INSERT ON batch
        WHEN new.size <= (SELECT coalesce(max(size), 0) FROM batch)
        BEGIN SELECT raise(ABORT, 'a batch goes behind the last one'); END""",
    """CREATE TRIGGER IF NOT EXISTS tile_place BEFORE INSERT ON tile
        WHEN new.number <> (SELECT coalesce(max(number), -1) + 1 FROM tile)
        BEGIN SELECT raise(ABORT, 'a tile goes behind the last one'); END""",
    """CREATE TRIGGER IF NOT EXISTS sealed_again BEFORE INSERT ON sealed
        WHEN EXISTS (SELECT 1 FROM sealed WHERE commitment = new.commitment)
        BEGIN SELECT raise(ABORT, 'a value is sealed once'); END""",
    *(
        f"""CREATE TRIGGER IF NOT EXISTS {table}_no_{verb} BEFORE {verb.upper()} ON {table}
        BEGIN SELECT raise(ABORT, 'the log is append-only'); END"""
        for table in ("entry", "batch", "tile")
        for verb in ("update", "delete")
    ),
    """CREATE TRIGGER IF NOT EXISTS sealed_no_update BEFORE UPDATE ON sealed
        BEGIN SELECT raise(ABORT, 'a sealed value is erased or kept, never changed'); END""",
)
