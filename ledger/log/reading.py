"""Reading, the same for both stores: each says only which connection it reads with."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from ledger.errors import LedgerError, ProofError
from ledger.log import merkle, rows, tiles
from ledger.log.store import Stored

_END: Final = 2**62


class Reading(ABC):
    """The reading half of a store."""

    @abstractmethod
    def _connection(self) -> AbstractContextManager[sqlite3.Connection]:
        """Lend a connection that this thread may read with."""

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._connection() as tx:
                yield tx
        except sqlite3.Error as error:
            raise rows.told(error) from error

    def read(self, stream: str, after: int = 0) -> list[Stored]:
        """Return the entries of `stream` with version > `after`, in order."""
        with self._reading() as tx:
            return rows.read_stream(tx, stream, after)

    def scan(self, start: int = 0, stop: int | None = None) -> Iterator[Stored]:
        """Yield the entries with start <= seq < stop in order; nothing is held between pages."""
        end = _END if stop is None else stop
        while True:
            with self._reading() as tx:
                page = rows.read_page(tx, start, end)
            yield from page
            if len(page) < rows.PAGE:
                return
            start = page[-1].seq + 1

    def version(self, stream: str) -> int:
        """Return the version of the last entry of `stream`, 0 if there is none."""
        return int(self.query("SELECT coalesce(max(version), 0) FROM entry WHERE stream = ?", (stream,))[0][0])

    def size(self) -> int:
        """Return the number of sealed entries."""
        return int(self.query("SELECT coalesce(max(size), 0) FROM batch")[0][0])

    def root(self, size: int | None = None) -> bytes:
        """Return the root hash of the first `size` entries, all when None; raises ProofError beyond the end."""
        wanted = self._within(size)
        with self._reading() as tx:
            return tiles.root_at(tx, wanted)

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """Return the sibling hashes of leaf `index` in the tree of `size`, leaf side first."""
        self._within(size)
        with self._reading() as tx:
            return merkle.inclusion_proof(tiles.node_source(tx), index, size)

    def consistency_proof(self, old: int, new: int) -> list[bytes]:
        """Return the proof that the tree of `old` is a prefix of that of `new`."""
        self._within(new)
        with self._reading() as tx:
            return merkle.consistency_proof(tiles.node_source(tx), old, new)

    def leaf_hashes(self, start: int, stop: int) -> list[bytes]:
        """Return the leaf hashes of start <= seq < stop, as far as there are entries."""
        sql = "SELECT leaf_hash FROM entry WHERE seq >= ? AND seq < ? ORDER BY seq"
        return [row[0] for row in self.query(sql, (start, stop))]

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Read from the tables; raises ReadOnlyError for what would write."""
        try:
            with self._reading() as tx:
                return tx.execute(sql, tuple(parameters)).fetchall()
        except sqlite3.Warning as error:  # two statements in one
            raise LedgerError(str(error)) from error

    def _within(self, size: int | None) -> int:
        last = self.size()
        if size is None:
            return last
        if not 0 <= size <= last:
            raise ProofError(f"no tree of {size} in a log of {last}")
        return size
