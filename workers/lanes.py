"""A lane for each backend: what is put there is done in order, beside whatever other lanes do.

A backend that hangs fills its own lane and no other. Threads are daemons: a hung one does not keep the process alive.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

Work = Callable[[], object]


class Lanes:
    """Threads by name, made when there is work and gone when there is none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queues: dict[str, deque[Work]] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._late: set[str] = set()

    def put(self, lane: str, work: Work) -> bool:
        """Do `work` soon; False, and never, when the lane did not finish in the last `wait`. `work` must not raise."""
        with self._lock:
            if lane in self._late:
                return False
            self._queues.setdefault(lane, deque()).append(work)
            if lane not in self._threads:
                thread = threading.Thread(target=self._drain, args=(lane,), name=f"lane {lane}", daemon=True)
                self._threads[lane] = thread
                thread.start()
        return True

    def wait(self, patience_s: float) -> None:
        """Return once every lane has finished, or after `patience_s`: what is left then goes on by itself."""
        deadline = time.monotonic() + patience_s
        with self._lock:
            running = dict(self._threads)
        for name, thread in running.items():
            if name not in self._late:
                thread.join(max(0.0, deadline - time.monotonic()))
        with self._lock:
            self._late = set(self._threads)

    def _drain(self, lane: str) -> None:
        while (work := self._next(lane)) is not None:
            work()

    def _next(self, lane: str) -> Work | None:
        """Take the next work, or leave the lane: under one lock, so that `put` finds a thread that still looks."""
        with self._lock:
            if self._queues[lane]:
                return self._queues[lane].popleft()
            del self._threads[lane]
            self._late.discard(lane)
            return None
