"""What stands in for a backend whose settings are wrong, so that everything else goes on meanwhile."""

from __future__ import annotations

from ledger.nouns import Enforcement, Grant, Receipt
from workers.errors import BackendError
from workers.executors.base import Holding, Observation


class UnusableExecutor:
    """Starts and ends nothing, guesses nothing, and says at every call which setting is wrong.

    A scan of it fails in these words, which is how the admins hear of it.
    """

    enforcement = Enforcement.ADVISORY
    simulated = False

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        self._why = why

    def fault(self) -> str:
        """Return which setting is wrong."""
        return self._why

    def ensure(self, grant: Grant) -> Receipt:
        """Start nothing."""
        del grant
        raise BackendError(self._why)

    def observe(self, grant: Grant) -> Observation:
        """Whatever it holds, nobody can look."""
        del grant
        return Observation.UNKNOWN

    def revoke(self, grant: Grant) -> None:
        """Take nothing back: it is tried again."""
        del grant
        raise BackendError(self._why)

    def holdings(self) -> tuple[Holding, ...]:
        """Nobody can say what it holds."""
        raise BackendError(self._why)
