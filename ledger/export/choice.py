"""Which entries an export takes, and what it may claim of them."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ledger.errors import LedgerError
from ledger.log.canonical import format_time
from ledger.log.store import Store, Stored


class Claim(StrEnum):
    """What an export says of what is not in it."""

    EVERYTHING = "everything"
    """Every entry of the log up to the checkpoint is here, so that the law can be replayed."""
    PERIOD = "period"
    """Every entry of the period is here, with a neighbour on both sides that proves it."""
    NOTHING = "nothing"
    """Each entry stands in the log; what was left out is not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Entries with since <= `at` < until (aware times, UTC in the export), of one request, where given."""

    since: datetime | None = None
    until: datetime | None = None
    request: int | None = None

    @property
    def claim(self) -> Claim:
        """What this choice can prove: a part by request proves nothing of the rest."""
        if self.request is not None:
            return Claim.NOTHING
        return Claim.EVERYTHING if self.since is None and self.until is None else Claim.PERIOD

    def takes(self, stored: Stored) -> bool:
        """Whether this entry is chosen."""
        return (
            (self.since is None or stored.at >= self.since)
            and (self.until is None or stored.at < self.until)
            and (self.request is None or stored.stream == f"request:{self.request}")
        )

    def places(self, store: Store, size: int) -> range:
        """Return the places of the period: contiguous, because `at` never goes back along the log.

        Raises:
            LedgerError: the period ends before it begins.
        """
        if self.since is not None and self.until is not None and self.until < self.since:
            raise LedgerError("the period ends before it begins")
        first = 0 if self.since is None else _first_at(store, self.since, size)
        return range(first, size if self.until is None else _first_at(store, self.until, size))

    def entries(self, store: Store, size: int, *, neighbours: bool = True) -> Iterator[Stored]:
        """Yield the chosen entries of the first `size`; with `neighbours`, a period's own on both sides too."""
        chosen = self.places(store, size)
        if neighbours and self.claim is Claim.PERIOD:
            yield from store.scan(max(chosen.start - 1, 0), min(chosen.stop + 1, size))
        else:
            yield from filter(self.takes, store.scan(chosen.start, chosen.stop))


def _first_at(store: Store, moment: datetime, size: int) -> int:
    """The place of the first entry that is not before `moment`, `size` when there is none; a few look-ups."""
    text = format_time(moment)

    def at(seq: int) -> str:
        return str(store.query("SELECT at FROM entry WHERE seq = ?", (seq,))[0][0])

    return bisect.bisect_left(range(size), text, key=at)
