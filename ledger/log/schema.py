"""The tables of the log: insert-only by triggers, so that the database itself refuses update, delete and replace.

Triggers are a seat belt against programs; evidence against people is a checkpoint held elsewhere. Each guard closes a
way in: `INSERT OR REPLACE` fires no delete trigger, so every insert must go behind the last row, by each of its keys.
An entry's guard says FAIL, not ABORT: it refuses the same rows, but SQLite need not keep a journal for each statement
to undo it, which costs more than the guard itself. What came before in a transaction is undone by whoever rolls it back.
"""

from __future__ import annotations

from typing import Final

ERASING: Final = "ledger_erasing"
"""A SQL function that only the store's own connection has: elsewhere deleting a sealed value fails for want of it."""

TILE_LEVEL_SHIFT: Final = 48
"""A tile's place is its level shifted by this, plus its number: one integer key, no second one to replace by."""

SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS entry (
        seq INTEGER PRIMARY KEY, stream TEXT NOT NULL, version INTEGER NOT NULL, kind TEXT NOT NULL, at TEXT NOT NULL,
        actor TEXT NOT NULL, id TEXT NOT NULL UNIQUE, bytes BLOB NOT NULL, leaf_hash BLOB NOT NULL,
        UNIQUE (stream, version)) STRICT""",
    "CREATE TABLE IF NOT EXISTS batch (size INTEGER PRIMARY KEY, root BLOB NOT NULL, frontier BLOB NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS tile (place INTEGER PRIMARY KEY, root BLOB NOT NULL, hashes BLOB NOT NULL) STRICT",
    """CREATE TABLE IF NOT EXISTS sealed (
        commitment BLOB PRIMARY KEY, seq INTEGER NOT NULL, field TEXT NOT NULL, salt BLOB NOT NULL, value TEXT NOT NULL
        ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS sealed_seq ON sealed (seq)",
    """CREATE TRIGGER IF NOT EXISTS entry_place BEFORE INSERT ON entry
        WHEN new.seq IS NOT (SELECT coalesce(max(seq), -1) + 1 FROM entry)
          OR EXISTS (SELECT 1 FROM entry WHERE id = new.id)
          OR EXISTS (SELECT 1 FROM entry WHERE stream = new.stream AND version = new.version)
        BEGIN SELECT raise(FAIL, 'an entry goes behind the last one and replaces none'); END""",
    """CREATE TRIGGER IF NOT EXISTS batch_place BEFORE INSERT ON batch
        WHEN new.size IS NULL OR new.size <= (SELECT coalesce(max(size), 0) FROM batch)
        BEGIN SELECT raise(ABORT, 'a batch goes behind the last one'); END""",
    f"""CREATE TRIGGER IF NOT EXISTS tile_place BEFORE INSERT ON tile
        WHEN new.place IS NOT (
            SELECT coalesce(max(place) + 1, new.place >> {TILE_LEVEL_SHIFT} << {TILE_LEVEL_SHIFT}) FROM tile
            WHERE place >= new.place >> {TILE_LEVEL_SHIFT} << {TILE_LEVEL_SHIFT}
              AND place < (new.place >> {TILE_LEVEL_SHIFT}) + 1 << {TILE_LEVEL_SHIFT})
        BEGIN SELECT raise(ABORT, 'a tile goes behind the last one of its level'); END""",  # noqa: S608 constants
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
    f"""CREATE TRIGGER IF NOT EXISTS sealed_no_delete BEFORE DELETE ON sealed WHEN NOT {ERASING}()
        BEGIN SELECT raise(ABORT, 'a sealed value is deleted by an erasure alone'); END""",
)
