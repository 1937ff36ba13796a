"""The policy in force: looked at before each decision, built beside when a file changed, swapped when it is good."""

from __future__ import annotations

import threading
from pathlib import Path

from policies.decide import FILES, Policy
from policies.errors import PolicyError


class PolicySource:
    """The policy of a folder. A failed build keeps the one before and says why in `error`.

    Raises:
        PolicyError: the first build failed; there is nothing to keep.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._seen = self._stat()
        self._policy = Policy.load(folder)
        self.error: PolicyError | None = None

    def current(self) -> Policy:
        """Return the newest policy that could be built."""
        with self._lock:
            seen = self._stat()
            if seen != self._seen:
                self._seen = seen
                self._rebuild()
            return self._policy

    def _rebuild(self) -> None:
        try:
            self._policy = Policy.load(self._folder)
            self.error = None
        except PolicyError as error:
            self.error = error

    def _stat(self) -> tuple[tuple[int, int], ...]:
        stats = ((self._folder / name) for name in FILES)
        return tuple((p.stat().st_mtime_ns, p.stat().st_size) if p.exists() else (0, 0) for p in stats)
