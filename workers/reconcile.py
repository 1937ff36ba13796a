"""Comparing one backend with the ledger, and entering what was found, what is over, and that somebody looked.

Nobody is accused after one look: a grant that starts or ends meanwhile moves its request, or is gone at the second.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ledger.book import Book, Write
from ledger.errors import UnlawfulError, VersionConflictError
from ledger.log.canonical import canonical
from ledger.nouns import Personal
from ledger.streams.codec import Entry
from ledger.streams.request import Request
from ledger.streams.watch import Closed, Fault, Found, Outcome, Reconciled, Watch
from workers.compare import Doubt, about, doubts
from workers.errors import BackendError
from workers.executors.base import Executor, Holding, Lists
from workers.room import CLOCK, Room

PAUSE_S: Final = 2.0
"""How long after a first look that found something the second one is."""
TRIES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one backend held at a moment, and what of it is not as ordered."""

    holdings: tuple[Holding, ...]
    doubts: tuple[Doubt, ...]

    def also(self, earlier: Look) -> Look:
        """Return this look with only the doubts that an earlier one had too."""
        seen = {doubt.about for doubt in earlier.doubts}
        return Look(holdings=self.holdings, doubts=tuple(doubt for doubt in self.doubts if doubt.about in seen))


class Keys:
    """Which request a grant key was given to, learned from the ledger as it grows."""

    def __init__(self, book: Book) -> None:
        self._book, self._cursor = book, 0
        self._numbers: dict[str, int] = {}

    def request(self, key: str) -> Request | None:
        """Return the request that was dispatched under `key`, None when no dispatch names it."""
        if key not in self._numbers:
            self._learn()
        number = self._numbers.get(key)
        return self._book.request(number) if number is not None else None

    def _learn(self) -> None:
        for stored in self._book.follow(self._cursor):
            self._cursor = stored.seq + 1
            if stored.kind == "request.dispatched":
                self._numbers[str(stored.body["grant_key"])] = int(stored.stream.partition(":")[2])


def look(room: Room, executor: Executor, keys: Keys) -> Look:
    """Compare once; a request that moved while the backend answered is in no doubt.

    Raises:
        BackendError: the backend cannot say what it holds.
    """
    if not isinstance(executor, Lists):
        raise BackendError(f"{executor.name} cannot list what it holds")
    before = _open(room, executor)
    holdings = tuple(dict.fromkeys(executor.holdings()))
    after = _open(room, executor)
    requests = {**before, **after, **_named(holdings, keys)}
    moved = {r.number for key, r in requests.items() if key in before and before[key].version != r.version}
    found = doubts(requests, holdings, executor.name, room.clock())
    return Look(holdings=holdings, doubts=tuple(doubt for doubt in found if doubt.request not in moved))


def look_twice(
    room: Room,
    executor: Executor,
    keys: Keys,
    *,
    pause_s: float = PAUSE_S,
    wait: Callable[[float], object] = time.sleep,
) -> Look:
    """Look, and again where something seemed wrong; what only one look saw is nothing. Raises BackendError."""
    first = look(room, executor, keys)
    if not first.doubts:
        return first
    wait(pause_s)
    return look(room, executor, keys).also(first)


def reconcile(
    room: Room, executor: Executor, keys: Keys | None = None, *, actor: str = CLOCK, pause_s: float = PAUSE_S
) -> Watch:
    """Look at one backend and enter the scan, what is new and what is over; return what stands.

    Raises:
        BackendError: the backend cannot say what it holds; nothing was entered.
        ReadOnlyError, BusyError: the ledger cannot be written now.
    """
    seen = look_twice(room, executor, keys or Keys(room.book), pause_s=pause_s)

    def entries(watch: Watch) -> tuple[Entry, ...]:
        return _entries(executor.name, watch, unexplained(room, executor.name, seen))

    return _enter(room.book, executor.name, entries, actor)


def unseen(book: Book, backend: str, why: str, *, actor: str = CLOCK) -> Watch:
    """Enter that a scan could not be done; once, while nobody has looked since."""

    def entries(watch: Watch) -> tuple[Entry, ...]:
        if any(finding.fault is Fault.UNSEEN for finding in watch.findings):
            return ()
        return (_found(Fault.UNSEEN, None, "", why),)

    return _enter(book, backend, entries, actor)


def _enter(book: Book, backend: str, entries: Callable[[Watch], tuple[Entry, ...]], actor: str) -> Watch:
    """Append what follows from what stands; two who look at once do not enter the same thing twice."""
    for _ in range(TRIES):
        watch = book.watch(backend)
        writing = entries(watch)
        if not writing:
            return watch
        try:
            book.append(Write(stream=f"watch:{backend}", expected=watch.version, entries=writing, actor=actor))
        except (VersionConflictError, UnlawfulError):
            continue
        return book.watch(backend)
    raise BackendError(f"others enter scans of {backend} all the time; try again")


def unexplained(room: Room, backend: str, seen: Look) -> Look:
    """Return the look without what an approved request says is known, and still is: exactly that access, until its end."""
    explained = {about(finding) for finding, _ in room.book.explained(backend)}
    return Look(holdings=seen.holdings, doubts=tuple(doubt for doubt in seen.doubts if doubt.about not in explained))


def _entries(backend: str, watch: Watch, seen: Look) -> tuple[Entry, ...]:
    standing = {about(finding): finding for finding in watch.findings}
    now = {doubt.about: doubt for doubt in seen.doubts}
    over = [Closed(finding=f.finding, outcome=Outcome.GONE) for each, f in standing.items() if each not in now]
    fresh = [_found(*each) for each in now if each not in standing]
    scan = Reconciled(
        scope=f"{backend}: everything it lists",
        holdings=len(seen.holdings),
        faults=len(now),
        digest=_digest(seen.holdings),
    )
    return (*over, *fresh, scan)


def _found(fault: Fault, request: int | None, who: str, what: str) -> Found:
    """Return a new finding. Its name is random: a digest of who it is about could be guessed back from the leaf."""
    return Found(finding=secrets.token_hex(16), fault=fault, request=request, who=Personal(who), what=Personal(what))


def _digest(holdings: tuple[Holding, ...]) -> str:
    """Return SHA-256 over what was seen under our keys and how much was not, 64 hex digits; no names of people."""
    keys = sorted(holding.key for holding in holdings if holding.key is not None)
    return hashlib.sha256(canonical({"keys": keys, "foreign": len(holdings) - len(keys)})).hexdigest()


def _open(room: Room, executor: Executor) -> dict[str, Request]:
    """Every open request that this executor was told of, by grant key: what was never dispatched has none."""
    requests = map(room.book.request, room.book.requests.open(stage="held"))
    return {r.grant_key: r for r in requests if r is not None and r.grant_key and r.executor == executor.name}


def _named(holdings: tuple[Holding, ...], keys: Keys) -> dict[str, Request]:
    named = ((h.key, keys.request(h.key)) for h in holdings if h.key is not None)
    return {key: request for key, request in named if request is not None}
