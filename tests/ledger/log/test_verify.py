"""The first fault, by place and kind, over entries that never saw a database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ledger.errors import LedgerError
from ledger.log.canonical import commitment
from ledger.log.checkpoint import Checkpoint
from ledger.log.memory import MemoryStore
from ledger.log.merkle import Frontier, root_of
from ledger.log.store import Sealed
from ledger.log.verify import FaultKind, Row, verify_entries, verify_store


@pytest.fixture
def memory(make):
    move, draft = make
    store = MemoryStore()
    store.append([move("a", 1, 2), move("b", draft(3, name="Mira"))])
    store.append([move("b", 4), move("a", 5)])
    store.append([move("c", 6)])
    return store


@pytest.fixture
def rows(memory):
    return [Row(seq=s.seq, data=s.data, leaf_hash=s.leaf_hash, sealed=s.sealed) for s in memory.scan()]


def bundle(rows):
    """As they stand in a bundle: no hash beside them."""
    return [replace(row, leaf_hash=b"") for row in rows]


def renumbered(rows):
    return [replace(row, seq=seq) for seq, row in enumerate(rows)]


def found(rows, **rest):
    fault = verify_entries(rows, **rest).fault
    return None if fault is None else (fault.seq, fault.kind)


def test_sound_entries_give_the_stores_root(rows, memory):
    outcome = verify_entries(bundle(rows))
    assert outcome.sound
    assert (outcome.size, outcome.root) == (6, memory.root())
    assert not outcome.anchored


def test_nothing_is_sound_and_anchored_to_nothing():
    outcome = verify_entries([])
    assert (outcome.size, outcome.sound, outcome.anchored) == (0, True, False)


def test_altered_bytes_are_named(rows):
    rows[3] = replace(rows[3], data=rows[3].data.replace(b'"n":4', b'"n":5'))
    assert found(rows) == (3, FaultKind.ALTERED)


def test_a_missing_entry_is_named(rows):
    assert found(rows[:2] + rows[3:]) == (2, FaultKind.MISSING)


def test_a_missing_first_entry_is_named(rows):
    assert found(rows[1:]) == (0, FaultKind.MISSING)


def test_a_missing_entry_whose_place_was_closed_up_is_named(rows):
    assert found(renumbered(bundle(rows[:1] + rows[2:]))) == (3, FaultKind.VERSION_GAP)


def test_two_entries_in_each_others_place_are_named(rows):
    rows[1], rows[3] = rows[3], rows[1]
    assert found(rows) == (1, FaultKind.REORDERED)


def test_an_entry_that_stands_twice_is_named(rows):
    assert found([*rows[:3], rows[2], *rows[3:]]) == (3, FaultKind.DUPLICATED)
    assert found(renumbered(bundle([*rows[:3], rows[2], *rows[3:]]))) == (3, FaultKind.DUPLICATED)


@pytest.mark.parametrize("data", [b"{}", b"", b"not json", b"\xff"])
def test_bytes_that_are_no_entry_are_named(rows, data):
    rows[3] = replace(rows[3], data=data, leaf_hash=b"")
    assert found(rows) == (3, FaultKind.NOT_CANONICAL)


@pytest.mark.parametrize(
    ("old", "new"), [(b'"n":4', b'"n": 4'), (b'"n":4', b'"n":4.0'), (b'"n":4', b'"n":9007199254740992')]
)
def test_bytes_that_formatting_would_not_produce_are_named(rows, old, new):
    rows[3] = replace(rows[3], data=rows[3].data.replace(old, new), leaf_hash=b"")
    assert found(rows) == (3, FaultKind.NOT_CANONICAL)


def test_a_time_before_that_of_the_entry_in_front_is_named(rows):
    rows[3] = replace(rows[3], data=rows[3].data.replace(b'"at":"20', b'"at":"19'), leaf_hash=b"")
    assert found(rows) == (3, FaultKind.TIME_WENT_BACK)


@pytest.mark.parametrize(
    "sealed",
    [
        {"name": Sealed(field="name", salt=(3).to_bytes(16, "big"), value="Ines")},
        {"name": Sealed(field="name", salt=bytes(16), value="Mira")},
        {"other": Sealed(field="other", salt=(3).to_bytes(16, "big"), value="Mira")},
        {"name": Sealed(field="name", salt=(3).to_bytes(16, "big"), value="\ud800")},
    ],
    ids=["value", "salt", "field", "no text"],
)
def test_a_personal_value_that_does_not_fit_is_named(rows, sealed):
    rows[2] = replace(rows[2], sealed=sealed)
    assert found(rows) == (2, FaultKind.SEAL_BROKEN)


def test_salt_and_value_cannot_share_bytes_another_way(rows):
    salt = (3).to_bytes(16, "big")
    seal = Sealed(field="name", salt=salt + b"M", value="ira")
    assert commitment(seal.salt, seal.value) == commitment(salt, "Mira")
    rows[2] = replace(rows[2], sealed={"name": seal})
    assert found(rows) == (2, FaultKind.SEAL_BROKEN)


def test_an_erased_value_is_no_fault(rows, memory):
    rows[2] = replace(rows[2], sealed={})
    assert found(rows) is None
    assert memory.erase([bytes.fromhex(commitment((3).to_bytes(16, "big"), "Mira"))]) == 1
    assert verify_store(memory).sound


def checkpoint(rows, size):
    return Checkpoint(origin="o", size=size, root=root_of([row.leaf_hash for row in rows[:size]]))


@pytest.mark.parametrize("size", range(7))
def test_every_earlier_checkpoint_anchors(rows, size):
    outcome = verify_entries(bundle(rows), checkpoint=checkpoint(rows, size))
    assert outcome.sound
    assert outcome.anchored


def test_a_cut_tail_is_found_only_against_a_checkpoint(rows):
    assert found(rows[:4]) is None
    assert found(rows[:4], checkpoint=checkpoint(rows, 6)) == (4, FaultKind.TRUNCATED)
    assert not verify_entries(rows[:4], checkpoint=checkpoint(rows, 6)).anchored


def test_another_history_of_the_same_length_is_found_against_a_checkpoint(rows, make):
    move, _ = make
    other = MemoryStore()
    other.append([move("a", *range(1, 7))])
    forked = [Row(seq=s.seq, data=s.data, leaf_hash=s.leaf_hash) for s in other.scan()]
    assert found(forked) is None
    outcome = verify_entries(forked, checkpoint=checkpoint(rows, 6))
    assert outcome.fault.kind is FaultKind.FORKED
    assert not outcome.anchored


def test_a_page_in_the_middle_is_verified_behind_its_frontier(rows):
    frontier = Frontier()
    frontier.extend([row.leaf_hash for row in rows[:3]])
    outcome = verify_entries(rows[3:], frontier=frontier, checkpoint=checkpoint(rows, 6))
    assert outcome.sound
    assert (outcome.anchored, frontier.size) == (True, 3)
    with pytest.raises(LedgerError):
        verify_entries(rows[3:], frontier=frontier, checkpoint=checkpoint(rows, 2))


def test_integrity_alone_does_not_look_inside(rows):
    rows[3] = replace(rows[3], data=b"{}", leaf_hash=b"")
    assert found(rows, integrity_only=True) is None
    rows[3] = replace(rows[3], leaf_hash=bytes(32))
    assert found(rows, integrity_only=True) == (3, FaultKind.ALTERED)


@pytest.mark.parametrize("seq", range(6))
@pytest.mark.parametrize("bit", [0, 100, 1001])
def test_any_flipped_bit_of_any_entry_is_found(rows, seq, bit):
    anchor = checkpoint(rows, 6)
    data = bytearray(rows[seq].data)
    data[bit // 8 % len(data)] ^= 1 << bit % 8
    rows[seq] = replace(rows[seq], data=bytes(data), leaf_hash=b"")
    assert not verify_entries(rows, checkpoint=anchor).sound
