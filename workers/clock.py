"""The clock: lapses, expires, takes back, and sweeps up what crashed. It needs the database alone.

No schedule is kept anywhere else: each tick asks the ledger what is due. The nudge to the workers is only haste; when
the broker is gone, endings go on here and starts wait for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from ledger.book import Write
from ledger.errors import BusyError, LedgerError, ReadOnlyError, UnlawfulError, VersionConflictError
from ledger.nouns import FormKind
from ledger.streams.codec import Entry
from ledger.streams.request import EndedUnlogged, Expired, Lapsed, Missed, Request, Status
from ledger.views import RECEIPT_GRACE
from workers.errors import WorkerError
from workers.executors.base import Observation
from workers.hands import attend
from workers.journal import Ending
from workers.room import CLOCK, Room, grant_of

logger = structlog.get_logger(__name__)

TICK: Final = timedelta(seconds=1)
NUDGE_AGAIN: Final = timedelta(seconds=5)
"""How soon a request that is still due is nudged again."""


class Clock:
    """Looks at what is due, once a tick.

    Args:
        room: what the hands work with.
        nudge: asks a worker to attend to a request; may fail, and then the next tick asks again.
    """

    def __init__(self, room: Room, nudge: Callable[[int], None]) -> None:
        self._room = room
        self._nudge = nudge
        self._nudged: dict[int, datetime] = {}

    def run(self, stop: threading.Event) -> None:
        """Tick until `stop` is set; a failing tick is logged, and the next one tries again."""
        while not stop.is_set():
            try:
                self.tick()
            except (LedgerError, WorkerError, OSError):
                logger.exception("tick failed")
            stop.wait(TICK.total_seconds())

    def tick(self) -> None:
        """Do everything that is due now."""
        now = self._room.clock()
        self._room.journal.drain(self._enter_unlogged)
        for number in self._room.book.requests.due(now):
            try:
                self._look(number, now)
            except (VersionConflictError, UnlawfulError) as lost:
                logger.info("somebody else was first", request=number, detail=lost.detail)
            except WorkerError as error:
                logger.warning("could not finish", request=number, detail=error.detail)

    def _look(self, number: int, now: datetime) -> None:
        request = self._room.book.request(number)
        if request is None or request.final:
            return
        if request.status is Status.WAITING:
            self._enter(request, Lapsed())
        elif _too_late(request, now):
            self._enter(request, Missed(why="Its window went by before it could start."))
        elif _over(request, now):
            self._end(request, now)
        elif request.status in {Status.ENDING, Status.UNCONFIRMED}:
            attend(self._room, number)
        else:
            self._hurry(request, now)

    def _end(self, request: Request, now: datetime) -> None:
        """Enter that it is over and take it back; without a ledger, take it back all the same."""
        try:
            self._enter(request, Expired())
        except (ReadOnlyError, BusyError):
            self._take_unlogged(request, now)
            return
        attend(self._room, request.number)

    def _take_unlogged(self, request: Request, now: datetime) -> None:
        executor = self._room.executor_for(request.form)
        if executor is None:
            return
        executor.revoke(grant_of(request))
        if executor.observe(grant_of(request)) is Observation.GONE:
            self._room.journal.note(Ending(request=request.number, happened_at=now))
            logger.warning("ended without the ledger", request=request.number)

    def _enter_unlogged(self, ending: Ending) -> bool:
        """Enter an ending from the journal; True when it need not be kept any longer."""
        request = self._room.book.request(ending.request)
        if request is None or request.status not in {Status.STARTING, Status.RUNNING}:
            return True
        try:
            self._enter(request, EndedUnlogged(happened_at=ending.happened_at))
        except (ReadOnlyError, BusyError, VersionConflictError):
            return False
        attend(self._room, request.number)
        return True

    def _hurry(self, request: Request, now: datetime) -> None:
        """Nudge a worker for what is approved, or dispatched without a receipt, but not at every tick."""
        if request.status is Status.RUNNING:
            return
        waits_for_receipt = request.status is Status.STARTING and request.dispatched_at is not None
        if waits_for_receipt and request.dispatched_at is not None and now < request.dispatched_at + RECEIPT_GRACE:
            return
        last = self._nudged.get(request.number)
        if last is not None and now - last < NUDGE_AGAIN:
            return
        self._nudged[request.number] = now
        self._nudge(request.number)

    def _enter(self, request: Request, entry: Entry) -> None:
        stream = f"request:{request.number}"
        self._room.book.append(Write(stream=stream, expected=request.version, entries=(entry,), actor=CLOCK))


def _over(request: Request, now: datetime) -> bool:
    held = request.status in {Status.STARTING, Status.RUNNING} and request.form.kind is FormKind.LEASE
    return held and request.not_after is not None and now >= request.not_after


def _too_late(request: Request, now: datetime) -> bool:
    waiting = request.status in {Status.APPROVED, Status.QUEUED}
    return waiting and request.missed_at is not None and now >= request.missed_at
