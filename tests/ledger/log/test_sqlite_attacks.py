"""What the database refuses by itself, and what verification finds when somebody took the refusals away."""

from __future__ import annotations

import sqlite3

import pytest

from ledger.errors import TamperedError
from ledger.log.checkpoint import Checkpoint
from ledger.log.merkle import leaf_hash
from ledger.log.sqlite import SqliteStore
from ledger.log.verify import FaultKind, verify_store


@pytest.fixture
def filled(store, make):
    move, draft = make
    for number in range(1, 6):
        store.append([move("a", number), move("b", draft(100 + number, name=f"Mira {number}"))])
    return store


@pytest.fixture
def raw(filled, path):
    tx = sqlite3.connect(path, isolation_level=None)
    yield tx
    tx.close()


ENTRY = "(seq, stream, version, kind, at, actor, id, bytes, leaf_hash)"
VALUES = "x'00', zeroblob(32))"


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE entry SET bytes = x'7b7d' WHERE seq = 3",
        "UPDATE entry SET seq = 99 WHERE seq = 9",
        "DELETE FROM entry WHERE seq = 9",
        "DELETE FROM entry",
        f"INSERT OR REPLACE INTO entry {ENTRY} VALUES (3,'a',2,'k','t','x','{'f' * 32}',{VALUES}",
        f"REPLACE INTO entry {ENTRY} VALUES (9,'z',1,'k','t','x','{'f' * 32}',{VALUES}",
        f"INSERT OR REPLACE INTO entry {ENTRY} VALUES (10,'a',2,'k','t','x','{'f' * 32}',{VALUES}",
        f"INSERT OR REPLACE INTO entry {ENTRY} VALUES (10,'z',1,'k','t','x','{3:032x}',{VALUES}",
        f"INSERT INTO entry {ENTRY} VALUES (11,'z',1,'k','t','x','{'f' * 32}',{VALUES}",
        f"INSERT INTO entry {ENTRY} VALUES (-1,'z',1,'k','t','x','{'f' * 32}',{VALUES}",
        f"INSERT INTO entry {ENTRY} VALUES (NULL,'z',1,'k','t','x','{'f' * 32}',{VALUES}",
        f"INSERT OR IGNORE INTO entry {ENTRY} VALUES (3,'z',1,'k','t','x','{'f' * 32}',{VALUES}",
        "UPDATE OR REPLACE entry SET id = 'x' WHERE seq = 1",
        "INSERT OR REPLACE INTO entry SELECT seq, stream, version, kind, at, actor, id, zeroblob(1), leaf_hash FROM entry",
        "INSERT OR FAIL INTO entry SELECT seq, stream, version, kind, at, actor, id, zeroblob(1), leaf_hash FROM entry",
        "INSERT INTO entry SELECT * FROM entry WHERE seq = 0 ON CONFLICT (seq) DO UPDATE SET bytes = zeroblob(1)",
        "UPDATE sealed SET salt = zeroblob(16)",
        "INSERT OR REPLACE INTO sealed SELECT commitment, seq, 'other', salt, value FROM sealed",
        "UPDATE batch SET root = zeroblob(32)",
        "DELETE FROM batch WHERE size = 10",
        "INSERT OR REPLACE INTO batch VALUES (10, zeroblob(32), zeroblob(64))",
        "INSERT INTO batch VALUES (3, zeroblob(32), zeroblob(64))",
        "UPDATE sealed SET value = 'Noor'",
        "DELETE FROM sealed",
        "INSERT OR REPLACE INTO sealed SELECT commitment, seq, field, salt, 'Noor' FROM sealed",
        "INSERT OR REPLACE INTO tile VALUES (5, zeroblob(32), zeroblob(8192))",
    ],
)
def test_the_database_refuses(filled, raw, sql):
    before = list(filled.scan())
    with pytest.raises(sqlite3.Error):
        raw.execute(sql)
    assert list(filled.scan()) == before
    assert verify_store(filled).sound


def test_a_full_tile_is_never_replaced(store, path, make):
    move, _ = make
    store.append([move("a", *range(1, 514))])
    tx = sqlite3.connect(path, isolation_level=None)
    for sql in (
        "INSERT OR REPLACE INTO tile VALUES (0, zeroblob(32), zeroblob(8192))",
        "INSERT INTO tile VALUES (3, zeroblob(32), zeroblob(8192))",
        "UPDATE tile SET root = zeroblob(32)",
        "DELETE FROM tile",
    ):
        with pytest.raises(sqlite3.Error):
            tx.execute(sql)
    tx.close()
    assert verify_store(store).sound


def disarm(tx):
    for (name,) in tx.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        tx.execute(f'DROP TRIGGER "{name}"')


def alter(tx, seq, old, new, *, rehash):
    data = bytes(tx.execute("SELECT bytes FROM entry WHERE seq = ?", (seq,)).fetchone()[0])
    assert old in data
    data = data.replace(old, new)
    tx.execute("UPDATE entry SET bytes = ? WHERE seq = ?", (data, seq))
    if rehash:
        tx.execute("UPDATE entry SET leaf_hash = ? WHERE seq = ?", (leaf_hash(data), seq))


@pytest.mark.parametrize("rehash", [False, True])
def test_an_altered_entry_is_named(filled, raw, rehash):
    disarm(raw)
    alter(raw, 4, b'"n":3', b'"n":9', rehash=rehash)
    fault = verify_store(filled).fault
    assert (fault.seq, fault.kind) == (4, FaultKind.FORKED if rehash else FaultKind.ALTERED)


def test_a_column_that_differs_from_the_bytes_is_named(filled, raw):
    disarm(raw)
    raw.execute("UPDATE entry SET actor = 'svc:other' WHERE seq = 4")
    fault = verify_store(filled).fault
    assert (fault.seq, fault.kind) == (4, FaultKind.ALTERED)
    with pytest.raises(TamperedError):
        filled.read("a")


def test_a_deleted_entry_is_named(filled, raw):
    disarm(raw)
    raw.execute("DELETE FROM entry WHERE seq = 4")
    fault = verify_store(filled).fault
    assert (fault.seq, fault.kind) == (4, FaultKind.MISSING)


def test_swapped_bytes_are_named(filled, raw):
    disarm(raw)
    raw.execute("UPDATE entry SET seq = 99 WHERE seq = 4")
    raw.execute("UPDATE entry SET seq = 4 WHERE seq = 6")
    raw.execute("UPDATE entry SET seq = 6 WHERE seq = 99")
    fault = verify_store(filled).fault
    assert fault.seq == 4


def test_a_changed_personal_value_is_named(filled, raw):
    disarm(raw)
    raw.execute("UPDATE sealed SET value = 'Noor' WHERE seq = 5")
    fault = verify_store(filled).fault
    assert (fault.seq, fault.kind) == (5, FaultKind.SEAL_BROKEN)


def test_a_cut_tail_whose_batches_stayed_is_refused_at_opening(filled, raw, path):
    disarm(raw)
    raw.execute("DELETE FROM entry WHERE seq >= 8")
    with pytest.raises(TamperedError):
        SqliteStore(path)
    fault = verify_store(filled).fault
    assert (fault.seq, fault.kind) == (8, FaultKind.TRUNCATED)


def test_writing_behind_a_tampered_head_is_refused(filled, raw, make):
    move, _ = make
    disarm(raw)
    raw.execute("DELETE FROM entry WHERE seq = 9")
    with pytest.raises(TamperedError):
        filled.append([move("a", 50)])


def test_opening_again_rearms_the_triggers(filled, raw, path):
    disarm(raw)
    SqliteStore(path).close()
    with pytest.raises(sqlite3.Error):
        raw.execute("DELETE FROM entry WHERE seq = 9")


def test_a_changed_tile_is_named(store, path, make):
    move, _ = make
    store.append([move("a", *range(1, 601))])
    tx = sqlite3.connect(path, isolation_level=None)
    disarm(tx)
    tx.execute("UPDATE tile SET hashes = zeroblob(8192) WHERE place = 1")
    tx.close()
    fault = verify_store(store).fault
    assert (fault.seq, fault.kind) == (256, FaultKind.ALTERED)


def test_an_altered_salt_is_named(filled, raw):
    disarm(raw)
    raw.execute("UPDATE sealed SET salt = zeroblob(16) WHERE seq = 5")
    fault = verify_store(filled).fault
    assert (fault.seq, fault.kind) == (5, FaultKind.SEAL_BROKEN)


def test_a_personal_value_of_no_entry_is_named(filled, raw):
    disarm(raw)
    raw.execute("UPDATE sealed SET seq = 77 WHERE seq = 5")
    fault = verify_store(filled).fault
    assert (fault.seq, fault.kind) == (77, FaultKind.SEAL_BROKEN)


def test_an_altered_batch_is_named_after_the_last_sound_one(filled, raw):
    disarm(raw)
    raw.execute("UPDATE batch SET root = zeroblob(32) WHERE size = 6")
    fault = verify_store(filled).fault
    assert (fault.seq, fault.kind) == (4, FaultKind.FORKED)


def cut(tx, size):
    """Take everything of the last entries away: what is left is a sound log of `size`."""
    tx.execute("DELETE FROM entry WHERE seq >= ?", (size,))
    tx.execute("DELETE FROM sealed WHERE seq >= ?", (size,))
    tx.execute("DELETE FROM batch WHERE size > ?", (size,))


@pytest.fixture
def armed_to_erase(raw):
    raw.create_function("ledger_erasing", 0, lambda: True)
    return raw


def kept(store, size):
    return Checkpoint(origin="o", size=size, root=store.root(size))


def test_a_cut_tail_is_sound_by_itself_and_found_against_a_kept_checkpoint(filled, armed_to_erase):
    note = kept(filled, 10)
    disarm(armed_to_erase)
    cut(armed_to_erase, 8)
    alone = verify_store(filled)
    assert (alone.sound, alone.anchored, alone.size) == (True, False, 8)
    fault = verify_store(filled, checkpoint=note).fault
    assert (fault.seq, fault.kind) == (8, FaultKind.TRUNCATED)


def test_a_tail_written_anew_is_sound_by_itself_and_found_against_a_kept_checkpoint(filled, armed_to_erase, path, make):
    move, _ = make
    notes = {size: kept(filled, size) for size in (8, 9, 10)}
    disarm(armed_to_erase)
    cut(armed_to_erase, 8)
    other = SqliteStore(path)  # rearms the triggers, as the program does
    other.append([move("a", 900), move("b", 901)])
    assert verify_store(other).sound
    assert verify_store(other, checkpoint=notes[8]).anchored  # what was kept earlier still fits
    for size in (9, 10):
        outcome = verify_store(other, checkpoint=notes[size])
        assert (outcome.fault.kind, outcome.anchored) == (FaultKind.FORKED, False)
    other.close()


def test_reordered_rows_with_their_hashes_are_named(filled, raw):
    disarm(raw)
    for before, after in ((4, 99), (6, 4), (99, 6)):
        raw.execute("UPDATE entry SET seq = ? WHERE seq = ?", (after, before))
    fault = verify_store(filled).fault
    assert (fault.seq, fault.kind) == (4, FaultKind.VERSION_GAP)
