"""The port of the log: what a store must do, and the values that travel through it.

A store keeps entries in one total order, gives each its place, time and version inside one lock, and never changes
what it holds. `MemoryStore` (memory.py) and `SqliteStore` (sqlite.py) both pass `tests/contracts/test_store.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    import sqlite3

ANY: Final = -1
"""An expected version that matches whatever is there: for streams without an invariant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A personal value beside its leaf: the leaf holds only SHA-256(salt || value).

    Args:
        field: dotted path in the body where the commitment stands.
        salt: 16 random bytes, fresh for each value.
        value: UTF-8 text; erasure deletes it and its salt.
    """

    field: str
    salt: bytes
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An entry before it has a place: everything but `at`, `stream`, `version`.

    Args:
        id: 32 lower-case hex digits, random; makes a retry recognisable.
        kind: the entry's tag, such as `request.submitted`.
        v: the version of that kind's body, from 1.
        actor: `user:<id>`, `svc:<name>` or `os:<user>`.
        body: canonical values only; personal fields already replaced by their commitments.
        sealed: the personal values behind those commitments.
    """

    id: str
    kind: str
    v: int
    actor: str
    body: Mapping[str, Any]
    sealed: tuple[Sealed, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Entries for one stream, lawful only if the stream stands at `expected` (0 = does not exist, or ANY)."""

    stream: str
    expected: int
    drafts: tuple[Draft, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An entry in its place.

    Args:
        seq: index of its leaf, from 0.
        version: place within its stream, from 1.
        at: aware UTC, never decreasing along `seq`, microseconds.
        data: the canonical bytes as hashed.
        sealed: what is left of the personal values, by field (erased ones are missing).
    """

    seq: int
    id: str
    stream: str
    version: int
    kind: str
    v: int
    at: datetime
    actor: str
    body: Mapping[str, Any]
    data: bytes
    leaf_hash: bytes
    sealed: Mapping[str, Sealed] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Proof of a durable append: the ids and places of the entries, in order, and the tree size after them."""

    ids: tuple[str, ...]
    seqs: tuple[int, ...]
    size: int

    def wait_sealed(self, timeout_s: float = 30.0) -> None:
        """Return once the entries are in the tree; at once where the append itself seals them."""


Projector = Callable[["sqlite3.Connection", Stored], None]
"""Folds an entry into read models inside the appending transaction: pure database work, no clock, no network."""

Clock = Callable[[], datetime]
"""Now, aware UTC."""


class Store(Protocol):
    """Where entries are kept. Thread-safe; several processes may share one SQLite file."""

    def append(self, moves: Sequence[Move]) -> Receipt:
        """Write every move in one transaction and return when it is durable.

        Appending drafts whose ids are all stored already (same streams) returns the original receipt.

        Raises:
            VersionConflictError: a stream is not at its expected version; nothing was written.
            NotCanonicalError: a body holds what an entry may not; nothing was written.
            ReadOnlyError: the database cannot be written.
            BusyError: the lock could not be had in time.
        """
        ...

    def in_turn(self) -> AbstractContextManager[object]:
        """Hold the turn of those who lost a race; whoever decides again meanwhile is alone among them.

        The same thread may take it again inside. Raises BusyError when it did not come in time.
        """
        ...

    def waited_for(self) -> bool:
        """Return whether somebody waits for their turn: whoever comes now would be unfair to go before them."""
        ...

    def read(self, stream: str, after: int = 0) -> list[Stored]:
        """Return the entries of `stream` with version > `after`, in order."""
        ...

    def scan(self, start: int = 0, stop: int | None = None) -> Iterator[Stored]:
        """Yield the entries with start <= seq < stop in order (to the end when `stop` is None)."""
        ...

    def version(self, stream: str) -> int:
        """Return the version of the last entry of `stream`, 0 if there is none."""
        ...

    def size(self) -> int:
        """Return the number of sealed entries."""
        ...

    def root(self, size: int | None = None) -> bytes:
        """Return the root hash of the first `size` entries (all when None); RFC 9162 2.1.1."""
        ...

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """Return the sibling hashes of leaf `index` in the tree of `size`, leaf side first."""
        ...

    def consistency_proof(self, old: int, new: int) -> list[bytes]:
        """Return the RFC 9162 2.1.4 proof that the tree of `old` is a prefix of that of `new`."""
        ...

    def leaf_hashes(self, start: int, stop: int) -> list[bytes]:
        """Return the leaf hashes of start <= seq < stop."""
        ...

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Read from the projected tables; refuses anything that would write."""
        ...

    def erase(self, commitments: Iterable[bytes]) -> int:
        """Delete the personal values behind `commitments`; return how many there were. Leaves stay as they are."""
        ...

    def close(self) -> None:
        """Release files and locks; safe to call twice."""
        ...
