"""What model servers said of themselves, kept for a day: one row a server and look. A mutable table and no evidence."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from workers.opened import opened
from workers.serving.figures import Reading, Window, between, joined

FILE: Final = "samples.sqlite3"
"""The table in the folder of served models."""
KEPT_S: Final = 86_400.0
_READING: Final = TypeAdapter(Reading)
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS sample (server TEXT NOT NULL, place TEXT NOT NULL, version TEXT NOT NULL,
    digest TEXT NOT NULL, at REAL NOT NULL, reading TEXT NOT NULL, PRIMARY KEY (server, at)) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sample_at ON sample (at);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Whose figures they are: a server, and the version that it serves in a place such as `fraud-detector@production`."""

    server: str
    place: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What the servers of one version in one place did, and how they stood at the end of it."""

    place: str
    version: str
    digest: str
    servers: int
    running: int
    waiting: int
    kv_cache: float
    window: Window


class Samples:
    """The table in the file at `path`; opened anew for each use, so that any process may look."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, rows: list[tuple[Source, Reading]]) -> None:
        """Keep what servers said, and drop what is older than a day."""
        put = "INSERT OR REPLACE INTO sample VALUES (?, ?, ?, ?, ?, ?)"
        with opened(self._path, _SCHEMA) as tx:
            tx.executemany(put, [(s.server, s.place, s.version, s.digest, r.at, _written(r)) for s, r in rows])
            newest = max((reading.at for _, reading in rows), default=0.0)
            tx.execute("DELETE FROM sample WHERE at < ?", (newest - KEPT_S,))

    def spans(self, since: float, until: float) -> list[Span]:
        """Return what each version did in each place between two times, seconds since the epoch; by place, then version.

        What a server did before it was looked at for the first time, such as its evaluation, counts to that first look.
        """
        sql = "SELECT server, place, version, digest, reading FROM sample WHERE at BETWEEN ? AND ? ORDER BY server, at"
        servers: dict[Source, list[Reading]] = {}
        with opened(self._path, _SCHEMA) as tx:
            for server, place, version, digest, reading in tx.execute(sql, (since, until)):
                source = Source(server=server, place=place, version=version, digest=digest)
                servers.setdefault(source, []).append(_READING.validate_python(json.loads(reading)))
            first = dict(tx.execute("SELECT server, min(at) FROM sample GROUP BY server"))
        lines: dict[tuple[str, str, str], list[list[Reading]]] = {}
        for source, readings in servers.items():
            fresh = [Reading(at=readings[0].at)] if readings[0].at == first[source.server] else []
            lines.setdefault((source.place, source.version, source.digest), []).append([*fresh, *readings])
        return [_span(*line, lines[line]) for line in sorted(lines)]


def _written(reading: Reading) -> str:
    """As JSON with `Infinity`: the last bucket has no end."""
    return json.dumps(asdict(reading))


def _span(place: str, version: str, digest: str, servers: list[list[Reading]]) -> Span:
    last = [readings[-1] for readings in servers]
    return Span(
        place=place,
        version=version,
        digest=digest,
        servers=len(servers),
        running=sum(each.running for each in last),
        waiting=sum(each.waiting for each in last),
        kv_cache=max(each.kv_cache for each in last),
        window=joined(_whole(readings) for readings in servers),
    )


def _whole(readings: list[Reading]) -> Window:
    """What one server did over all its readings: each step apart, as it may have been started anew in between."""
    steps = [between(before, after) for before, after in pairwise(readings)]
    seconds = readings[-1].at - readings[0].at
    whole = joined(steps)
    return Window(
        seconds=seconds,
        finished=whole.finished,
        prompt_tokens=whole.prompt_tokens,
        made_tokens=whole.made_tokens,
        first_token=whole.first_token,
        between_tokens=whole.between_tokens,
        whole=whole.whole,
    )
