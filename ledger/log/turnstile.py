"""The turnstile: a fair lock between processes, made of two file locks.

A process holds the queue lock only while it waits for the main lock, so those who come later cannot starve it. The
files are never deleted: a lock on a deleted file keeps nobody out. No network file systems.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ledger.errors import BusyError, ReadOnlyError

_SHORT_S: Final = 0.0002
_LONG_S: Final = 0.002


class Turnstile:
    """One per ledger object and process; `pass_through` admits one holder at a time over threads and processes."""

    def __init__(self, database: Path, timeout_s: float = 10.0) -> None:
        self._paths = (
            database.with_name(f"{database.name}.queue-lock"),
            database.with_name(f"{database.name}.main-lock"),
        )
        self._timeout_s = timeout_s
        self._files: tuple[int, int] | None = None
        self._mine = threading.Lock()  # flock is per open file: it does not keep threads of one process apart

    @contextmanager
    def pass_through(self, timeout_s: float | None = None) -> Iterator[None]:
        """Hold the main lock; raises BusyError when it could not be had in time."""
        timeout_s = self._timeout_s if timeout_s is None else timeout_s
        deadline = time.monotonic() + timeout_s
        if not self._mine.acquire(timeout=timeout_s):
            raise BusyError("another thread holds the ledger")
        try:
            queue, main = self._open()
            try:
                _take(queue, deadline)
                _take(main, deadline)
            finally:
                fcntl.flock(queue, fcntl.LOCK_UN)
            try:
                yield
            finally:
                fcntl.flock(main, fcntl.LOCK_UN)
        finally:
            self._mine.release()

    def hold_still(self, timeout_s: float) -> bool:
        """Keep every thread of this process out until `go_on`; return whether that was had in time."""
        return self._mine.acquire(timeout=timeout_s)

    def go_on(self) -> None:
        """Let threads in again."""
        self._mine.release()

    def close(self) -> None:
        """Close the lock files once nobody in this process holds them."""
        with self._mine:
            self._close_files()

    def forget_parent(self) -> None:
        """Start anew in a forked child: an inherited descriptor shares the parent's lock, and could release it."""
        self._close_files()
        self._mine = threading.Lock()

    def _close_files(self) -> None:
        files, self._files = self._files, None
        for each in files or ():
            with suppress(OSError):
                os.close(each)

    def _open(self) -> tuple[int, int]:
        if self._files is None:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            try:
                self._files = (os.open(self._paths[0], flags, 0o600), os.open(self._paths[1], flags, 0o600))
            except OSError as error:
                raise ReadOnlyError(f"{self._paths[0].parent}: {error.strerror}") from error
        return self._files


def _take(file: int, deadline: float) -> None:
    """Lock `file`; flock cannot wait for a time, so ask again, at first often."""
    pause = _SHORT_S
    while not _taken(file):
        if time.monotonic() > deadline:
            raise BusyError("another process holds the ledger")
        time.sleep(pause)
        pause = min(pause * 1.5, _LONG_S)


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
            raise
        return False
    return True
