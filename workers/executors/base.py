"""The port to a backend: three methods, all safe to repeat, keyed by the random grant key.

A new executor passes `tests/contracts/test_executor.py` and declares how firmly it holds a lease to its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from ledger.nouns import Enforcement, Grant, Receipt


class Observation(StrEnum):
    """What a backend says about a grant, read back and not remembered."""

    HELD = "held"
    GONE = "gone"
    UNKNOWN = "unknown"
    """It cannot say; nobody may conclude anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """The backend has accepted the grant and not started it.

    Args:
        place: 1 is next in line; None when the backend does not say.
        estimate: when it may start, aware UTC; None when the backend does not say.
        why: a plain sentence.
    """

    place: int | None
    estimate: datetime | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One access that the backend holds now.

    Args:
        key: our grant key; None when no grant of ours explains it.
        who: the backend's name for who has it.
        what: what they have, in the backend's words.
        wrong: empty, or what is not as granted, in a plain sentence.
    """

    key: str | None
    who: str
    what: str
    wrong: str = ""


class Surveyed(Protocol):
    """An executor that can say everything its backend holds, for reconciliation."""

    def holdings(self) -> tuple[Holding, ...]:
        """Return every access there is now, explained by a grant or not.

        Raises:
            BackendError: the backend does not answer; nobody may conclude anything.
        """
        ...


class Executor(Protocol):
    """Makes grants true in one backend, and takes them back."""

    name: str
    enforcement: Enforcement
    simulated: bool

    def ensure(self, grant: Grant) -> Receipt:
        """Make the grant true and return what was done; repeating it changes nothing.

        Raises:
            StaleGrantError: a later generation was seen, the key was revoked, or its end has passed.
            BackendError: the backend refused or failed.
        """
        ...

    def observe(self, grant: Grant) -> Observation:
        """Return whether the backend holds anything for this grant's key now."""
        ...

    def revoke(self, grant: Grant) -> None:
        """Take back whatever the key holds; nothing of this generation can be started afterwards.

        Raises:
            BackendError: the backend did not do it; try again.
        """
        ...
