"""A store in memory: the same tables in a private SQLite connection, without files or durability. For tests."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime

from ledger.log import kernel, rows
from ledger.log.reading import Reading
from ledger.log.ready import make_ready
from ledger.log.schema import SCHEMA
from ledger.log.store import Clock, Move, Projector, Receipt


def utc_now() -> datetime:
    """Return the time now, aware UTC."""
    return datetime.now(UTC)


class MemoryStore(Reading):
    """Entries that are gone with the process.

    Args:
        projectors: fold each entry into read models, in its transaction.
        schema: their tables; idempotent statements.
        clock: now, for `at`.
    """

    def __init__(
        self, projectors: Sequence[Projector] = (), schema: Sequence[str] = (), clock: Clock = utc_now
    ) -> None:
        self._tx = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._lock = threading.RLock()
        self._turn = threading.RLock()
        self._projectors = tuple(projectors)
        self._clock = clock
        kernel.prepare(self._tx)
        for statement in (*SCHEMA, *schema):
            self._tx.execute(statement)
        self._tx.execute("PRAGMA query_only = ON")

    def append(self, moves: Sequence[Move]) -> Receipt:
        """Write every move at once, or none."""
        ready = make_ready(moves)
        with self._writing():
            try:
                outcome = kernel.commit(self._tx, self._clock, [ready], self._projectors)[0]
            except sqlite3.Error as error:
                self._tx.rollback()
                raise rows.told(error) from error
            except BaseException:
                self._tx.rollback()
                raise
        if isinstance(outcome, Receipt):
            return outcome
        raise rows.told(outcome)

    def in_turn(self) -> AbstractContextManager[object]:
        """Let those who lost a race decide again one after the other."""
        return self._turn

    def waited_for(self) -> bool:
        """Whether somebody has a turn now: not known, and nobody is kept waiting by guessing no."""
        return False

    def erase(self, commitments: Iterable[bytes]) -> int:
        """Delete the values behind these commitments; return how many there were."""
        with self._writing():
            return kernel.erase(self._tx, commitments)

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._tx.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Let the one connection write meanwhile; it reads far more often."""
        with self._lock:
            self._tx.execute("PRAGMA query_only = OFF")
            try:
                yield
            finally:
                self._tx.execute("PRAGMA query_only = ON")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            yield self._tx
