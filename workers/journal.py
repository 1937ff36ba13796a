"""A synced local journal of endings, for the time in which the ledger cannot be written.

Endings fail safe: access is taken away all the same, noted here, and entered afterwards as `EndedUnlogged`. The file
is made at its full size beforehand and written in place: noting needs no room on a disk that has none left.
A slot that was not written whole never counted: its ending is due still, and taken away and noted again.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from ledger.errors import LedgerError
from ledger.log.canonical import format_time, parse_time
from workers.durable import write_whole

logger = structlog.get_logger(__name__)

SLOT: Final = 128
"""Bytes of one ending, its newline included; a slot lies within one block of a disk."""
SLOTS: Final = 2048
"""How many endings have their room beforehand; more make the file longer, if the disk lets them."""
_BLANK: Final = b" " * (SLOT - 1) + b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Request `request` was taken away at `happened_at`."""

    request: int
    happened_at: datetime


class Journal:
    """One JSON line an ending, synced before it counts. Several processes may share it.

    Args:
        path: the file; its folder may share a disk with the ledger once `prepare` made room.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def prepare(self) -> None:
        """Make the file at its full size, with what is noted in it; raises OSError when there is no room for that."""
        with self._alone():
            if not self._in_slots():
                self._write_anew()

    def note(self, ending: Ending) -> None:
        """Keep `ending` through a crash; noting the same request again changes nothing."""
        with self._alone():
            if any(each.request == ending.request for each in self.read()):
                return
            if not self._in_slots():
                self._write_anew()
            self._put(self._free(), _slot(ending))

    def read(self) -> list[Ending]:
        """Return every ending noted and not yet entered."""
        if not self._path.exists():
            return []
        lines = self._path.read_text(errors="replace").split("\n")
        endings = [_ending(line) for line in lines if line.strip()]
        return [ending for ending in endings if ending is not None]

    def drain(self, enter: Callable[[Ending], bool]) -> None:
        """Enter every ending; those that `enter` could not enter, or that came meanwhile, stay noted."""
        entered = [ending for ending in self.read() if enter(ending)]
        if not entered:
            return
        with self._alone():
            if not self._in_slots():
                self._write_anew()
            for place, slot in enumerate(self._slots()):
                if slot.strip() and _ending(slot.decode(errors="replace")) in entered:
                    self._put(place, _BLANK)

    # -- slots ------------------------------------------------------------------------------------------------------

    def _slots(self) -> list[bytes]:
        data = self._path.read_bytes()
        return [data[start : start + SLOT] for start in range(0, len(data), SLOT)]

    def _in_slots(self) -> bool:
        """Whether the file has its full size, and every slot begins behind the end of a line."""
        if not self._path.exists():
            return False
        slots = self._slots()
        return len(slots) >= SLOTS and all(len(slot) == SLOT and slot.endswith(b"\n") for slot in slots)

    def _free(self) -> int:
        """The first slot without an ending; behind the last one when there is none."""
        slots = self._slots()
        taken = (bool(slot.strip()) and _ending(slot.decode(errors="replace")) is not None for slot in slots)
        return next((place for place, is_taken in enumerate(taken) if not is_taken), len(slots))

    def _put(self, place: int, slot: bytes) -> None:
        """Write one slot in place and sync it; what could not be synced does not stand."""
        with self._path.open("r+b", buffering=0) as file:
            try:
                os.pwrite(file.fileno(), slot, place * SLOT)
                os.fsync(file.fileno())
            except OSError:
                os.pwrite(file.fileno(), _BLANK, place * SLOT)
                raise

    def _write_anew(self) -> None:
        """Write the file at its full size, with what is noted in it."""
        slots = [_slot(ending) for ending in self.read()]
        write_whole(self._path, b"".join([*slots, *[_BLANK] * (SLOTS - len(slots))]))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _slot(ending: Ending) -> bytes:
    line = json.dumps({"request": ending.request, "happened_at": format_time(ending.happened_at)})
    return line.ljust(SLOT - 1).encode() + b"\n"


def _ending(line: str) -> Ending | None:
    try:
        body = json.loads(line)
        ending = Ending(request=body["request"], happened_at=parse_time(body["happened_at"]))
    except (ValueError, KeyError, TypeError, LedgerError):
        logger.warning("a line of the journal is not an ending; it is left out")
        return None
    return ending if type(ending.request) is int else None
