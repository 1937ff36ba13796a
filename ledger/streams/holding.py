"""One stream a subject: every request that may add to what they hold, one after the other.

Rules test what a person holds and waits for already. Two requests fired at once would both see the world before the
other; whoever submits or approves therefore appends here, at the version they read their facts at, in the same
transaction. What somebody holds is still the fold of their requests; this stream only makes them take turns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from ledger.streams.codec import Entry, registry_of
from ledger.streams.law import Place, refuse, require


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed(Entry):
    """Request `request` of this subject was submitted or approved."""

    kind: ClassVar[str] = "holding.claimed"
    request: int


ENTRIES: Final = registry_of(Claimed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Whose turn it was last."""

    version: int = 0
    request: int = 0


def stream_of(subject: str) -> str:
    """Return the stream of a subject."""
    return f"holding:{subject}"


def evolve(state: Holding | None, entry: Entry, place: Place) -> Holding:
    """Return whose turn it was after `entry`."""
    del state
    if not isinstance(entry, Claimed):
        refuse(f"{entry.kind} does not belong to a holding")
    require(entry.request > 0, "a claim names its request")
    return Holding(version=place.version, request=entry.request)
