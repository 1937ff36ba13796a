"""The book: typed reading and lawful writing of the ledger.

`append` folds every stream it touches before it hands the drafts to the store, so an illegal history cannot be written
through it; the expected versions make sure that nothing moved between the check and the commit.
"""

from __future__ import annotations

import shutil
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

from ledger.errors import DiskLowError, UnlawfulError, VersionConflictError
from ledger.index import SCHEMA, project
from ledger.log.memory import MemoryStore
from ledger.log.sqlite import SqliteStore
from ledger.log.store import ANY, Clock, Move, Receipt, Store, Stored
from ledger.nouns import ExplainForm
from ledger.streams import crossing, halt, law_of, question
from ledger.streams.budget import Budget
from ledger.streams.codec import Entry, draft, entry_of
from ledger.streams.halt import Halts
from ledger.streams.holding import Holding, stream_of
from ledger.streams.house import Opened, People, Policies
from ledger.streams.law import Place
from ledger.streams.model import Model
from ledger.streams.pool import Pool
from ledger.streams.question import Questions
from ledger.streams.request import Request
from ledger.streams.usage import Used
from ledger.streams.usage import stream_of as usage_of
from ledger.streams.watch import Finding, Watch
from ledger.views import RequestIndex

FIRST_NUMBER: Final = 1001
RESERVE: Final = 64 * 1024 * 1024
"""Bytes of the ledger's disk below which nothing begins any more: room for the endings of everything that runs."""
BEGINNINGS: Final = frozenset(
    f"request.{step}"
    for step in (
        "submitted",
        "lowered",
        "accepted",
        "approved",
        "queued",
        "dispatched",
        "extension-asked",
        "extended",
        "credential-shown",
    )
)
"""Entries by which something begins or goes on; what is denied, fails or ends is entered as long as it can be."""
_CACHED_STREAMS: Final = 4096


def utc_now() -> datetime:
    """Return the time now, aware UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Entries for one stream, by one actor; `expected` is the version they were decided on (or ANY).

    Without entries it only insists that the stream still stands there: what was decided on cannot have moved.
    """

    stream: str
    expected: int
    entries: tuple[Entry, ...]
    actor: str


class Book:
    """The ledger as the other folders see it. Safe to share between threads; one a process.

    Args:
        store: where entries are kept; must project `ledger.views`.
        clock: now, for checking laws on time before the store gives the entry its own.
        disk_low: whether so little room is left that only endings are entered.
    """

    def __init__(self, store: Store, *, clock: Clock = utc_now, disk_low: Callable[[], bool] = lambda: False) -> None:
        self.store = store
        self._disk_low = disk_low
        self.clock = clock
        self.requests = RequestIndex(store)
        self._folded: OrderedDict[str, tuple[int, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def append(self, *writes: Write) -> Receipt:
        """Write every entry in one transaction and return when it is durable.

        Raises:
            UnlawfulError: an entry may not follow; nothing was written.
            VersionConflictError: a stream moved since it was read; nothing was written.
            ReadOnlyError, BusyError: the ledger cannot be written now.
            DiskLowError: its disk is almost full, and one of the entries begins or goes on with something.
        """
        if any(entry.kind in BEGINNINGS for write in writes for entry in write.entries) and self._disk_low():
            raise DiskLowError("free some room")
        after: dict[str, Any] = {}
        for write in writes:
            self._check(write, after)
        moves = [
            Move(
                stream=write.stream,
                expected=write.expected,
                drafts=tuple(draft(entry, actor=write.actor) for entry in write.entries),
            )
            for write in writes
        ]
        return self.store.append(moves)

    def state(self, stream: str) -> Any:
        """Return the fold of `stream`, None when it has no entries."""
        return self._fold(stream)[1]

    def request(self, number: int) -> Request | None:
        """Return request `number`, None when there is none."""
        return cast("Request | None", self.state(f"request:{number}"))

    def pool(self, name: str) -> Pool:
        """Return the pool `name` (without prefix), empty when nobody wrote of it yet."""
        return self.state(f"pool:{name}") or Pool()

    def people(self) -> People:
        """Return who has a subject id."""
        return self.state("people") or People()

    def policy(self) -> Policies:
        """Return which policy is in force by the ledger."""
        return self.state("policy") or Policies()

    def halts(self) -> Halts:
        """Return what is stopped now."""
        return self.state(halt.STREAM) or Halts()

    def budget(self, team: str) -> Budget:
        """Return the budget of a team (`vision`, without prefix), empty when it never had one."""
        return self.state(f"budget:{team}") or Budget()

    def holding(self, subject: str) -> Holding:
        """Return whose turn it was last among a subject's requests."""
        return self.state(stream_of(subject)) or Holding()

    def questions(self, number: int) -> Questions:
        """Return what waits for an answer with the key that request `number` granted."""
        return self.state(question.stream_of(number)) or Questions()

    def model(self, name: str) -> Model:
        """Return what is known about a model (`fraud-detector`), empty when nobody registered a version of it."""
        return self.state(f"model:{name}") or Model()

    def models(self) -> dict[str, Model]:
        """Return what is known about every model of which a version was registered, by its name."""
        return {name: self.model(name) for name in self._named("model")}

    def watch(self, name: str) -> Watch:
        """Return what is known about one backend (`gpu_pool`), or the clock (`clock`)."""
        return self.state(f"watch:{name}") or Watch()

    def watched(self) -> dict[str, Watch]:
        """Return what is known about every backend that was ever looked at, by its name."""
        return {name: self.watch(name) for name in self._named("watch") if name != "clock"}

    def _named(self, kind: str) -> list[str]:
        """Return the names of the streams of a kind, such as `watch`."""
        sql = "SELECT stream FROM entry WHERE stream >= ? AND stream < ? AND version = 1 ORDER BY stream"
        return [str(stream).partition(":")[2] for (stream,) in self.store.query(sql, (f"{kind}:", f"{kind};"))]

    def explained(self, name: str) -> tuple[tuple[Finding, Request], ...]:
        """Return each side door of a backend that is known for now, with the request that says so and until when."""
        found = ((finding, self.request(number)) for finding, number in self.watch(name).explained)
        return tuple((finding, request) for finding, request in found if request is not None and self._known(request))

    def _known(self, request: Request) -> bool:
        return isinstance(request.form, ExplainForm) and self.clock() < request.form.until

    def used(self, number: int) -> Used:
        """Return what the key of a request was used for by the last hour that was counted, nothing before the first."""
        return self.state(usage_of(number)) or Used()

    def genesis(self) -> Opened | None:
        """Return the genesis entry, None for an empty ledger."""
        return cast("Opened | None", self.state("ledger"))

    def next_number(self) -> int:
        """Return the number the next request may take; taking it is a race that the stream's version settles."""
        return max(FIRST_NUMBER, self.requests.last() + 1)

    def follow(self, cursor: int) -> Iterator[Stored]:
        """Yield the sealed entries from seq `cursor` on."""
        return self.store.scan(cursor)

    def _check(self, write: Write, after: dict[str, Any]) -> None:
        """Fold the entries of one write; `after` holds what the writes before it made of their streams."""
        law = law_of(write.stream)
        version, state = self._fold(write.stream)
        if write.expected not in {ANY, version}:
            raise VersionConflictError(write.stream, write.expected, version)
        for offset, entry in enumerate(write.entries, start=1):
            if (entry.kind, entry.v) not in law.entries:
                raise UnlawfulError(f"{entry.kind} does not belong to {write.stream}")
            place = Place(at=self.clock(), actor=write.actor, version=version + offset, stream=write.stream)
            crossing.check_models(self._seen(after), write.stream, entry)
            state = law.evolve(state, entry, place)
            after[write.stream] = state

    def _seen(self, after: dict[str, Any]) -> Callable[[str], Any]:
        """Return the look-up of a stream's fold, as what is written with it leaves it so far."""
        return lambda stream: after[stream] if stream in after else self.state(stream)

    def _fold(self, stream: str) -> tuple[int, Any]:
        with self._lock:
            version, state = self._folded.get(stream, (0, None))
        law = law_of(stream)
        for stored in self.store.read(stream, version):
            state = law.evolve(state, entry_of(stored, law.entries), place_of(stored))
            version = stored.version
        with self._lock:
            self._folded[stream] = (version, state)
            self._folded.move_to_end(stream)
            while len(self._folded) > _CACHED_STREAMS:
                self._folded.popitem(last=False)
        return version, state


def place_of(stored: Stored) -> Place:
    """Return where and when `stored` stands."""
    return Place(at=stored.at, actor=stored.actor, seq=stored.seq, version=stored.version, stream=stored.stream)


def open_sqlite(path: Path, *, clock: Clock = utc_now, reserve: int = RESERVE) -> Book:
    """Return the book kept in the SQLite file at `path`, created when missing.

    Args:
        reserve: bytes of its disk that are left to endings.
    """
    store = SqliteStore(path, projectors=(project,), schema=SCHEMA, clock=clock)
    return Book(store, clock=clock, disk_low=lambda: _free(path) < reserve)


def _free(path: Path) -> int:
    """Return the bytes that are free on the disk of `path`; all that anybody could want where it cannot be told."""
    try:
        return shutil.disk_usage(path.parent).free
    except OSError:
        return sys.maxsize


def open_memory(*, clock: Clock = utc_now) -> Book:
    """Return a book kept in memory, for tests."""
    return Book(MemoryStore(projectors=(project,), schema=SCHEMA, clock=clock), clock=clock)
