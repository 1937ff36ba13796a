"""The port to a backend: three methods, all safe to repeat, keyed by the random grant key.

A new executor passes `tests/contracts/executor.py` and declares how firmly it holds a lease to its end. Every call
returns or raises within seconds: a client to a backend is given its timeouts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from ledger.nouns import Enforcement, Grant, Receipt
from ledger.streams.model import Share
from workers.endpoint.counters import Hour


class Observation(StrEnum):
    """What a backend says about a grant, read back and not remembered."""

    HELD = "held"
    """Something of this key is there: started, or accepted and waiting."""
    GONE = "gone"
    UNKNOWN = "unknown"
    """It cannot say; nobody may conclude anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """The backend has accepted the grant and not started it.

    Args:
        place: place in its line, from 1; 0 when it cannot say.
        estimate: when it may start, aware UTC, if known.
        why: one plain sentence, such as "2 of 8 devices are free; 4 are needed."
    """

    place: int
    estimate: datetime | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One access that the backend holds now; its words stay the same for as long as it is the same access.

    Args:
        key: our grant key; None when no grant of ours explains it.
        what: what is held, in the backend's words.
        who: the backend's name for who has it, empty when it knows none.
        wrong: empty, or what is not as granted, in a plain sentence.
        until: when the backend will end it, aware UTC; None when it does not say.
        devices: the devices it takes, by id; None when it does not say.
    """

    key: str | None
    what: str
    who: str = ""
    wrong: str = ""
    until: datetime | None = None
    devices: tuple[str, ...] | None = None


class Executor(Protocol):
    """Makes grants true in one backend, and takes them back."""

    name: str
    enforcement: Enforcement
    simulated: bool

    def ensure(self, grant: Grant) -> Receipt | Pending:
        """Make the grant true and return what was done, or that it waits; repeating it changes nothing.

        Raises:
            StaleGrantError: a later generation was seen, this one was revoked, or its end has passed.
            BackendError: the backend refused or failed.
        """
        ...

    def observe(self, grant: Grant) -> Observation:
        """Return whether the backend holds anything for this grant's key now; never raises, never guesses."""
        ...

    def revoke(self, grant: Grant) -> None:
        """Take back what the key holds by this generation or an earlier one; neither can be started afterwards.

        A later generation stays: whoever was told of an older one cannot cut it.

        Raises:
            BackendError: the backend did not do it; try again.
        """
        ...


@runtime_checkable
class MayBeUnusable(Protocol):
    """An executor that knows of a wrong setting before it is called: what is approved waits until it is mended."""

    def fault(self) -> str:
        """Return which setting is wrong and what to do, in one sentence; empty when it can be used."""
        ...


@runtime_checkable
class SavesLate(Protocol):
    """An executor whose backend, when it crashes, forgets what it answered to a moment ago."""

    def kept(self, grant: Grant) -> bool:
        """Return whether the backend has held the grant as the last `ensure` left it for longer than it forgets.

        Raises:
            BackendError: nobody can say.
        """
        ...


@runtime_checkable
class TakesVerifiers(Protocol):
    """An executor whose grants are logins with a password of which it is told the verifier alone."""

    def set_verifier(self, grant: Grant, verifier: str) -> None:
        """Let whoever has the secret behind `verifier` log in, and nobody with an earlier one; safe to repeat.

        Raises:
            StaleGrantError: the grant is over, or not the generation that stands.
            BackendError: not a verifier, or the backend refused.
        """
        ...


@runtime_checkable
class Lists(Protocol):
    """An executor whose backend can say all that it holds, for comparing with the ledger."""

    def holdings(self) -> tuple[Holding, ...]:
        """Return everything the backend holds; raises BackendError when it cannot say."""
        ...


@runtime_checkable
class TakesAway(Protocol):
    """An executor that can take away what no grant explains, on an approved order."""

    def take_away(self, holding: Holding) -> None:
        """Take away one access that `holdings` returned; what is gone already is no error.

        Raises:
            BackendError: the backend did not do it; look at `holdings` again.
        """
        ...


@runtime_checkable
class Routes(Protocol):
    """An executor whose changes move calls from one version of a model to another."""

    def answering(self, resource: str) -> tuple[Share, ...]:
        """Return which versions answer for a resource now; nothing when none does. Raises BackendError."""
        ...


@runtime_checkable
class Forgets(Protocol):
    """An executor that keeps a note of each grant that it took back, and need not keep it for ever."""

    def forget(self, over: Callable[[str], bool]) -> int:
        """Drop the notes of grants whose key is `over`: nobody can start those again; return how many there were."""
        ...


@runtime_checkable
class Meters(Protocol):
    """An executor whose grants are counted in tokens, in tables beside the ledger."""

    def tokens_of(self, grant: Grant) -> int:
        """Return the tokens that a grant used; of calls that still last, all that they may cost.

        Raises:
            BackendError: nobody can say.
        """
        ...

    def hours(self, before: datetime) -> list[Hour]:
        """Return what was counted in the hours that ended by `before`, the oldest first; raises BackendError."""
        ...

    def forget_hours(self, hours: Iterable[Hour]) -> None:
        """Forget hours that were entered in the ledger; raises BackendError."""
        ...

    def allot_teams(self) -> None:
        """Let teams use what the rules in force give them; raises BackendError."""
        ...
