"""What ran at a time, with proof: the newest routing of each environment up to then, and the request that ordered it.

Read from a ledger or from a bundle alike, from the bytes of the entries alone; whoever holds the leaf hashes of the
log can check that the entry stands in it, offline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ledger.errors import LedgerError
from ledger.export.bundle import Bundle
from ledger.export.choice import Claim
from ledger.log.merkle import inclusion_proof, nodes_over, root_of
from ledger.log.store import Store, Stored
from ledger.streams import model
from ledger.streams.codec import entry_of
from ledger.streams.law import Place
from ledger.streams.model import Routed, Share
from ledger.streams.request import ENTRIES, Request, evolve

PREFIX: Final = "model:"
ROUTED: Final = Routed.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """That entry `seq` stands in the log of `size` entries with this root: its leaf hash and the siblings, leaf side first."""

    seq: int
    leaf: bytes
    size: int
    root: bytes
    siblings: tuple[bytes, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it with hashes in hex, as RFC 9162 would have it checked."""
        return {
            "entry": self.seq,
            "leaf_hash": self.leaf.hex(),
            "tree_size": self.size,
            "root_hash": self.root.hex(),
            "inclusion_proof": [each.hex() for each in self.siblings],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What answered for a model in an environment at a time, since when, and by whose order.

    Args:
        request: the deployment that ordered it, None for a way back that nobody had to ask for, or where its entries
            are not at hand.
        ordered: the number of that deployment.
    """

    model: str
    environment: str
    shares: tuple[Share, ...]
    since: datetime
    why: str
    ordered: int | None
    request: Request | None
    proof: Proof

    @property
    def approvers(self) -> tuple[str, ...]:
        """The subjects whose votes filled the seats; empty where a rule approved it, or nobody knows."""
        return () if self.request is None else tuple(dict.fromkeys(vote.person for vote in self.request.votes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the entries come from.

    Args:
        routed: every `model.routed` of the log, in its order.
        stream: the entries of one stream, as far as they are at hand.
        prove: the proof of an entry.
        begins: the time from which on every entry is there, None for the whole log.
    """

    routed: Callable[[], Iterable[Stored]]
    stream: Callable[[str], Iterable[Stored]]
    prove: Callable[[Stored], Proof]
    begins: datetime | None = None


def of_store(store: Store, size: int) -> Source:
    """Return the first `size` entries of a ledger as a source."""
    root = store.root(size)

    def prove(stored: Stored) -> Proof:
        siblings = tuple(store.inclusion_proof(stored.seq, size))
        return Proof(seq=stored.seq, leaf=stored.leaf_hash, size=size, root=root, siblings=siblings)

    def stream(name: str) -> Iterator[Stored]:
        return (stored for stored in store.read(name) if stored.seq < size)

    def routed() -> list[Stored]:
        names = store.query(
            "SELECT stream FROM entry WHERE stream >= 'model:' AND stream < 'model;' AND version = 1 ORDER BY stream"
        )
        found = [each for (name,) in names for each in stream(str(name)) if each.kind == ROUTED]
        return sorted(found, key=lambda each: each.seq)

    return Source(routed=routed, stream=stream, prove=prove)


def of_bundle(bundle: Bundle) -> Source:
    """Return a bundle as a source; verify it first.

    Raises:
        LedgerError: it is of one request, which says nothing of what came after.
    """
    if bundle.claim is Claim.NOTHING:
        raise LedgerError("a bundle of one request cannot tell what ran; export a period, or everything")
    node, size, root = nodes_over(bundle.leaves), len(bundle.leaves), root_of(bundle.leaves)

    def prove(stored: Stored) -> Proof:
        siblings = tuple(inclusion_proof(node, stored.seq, size))
        return Proof(seq=stored.seq, leaf=bundle.leaves[stored.seq], size=size, root=root, siblings=siblings)

    def stream(name: str) -> Iterator[Stored]:
        return (stored for stored in bundle.entries if stored.stream == name)

    return Source(
        routed=lambda: (stored for stored in bundle.entries if stored.kind == ROUTED),
        stream=stream,
        prove=prove,
        begins=bundle.since if bundle.claim is Claim.PERIOD else None,
    )


def ran_at(source: Source, moment: datetime, *, environment: str | None = None) -> tuple[Ran, ...]:
    """Return what ran at `moment`, by model and environment; what was routed nowhere yet is not there.

    Raises:
        LedgerError: an entry is no routing, or the source begins too late to tell.
    """
    if source.begins is not None and moment < source.begins:
        raise LedgerError(f"this bundle begins {source.begins:%Y-%m-%d %H:%M} UTC; take one that reaches further back")
    newest: dict[tuple[str, str], tuple[Stored, Routed]] = {}
    for stored in source.routed():
        entry = entry_of(stored, model.ENTRIES)
        if stored.at <= moment and isinstance(entry, Routed) and environment in {None, entry.environment}:
            newest[stored.stream.removeprefix(PREFIX), entry.environment] = (stored, entry)
    if source.begins is not None and not newest:
        since = f"{source.begins:%Y-%m-%d %H:%M} UTC"
        raise LedgerError(
            f"nothing was routed from {since} on, where this bundle begins; take one that reaches further"
        )
    return tuple(_ran(source, name, stored, entry) for (name, _), (stored, entry) in sorted(newest.items()))


def _ran(source: Source, name: str, stored: Stored, entry: Routed) -> Ran:
    return Ran(
        model=name,
        environment=entry.environment,
        shares=entry.shares,
        since=stored.at,
        why=entry.why,
        ordered=entry.request,
        request=None if entry.request is None else _request(source, entry.request),
        proof=source.prove(stored),
    )


def _request(source: Source, number: int) -> Request | None:
    """Fold a request by its law; None where its first entries are not at hand."""
    state: Request | None = None
    for stored in source.stream(f"request:{number}"):
        if state is None and stored.version != 1:
            return None
        place = Place(at=stored.at, actor=stored.actor, seq=stored.seq, version=stored.version, stream=stored.stream)
        state = evolve(state, entry_of(stored, ENTRIES), place)
    return state
