"""Matching voters to seats: one person, one seat. Pure, so that verifiers replay it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ledger.nouns import Seat


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """`person` approved in the seat named `seat`."""

    person: str
    seat: str


def missing(seats: Sequence[Seat], votes: Iterable[Vote]) -> tuple[Seat, ...]:
    """Return the seats still open, each with the number of people missing. A person counts once, in one seat."""
    taken: Counter[str] = Counter()
    people: set[str] = set()
    for vote in votes:
        if vote.person not in people:
            people.add(vote.person)
            taken[vote.seat] += 1
    return tuple(replace(seat, count=seat.count - taken[seat.name]) for seat in seats if seat.count > taken[seat.name])


def filled(seats: Sequence[Seat], votes: Iterable[Vote]) -> bool:
    """Whether every seat is filled. No seats are never filled: an empty approver list denies."""
    return bool(seats) and not missing(seats, votes)
