"""What became of calls, by version and minute: refused, failed, or answered in another shape than was asked for.

Counted in memory and written every few seconds, so that a call costs nothing more; what a process that died had not
written yet is lost, and no evidence.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import structlog

from workers.endpoint.calls import Call
from workers.opened import opened

logger = structlog.get_logger(__name__)

FILE: Final = "outcomes.sqlite3"
"""The table in the folder of served models."""
WRITE_S: Final = 2.0
KEPT_S: Final = 86_400
_LONGEST: Final = 256 * 1024
"""Characters of an answer whose shape is looked at."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS outcome (minute INTEGER NOT NULL, place TEXT NOT NULL, digest TEXT NOT NULL,
    what TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (minute, place, digest, what)) STRICT, WITHOUT ROWID;
"""


@dataclass(slots=True)
class Hearing:
    """What is heard of one call."""

    call: Call
    refused: bool = False
    failed: bool = False
    ended: bool = False
    _texts: dict[int, str] | None = None

    def hear(self, piece: Mapping[str, Any]) -> None:
        """Take note of an answer, or of a piece of one."""
        for choice in piece.get("choices") or ():
            match choice:
                case {"finish_reason": "content_filter"} | {"message": {"refusal": str()}}:
                    self.refused = True
                case {"finish_reason": str()}:
                    self.ended = True
            if self.asked_for_schema:
                self._keep(choice)

    @property
    def asked_for_schema(self) -> bool:
        """Whether the caller asked for JSON."""
        return self.call.body.get("response_format", {}).get("type") in {"json_schema", "json_object"}

    def outcomes(self) -> Iterator[str]:
        """Yield what the call counts as."""
        yield "calls"
        if self.failed:
            yield "failed"
        elif self.refused:
            yield "refused"
        elif self.asked_for_schema and self.ended:
            yield "asked_for_schema"
            if not all(_fits(self.call, text) for text in (self._texts or {}).values()):
                yield "unfit"

    def _keep(self, choice: Any) -> None:
        match choice:
            case {"index": int(at), "message": {"content": str(text)}} | {
                "index": int(at),
                "delta": {"content": str(text)},
            }:
                texts = self._texts = self._texts or {}
                if len(known := texts.get(at, "")) < _LONGEST:
                    texts[at] = known + text


class Outcomes:
    """The counts of one endpoint, and the table in the file at `path` that all of them write."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counts: Counter[tuple[int, str, str, str]] = Counter()

    def note(self, place: str, digest: str, hearing: Hearing, at: float) -> None:
        """Count a call that is over.

        Args:
            place: such as `fraud-detector@production`.
            at: seconds since the epoch.
        """
        for what in hearing.outcomes():
            self._counts[int(at // 60), place, digest, what] += 1

    async def run(self) -> None:
        """Write now and then."""
        while True:
            await asyncio.sleep(WRITE_S)
            await asyncio.to_thread(self.write)

    def write(self) -> None:
        """Write what was counted; what cannot be written now is kept for the next time."""
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        put = "INSERT INTO outcome VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count"
        try:
            with opened(self._path, _SCHEMA) as tx:
                tx.execute("BEGIN IMMEDIATE")
                tx.executemany(put, [(*key, count) for key, count in counts.items()])
                tx.execute("DELETE FROM outcome WHERE minute < ?", (max(key[0] for key in counts) - KEPT_S // 60,))
                tx.execute("COMMIT")
        except sqlite3.Error as error:
            self._counts.update(counts)
            logger.warning("what became of calls cannot be written yet", error=type(error).__name__)

    def between(self, place: str, digest: str, since: float, until: float) -> dict[str, int]:
        """Return how many calls to a version became what, in the minutes that begin between two times."""
        sql = "SELECT what, sum(count) FROM outcome WHERE place = ? AND digest = ? AND minute BETWEEN ? AND ? GROUP BY what"
        with opened(self._path, _SCHEMA) as tx:
            return dict(tx.execute(sql, (place, digest, int(since // 60), int(until // 60))).fetchall())


def _fits(call: Call, text: str) -> bool:
    """Whether an answer has the shape that was asked for: JSON, and of a schema's object every field that it requires.

    A caller's schema is not run here: its expressions could keep the endpoint from answering anybody else.
    """
    try:
        value = orjson.loads(text)
    except ValueError:
        return False
    match call.body["response_format"]:
        case {"json_schema": {"schema": {"type": "object", "required": [*required]}}}:
            return isinstance(value, dict) and all(name in value for name in required if isinstance(name, str))
        case {"json_schema": {"schema": {"type": "object"}}} | {"type": "json_object"}:
            return isinstance(value, dict)
    return True
