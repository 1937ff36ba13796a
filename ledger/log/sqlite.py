"""A store in one SQLite file that several processes may share: group commit in each process behind the turnstile.

Every append waits for its place in a batch. The first waiter of a process becomes its leader: it takes the lock, writes
whatever waits by then in one transaction with one sync, and wakes the others. If the process dies before the commit,
nothing was written and nobody was told otherwise.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ledger.errors import LedgerError, ReadOnlyError
from ledger.log import kernel, merkle
from ledger.log.canonical import canonical
from ledger.log.memory import utc_now
from ledger.log.schema import SCHEMA
from ledger.log.store import Clock, Move, Projector, Receipt, Stored
from ledger.log.turnstile import Turnstile

MOST_WAITERS: Final = 1000


@dataclass(slots=True)
class _Waiter:
    moves: Sequence[Move]
    done: threading.Event = field(default_factory=threading.Event)
    receipt: Receipt | None = None
    error: BaseException | None = None


class SqliteStore:
    """Entries in the file at `path`.

    Args:
        path: the database; made, with its folder, unless `read_only`.
        projectors: fold each entry into read models, in its transaction.
        schema: their tables; idempotent statements.
        clock: now, for `at`.
        read_only: never write, not even tables; for verifying somebody else's file.
    """

    def __init__(
        self,
        path: Path,
        projectors: Sequence[Projector] = (),
        schema: Sequence[str] = (),
        clock: Clock = utc_now,
        *,
        read_only: bool = False,
    ) -> None:
        self._path = path.absolute()
        self._projectors = tuple(projectors)
        self._clock = clock
        self._read_only = read_only
        self._turnstile = Turnstile(self._path)
        self._fresh()
        _FORKED.add(self)
        if not read_only:
            self._prepare(schema)
        kernel.head(self._reader())

    def _fresh(self) -> None:
        self._pid = os.getpid()
        self._waiting: list[_Waiter] = []
        self._mutex = threading.Lock()
        self._leader = threading.Lock()
        self._local = threading.local()
        self._writer: sqlite3.Connection | None = None

    def forget_parent(self) -> None:
        """Start anew in a forked child: connections and locks of the parent are not ours."""
        self._turnstile.forget()
        self._fresh()

    def _prepare(self, schema: Sequence[str]) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._turnstile.pass_through():
                tx = self._connect()
                tx.execute("PRAGMA journal_mode = WAL")
                for statement in (*SCHEMA, *schema):
                    tx.execute(statement)
        except (sqlite3.OperationalError, OSError, ReadOnlyError):
            # Reading must work all the same; appending will say why it cannot.
            self._writer = None
            if not self._path.exists():
                raise

    # -- writing ------------------------------------------------------------------------------------------------

    def append(self, moves: Sequence[Move]) -> Receipt:
        """Write every move in one transaction and return when it is durable."""
        for move in moves:
            for draft in move.drafts:
                canonical(draft.body)
        if self._read_only:
            raise ReadOnlyError("opened for reading")
        waiter = _Waiter(moves)
        with self._mutex:
            self._waiting.append(waiter)
        while not waiter.done.is_set():
            with self._leader:
                if not waiter.done.is_set():
                    self._lead()
        if waiter.error is not None:
            raise waiter.error
        if waiter.receipt is None:
            raise LedgerError("an append ended without a receipt")
        return waiter.receipt

    def _lead(self) -> None:
        """Commit for everybody who waits; whatever happens, everybody is told."""
        batch: list[_Waiter] = []
        try:
            with self._turnstile.pass_through():
                with self._mutex:
                    batch, self._waiting = self._waiting[:MOST_WAITERS], self._waiting[MOST_WAITERS:]
                self._commit(batch)
        except BaseException as error:
            self._fail(batch, error)
            if not isinstance(error, Exception):
                raise
        finally:
            for waiter in batch:
                waiter.done.set()

    def _fail(self, batch: list[_Waiter], error: BaseException) -> None:
        if not batch:
            with self._mutex:
                batch, self._waiting = self._waiting, []
        told = ReadOnlyError(str(error)) if isinstance(error, sqlite3.Error | OSError) else error
        for waiter in batch:
            waiter.receipt, waiter.error = None, told
            waiter.done.set()
        self._drop_writer()

    def _commit(self, batch: list[_Waiter]) -> None:
        tx = self._writer or self._connect()
        tx.execute("BEGIN IMMEDIATE")
        try:
            frontier = kernel.head(tx)
            before, now, last = frontier.size, self._clock(), kernel.last_time(tx)
            at = max(now, last) if last else now
            for waiter in batch:
                frontier = self._admit(tx, frontier, at, waiter)
            if frontier.size > before:
                kernel.seal_batch(tx, frontier, before)
            tx.execute("COMMIT")
        except BaseException:
            if tx.in_transaction:
                tx.execute("ROLLBACK")
            raise

    def _admit(self, tx: sqlite3.Connection, frontier: merkle.Frontier, at: Any, waiter: _Waiter) -> merkle.Frontier:
        """Place one waiter's moves; what fails undoes only its own."""
        waiter.receipt = kernel.stored_before(tx, waiter.moves)
        if waiter.receipt is not None:
            return frontier
        kept = (frontier.size, [peak for _, peak in frontier.peaks])
        tx.execute("SAVEPOINT waiter")
        try:
            waiter.receipt = kernel.place(tx, frontier, at, waiter.moves, self._projectors)
        except LedgerError as error:
            waiter.error = error
            tx.execute("ROLLBACK TO waiter")
            frontier = merkle.Frontier(*kept)
        tx.execute("RELEASE waiter")
        return frontier

    def _connect(self) -> sqlite3.Connection:
        self._drop_writer()
        tx = sqlite3.connect(self._path, timeout=10, isolation_level=None, check_same_thread=False)
        tx.execute("PRAGMA synchronous = FULL")
        self._writer = tx
        return tx

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def erase(self, commitments: Iterable[bytes]) -> int:
        """Delete the values behind these commitments."""
        with self._leader, self._turnstile.pass_through():
            tx = self._writer or self._connect()
            tx.execute("PRAGMA secure_delete = ON")
            return kernel.erase(tx, commitments)

    def snapshot(self, path: Path) -> None:
        """Write a consistent copy to `path`, which must not exist."""
        source = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=10, isolation_level=None)
        source.execute("VACUUM INTO ?", (str(path),))
        source.close()

    # -- reading ------------------------------------------------------------------------------------------------

    def _reader(self) -> sqlite3.Connection:
        tx: sqlite3.Connection | None = getattr(self._local, "tx", None)
        if tx is None:
            mode = "ro"
            tx = sqlite3.connect(f"file:{self._path}?mode={mode}", uri=True, timeout=10, isolation_level=None)
            tx.execute("PRAGMA query_only = ON")
            self._local.tx = tx
        return tx

    def read(self, stream: str, after: int = 0) -> list[Stored]:
        """Return the entries of `stream` with version > `after`."""
        return kernel.read_stream(self._reader(), stream, after)

    def scan(self, start: int = 0, stop: int | None = None) -> Iterator[Stored]:
        """Yield the entries with start <= seq < stop."""
        return kernel.scan_pages(self._reader(), start, stop)

    def version(self, stream: str) -> int:
        """Return the version of the last entry of `stream`."""
        rows = self.query("SELECT coalesce(max(version), 0) FROM entry WHERE stream = ?", (stream,))
        return int(rows[0][0])

    def size(self) -> int:
        """Return the number of sealed entries."""
        return int(self.query("SELECT coalesce(max(size), 0) FROM batch")[0][0])

    def root(self, size: int | None = None) -> bytes:
        """Return the root hash of the first `size` entries."""
        return kernel.root_at(self._reader(), self.size() if size is None else size)

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """Return the sibling hashes of leaf `index`."""
        return merkle.inclusion_proof(self._node, index, size)

    def consistency_proof(self, old: int, new: int) -> list[bytes]:
        """Return the proof that `old` is a prefix of `new`."""
        return merkle.consistency_proof(self._node, old, new)

    def leaf_hashes(self, start: int, stop: int) -> list[bytes]:
        """Return the leaf hashes of start <= seq < stop."""
        return kernel.leaf_hashes(self._reader(), start, stop)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Read from the tables; refuses anything that would write."""
        return self._reader().execute(sql, tuple(parameters)).fetchall()

    def close(self) -> None:
        """Release files and locks; SQLite's own clean-up happens under the lock."""
        reader: sqlite3.Connection | None = getattr(self._local, "tx", None)
        if reader is not None:
            reader.close()
            self._local.tx = None
        if self._writer is not None:
            with self._turnstile.pass_through():
                self._drop_writer()
        self._turnstile.forget()

    def _node(self, level: int, index: int) -> bytes:
        return kernel.node(self._reader(), level, index)


_FORKED: weakref.WeakSet[SqliteStore] = weakref.WeakSet()


def _after_fork() -> None:
    for store in list(_FORKED):
        store.forget_parent()


os.register_at_fork(after_in_child=_after_fork)
