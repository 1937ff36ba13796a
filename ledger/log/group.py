"""Group commit within a process: whoever waits first commits for all who wait, then hands over.

A waiter is told only after the commit. If its leader is interrupted, it stands in the queue again and leads itself:
nothing was told, and ids make a second writing harmless.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final

from ledger.errors import LedgerError
from ledger.log.ready import Ready
from ledger.log.rows import told
from ledger.log.store import Receipt

MOST_WAITERS: Final = 1000


def _closed() -> threading.Lock:
    gate = threading.Lock()
    gate.acquire()
    return gate


@dataclass(slots=True, eq=False)
class Waiter:
    """One append on its way: who commits it sets `receipt` or `error`."""

    ready: Ready
    receipt: Receipt | None = None
    error: BaseException | None = None
    gate: threading.Lock = field(default_factory=_closed)

    @property
    def done(self) -> bool:
        """Whether it is decided."""
        return self.receipt is not None or self.error is not None

    def decide(self, outcome: Receipt | BaseException) -> None:
        """Set what came of it."""
        if isinstance(outcome, Receipt):
            self.receipt = outcome
        else:
            self.error = outcome


class GroupCommit:
    """The queue of one process.

    Args:
        hold: the lock between processes.
        commit: write these in one transaction and set each one's outcome; called while holding.
    """

    def __init__(
        self, hold: Callable[[], AbstractContextManager[None]], commit: Callable[[list[Waiter]], None]
    ) -> None:
        self._hold = hold
        self._commit = commit
        self._mutex = threading.Lock()
        self._waiting: list[Waiter] = []
        self._leader: Waiter | None = None

    def append(self, ready: Ready) -> Receipt:
        """Return when `ready` is durable; raises what kept it from being written."""
        waiter = Waiter(ready)
        try:
            if not self._enter(waiter):
                waiter.gate.acquire()
            if not waiter.done:
                self._lead(waiter)
        except BaseException:
            self._leave(waiter)
            raise
        if waiter.error is not None:
            reason = told(waiter.error)
            raise reason from (waiter.error if reason is not waiter.error else None)
        if waiter.receipt is None:
            raise LedgerError("an append ended without a receipt")
        return waiter.receipt

    def _enter(self, waiter: Waiter) -> bool:
        with self._mutex:
            self._waiting.append(waiter)
            if self._leader is None:
                self._leader = waiter
            return self._leader is waiter

    def _leave(self, waiter: Waiter) -> None:
        with self._mutex:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            leads = self._leader is waiter
        if leads:
            self._hand_over([])

    def _lead(self, waiter: Waiter) -> None:
        batch: list[Waiter] = []
        try:
            with self._hold():
                batch = self._take()
                self._commit(batch)
        except Exception as error:  # noqa: BLE001 each waiter raises it in its own thread
            batch = batch or self._take()
            for each in batch:
                each.receipt, each.error = None, error
        except BaseException:
            self._put_back([each for each in batch if each is not waiter])
            batch = []
            raise
        finally:
            self._hand_over(batch)

    def _take(self) -> list[Waiter]:
        with self._mutex:
            batch, self._waiting = self._waiting[:MOST_WAITERS], self._waiting[MOST_WAITERS:]
        return batch

    def _put_back(self, batch: list[Waiter]) -> None:
        for each in batch:
            each.receipt = each.error = None
        with self._mutex:
            self._waiting[:0] = batch

    def _hand_over(self, batch: list[Waiter]) -> None:
        """Wake the batch, and the first of those who came meanwhile to lead on."""
        with self._mutex:
            previous = self._leader
            heirs = (each for each in self._waiting if each is not previous)
            self._leader = heir = next(heirs, None)
        for each in batch:
            each.gate.release()
        if heir is not None:
            heir.gate.release()
