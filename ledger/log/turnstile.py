"""The turnstile: a fair lock between processes, made of two file locks.

A process holds the queue lock only while it waits for the main lock, so those who come later cannot starve it. The
files are never deleted: a lock on a deleted file keeps nobody out. No network file systems.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ledger.errors import BusyError, ReadOnlyError

_PAUSE_S: Final = 0.001


class Turnstile:
    """One per ledger object and process; `pass_through` admits one holder at a time over all processes."""

    def __init__(self, database: Path, timeout_s: float = 10.0) -> None:
        self._paths = (
            database.with_name(f"{database.name}.queue-lock"),
            database.with_name(f"{database.name}.main-lock"),
        )
        self._timeout_s = timeout_s
        self._files: tuple[int, int] | None = None

    @contextmanager
    def pass_through(self) -> Iterator[None]:
        """Hold the main lock; raises BusyError when it could not be had in time."""
        queue, main = self._open()
        deadline = time.monotonic() + self._timeout_s
        _take(queue, deadline)
        try:
            _take(main, deadline)
        finally:
            fcntl.flock(queue, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(main, fcntl.LOCK_UN)

    def forget(self) -> None:
        """Close the lock files, in a forked child too: a shared descriptor would share the parent's lock."""
        files, self._files = self._files, None
        for each in files or ():
            with suppress(OSError):
                os.close(each)

    def _open(self) -> tuple[int, int]:
        if self._files is None:
            try:
                queue, main = (os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600) for path in self._paths)
            except OSError as error:
                raise ReadOnlyError(f"{self._paths[0].parent}: {error.strerror}") from error
            self._files = (queue, main)
        return self._files


def _take(file: int, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
                raise
        else:
            return
        if time.monotonic() > deadline:
            raise BusyError("another process holds the ledger")
        time.sleep(_PAUSE_S)
