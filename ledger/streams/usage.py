"""What a key to a model was used for, hour by hour: entered by the clock from the endpoint's counters, each hour once.

One stream a request (`usage:1042`). Hours rise, so that an hour which was entered before a crash cannot be entered again
after it. That the request is a key, and was granted, is law between streams (`crossing.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar, Final

from ledger.streams.codec import Entry, registry_of
from ledger.streams.law import Place, refuse, require

PREFIX: Final = "usage:"
_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted(Entry):
    """In the hour that begins at `hour` the key made so many calls, which cost so many tokens."""

    kind: ClassVar[str] = "usage.counted"
    hour: datetime
    calls: int
    tokens: int


ENTRIES: Final = registry_of(Counted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a key was used for in the hours before `until`, all of them together."""

    version: int = 0
    until: datetime | None = None
    calls: int = 0
    tokens: int = 0


def stream_of(request: int) -> str:
    """Return the stream of a request's use."""
    return f"{PREFIX}{request}"


def evolve(state: Used | None, entry: Entry, place: Place) -> Used:
    """Return what was used after `entry`, or raise UnlawfulError when it may not follow."""
    used = state or Used()
    if not isinstance(entry, Counted):
        refuse(f"{entry.kind} does not belong to a use")
    require(place.actor.startswith("svc:"), "a service counts")
    require(entry.hour == entry.hour.replace(minute=0, second=0, microsecond=0), "hours are whole")
    require(used.until is None or entry.hour >= used.until, "that hour was counted")
    require(place.at >= entry.hour + _HOUR, "that hour is not over")
    require(entry.calls > 0 and entry.tokens >= 0, "calls and tokens are counted")
    return replace(
        used,
        version=place.version,
        until=entry.hour + _HOUR,
        calls=used.calls + entry.calls,
        tokens=used.tokens + entry.tokens,
    )
