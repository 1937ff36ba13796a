"""A request's life as law: its entries, its states, and the one fold that says what may follow what.

Pure: no clock, no database, no policy. Whoever verifies the ledger replays exactly this, so "nobody approved their
own" is proved by the population of entries, not claimed by the program that wrote them.
Laws on time are lower bounds only ("not before"), because `at` is given after the check and never earlier.
"""

from __future__ import annotations

from ledger.streams.request.asking import is_lower
from ledger.streams.request.entries import (
    ENTRIES,
    Accepted,
    Approved,
    Decided,
    Dispatched,
    Done,
    EndedUnlogged,
    Expired,
    Failed,
    Lapsed,
    Lowered,
    Missed,
    NotConfirmed,
    Phase,
    Queued,
    Released,
    Reopened,
    Replaced,
    Reviewed,
    Revoked,
    Settled,
    Started,
    Submitted,
    Verdict,
    Withdrawn,
)
from ledger.streams.request.fold import evolve
from ledger.streams.request.state import FINAL, LAPSE_AFTER, Request, Review, Status

__all__ = [
    "ENTRIES",
    "FINAL",
    "LAPSE_AFTER",
    "Accepted",
    "Approved",
    "Decided",
    "Dispatched",
    "Done",
    "EndedUnlogged",
    "Expired",
    "Failed",
    "Lapsed",
    "Lowered",
    "Missed",
    "NotConfirmed",
    "Phase",
    "Queued",
    "Released",
    "Reopened",
    "Replaced",
    "Request",
    "Review",
    "Reviewed",
    "Revoked",
    "Settled",
    "Started",
    "Status",
    "Submitted",
    "Verdict",
    "Withdrawn",
    "evolve",
    "is_lower",
]
