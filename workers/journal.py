"""A synced local journal of endings, for the time in which the ledger cannot be written.

Endings fail safe: access is taken away all the same, noted here, and entered afterwards as `EndedUnlogged`.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ledger.log.canonical import format_time, parse_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Request `request` was taken away at `happened_at`."""

    request: int
    happened_at: datetime


class Journal:
    """One JSON line an ending, synced before it counts.

    Args:
        path: the file; its folder should not share a file system with the ledger.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, ending: Ending) -> None:
        """Keep `ending` through a crash; noting the same request again changes nothing."""
        if any(known.request == ending.request for known in self.read()):
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"request": ending.request, "happened_at": format_time(ending.happened_at)})
        with self._path.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> list[Ending]:
        """Return every ending noted and not yet entered; a half-written last line is ignored."""
        if not self._path.exists():
            return []
        lines = self._path.read_text().split("\n")[:-1]
        bodies = [json.loads(line) for line in lines if line.endswith("}")]
        return [Ending(request=body["request"], happened_at=parse_time(body["happened_at"])) for body in bodies]

    def drain(self, enter: Callable[[Ending], bool]) -> None:
        """Enter every ending; those that `enter` could not enter stay noted."""
        endings = self.read()
        left = [ending for ending in endings if not enter(ending)]
        if endings and not left:
            self._path.unlink(missing_ok=True)
