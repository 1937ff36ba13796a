"""One suite for both stores: what is true of the log whatever keeps it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from datetime import UTC, datetime

import pytest

from ledger.audit import verify_bundle, verify_store
from ledger.errors import LedgerError, NotCanonicalError, ProofError, ReadOnlyError, VersionConflictError
from ledger.log import merkle
from ledger.log.canonical import commitment
from ledger.log.memory import MemoryStore
from ledger.log.sqlite import SqliteStore
from ledger.log.store import ANY, Draft, Move, Sealed

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    made = (
        MemoryStore(clock=lambda: NOW) if request.param == "memory" else SqliteStore(tmp_path / "l", clock=lambda: NOW)
    )
    yield made
    made.close()


def draft(number, **body):
    return Draft(id=f"{number:032x}", kind="test.said", v=1, actor="svc:test", body=body or {"n": number})


def move(stream, expected, *numbers):
    return Move(stream=stream, expected=expected, drafts=tuple(draft(n) for n in numbers))


def test_entries_get_contiguous_places_and_versions(store):
    receipt = store.append([move("a", 0, 1, 2), move("b", 0, 3)])
    assert (receipt.seqs, receipt.size) == ((0, 1, 2), 3)
    assert [(s.seq, s.stream, s.version) for s in store.scan()] == [(0, "a", 1), (1, "a", 2), (2, "b", 1)]


def test_a_stale_version_writes_nothing_of_any_stream(store):
    store.append([move("a", 0, 1)])
    with pytest.raises(VersionConflictError):
        store.append([move("b", 0, 2), move("a", 0, 3)])
    assert store.size() == 1
    assert store.read("b") == []


def test_the_same_append_again_returns_the_same_receipt(store):
    first = store.append([move("a", 0, 1)])
    assert store.append([move("a", 0, 1)]) == first
    assert store.size() == 1


def test_any_version_fits_a_stream_without_an_invariant(store):
    store.append([move("a", ANY, 1)])
    store.append([move("a", ANY, 2)])
    assert store.version("a") == 2


def test_one_stream_may_move_twice_in_one_append(store):
    store.append([move("a", 0, 1), move("a", 1, 2)])
    assert [s.version for s in store.read("a")] == [1, 2]
    assert [s.id for s in store.read("a", 1)] == [draft(2).id]


def test_some_ids_of_another_append_are_refused_and_write_nothing(store):
    store.append([move("a", 0, 1)])
    with pytest.raises(LedgerError):
        store.append([move("a", 1, 1, 2)])
    with pytest.raises(LedgerError):
        store.append([move("b", 0, 1)])
    assert (store.size(), store.version("b")) == (1, 0)


def test_an_id_twice_in_one_append_is_refused(store):
    with pytest.raises(NotCanonicalError):
        store.append([move("a", 0, 1, 1)])
    assert store.size() == 0


def test_the_bytes_are_the_envelope_and_the_leaf_is_their_hash(store):
    store.append([move("a", 0, 1)])
    (stored,) = store.scan()
    assert stored.data == (
        b'{"actor":"svc:test","at":"2026-11-24T00:00:00.000000Z","body":{"n":1},"id":"%032x",'
        b'"kind":"test.said","stream":"a","v":1,"version":1}' % 1
    )
    assert stored.leaf_hash == merkle.leaf_hash(stored.data)
    assert store.root() == stored.leaf_hash


def test_an_empty_log_has_the_root_of_nothing(store):
    assert (store.size(), store.root(), list(store.scan())) == (0, merkle.EMPTY_ROOT, [])


def test_a_scan_stops_where_it_is_told(store):
    store.append([move("a", 0, *range(1, 1203))])
    assert [s.seq for s in store.scan(998, 1004)] == list(range(998, 1004))
    assert sum(1 for _ in store.scan()) == 1202
    assert len(store.leaf_hashes(1200, 1300)) == 2


@pytest.mark.parametrize(("index", "size"), [(3, 3), (-1, 3), (0, 4), (0, 0)])
def test_no_proof_is_given_of_what_is_not_there(store, index, size):
    store.append([move("a", 0, 1, 2, 3)])
    with pytest.raises(ProofError):
        store.inclusion_proof(index, size)
    with pytest.raises(ProofError):
        store.root(4)


@pytest.mark.parametrize(
    "sealed",
    [
        Sealed(field="name", salt=bytes(16), value="Ines"),
        Sealed(field="other", salt=bytes(16), value="Mira"),
        Sealed(field="name", salt=bytes(15), value="Mira"),
    ],
    ids=["another value", "another field", "a short salt"],
)
def test_a_personal_value_that_the_body_does_not_commit_to_is_refused(store, sealed):
    body = {"name": {"sealed": commitment(bytes(16), "Mira")}}
    entry = Draft(id="1" * 32, kind="test.said", v=1, actor="svc:test", body=body, sealed=(sealed,))
    with pytest.raises(NotCanonicalError):
        store.append([Move(stream="a", expected=0, drafts=(entry,))])
    assert store.size() == 0


def test_what_an_entry_may_not_hold_is_refused(store):
    with pytest.raises(NotCanonicalError):
        store.append([Move(stream="a", expected=0, drafts=(draft(1, x=1.5),))])
    assert store.size() == 0


def test_every_entry_is_proved_over_tiles(store):
    store.append([move("a", 0, *range(1, 701))])
    root = store.root()
    for index in (0, 255, 256, 511, 512, 699):
        leaf = store.leaf_hashes(index, index + 1)[0]
        merkle.verify_inclusion(leaf, index, 700, store.inclusion_proof(index, 700), root)
    for old in (1, 255, 256, 257, 600):
        merkle.verify_consistency(old, 700, store.consistency_proof(old, 700), store.root(old), root)


def test_time_never_goes_back(tmp_path):
    times = iter([NOW, NOW.replace(year=2020), NOW.replace(year=2027)])
    store = SqliteStore(tmp_path / "l", clock=lambda: next(times))
    for number in range(1, 4):
        store.append([move("a", ANY, number)])
    assert [s.at.year for s in store.scan()] == [2026, 2026, 2027]
    store.close()


def test_a_query_cannot_write(store):
    with pytest.raises(Exception, match=r"readonly|read-only|attempt to write"):
        store.query("DELETE FROM entry")


def test_an_erased_value_leaves_its_proof(store):
    salt = bytes(16)
    seal = Sealed(field="name", salt=salt, value="Mira")
    body = {"name": {"sealed": commitment(salt, "Mira")}}
    entry = Draft(id="1" * 32, kind="test.said", v=1, actor="svc:test", body=body, sealed=(seal,))
    store.append([Move(stream="a", expected=0, drafts=(entry,))])
    before = store.root()
    assert store.erase([bytes.fromhex(commitment(salt, "Mira"))]) == 1
    assert store.read("a")[0].sealed == {}
    assert store.root() == before


def test_waiters_share_one_commit_and_a_failing_one_fails_alone(tmp_path):
    store = SqliteStore(tmp_path / "l", clock=lambda: NOW)
    store.append([move("taken", 0, 1)])
    outcomes = []

    def write(number):
        try:
            outcomes.append(store.append([move("taken" if number % 4 == 0 else f"s{number}", 0, number)]))
        except VersionConflictError as error:
            outcomes.append(error)

    with store._turnstile.pass_through():
        threads = [threading.Thread(target=write, args=(n,)) for n in range(2, 34)]
        for thread in threads:
            thread.start()
        while len(store._group._waiting) < 32:
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert sum(isinstance(outcome, VersionConflictError) for outcome in outcomes) == 8
    assert len(store.query("SELECT * FROM batch")) == 2
    store.close()


COUNTS = ("CREATE TABLE IF NOT EXISTS counted (kind TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT",)


def count(tx, stored):
    if stored.body.get("n") == 666:
        raise ValueError("no such view")
    tx.execute("INSERT INTO counted VALUES (?,1) ON CONFLICT (kind) DO UPDATE SET n = n + 1", (stored.kind,))


@pytest.fixture(params=["memory", "sqlite"])
def counting(request, tmp_path):
    arguments = {"projectors": (count,), "schema": COUNTS, "clock": lambda: NOW}
    made = MemoryStore(**arguments) if request.param == "memory" else SqliteStore(tmp_path / "l", **arguments)
    yield made
    made.close()


def test_read_models_are_folded_in_the_same_transaction(counting):
    counting.append([move("a", 0, 1, 2)])
    with pytest.raises(VersionConflictError):
        counting.append([move("b", 0, 3), move("a", 0, 4)])
    assert counting.query("SELECT kind, n FROM counted") == [("test.said", 2)]


def test_an_entry_whose_read_model_fails_is_not_written(counting):
    counting.append([move("a", 0, 1)])
    with pytest.raises(ValueError, match="no such view"):
        counting.append([move("a", 1, 2, 666)])
    assert counting.size() == 1
    assert counting.query("SELECT n FROM counted") == [(1,)]
    counting.append([move("a", 1, 3)])
    assert counting.root() == merkle.root_of(counting.leaf_hashes(0, 2))


WRITER = """
import sys
from pathlib import Path
from ledger.log.sqlite import SqliteStore
from ledger.log.store import ANY, Draft, Move
store = SqliteStore(Path(sys.argv[1]))
print("ready", flush=True)
for n in range(int(sys.argv[3])):
    entry = Draft(id=f"{int(sys.argv[2]):016x}{n:016x}", kind="test.said", v=1, actor="svc:test", body={"n": n})
    store.append([Move(stream=f"w{sys.argv[2]}", expected=ANY, drafts=(entry,))])
    print(n, flush=True)
"""


def writer(path, who, count):
    command = [sys.executable, "-c", WRITER, str(path), str(who), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_several_processes_make_one_chain(tmp_path):
    SqliteStore(tmp_path / "l").close()
    processes = [writer(tmp_path / "l", who, 50) for who in range(4)]
    for process in processes:
        process.communicate(timeout=60)
    store = SqliteStore(tmp_path / "l", read_only=True)
    assert store.size() == 200
    assert [store.version(f"w{who}") for who in range(4)] == [50] * 4
    assert merkle.root_of(store.leaf_hashes(0, 200)) == store.root()
    store.close()


def test_a_writer_killed_at_any_moment_loses_nothing_it_was_told_is_durable(tmp_path):
    SqliteStore(tmp_path / "l").close()
    for who in range(5):
        process = writer(tmp_path / "l", who, 100_000)
        time.sleep(0.4)
        process.kill()
        told = [line for line in process.communicate()[0].splitlines() if line.isdigit()]
        store = SqliteStore(tmp_path / "l")
        assert store.version(f"w{who}") in {len(told), len(told) + 1}
        store.append([move("alive", ANY, 1000 + who)])
        assert merkle.root_of(store.leaf_hashes(0, store.size())) == store.root()
        store.close()


def test_a_read_only_ledger_is_read_and_says_so(house):
    path = house.home / "ledger.sqlite3"
    store = SqliteStore(path, read_only=True)
    assert store.size() == 2
    with pytest.raises(ReadOnlyError):
        store.append([move("a", ANY, 1)])
    assert verify_store(store).sound
    store.close()


def test_a_bundle_of_one_request_claims_no_completeness(house, tmp_path):
    from ledger.export.bundle import Choice, read_bundle, write_bundle

    size = house.book.store.size()
    note, key = house.checkpoint(), house.signer.verifier_key
    write_bundle(tmp_path / "b.zip", house.book.store, size, note, key, Choice(request=1001))
    verdict = verify_bundle(read_bundle(tmp_path / "b.zip"), key=key)
    assert verdict.sound
    assert not verdict.lawful
