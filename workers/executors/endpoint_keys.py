"""Keys to models as grants: a row of the key table, which every endpoint reads at every call.

The endpoint looks at the end by its own clock, so a key ends by itself also while we are down (`self-ending`). The key is
made where its holder presses the button; here its SHA-256 arrives, and nothing else.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Final

from ledger.book import utc_now
from ledger.nouns import Enforcement, Grant, KeyForm, Receipt
from workers.apikeys import is_verifier
from workers.endpoint.counters import Counters, Hour
from workers.endpoint.keys import key_budget
from workers.endpoint.keytable import Change, KeyRow, KeyTable, TeamTokens
from workers.errors import BackendError, StaleGrantError
from workers.executors.base import Holding, Observation

NAME: Final = "endpoint"
"""The executor, and the scheme of its resources."""


class EndpointKeys:
    """Keys in one table.

    Args:
        counters: opens the tokens' table; closed after each use.
        address: where people reach the endpoint, such as `https://models.example.com`.
        team_of: returns the team that pays for a request, by its number, without prefix.
        teams: returns what teams may use by the catalogue in force.
        clock: now, to refuse what is already over.
    """

    name = NAME
    enforcement = Enforcement.SELF_ENDING
    simulated = False

    def __init__(
        self,
        table: KeyTable,
        counters: Callable[[], Counters],
        address: str,
        team_of: Callable[[int], str],
        *,
        teams: Callable[[], Iterable[TeamTokens]] = tuple,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._table, self._counters, self._address = table, counters, address.rstrip("/")
        self._team_of, self._teams, self._clock = team_of, teams, clock

    def ensure(self, grant: Grant) -> Receipt:
        """Let the grant stand; its budget is there before it does. Whoever had a key of it keeps that key."""
        model, environment, tokens = self._asked(grant)
        end = self._end_of(grant)
        self.allot_teams()
        with self._changing() as change:
            before = change.of_grant(grant.key)
            if before is not None and not _may_follow(before, grant):
                raise StaleGrantError(grant.key)
            row = KeyRow(
                grant_key=grant.key,
                generation=grant.generation,
                held=True,
                request=grant.request,
                model=model,
                environment=environment,
                team=self._team_of(grant.request),
                not_after=end,
                verifier=before.verifier if before is not None and before.held else None,
            )
            if row != before:
                with self._counting() as counters:
                    counters.allow(key_budget(grant.key), tokens)
                change.put(row)
        return Receipt(executor=self.name, enforcement=self.enforcement, note=self._how(model))

    def observe(self, grant: Grant) -> Observation:
        """Return what the table says."""
        try:
            with self._answering():
                row = self._table.of_grant(grant.key)
        except BackendError:
            return Observation.UNKNOWN
        return Observation.HELD if row is not None and row.held else Observation.GONE

    def revoke(self, grant: Grant) -> None:
        """Let its key count no more from the next call on, and remember the generation against late starts."""
        with self._changing() as change:
            before = change.of_grant(grant.key)
            if before is not None and before.generation > grant.generation:
                return
            row = before or self._bar(grant)
            change.put(replace(row, generation=grant.generation, held=False, verifier=None))

    def set_verifier(self, grant: Grant, verifier: str) -> None:
        """Let whoever has the key behind `verifier` call, and nobody with an earlier one.

        Raises:
            StaleGrantError: the grant is not the generation that stands, or is over.
            BackendError: not a verifier (it is not repeated, as it might be a key), or the table failed.
        """
        if not is_verifier(verifier):
            raise BackendError("what was handed over is not the SHA-256 of a key; show the key again")
        self._end_of(grant)
        with self._changing() as change:
            row = change.of_grant(grant.key)
            if row is None or not row.held or row.generation != grant.generation:
                raise StaleGrantError(grant.key)
            if row.verifier != verifier:
                change.put(replace(row, verifier=verifier))

    def holdings(self) -> tuple[Holding, ...]:
        """Return every grant that stands."""
        with self._answering():
            rows = self._table.held()
        return tuple(
            Holding(key=row.grant_key, what=f"key to {row.model} in {row.environment}", until=row.not_after)
            for row in rows
        )

    def take_away(self, holding: Holding) -> None:
        """Let a key count no more, whoever put it there."""
        with self._changing() as change:
            row = change.of_grant(holding.key or "")
            if row is not None:
                change.put(replace(row, held=False, verifier=None))

    def forget(self, over: Callable[[str], bool]) -> int:
        """Drop the bars of grants that are over; what they used stays counted."""
        with self._changing() as change:
            gone = [key for key in change.barred() if over(key)]
            for key in gone:
                change.drop(key)
        return len(gone)

    def tokens_of(self, grant: Grant) -> int:
        """Return what the grant used, with all that calls which still last may cost."""
        with self._counting() as counters:
            return counters.used(key_budget(grant.key))

    def hours(self, before: datetime) -> list[Hour]:
        """Return what the endpoints counted in the hours that ended by `before`."""
        with self._counting() as counters:
            return counters.hours(before)

    def forget_hours(self, hours: Iterable[Hour]) -> None:
        """Forget hours that were entered."""
        with self._counting() as counters:
            counters.forget(hours)

    def allot_teams(self) -> None:
        """Let each team use in each window what the catalogue in force gives it."""
        with self._answering():
            self._table.set_teams(self._teams())

    def _end_of(self, grant: Grant) -> datetime:
        """Return the end of a grant; raises StaleGrantError once it has come."""
        if grant.not_after is None or self._clock() >= grant.not_after:
            raise StaleGrantError(grant.key)
        return grant.not_after

    def _bar(self, grant: Grant) -> KeyRow:
        """A row for what was revoked before it was ever seen."""
        model, environment, _ = self._asked(grant)
        return KeyRow(
            grant_key=grant.key,
            generation=grant.generation,
            held=False,
            request=grant.request,
            model=model,
            environment=environment,
            team="",
            not_after=grant.not_after or self._clock(),
        )

    def _asked(self, grant: Grant) -> tuple[str, str, int]:
        """Return model, environment and tokens."""
        if not isinstance(grant.form, KeyForm):
            raise BackendError(f"{grant.form.resource} is no key to a model")
        model, _, environment = grant.form.resource.partition(":")[2].partition("@")
        return model, environment, grant.form.tokens

    def _how(self, model: str) -> str:
        return f"Ask for {model} with your key, as OpenAI's clients do: export OPENAI_BASE_URL={self._address}/v1"

    @contextmanager
    def _changing(self) -> Iterator[Change]:
        """One transaction of the table."""
        with self._answering(), self._table.changing() as change:
            yield change

    @contextmanager
    def _counting(self) -> Iterator[Counters]:
        """The counters, opened for one use."""
        with self._answering():
            counters = self._counters()
            try:
                yield counters
            finally:
                counters.close()

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """The file, made if there is none; what it does wrong is a backend that fails."""
        try:
            self._table.prepare()
            yield
        except (sqlite3.Error, OSError) as error:
            raise BackendError(f"the table of keys cannot be used: {error}") from error


def _may_follow(before: KeyRow, grant: Grant) -> bool:
    """Whether a grant is not older than what was seen, and not one that was taken back."""
    return before.generation < grant.generation or (before.generation == grant.generation and before.held)
