"""When a server that stands in no route any more may be ended: nobody can send it anything, and it works on nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BEAT_S: Final = 5.0
"""An endpoint that was not heard of for so long is dead, and its connections with it."""
LONGEST_S: Final = 1800.0
"""How long a server may go on with what it was asked before the switch."""
IDLE_LOOKS: Final = 2
"""How many looks in a row must find nothing: what was just accepted stands in no figure yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An endpoint by its last beat: which version of the table it routes by, and when that was."""

    version: int
    at: float


def endpoints(folder: Path) -> tuple[Endpoint, ...]:
    """Return the endpoints that left a beat; one whose file cannot be read counts as one that has seen nothing."""
    found = []
    for path in folder.glob("*.json"):
        try:
            at = path.stat().st_mtime
        except FileNotFoundError:
            continue
        found.append(Endpoint(version=_version(path), at=at))
    return tuple(found)


def _version(path: Path) -> int:
    try:
        body = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return -1
    match body:
        case {"version": int(version)}:
            return version
    return -1


def seen_by_all(known: tuple[Endpoint, ...], version: int, now: float) -> bool:
    """Whether every living endpoint routes by this version of the table or a later one."""
    return all(endpoint.version >= version for endpoint in known if now - endpoint.at < BEAT_S)
