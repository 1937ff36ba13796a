"""One transaction and one sync for everybody who waits; whoever fails, fails alone; and what a full disk or a lock says."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
import time
from pathlib import Path

import pytest

from ledger.errors import BusyError, LedgerError, ReadOnlyError, VersionConflictError
from ledger.log.canonical import commitment
from ledger.log.sqlite import SqliteStore
from ledger.log.turnstile import Turnstile
from ledger.log.verify import verify_store


def together(store, moves):
    """Append each move from a thread of its own while the lock is held, so that all of them wait; return outcomes."""
    outcomes = [None] * len(moves)

    def write(number):
        try:
            outcomes[number] = store.append([moves[number]])
        except Exception as error:  # noqa: BLE001 every outcome is looked at
            outcomes[number] = error

    threads = [threading.Thread(target=write, args=(number,)) for number in range(len(moves))]
    with store._turnstile.pass_through():
        for thread in threads:
            thread.start()
        while len(store._group._waiting) < len(moves):
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    return outcomes


def traced(store):
    statements = []
    store._writer.set_trace_callback(statements.append)
    return statements


def test_everybody_who_waits_shares_one_commit(store, make):
    move, _ = make
    statements = traced(store)
    receipts = together(store, [move(f"s{n}", n) for n in range(1, 65)])
    assert sum(s.startswith("COMMIT") for s in statements) == 1
    assert sorted(seq for receipt in receipts for seq in receipt.seqs) == list(range(64))
    assert store.query("SELECT size FROM batch") == [(64,)]


def test_a_thousand_entries_are_one_sync(store, path, make):
    move, _ = make
    statements = traced(store)
    store.append([move("a", *range(1, 1001))])
    assert [s for s in statements if s.split()[0] in {"BEGIN", "COMMIT"}] == ["BEGIN IMMEDIATE", "COMMIT"]
    assert store._writer.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_lock_is_held_for_seven_statements_and_one_more_an_entry(store, make):
    move, draft = make
    store.append([move("a", 1)])
    statements = traced(store)
    store.append([move("a", draft(2, name="Mira"))])
    assert len(set(statements)) == 7  # SQLite tells of a statement again for each of its triggers
    statements.clear()
    together(store, [move(f"s{n}", n) for n in range(10, 42)])
    assert len(set(statements)) == 5 + 32


def test_a_retry_among_others_is_told_its_first_receipt(store, make):
    move, _ = make
    first = store.append([move("a", 1, expected=0)])
    outcomes = together(store, [move("b", 2), move("a", 1, expected=0), move("c", 1), move("d", 3)])
    assert outcomes[1] == first
    assert isinstance(outcomes[2], LedgerError)  # the id of an entry of another stream
    assert (store.version("b"), store.version("c"), store.version("d")) == (1, 0, 1)
    assert verify_store(store).sound


def test_a_retry_without_an_expected_version_is_told_its_first_receipt(store, make):
    move, _ = make
    first = store.append([move("a", 1)])
    outcomes = together(store, [move("b", 2), move("a", 1), move("d", 3)])
    assert outcomes[1] == first
    assert store.size() == 3
    assert verify_store(store).sound


def test_who_conflicts_fails_alone(store, make):
    move, _ = make
    store.append([move("taken", 1)])
    moves = [move("taken" if n % 3 == 0 else f"s{n}", n, expected=0) for n in range(2, 32)]
    outcomes = together(store, moves)
    failed = [outcome for outcome in outcomes if isinstance(outcome, VersionConflictError)]
    assert len(failed) == 10
    assert store.size() == 21
    assert store.query("SELECT count(*) FROM batch") == [(2,)]
    assert verify_store(store).sound


def test_whose_read_model_fails_fails_alone(path, make):
    move, _ = make

    def refuse(_, stored):
        if stored.stream == "bad":
            raise RuntimeError(stored.id)

    store = SqliteStore(path, projectors=(refuse,))
    outcomes = together(store, [move("bad" if n == 2 else "good", n) for n in range(1, 5)])
    assert isinstance(outcomes[1], RuntimeError)
    assert store.version("good") == 3
    assert verify_store(store).sound
    store.close()


def test_two_waiters_with_one_id_write_it_once(store, make):
    move, _ = make
    receipts = together(store, [move("a", 1, expected=0), move("a", 1, expected=0)])
    assert receipts[0] == receipts[1]
    assert store.size() == 1


def test_a_leader_that_is_interrupted_hands_over(store, make, monkeypatch):
    move, _ = make
    commit, hit = store._group._commit, []

    def interrupted(batch):
        if not hit:
            hit.append(True)
            raise KeyboardInterrupt
        commit(batch)

    monkeypatch.setattr(store._group, "_commit", interrupted)
    outcomes = []

    def write(number):
        try:
            outcomes.append(store.append([move("a", number)]))
        except BaseException as error:  # noqa: BLE001 an interrupt is what is tested
            outcomes.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sum(isinstance(outcome, KeyboardInterrupt) for outcome in outcomes) == 1
    assert (len(outcomes), store.size()) == (8, 7)


def test_an_interrupt_after_the_commit_doubles_nothing(store, make, monkeypatch):
    move, _ = make
    commit, hit = store._group._commit, []

    def interrupted(batch):
        commit(batch)
        if not hit:
            hit.append(True)
            raise KeyboardInterrupt

    monkeypatch.setattr(store._group, "_commit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.append([move("a", 1)])
    assert store.append([move("a", 1)]).seqs == (0,)
    assert store.size() == 1


def test_a_lock_that_is_held_too_long_says_busy(path, make):
    move, _ = make
    store = SqliteStore(path)
    store._turnstile._timeout_s = 0.05
    holder = Turnstile(path)
    with holder.pass_through(), pytest.raises(BusyError):
        store.append([move("a", 1)])
    assert store.append([move("a", 1)]).seqs == (0,)
    holder.close()
    store.close()


def test_readers_are_not_blocked_by_a_writer(store, path, make):
    move, _ = make
    store.append([move("a", 1)])
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    assert store.size() == 1
    assert [s.seq for s in store.scan()] == [0]
    writer.execute("ROLLBACK")
    writer.close()


def test_a_full_disk_says_read_only_and_writing_goes_on_once_there_is_room(store, make):
    move, draft = make
    store.append([move("a", 1)])
    pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
    store._writer.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(ReadOnlyError):
        store.append([move("a", draft(2, text="x" * 1_000_000))])
    assert store.append([move("a", 3)]).seqs == (1,)
    assert verify_store(store).sound


def test_a_ledger_opened_for_reading_refuses_to_write(store, path, make):
    move, _ = make
    store.append([move("a", 1)])
    reader = SqliteStore(path, read_only=True)
    assert reader.size() == 1
    with pytest.raises(ReadOnlyError):
        reader.append([move("a", 2)])
    with pytest.raises(ReadOnlyError):
        reader.erase([bytes(32)])
    reader.close()


def test_a_ledger_that_is_not_there_is_not_made_by_reading(tmp_path):
    with pytest.raises(LedgerError):
        SqliteStore(tmp_path / "none", read_only=True)
    assert not (tmp_path / "none").exists()


@pytest.fixture
def public():
    """A folder that every user of the machine can reach (pytest's own are closed to others)."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
        Path(folder).chmod(0o700)


def test_a_ledger_in_a_folder_without_write_permission_is_read(public, make):
    move, _ = make
    path = public / "ledger.sqlite3"
    store = SqliteStore(path)
    store.append([move("a", 1, 2)])
    store.close()
    path.chmod(0o444)
    public.chmod(0o555)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if os.getuid() == 0:  # who may write anywhere
                os.setgid(65534)
                os.setuid(65534)
            code = read_and_refused(SqliteStore(path), move)
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def read_and_refused(store, move):
    try:
        store.append([move("a", 3)])
    except ReadOnlyError:
        return 0 if [s.seq for s in store.scan()] == [0, 1] and verify_store(store).sound else 2
    return 3


def test_a_snapshot_is_the_same_ledger(store, tmp_path, make):
    move, draft = make
    store.append([move("a", *range(1, 301)), move("b", draft(1000, name="Mira"))])
    store.snapshot(tmp_path / "copy")
    copy = SqliteStore(tmp_path / "copy")
    assert list(copy.scan()) == list(store.scan())
    assert copy.root() == store.root()
    assert verify_store(copy).sound
    copy.append([move("a", 2000)])
    copy.close()
    with pytest.raises(LedgerError):
        store.snapshot(tmp_path / "copy")


def test_an_erased_value_is_in_none_of_the_files(store, path, make):
    move, draft = make
    store.append([move("a", draft(7, name="Mirabelle Quennefer"))])
    files = lambda: b"".join(each.read_bytes() for each in path.parent.iterdir())  # noqa: E731
    assert b"Mirabelle" in files()
    key = bytes.fromhex(commitment((7).to_bytes(16, "big"), "Mirabelle Quennefer"))
    assert store.erase([key, key, bytes(32)]) == 1
    assert b"Mirabelle" not in files()
    assert store.read("a")[0].sealed == {}
    assert verify_store(store).sound
    assert store.erase([key]) == 0


def test_closing_twice_and_from_another_thread_is_safe(path, make):
    move, _ = make
    store = SqliteStore(path)
    store.append([move("a", 1)])
    thread = threading.Thread(target=store.size)
    thread.start()
    thread.join()
    store.close()
    store.close()
    assert not path.with_name(f"{path.name}-wal").exists()


def test_the_lock_files_stay(store, path):
    store.close()
    assert {each.name for each in path.parent.iterdir()} >= {f"{path.name}.queue-lock", f"{path.name}.main-lock"}
