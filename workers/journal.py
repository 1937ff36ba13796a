"""A synced local journal of endings, for the time in which the ledger cannot be written.

Endings fail safe: access is taken away all the same, noted here, and entered afterwards as `EndedUnlogged`. A line that
was not written whole never counted: its ending is due still, and taken away and noted again.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from ledger.errors import LedgerError
from ledger.log.canonical import format_time, parse_time

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Request `request` was taken away at `happened_at`."""

    request: int
    happened_at: datetime


class Journal:
    """One JSON line an ending, synced before it counts. Several processes may share it.

    Args:
        path: the file; its folder should not share a file system with the ledger.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, ending: Ending) -> None:
        """Keep `ending` through a crash; noting the same request again changes nothing."""
        with self._alone():
            known = self.read()
            if all(each.request != ending.request for each in known):
                self._keep([*known, ending])

    def read(self) -> list[Ending]:
        """Return every ending noted and not yet entered."""
        if not self._path.exists():
            return []
        endings = [_ending(line) for line in self._path.read_text(errors="replace").split("\n") if line]
        return [ending for ending in endings if ending is not None]

    def drain(self, enter: Callable[[Ending], bool]) -> None:
        """Enter every ending; those that `enter` could not enter, or that came meanwhile, stay noted."""
        entered = [ending for ending in self.read() if enter(ending)]
        if not entered:
            return
        with self._alone():
            self._keep(ending for ending in self.read() if ending not in entered)

    def _keep(self, endings: Iterable[Ending]) -> None:
        """Write the file anew, beside, synced, and rename: a crash leaves the old one or the new one."""
        lines = [
            json.dumps({"request": each.request, "happened_at": format_time(each.happened_at)}) for each in endings
        ]
        beside = self._path.with_suffix(".new")
        with beside.open("w") as file:
            file.writelines(line + "\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _ending(line: str) -> Ending | None:
    try:
        body = json.loads(line)
        ending = Ending(request=body["request"], happened_at=parse_time(body["happened_at"]))
    except (ValueError, KeyError, TypeError, LedgerError):
        logger.warning("a line of the journal is not an ending; it is left out")
        return None
    return ending if type(ending.request) is int else None
