"""Keys as the endpoint sees them: looked up at every call, over by its own clock, and bound to budgets of tokens."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog

from workers.apikeys import is_key, verifier_of
from workers.endpoint.counters import Counters
from workers.endpoint.errors import CallError
from workers.endpoint.holders import Budget, Holder
from workers.endpoint.keytable import KeyRow, KeyTable

logger = structlog.get_logger(__name__)

UNKNOWN: Final = (
    "This key is not known: it was never shown, was shown anew, or is over. Show it, or ask for another, in Slack."
)
OVER: Final = "This key's time is over; ask for another in Slack."
DARK: Final = "Keys cannot be looked up at the moment; whoever runs the endpoint finds why in its log."


def key_budget(grant_key: str) -> str:
    """Return the name of a key's own budget in the counters."""
    return f"key:{grant_key}"


class TableKeys:
    """The keys of the table.

    Args:
        table: asked at every call, so that what was revoked is refused at once.
        counters: where a team's budget is made when its window begins.
        clock: now, aware UTC.
    """

    def __init__(self, table: KeyTable, counters: Counters, clock: Callable[[], datetime]) -> None:
        self._table, self._counters, self._clock = table, counters, clock
        self._allowed: dict[str, int] = {}

    def holder(self, token: str) -> Holder:
        """Return who holds a key.

        Raises:
            CallError: 401, it is unknown or over; 503, nobody can look.
        """
        if not is_key(token):
            raise CallError(401, "unknown_key", UNKNOWN)
        try:
            row = self._table.of_verifier(verifier_of(token))
            return self._holder(row)
        except sqlite3.Error as error:
            logger.error("the keys cannot be read", error=type(error).__name__)  # noqa: TRY400 its words may hold paths
            raise CallError(503, "keys_away", DARK) from error

    def _holder(self, row: KeyRow | None) -> Holder:
        if row is None:
            raise CallError(401, "unknown_key", UNKNOWN)
        now = self._clock()
        if now >= row.not_after:
            raise CallError(401, "key_over", OVER)
        own = Budget(name=key_budget(row.grant_key), title=f"This key (REQ-{row.request})")
        return Holder(
            key=str(row.request),
            models=frozenset({row.model}),
            environment=row.environment,
            budgets=(own, *self._of_team(row.team, now)),
        )

    def _of_team(self, team: str, now: datetime) -> tuple[Budget, ...]:
        """The team's budget of the window that holds `now`: allotted before the first call of it takes from it."""
        tokens = self._table.team(team)
        if tokens is None:
            return ()
        window = tokens.span.window(now)
        name = f"team:{team}@{window}"
        if self._allowed.get(name) != tokens.tokens:
            self._counters.allow(name, tokens.tokens)
            self._allowed[name] = tokens.tokens
        return (Budget(name=name, title=f"{team.capitalize()}'s budget of {window}"),)
