"""A store in one SQLite file that several processes may share: group commit in each process behind the turnstile.

The first waiter of a process takes the lock and writes whatever waits by then in one transaction with one sync. If the
process dies before the commit, nothing was written and nobody was told otherwise.
"""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from ledger.errors import LedgerError, ReadOnlyError
from ledger.log import kernel
from ledger.log.connections import BUSY_S, Readers, open_reader, open_writer
from ledger.log.group import GroupCommit, Waiter
from ledger.log.memory import utc_now
from ledger.log.reading import Reading
from ledger.log.ready import make_ready
from ledger.log.renewing import renew
from ledger.log.rows import told
from ledger.log.schema import SCHEMA
from ledger.log.store import Clock, Move, Projector, Receipt
from ledger.log.turns import Turns
from ledger.log.turnstile import Turnstile

_FORK_S: Final = 1.0
_TRIES: Final = 5
TURN_S: Final = 30.0
"""How long those who lost a race wait for their turn: fifty of them are through in a second or two."""


class SqliteStore(Reading):
    """Entries in the file at `path`.

    Args:
        path: the database; made, with its folder, unless `read_only`.
        projectors: fold each entry into read models, in its transaction.
        schema: their tables; idempotent statements. When they changed, the tables are made anew from the entries.
        clock: now, for `at`.
        read_only: never write, not even tables; for verifying somebody else's file.

    Raises:
        TamperedError: the last batch and the last entry disagree.
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
        self._is_still = False
        self._turnstile = Turnstile(self._path, BUSY_S)
        self._turns = Turns(self._path, TURN_S)
        self._fresh()
        _OPEN.add(self)
        if not read_only:
            self._make(schema)
        with self._reading() as tx:
            kernel.head(tx)

    def _fresh(self) -> None:
        self._group = GroupCommit(self._turnstile.pass_through, self._commit)
        self._readers = Readers(self._path)
        self._writer: sqlite3.Connection | None = None

    # -- forking ------------------------------------------------------------------------------------------------

    def hold_still(self) -> None:
        """Finish what is being written and read, close every connection, and keep them closed until `go_on`."""
        self._readers.hold_still()
        # The writer is closed under the lock, and must still be closed when no thread of ours can take it any more.
        # Where another process holds the lock for long, the fork goes on and the child leaves the writer alone.
        for _ in range(_TRIES):
            with suppress(LedgerError):
                self._close_writer(_FORK_S)
            still_open = self._writer
            self._is_still = self._turnstile.hold_still(_FORK_S)
            if not self._is_still or still_open or self._writer is None:
                return
            self._turnstile.go_on()
            self._is_still = False

    def go_on(self) -> None:
        """Write and read again."""
        if self._is_still:
            self._turnstile.go_on()
        self._readers.go_on()

    def forget_parent(self) -> None:
        """Start anew in a forked child: threads, locks and connections of the parent are not ours."""
        # What could not be closed in time stays open and unused: closing it here could end locks of ours.
        _INHERITED.append((self._writer, self._readers))
        self._turnstile.forget_parent()
        self._turns.forget_parent()
        self._is_still = False
        self._fresh()

    def _make(self, schema: Sequence[str]) -> None:
        """Create what is missing. A file that cannot be written stays readable; appending will say why it cannot."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._turnstile.pass_through():
                tx = self._connect()
                tx.execute("BEGIN IMMEDIATE")
                for statement in SCHEMA:
                    tx.execute(statement)
                renew(tx, schema, self._projectors)
                tx.execute("COMMIT")
        except (sqlite3.Error, OSError, ReadOnlyError) as error:
            self._drop_writer()
            what = told(error)
            if not isinstance(what, ReadOnlyError) or not self._path.exists():
                raise what from error

    # -- writing ------------------------------------------------------------------------------------------------

    def append(self, moves: Sequence[Move]) -> Receipt:
        """Write every move in one transaction and return when it is durable."""
        ready = make_ready(moves)
        self._refuse_read_only()
        return self._group.append(ready)

    def in_turn(self) -> AbstractContextManager[None]:
        """Let those who lost a race decide again one after the other, over threads and processes."""
        return self._turns.take()

    def waited_for(self) -> bool:
        """Whether somebody has a turn now, or waits for one."""
        return self._turns.waited_for()

    def _commit(self, batch: list[Waiter]) -> None:
        """Write the batch in one transaction; what fails alone fails only its own waiter."""
        try:
            tx = self._writer or self._connect()
            outcomes = kernel.commit(tx, self._clock, [waiter.ready for waiter in batch], self._projectors)
        except BaseException:
            self._drop_writer()  # under the lock, and it rolls back
            raise
        for waiter, outcome in zip(batch, outcomes, strict=True):
            waiter.decide(outcome)

    def _connect(self) -> sqlite3.Connection:
        tx = self._writer = open_writer(self._path)
        return tx

    def _drop_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def erase(self, commitments: Iterable[bytes]) -> int:
        """Delete the values behind these commitments, from the write-ahead log too; return how many there were."""
        self._refuse_read_only()
        with self._writing() as tx:
            gone = kernel.erase(tx, commitments)
            tx.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            return gone

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._turnstile.pass_through():
                yield self._writer or self._connect()
        except sqlite3.Error as error:
            raise told(error) from error

    def _refuse_read_only(self) -> None:
        if self._read_only:
            raise ReadOnlyError("opened for reading")

    def snapshot(self, path: Path) -> None:
        """Write a consistent, durable copy to `path`, which must not exist; writers go on meanwhile."""
        if path.exists():
            raise ReadOnlyError(f"{path.name} exists")
        tx = open_reader(self._path, query_only=False)  # the copy is written by this connection
        try:
            tx.execute("VACUUM INTO ?", (str(path),))
        except sqlite3.Error as error:
            raise told(error) from error
        finally:
            tx.close()
        for each in (path, path.absolute().parent):
            descriptor = os.open(each, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    # -- reading ------------------------------------------------------------------------------------------------

    def _connection(self) -> AbstractContextManager[sqlite3.Connection]:
        return self._readers.lend()

    def close(self) -> None:
        """Release files and locks; SQLite's own clean-up happens under the lock. Safe to call twice."""
        self._readers.close()
        self._close_writer(BUSY_S)
        self._turnstile.close()

    def _close_writer(self, timeout_s: float) -> None:
        if self._writer is not None:
            with self._turnstile.pass_through(timeout_s):
                self._drop_writer()


_OPEN: weakref.WeakSet[SqliteStore] = weakref.WeakSet()
_INHERITED: list[Any] = []


def _each_open(act: Callable[[SqliteStore], None]) -> Callable[[], None]:
    def do() -> None:
        for store in list(_OPEN):
            act(store)

    return do


os.register_at_fork(
    before=_each_open(SqliteStore.hold_still),
    after_in_parent=_each_open(SqliteStore.go_on),
    after_in_child=_each_open(SqliteStore.forget_parent),
)
