"""How often the second reader agreed, differed, came too late: counted over restarts, and no evidence of anything."""

from __future__ import annotations

import sqlite3
from typing import Any, Final

from bot.intake.model.proposal import Outcome

SCHEMA: Final = "CREATE TABLE IF NOT EXISTS tally (outcome TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT;"


class Tallies:
    """The table of counts."""

    def _do(self, sql: str, *values: Any) -> sqlite3.Cursor:
        raise NotImplementedError

    def tally(self, outcome: Outcome) -> None:
        """Count one sentence."""
        self._do("INSERT INTO tally VALUES (?, 1) ON CONFLICT DO UPDATE SET count = count + 1", outcome.value)

    def tallies(self) -> dict[Outcome, int]:
        """Return how many sentences had each outcome, 0 included."""
        known = dict(self._do("SELECT outcome, count FROM tally").fetchall())
        return {outcome: int(known.get(outcome.value, 0)) for outcome in Outcome}
