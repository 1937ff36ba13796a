"""The endpoint's eye on the route table: swapped in when the file changes, and noted for whoever waits to end a server.

A server may be ended once every living endpoint has noted a table without it. An endpoint that is gone leaves no note
behind, and one that was killed leaves one that grows old.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Final

import structlog

from workers.endpoint.errors import TableError
from workers.endpoint.routes import Routes
from workers.endpoint.table import Table, read_table, shares

logger = structlog.get_logger(__name__)

LOOK_S: Final = 0.2
BEAT_S: Final = 1.0
"""How often the note is renewed; whoever reads it takes one older than 5 s for a dead endpoint's."""
FORGET_S: Final = 3600.0
"""How old a note is that is taken away: nobody asks after such an endpoint any more."""


class Follower:
    """Keeps `routes` as the table in the file at `path` says.

    Args:
        beats: the folder of the endpoints' notes; this one's is `<pid>.json`.
    """

    def __init__(self, path: Path, routes: Routes, beats: Path) -> None:
        self._path, self._routes, self._beats = path, routes, beats
        self._seen: tuple[int, int, int] | None = None
        self._noted_at = float("-inf")
        self.version = 0

    def look(self) -> bool:
        """Take over the table if its file changed, and return whether another one is in force now.

        A broken file is logged once, and the table before stays in force.
        """
        seen = _mark(self._path)
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            table = read_table(self._path)
        except TableError as error:
            logger.error("the route table is broken; the one before stays in force", detail=error.detail)  # noqa: TRY400
            return False
        return self._take(table)

    def note(self) -> None:
        """Note which table is in force; this one lives."""
        self._beats.mkdir(parents=True, exist_ok=True)
        beside = self._beats / f".{os.getpid()}.new"
        beside.write_text(json.dumps({"pid": os.getpid(), "version": self.version}))
        beside.replace(self._note)
        self._noted_at = time.monotonic()

    def leave(self) -> None:
        """Take the note away, and those of endpoints that died long ago."""
        for path in (self._note, *self._old()):
            path.unlink(missing_ok=True)

    async def run(self) -> None:
        """Look and note until cancelled; what a disk does wrong is logged, and tried again."""
        while True:
            try:
                changed = self.look()
                if changed or time.monotonic() - self._noted_at >= BEAT_S:
                    self.note()
            except OSError as error:
                logger.warning("the endpoint cannot note that it lives", detail=error.strerror)
            await asyncio.sleep(LOOK_S)

    @property
    def _note(self) -> Path:
        return self._beats / f"{os.getpid()}.json"

    def _take(self, table: Table) -> bool:
        if table.version < self.version:
            logger.warning("an older route table came back", version=table.version, before=self.version)
        self._routes.swap(shares(table))
        changed, self.version = table.version != self.version, table.version
        logger.info("routes", version=table.version, places=sorted(table.routes))
        return changed

    def _old(self) -> list[Path]:
        before = time.time() - FORGET_S
        return [path for path in self._beats.glob("*.json") if path.stat().st_mtime < before]


def _mark(path: Path) -> tuple[int, int, int] | None:
    """What changes whenever the file does: it is always replaced, never written in place."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
