"""The policy in force: looked at before each decision, built beside when a file changed, swapped when it is good."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from policies.decide import Policy
from policies.errors import PolicyError
from policies.files import FILES

logger = logging.getLogger(__name__)
_GONE: Final = (0, 0, 0)


class PolicySource:
    """The policy of a folder. A failed build keeps the one before, logs why and keeps it in `error`.

    One thread builds; the others go on with the policy before until the new one stands.

    Args:
        before: returns what goes on when the first build fails, None when there is nothing.

    Raises:
        PolicyError: the first build failed, and there is nothing to go on with.
    """

    def __init__(self, folder: Path, before: Callable[[], Policy | None] = lambda: None) -> None:
        self._folder = folder
        self._building = threading.Lock()
        self._seen = self._stat()
        self.error: PolicyError | None = None
        self._policy = self._first(before)

    def current(self) -> Policy:
        """Return the newest policy that could be built."""
        if self._stat() != self._seen and self._building.acquire(blocking=False):
            try:
                self._rebuild()
            finally:
                self._building.release()
        return self._policy

    def newest(self) -> Policy:
        """Return the policy of the files as they lie there now, after whoever builds it has done so."""
        with self._building:
            if self._stat() != self._seen:
                self._rebuild()
        return self._policy

    def _first(self, before: Callable[[], Policy | None]) -> Policy:
        try:
            return Policy.load(self._folder)
        except PolicyError as error:
            policy = before()
            if policy is None:
                raise
            self._report(error)
            return policy

    def _rebuild(self) -> None:
        seen = self._stat()  # before reading: what changes while we read is seen as a change again
        try:
            self._policy = Policy.load(self._folder)
            self.error = None
        except PolicyError as error:
            self._report(error)
        self._seen = seen

    def _report(self, error: PolicyError) -> None:
        self.error = error
        logger.error("The rules changed and cannot be used; the ones before go on. %s", error)

    def _stat(self) -> tuple[tuple[int, int, int], ...]:
        return tuple(_mark(self._folder / name) for name in FILES)


def _mark(path: Path) -> tuple[int, int, int]:
    try:
        stat = path.stat()
    except OSError:
        return _GONE
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
