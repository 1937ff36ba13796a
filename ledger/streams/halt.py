"""The kill switch as law: what is stopped, by whom and since when; lifted only by somebody else.

While something is stopped nothing of it is approved, dispatched or extended. Endings go on. Whoever moves a request
names the version of this stream that they read, in the same transaction, so that no halt slips in between.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar, Final

from ledger.nouns import Personal
from ledger.streams.codec import Entry, registry_of
from ledger.streams.law import Place, refuse, require

STREAM: Final = "halt"
EVERYTHING: Final = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Halted(Entry):
    """Somebody stopped a resource, or everything (`*`)."""

    kind: ClassVar[str] = "halt.halted"
    resource: str
    by: str
    rule: str
    reason: Personal


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifted(Entry):
    """A second person lets it go on."""

    kind: ClassVar[str] = "halt.lifted"
    resource: str
    by: str
    rule: str
    reason: Personal


ENTRIES: Final = registry_of(Halted, Lifted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """What is stopped now."""

    resource: str
    by: str
    rule: str
    reason: Personal
    since: datetime
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """A stop that is over: [since, until). `seq` is the entry that began it, `until_seq` the one that ended it."""

    resource: str
    since: datetime
    until: datetime
    lifted_by: str
    seq: int
    until_seq: int
    reason: Personal
    """Why it was lifted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Halts:
    """Everything that is stopped, and was."""

    version: int = 0
    stops: tuple[Stop, ...] = ()
    past: tuple[Spell, ...] = ()

    def over(self, resource: str) -> Stop | None:
        """Return the stop that `resource` is under now, the widest first; None when it may go on."""
        covering = [stop for stop in self.stops if covers(stop.resource, resource)]
        return min(covering, key=lambda stop: (stop.resource != EVERYTHING, stop.since), default=None)

    def stopped_for(self, resource: str, start: datetime, end: datetime) -> timedelta:
        """Return how much of [start, end) the resource was stopped; overlapping stops count once."""
        spells = [(s.since, s.until) for s in self.past if covers(s.resource, resource)]
        spells += [(s.since, end) for s in self.stops if covers(s.resource, resource)]
        total, reached = timedelta(), start
        for since, until in sorted(spells):
            since, until = max(since, reached), min(until, end)  # noqa: PLW2901 clipped to what was not counted yet
            if since < until:
                total, reached = total + (until - since), until
        return total


def evolve(state: Halts | None, entry: Entry, place: Place) -> Halts:
    """Return what is stopped after `entry`, or raise UnlawfulError when it may not follow."""
    halts = state or Halts()
    if isinstance(entry, Halted):
        after = _halted(halts, entry, place)
    elif isinstance(entry, Lifted):
        after = _lifted(halts, entry, place)
    else:
        refuse(f"{entry.kind} does not halt anything")
    return replace(after, version=place.version)


def _halted(halts: Halts, entry: Halted, place: Place) -> Halts:
    require(place.actor == entry.by and entry.by.startswith("user:"), "a person halts, in their own name")
    require(bool(entry.rule), "a halt names its rule")
    require(_stop(halts, entry.resource) is None, f"{entry.resource} is halted already")
    stop = Stop(
        resource=entry.resource, by=entry.by, rule=entry.rule, reason=entry.reason, since=place.at, seq=place.seq
    )
    return replace(halts, stops=(*halts.stops, stop))


def _lifted(halts: Halts, entry: Lifted, place: Place) -> Halts:
    stop = _stop(halts, entry.resource)
    require(place.actor == entry.by and entry.by.startswith("user:"), "a person lifts, in their own name")
    require(bool(entry.rule), "lifting names its rule")
    if stop is None:
        refuse(f"{entry.resource} is not halted")
    require(stop.by != entry.by, "whoever halted does not lift it")
    spell = Spell(
        resource=stop.resource,
        since=stop.since,
        until=place.at,
        lifted_by=entry.by,
        seq=stop.seq,
        until_seq=place.seq,
        reason=entry.reason,
    )
    return replace(halts, stops=tuple(each for each in halts.stops if each is not stop), past=(*halts.past, spell))


def _stop(halts: Halts, resource: str) -> Stop | None:
    return next((stop for stop in halts.stops if stop.resource == resource), None)


def covers(halted: str, resource: str) -> bool:
    """Whether what is halted stops `resource`."""
    return halted in {EVERYTHING, resource}
