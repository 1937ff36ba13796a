"""Looking for side doors as law: every scan of a backend, clean or not, what it found, and how that ended.

One stream a backend (`watch:gpu_pool`), and one for the clock itself (`watch:clock`), whose hourly beat shows that
somebody was looking at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Final

from ledger.nouns import Personal
from ledger.streams.codec import Entry, registry_of
from ledger.streams.law import Place, refuse, require


class Fault(StrEnum):
    """What a scan can find."""

    UNEXPLAINED = "access without a grant"
    LOST = "grant without access"
    WRONG = "access beyond its grant"
    UNSEEN = "scan missed"
    """Nobody looked in time, or the backend could not be read."""


class Outcome(StrEnum):
    """How a finding ended."""

    GONE = "gone"
    """A later scan no longer saw it."""
    REVERTED = "taken away"
    """An approved revert took it away, and it was looked at again."""
    EXPLAINED = "explained"
    """An approved request says that it is known, until the end that its form names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled(Entry):
    """A backend was compared with the ledger: what was seen, in one digest, and how many faults stood then."""

    kind: ClassVar[str] = "watch.reconciled"
    scope: str
    holdings: int
    faults: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Entry):
    """A side door, entered once while it stands.

    `finding` is a random name: a digest of who and what it is about could be guessed back from the leaf.
    """

    kind: ClassVar[str] = "watch.found"
    finding: str
    fault: Fault
    request: int | None
    who: Personal
    what: Personal


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed(Entry):
    """A finding no longer stands; `request` is the one that reverted or explained it."""

    kind: ClassVar[str] = "watch.closed"
    finding: str
    outcome: Outcome
    request: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat(Entry):
    """The clock is alive: how many requests are open, and since when the longest due one waits (seconds)."""

    kind: ClassVar[str] = "watch.beat"
    open: int
    due_for_s: int


ENTRIES: Final = registry_of(Reconciled, Found, Closed, Beat)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A finding that stands."""

    finding: str
    fault: Fault
    request: int | None
    who: Personal
    what: Personal
    since: datetime
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What is known about one backend."""

    version: int = 0
    scanned_at: datetime | None = None
    digest: str = ""
    beat_at: datetime | None = None
    findings: tuple[Finding, ...] = ()
    explained: tuple[tuple[Finding, int], ...] = ()
    """What a request explained, with its number; its form says until when."""

    def finding(self, name: str) -> Finding | None:
        """Return a finding that stands, None when it does not."""
        return next((each for each in self.findings if each.finding == name), None)


def evolve(state: Watch | None, entry: Entry, place: Place) -> Watch:
    """Return what is known after `entry`, or raise UnlawfulError when it may not follow."""
    watch = state or Watch()
    if isinstance(entry, Reconciled):
        after = _reconciled(watch, entry, place)
    elif isinstance(entry, Found):
        after = _found(watch, entry, place)
    elif isinstance(entry, Closed):
        after = _closed(watch, entry)
    elif isinstance(entry, Beat):
        after = replace(watch, beat_at=place.at)
    else:
        refuse(f"{entry.kind} does not belong to a watch")
    return replace(after, version=place.version)


def _reconciled(watch: Watch, entry: Reconciled, place: Place) -> Watch:
    standing = sum(each.fault is not Fault.UNSEEN for each in watch.findings)
    require(entry.holdings >= 0, "holdings are counted")
    require(entry.faults == standing, "a scan names every fault that stands")
    return replace(watch, scanned_at=place.at, digest=entry.digest)


def _closed(watch: Watch, entry: Closed) -> Watch:
    finding = watch.finding(entry.finding)
    if finding is None:
        refuse("no such finding stands")
    left = replace(watch, findings=tuple(f for f in watch.findings if f.finding != entry.finding))
    if entry.outcome is not Outcome.EXPLAINED:
        return left
    if entry.request is None:
        refuse("a request explains it")
    return replace(left, explained=(*watch.explained, (finding, entry.request)))


def _found(watch: Watch, entry: Found, place: Place) -> Watch:
    require(watch.finding(entry.finding) is None, "that finding stands already")
    finding = Finding(
        finding=entry.finding,
        fault=entry.fault,
        request=entry.request,
        who=entry.who,
        what=entry.what,
        since=place.at,
        seq=place.seq,
    )
    return replace(watch, findings=(*watch.findings, finding))
