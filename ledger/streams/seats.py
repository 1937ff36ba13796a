"""Matching voters to seats: one person, one seat. Pure, so that verifiers replay it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ledger.nouns import Decision, Seat
from ledger.streams.law import require


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


def lawful_permit(decision: Decision) -> None:
    """Return only if a permit says who must agree: its seats, or a rule alone, and never nobody."""
    require(decision.auto or bool(decision.seats), "a permit without seats must be by rule: an empty seat list denies")
    require(not (decision.auto and decision.seats), "a permit by rule has no seats")
    require(all(seat.count > 0 for seat in decision.seats), "a seat is for one person or more")
    require(len({seat.name for seat in decision.seats}) == len(decision.seats), "a seat is named once")
