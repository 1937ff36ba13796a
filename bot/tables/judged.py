"""What was last found of each held lease under the rules in force, so that nothing is judged or asked twice."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any, Final

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS judged (request INTEGER NOT NULL, since INTEGER NOT NULL, policy INTEGER NOT NULL,
    form TEXT NOT NULL, fails TEXT NOT NULL, why TEXT NOT NULL, PRIMARY KEY (request, since)) STRICT;
"""
_NAMES: Final = ("request", "since", "policy", "form", "fails", "why")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the rules say of a lease that is held.

    Args:
        since: the ledger entry of the policy that made it so.
        policy: the ledger entry of the policy under which it was looked at last.
        form: digest of the form that was looked at.
        fails: what does not pass, as in `policies.stricter.Shortfall`; empty when all does.
        why: the same as a sentence.
    """

    request: int
    since: int
    policy: int
    form: str
    fails: str
    why: str


class Judgements:
    """The table of them: a row for each change of what was found, the last one being how it stands."""

    def _do(self, sql: str, *values: Any) -> sqlite3.Cursor:
        raise NotImplementedError

    def judge(self, found: Judged) -> None:
        """Note what was found; the same since the same entry takes the place of what was noted."""
        values = (found.request, found.since, found.policy, found.form, found.fails, found.why)
        self._do("INSERT OR REPLACE INTO judged VALUES (?,?,?,?,?,?)", *values)

    def judged(self, request: int) -> list[Judged]:
        """Return what was found of a lease, the oldest first; nothing for one that was never looked at, or is over."""
        rows = self._do("SELECT * FROM judged WHERE request = ? ORDER BY since", request).fetchall()
        return [Judged(**dict(zip(_NAMES, row, strict=True))) for row in rows]

    def forget_judged(self, request: int) -> None:
        """It is over: nothing is asked about it any more."""
        self._do("DELETE FROM judged WHERE request = ?", request)
