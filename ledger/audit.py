"""Verify a database or a bundle: bytes first, then the law, and name the first entry that is wrong.

Without a key from outside the answer is never "verified": only "consistent with the key inside, not anchored".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ledger.book import place_of
from ledger.errors import CheckpointError, LedgerError, MalformedError, TamperedError, UnlawfulError
from ledger.export.bundle import Bundle
from ledger.log.canonical import commitment, parse_entry
from ledger.log.checkpoint import Checkpoint, open_checkpoint
from ledger.log.merkle import Frontier, leaf_hash, root_of
from ledger.log.store import Store, Stored
from ledger.streams import crossing, law_of
from ledger.streams.codec import entry_of
from ledger.views import differs


class Kind(StrEnum):
    """What is wrong with the first bad entry."""

    ALTERED = "altered"
    MISSING = "missing"
    ORDER = "out of order"
    MALFORMED = "not canonical"
    SEAL = "a personal value does not fit its commitment"
    TIME = "time went back"
    UNLAWFUL = "unlawful"
    TRUNCATED = "truncated"
    ROOT = "another history"
    CHECKPOINT = "checkpoint"
    VIEW = "the index is not what the entries say"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome: `fault` None means sound up to `size`; `anchored` means against a key from outside.

    Args:
        bad: seq of the first entry that is wrong, None when the fault is not about one entry.
    """

    size: int
    root: bytes
    anchored: bool
    lawful: bool
    fault: Kind | None = None
    bad: int | None = None
    detail: str = ""

    @property
    def sound(self) -> bool:
        """Whether nothing wrong was found."""
        return self.fault is None


class _Fault(Exception):  # noqa: N818 never leaves this module
    def __init__(self, kind: Kind, bad: int | None, detail: str = "") -> None:
        super().__init__(detail)
        self.kind, self.bad, self.detail = kind, bad, detail


def verify_store(store: Store, *, note: str | None = None, key: str | None = None) -> Verdict:
    """Verify a database: every row, the tree over it, the law, the index; against a checkpoint where one is given."""
    frontier = Frontier()
    try:
        _replay(_checked(_scan(store), frontier, seq=0))
        if frontier.root() != store.root():
            raise _Fault(Kind.ROOT, None, "the tree over the entries is not the one stored")
        if differs(store):
            raise _Fault(Kind.VIEW, None)
        if note is not None and key is not None:
            _against(store, open_checkpoint(note, key), frontier.size)
    except _Fault as fault:
        return _verdict(frontier, fault, anchored=False)
    except CheckpointError as error:
        return _verdict(frontier, _Fault(Kind.CHECKPOINT, None, error.detail), anchored=False)
    return _verdict(frontier, None, anchored=note is not None and key is not None)


def verify_bundle(bundle: Bundle, *, key: str | None = None) -> Verdict:
    """Verify a bundle: its entries against the leaves, the leaves against the signed checkpoint, and the law if complete."""
    frontier = Frontier()
    for leaf in bundle.leaves:
        frontier.add(leaf)
    try:
        checkpoint = open_checkpoint(bundle.checkpoint, key or bundle.key)
        _match(checkpoint, bundle)
        entries = list(_against_leaves(bundle))
        if bundle.complete:
            if [entry.seq for entry in entries] != list(range(len(bundle.leaves))):
                raise _Fault(Kind.MISSING, _gap([entry.seq for entry in entries]), "the bundle says it is complete")
            _replay(_checked(iter(entries), Frontier(), seq=0))
    except _Fault as fault:
        return _verdict(frontier, fault, anchored=False)
    except CheckpointError as error:
        return _verdict(frontier, _Fault(Kind.CHECKPOINT, None, error.detail), anchored=False)
    return _verdict(frontier, None, anchored=key is not None, lawful=bundle.complete)


def _match(checkpoint: Checkpoint, bundle: Bundle) -> None:
    if checkpoint.size != len(bundle.leaves):
        raise _Fault(Kind.TRUNCATED, min(checkpoint.size, len(bundle.leaves)), f"the checkpoint says {checkpoint.size}")
    if root_of(bundle.leaves) != checkpoint.root:
        raise _Fault(Kind.ROOT, None, "the leaves are not those of the checkpoint")


def _against_leaves(bundle: Bundle) -> Iterator[Stored]:
    for stored in bundle.entries:
        if not 0 <= stored.seq < len(bundle.leaves):
            raise _Fault(Kind.MISSING, stored.seq, "no such leaf")
        if leaf_hash(stored.data) != bundle.leaves[stored.seq]:
            raise _Fault(Kind.ALTERED, stored.seq)
        yield stored


def _scan(store: Store) -> Iterator[Stored]:
    try:
        yield from store.scan()
    except TamperedError as error:
        raise _Fault(Kind.ALTERED, error.seq, error.fault) from error


def _checked(entries: Iterator[Stored], frontier: Frontier, seq: int) -> Iterator[Stored]:
    """Yield each entry once its bytes, place, time, version and seals hold; grow the frontier."""
    last_at, versions = None, dict[str, int]()
    for stored in entries:
        if stored.seq != seq:
            raise _Fault(Kind.MISSING if stored.seq > seq else Kind.ORDER, seq)
        if stored.leaf_hash and leaf_hash(stored.data) != stored.leaf_hash:
            raise _Fault(Kind.ALTERED, seq, "the bytes do not give the leaf hash")
        try:
            parse_entry(stored.data)
        except MalformedError as error:
            raise _Fault(Kind.MALFORMED, seq, error.detail) from error
        if last_at is not None and stored.at < last_at:
            raise _Fault(Kind.TIME, seq)
        if stored.version != versions.get(stored.stream, 0) + 1:
            raise _Fault(Kind.ORDER, seq, f"version {stored.version} of {stored.stream}")
        _check_seals(stored)
        last_at, versions[stored.stream] = stored.at, stored.version
        frontier.add(leaf_hash(stored.data))
        seq += 1
        yield stored


def _check_seals(stored: Stored) -> None:
    for field, seal in stored.sealed.items():
        if _at_path(stored.body, field) != {"sealed": commitment(seal.salt, seal.value)}:
            raise _Fault(Kind.SEAL, stored.seq, field)


def _at_path(body: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(body, list):
            body = body[int(step)] if step.isdigit() and int(step) < len(body) else None
        else:
            body = body.get(step) if isinstance(body, dict) else None
    return body


def _replay(entries: Iterable[Stored]) -> None:
    """Fold every stream by its law: an unlawful entry is found whoever wrote it."""
    states: dict[str, Any] = {}
    for stored in entries:
        try:
            law = law_of(stored.stream)
            state = states.get(stored.stream)
            entry = entry_of(stored, law.entries)
            crossing.check(states, stored.stream, entry)
            states[stored.stream] = law.evolve(state, entry, place_of(stored))
        except UnlawfulError as error:
            raise _Fault(Kind.UNLAWFUL, stored.seq, error.detail) from error
        except LedgerError as error:
            raise _Fault(Kind.MALFORMED, stored.seq, error.detail) from error


def _against(store: Store, checkpoint: Checkpoint, size: int) -> None:
    if checkpoint.size > size:
        raise _Fault(Kind.TRUNCATED, size, f"the checkpoint covers {checkpoint.size} entries")
    if store.root(checkpoint.size) != checkpoint.root:
        raise _Fault(Kind.ROOT, None, "the first entries are not those of the checkpoint")


def _gap(seqs: list[int]) -> int:
    return next((want for want, have in enumerate(seqs) if want != have), len(seqs))


def _verdict(frontier: Frontier, fault: _Fault | None, *, anchored: bool, lawful: bool = True) -> Verdict:
    if fault is None:
        return Verdict(size=frontier.size, root=frontier.root(), anchored=anchored, lawful=lawful)
    return Verdict(
        size=frontier.size,
        root=frontier.root(),
        anchored=False,
        lawful=False,
        fault=fault.kind,
        bad=fault.bad,
        detail=fault.detail,
    )
