"""What ran at a time, with proof: the routing of each environment, the adapters beside its versions, and who ordered them.

Read from a ledger or from a bundle alike, from the bytes of the entries alone; whoever holds the leaf hashes of the
log can check that the entry stands in it, offline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
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
from ledger.streams.model import Adaptation, Adapted, Routed, Routing, Share, Stretch, stretches
from ledger.streams.request import ENTRIES, Request, evolve

PREFIX: Final = "model:"
MOVES: Final = frozenset({Routed.kind, Adapted.kind})
"""The entries that change what answers."""


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
class Step:
    """An entry that changed what answers, and by whose order.

    Args:
        why: for a way back that nobody had to ask for.
        ordered: the number of the request, None where nobody had to ask.
        request: that request, None where its entries are not at hand.
    """

    at: datetime
    why: str
    ordered: int | None
    request: Request | None
    proof: Proof

    @property
    def approvers(self) -> tuple[str, ...]:
        """The subjects whose votes filled the seats; empty where a rule approved it, or nobody knows."""
        return () if self.request is None else tuple(dict.fromkeys(vote.person for vote in self.request.votes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """An adapter that answered beside a version at a time.

    Args:
        base: digest of the version's weights.
        since: from when on it did without a break; later than the loading where its version came back meanwhile.
        loading: what had it loaded.
        ending: the first that took it away, or left its version without calls; None as long as nothing did.
        unloaded: whether the ending took it away.
    """

    adapter: str
    digest: str
    base: str
    since: datetime
    loading: Step
    ending: Step | None
    unloaded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What answered for a model in an environment at a time, since when, and by whose order; and the adapters beside it."""

    model: str
    environment: str
    shares: tuple[Share, ...]
    by: Step
    adapters: tuple[Beside, ...] = ()

    @property
    def proofs(self) -> tuple[Proof, ...]:
        """The proof of every entry that the answer rests on."""
        beside = (step for each in self.adapters for step in (each.loading, each.ending) if step is not None)
        return (self.by.proof, *(step.proof for step in beside))


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the entries come from.

    Args:
        moves: every `model.routed` and `model.adapted` of the log, in its order.
        stream: the entries of one stream, as far as they are at hand.
        prove: the proof of an entry.
        begins: the time from which on every entry is there, None for the whole log.
    """

    moves: Callable[[], Iterable[Stored]]
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

    def moves() -> list[Stored]:
        names = store.query(
            "SELECT stream FROM entry WHERE stream >= 'model:' AND stream < 'model;' AND version = 1 ORDER BY stream"
        )
        found = [each for (name,) in names for each in stream(str(name)) if each.kind in MOVES]
        return sorted(found, key=lambda each: each.seq)

    return Source(moves=moves, stream=stream, prove=prove)


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
        moves=lambda: (stored for stored in bundle.entries if stored.kind in MOVES),
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
    histories = _histories(source)
    found = tuple(
        _ran(source, histories[name], name, routing, moment)
        for name in sorted(histories)
        for routing in histories[name].newest(moment)
        if environment in {None, routing.environment}
    )
    if source.begins is not None and not found:
        since = f"{source.begins:%Y-%m-%d %H:%M} UTC"
        raise LedgerError(
            f"nothing was routed from {since} on, where this bundle begins; take one that reaches further"
        )
    return found


@dataclass(slots=True)
class _History:
    """What was routed, loaded and taken away of one model, and by their places the entries that say so."""

    routings: list[Routing] = field(default_factory=list)
    adapted: list[Adaptation] = field(default_factory=list)
    stored: dict[int, Stored] = field(default_factory=dict)

    def newest(self, moment: datetime) -> list[Routing]:
        """Return the routing of each environment that was in force at `moment`, by the environment's name."""
        found = {each.environment: each for each in self.routings if each.at <= moment}
        return [found[environment] for environment in sorted(found)]


def _histories(source: Source) -> dict[str, _History]:
    """Return the history of each model by its name."""
    found: dict[str, _History] = {}
    for stored in source.moves():
        history = found.setdefault(stored.stream.removeprefix(PREFIX), _History())
        entry = entry_of(stored, model.ENTRIES)
        if isinstance(entry, Routed):
            history.routings.append(Routing.of(entry, stored.at, stored.seq))
        elif isinstance(entry, Adapted):
            history.adapted.append(Adaptation.of(entry, stored.at, stored.seq))
        history.stored[stored.seq] = stored
    return found


def _ran(source: Source, history: _History, name: str, routing: Routing, moment: datetime) -> Ran:
    beside = (each for each in stretches(history.routings, history.adapted) if each.during(moment))
    return Ran(
        model=name,
        environment=routing.environment,
        shares=routing.shares,
        by=_step(source, history, routing),
        adapters=tuple(
            _beside(source, history, each) for each in beside if each.loading.environment == routing.environment
        ),
    )


def _beside(source: Source, history: _History, stretch: Stretch) -> Beside:
    return Beside(
        adapter=stretch.loading.adapter,
        digest=stretch.loading.digest,
        base=stretch.loading.base,
        since=stretch.since,
        loading=_step(source, history, stretch.loading),
        ending=None if stretch.end is None else _step(source, history, stretch.end),
        unloaded=isinstance(stretch.end, Adaptation),
    )


def _step(source: Source, history: _History, move: Routing | Adaptation) -> Step:
    return Step(
        at=move.at,
        why=move.why if isinstance(move, Routing) else "",
        ordered=move.request,
        request=None if move.request is None else _request(source, move.request),
        proof=source.prove(history.stored[move.seq]),
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
