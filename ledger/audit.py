"""Verify a database or a bundle: bytes first, then the law, and name the first entry that is wrong.

Without a key from outside the answer is never "verified": only "consistent with the key inside, not anchored".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn

from ledger.book import place_of
from ledger.errors import CheckpointError, LedgerError, TamperedError, UnlawfulError
from ledger.export.bundle import Bundle
from ledger.export.choice import Claim
from ledger.log import verify
from ledger.log.canonical import parse_entry
from ledger.log.checkpoint import Checkpoint, open_checkpoint
from ledger.log.merkle import leaf_hash, root_of
from ledger.log.store import Store, Stored
from ledger.log.verify import FaultKind, Row, Verified, verify_entries
from ledger.streams import crossing, law_of
from ledger.streams.codec import entry_of
from ledger.streams.reserving import Reserving
from ledger.views import differs


class Kind(StrEnum):
    """What is wrong with the first bad entry: the log's kinds of fault, and those that only the law or a key shows."""

    ALTERED = FaultKind.ALTERED.value
    MISSING = FaultKind.MISSING.value
    DUPLICATED = FaultKind.DUPLICATED.value
    REORDERED = FaultKind.REORDERED.value
    NOT_CANONICAL = FaultKind.NOT_CANONICAL.value
    TIME_WENT_BACK = FaultKind.TIME_WENT_BACK.value
    VERSION_GAP = FaultKind.VERSION_GAP.value
    SEAL_BROKEN = FaultKind.SEAL_BROKEN.value
    TRUNCATED = FaultKind.TRUNCATED.value
    FORKED = FaultKind.FORKED.value
    UNLAWFUL = "unlawful"
    """Its bytes are sound, and its stream's law forbids it: somebody wrote around the program."""
    CHECKPOINT = "checkpoint"
    """The checkpoint is not by this key, or of another ledger."""
    VIEW = "the index is not what the entries say"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome: `fault` None means sound up to `size`; `anchored` means against a key from outside.

    Args:
        bad: seq of the first entry that is wrong, None when the fault is not about one entry.
        lawful: the law of every stream was replayed, and holds.
        claim: what is proved of the entries that are not there.
    """

    size: int
    root: bytes
    anchored: bool
    lawful: bool
    claim: Claim = Claim.EVERYTHING
    fault: Kind | None = None
    bad: int | None = None
    detail: str = ""

    @property
    def sound(self) -> bool:
        """Whether nothing wrong was found."""
        return self.fault is None


class _Found(Exception):  # noqa: N818 never leaves this module
    def __init__(self, kind: Kind, bad: int | None, detail: str = "") -> None:
        super().__init__(detail)
        self.kind, self.bad, self.detail = kind, bad, detail


def verify_store(store: Store, *, note: str | None = None, key: str | None = None) -> Verdict:
    """Verify a database: every row, the tree and all that stands beside it, the law, the index.

    Args:
        note: a checkpoint that somebody kept, of now or of an earlier size.
        key: the public key from outside that signed it; without one nothing is anchored.
    """
    done = Verified(size=0, root=root_of([]))
    try:
        checkpoint = _opened(note, key) if note is not None and key is not None else None
        done = verify.verify_store(store, checkpoint=checkpoint)
        _raise_fault(done)
        _check_origin(next(iter(store.scan(0, 1)), None), checkpoint)
        _replay(store.scan())
        if differs(store):
            _found(Kind.VIEW, None)
    except TamperedError as error:
        return _faulty(done, _Found(Kind.ALTERED, error.seq, error.fault))
    except _Found as found:
        return _faulty(done, found)
    return Verdict(size=done.size, root=done.root, anchored=done.anchored, lawful=True)


def verify_bundle(bundle: Bundle, *, key: str | None = None, note: str | None = None) -> Verdict:
    """Verify a bundle: its entries against the leaves, the leaves against the signed checkpoint, and the law if complete.

    Args:
        key: the public key from outside; without one the bundle's own is used, and nothing is anchored.
        note: an earlier checkpoint that somebody kept: its tree must be the beginning of this one.
    """
    root = root_of(bundle.leaves)
    done = Verified(size=len(bundle.leaves), root=root)
    try:
        checkpoint = _opened(bundle.checkpoint, key or bundle.key)
        _match(checkpoint, bundle, root)
        if note is not None:
            _match_earlier(_opened(note, key or bundle.key), bundle)
        _raise_fault(_bytes_of(bundle, checkpoint))
        _check_claim(bundle)
        first = bundle.entries[0] if bundle.entries and bundle.entries[0].seq == 0 else None
        _check_origin(first, checkpoint)
        if bundle.claim is Claim.EVERYTHING:
            _replay(bundle.entries)
        if not bundle.table_is_true:
            _found(Kind.ALTERED, None, "entries.csv is not made from these entries")
    except _Found as found:
        return _faulty(done, found)
    whole = bundle.claim is Claim.EVERYTHING
    return Verdict(size=done.size, root=root, anchored=key is not None, lawful=whole, claim=bundle.claim)


def _opened(note: str, key: str) -> Checkpoint:
    try:
        return open_checkpoint(note, key)
    except CheckpointError as error:
        raise _Found(Kind.CHECKPOINT, None, error.detail) from error


def _match(checkpoint: Checkpoint, bundle: Bundle, root: bytes) -> None:
    size = len(bundle.leaves)
    if checkpoint.size != size:
        _found(Kind.TRUNCATED, min(checkpoint.size, size), f"the checkpoint says {checkpoint.size}")
    if root != checkpoint.root:
        _found(Kind.FORKED, _first_other(bundle), "the leaves are not those of the checkpoint")


def _first_other(bundle: Bundle) -> int:
    """The first entry whose leaf is not the one stated; 0 when all agree, and any can be the one."""
    there = (each for each in bundle.entries if 0 <= each.seq < len(bundle.leaves))
    return next((each.seq for each in there if leaf_hash(each.data) != bundle.leaves[each.seq]), 0)


def _match_earlier(earlier: Checkpoint, bundle: Bundle) -> None:
    if earlier.size > len(bundle.leaves):
        _found(Kind.TRUNCATED, len(bundle.leaves), f"a checkpoint covers {earlier.size} entries")
    if root_of(bundle.leaves[: earlier.size]) != earlier.root:
        _found(Kind.FORKED, 0, f"the first {earlier.size} entries are not those of the earlier checkpoint")


def _bytes_of(bundle: Bundle, checkpoint: Checkpoint) -> Verified:
    """Hold each entry against its leaf; a whole log or period also for place, version and time."""
    rows = []
    for stored in bundle.entries:
        if not 0 <= stored.seq < len(bundle.leaves):
            _found(Kind.MISSING, stored.seq, "no such leaf")
        rows.append(Row(seq=stored.seq, data=stored.data, leaf_hash=bundle.leaves[stored.seq], sealed=stored.sealed))
    if bundle.claim is Claim.EVERYTHING:
        return verify_entries(rows, checkpoint=checkpoint)
    return verify.verify_chosen(rows, contiguous=bundle.claim is Claim.PERIOD)


def _check_claim(bundle: Bundle) -> None:
    """A period is all there when its entries are contiguous and both ends are neighbours outside it, or the log's own."""
    if bundle.claim is not Claim.PERIOD or not bundle.leaves:
        return
    if not bundle.entries:
        _found(Kind.MISSING, 0, "a period comes with its neighbours")
    first, last = bundle.entries[0], bundle.entries[-1]
    if first.seq > 0 and (bundle.since is None or first.at >= bundle.since):
        _found(Kind.MISSING, first.seq - 1, "the neighbour before the period")
    if last.seq < len(bundle.leaves) - 1 and (bundle.until is None or last.at < bundle.until):
        _found(Kind.MISSING, last.seq + 1, "the neighbour behind the period")


def _check_origin(first: Stored | None, checkpoint: Checkpoint | None) -> None:
    """A checkpoint says which ledger it is of, and so does the first entry."""
    if first is None or checkpoint is None or first.kind != "ledger.opened":
        return
    origin = parse_entry(first.data)["body"].get("origin")
    if origin != checkpoint.origin:
        _found(Kind.CHECKPOINT, 0, f"the checkpoint is of {checkpoint.origin}, this ledger is {origin}")


def _replay(entries: Iterable[Stored]) -> None:
    """Fold every stream by its law, and hold them against each other: an unlawful entry is found whoever wrote it."""
    states: dict[str, Any] = {}
    reserving = Reserving(states)
    for stored in entries:
        with _lawful(stored):
            reserving.reach(stored.at)
            law, place = law_of(stored.stream), place_of(stored)
            entry = entry_of(stored, law.entries)
            crossing.check(states, stored.stream, entry)
            states[stored.stream] = law.evolve(states.get(stored.stream), entry, place)
            reserving.note(entry, place)
    with _lawful(None):
        reserving.judge()


@contextmanager
def _lawful(stored: Stored | None) -> Iterator[None]:
    """Turn what the law refuses into the finding of the entry that it names, else of `stored`."""
    seq = None if stored is None else stored.seq
    try:
        yield
    except UnlawfulError as error:
        raise _Found(Kind.UNLAWFUL, seq if error.seq is None else error.seq, error.detail) from error
    except LedgerError as error:
        stream = "" if stored is None else stored.stream
        raise _Found(Kind.UNLAWFUL, seq, f"no entry of {stream}: {error.detail}") from error


def _raise_fault(done: Verified) -> None:
    if done.fault is not None:
        _found(Kind(done.fault.kind.value), done.fault.seq, done.fault.detail)


def _found(kind: Kind, bad: int | None, detail: str = "") -> NoReturn:
    raise _Found(kind, bad, detail)


def _faulty(done: Verified, found: _Found) -> Verdict:
    return Verdict(
        size=done.size,
        root=done.root,
        anchored=False,
        lawful=False,
        fault=found.kind,
        bad=found.bad,
        detail=found.detail,
    )
