"""Turns: those who lost a race wait in line, and each decides again while no other of them does.

First come, first served, over threads and processes: each takes a number, holds a lock on the byte of that number, and
has its turn once nobody holds a lower one. The kernel lets go for whoever dies. Who comes while nobody waits does not
pass here, so whoever is alone never does. The file is never deleted. Linux, and no network file systems.
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ledger.errors import BusyError

_LOCK: Final = "hhqqi"
"""`struct flock`: type, whence, start, length, process."""
_COUNTER: Final = 2**62
"""The byte that is locked while a number is taken; numbers lie below it."""
_SHORT_S: Final = 0.0005
_LONG_S: Final = 0.005


class Turns:
    """One per ledger object and process.

    Args:
        database: the lock file lies beside it.
        timeout_s: how long somebody waits for their turn.
    """

    def __init__(self, database: Path, timeout_s: float) -> None:
        self._path = database.with_name(f"{database.name}.turn-lock")
        self._timeout_s = timeout_s
        self._file: int | None = None
        self._fresh()

    def forget_parent(self) -> None:
        """Start anew in a forked child: what it inherited would keep the parent's number taken for as long as it lives."""
        self._close()
        self._fresh()

    def _fresh(self) -> None:
        self._one = threading.Lock()  # the locks are per open file: they do not keep threads of one process apart
        self._held_by: int | None = None

    def waited_for(self) -> bool:
        """Whether somebody has a turn now, or waits for one."""
        if self._one.locked():
            return True
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False  # nobody ever waited here, or nobody may
        try:
            return _somebody_below(file, _COUNTER)
        finally:
            os.close(file)

    @contextmanager
    def take(self) -> Iterator[None]:
        """Have the turn; raises BusyError when it does not come in time. A thread that has it may take it again."""
        if self._held_by == threading.get_ident():
            yield
            return
        deadline = time.monotonic() + self._timeout_s
        if not self._one.acquire(timeout=self._timeout_s):
            raise BusyError("too many people at once")
        try:
            with self._in_line(deadline):
                self._held_by = threading.get_ident()
                try:
                    yield
                finally:
                    self._held_by = None
        finally:
            self._one.release()

    @contextmanager
    def _in_line(self, deadline: float) -> Iterator[None]:
        try:
            file = self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise BusyError(f"{self._path.name}: {error.strerror}") from error
        try:
            number, pause = _take_number(file), _SHORT_S
            while _somebody_below(file, number):
                if time.monotonic() > deadline:
                    raise BusyError("too many people at once")
                time.sleep(pause)
                pause = min(pause * 1.5, _LONG_S)
            yield
        finally:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, _lock(fcntl.F_UNLCK, 0, _COUNTER))
            self._close()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                os.close(file)


def _take_number(file: int) -> int:
    """Lock the byte of the next number and return it; who dies before it is counted leaves it to the next."""
    fcntl.fcntl(file, fcntl.F_OFD_SETLKW, _lock(fcntl.F_WRLCK, _COUNTER, 1))
    number = int.from_bytes(os.pread(file, 8, 0), "big")
    fcntl.fcntl(file, fcntl.F_OFD_SETLK, _lock(fcntl.F_WRLCK, number, 1))
    os.pwrite(file, (number + 1).to_bytes(8, "big"), 0)
    fcntl.fcntl(file, fcntl.F_OFD_SETLK, _lock(fcntl.F_UNLCK, _COUNTER, 1))
    return number


def _somebody_below(file: int, number: int) -> bool:
    if not number:
        return False
    found = fcntl.fcntl(file, fcntl.F_OFD_GETLK, _lock(fcntl.F_WRLCK, 0, number))
    return bool(struct.unpack(_LOCK, found)[0] != fcntl.F_UNLCK)


def _lock(kind: int, start: int, length: int) -> bytes:
    return struct.pack(_LOCK, kind, os.SEEK_SET, start, length, 0)
