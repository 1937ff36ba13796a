"""The clock: lapses, warns, expires, takes back, and sweeps up what crashed. It needs the database and the backend alone.

No schedule is kept anywhere else: each tick asks the ledger what is due. The nudge to the workers is only haste; when
the broker is gone, endings go on here and starts wait for it. One request that fails keeps no other waiting, and a
backend that hangs keeps waiting only what it holds itself (`lanes.py`).
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from ledger.book import Write
from ledger.errors import BusyError, LedgerError, ReadOnlyError, UnlawfulError, VersionConflictError
from ledger.index import RECEIPT_GRACE
from ledger.nouns import FormKind
from ledger.streams.codec import Entry
from ledger.streams.request import (
    Disqualified,
    EndedUnlogged,
    Expired,
    Lapsed,
    Missed,
    Request,
    Status,
    Warned,
    warned_at,
)
from workers.attempts import deaths
from workers.deadlines import lapsed, missed
from workers.eligibility import Eligibility, disqualify
from workers.entering import enter
from workers.errors import WorkerError
from workers.executors.base import Observation
from workers.hands import TOO_LATE, attend
from workers.journal import Ending
from workers.lanes import Lanes
from workers.outages import HELD_UP
from workers.passwords import password_due
from workers.prolonging import unconfirmed
from workers.room import CLOCK, Room, grant_of
from workers.trials import Trials
from workers.usage import HourlyUse
from workers.warning import EarlyWarnings, may_warn

logger = structlog.get_logger(__name__)

TICK: Final = timedelta(seconds=1)
NUDGE_AGAIN: Final = timedelta(seconds=5)
"""How soon a request that is still due is nudged again."""
NUDGE_RARELY: Final = timedelta(seconds=40)
"""How rarely a request that does not move is nudged at last: with thousands in line, messages must not outrun work."""
SPARED: Final = 2
"""After how many deaths over an extension the clock leaves it to a worker."""
PATIENCE_S: Final = 5.0
"""How long a tick waits for what it began; what takes longer goes on beside the next ticks."""
LOCK_S: Final = 1.0
"""How long an ending waits for a worker on the same subject and resource before the next tick tries again."""

Work = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Nudged:
    """When a request was nudged last, at which version, and how long it then stays."""

    at: datetime
    version: int
    pause: timedelta


class Clock:
    """Looks at what is due, once a tick. Any number of clocks may run: the ledger lets one of them win.

    Args:
        room: what the hands work with.
        nudge: asks a worker to attend to a request; may fail, and then the next tick asks again.
    """

    def __init__(self, room: Room, nudge: Callable[[int], None], *, patience_s: float = PATIENCE_S) -> None:
        self._room = replace(room, patience_s=LOCK_S)
        self._nudge = nudge
        self._patience_s = patience_s
        self._nudged: dict[int, _Nudged] = {}
        self._lanes = Lanes()
        self._unwritable = False
        self._eligibility = Eligibility(self._room)
        self._early = EarlyWarnings(self._room)
        self._use = HourlyUse(self._room)
        self._trials = Trials(room.outages, nudge)

    def run(self, stop: threading.Event) -> None:
        """Tick until `stop` is set; a failing tick is logged, and the next one tries again."""
        while not stop.is_set():
            try:
                self.tick()
            except Exception as error:  # noqa: BLE001 the process's edge
                _fault("tick", error)
            stop.wait(TICK.total_seconds())

    def tick(self) -> None:
        """Do everything that is due now."""
        now, self._unwritable = self._room.clock(), False
        _alone("journal", lambda: self._room.journal.drain(self._enter_unlogged))
        self._trials.begin()
        due = self._room.book.requests.due(now)
        for number in due:
            _alone(number, partial(self._look, number, now))
        for number in self._trials.tried_last().difference(due):
            _alone(number, partial(self._look_for_trial, number, now))
        _alone("outages", lambda: self._trials.end(now))
        _alone("eligibility", lambda: self._disqualify(now))
        _alone("warnings", lambda: self._warn_early(now))
        _alone("use", lambda: self._use.enter(now))
        self._lanes.wait(self._patience_s)

    def _look(self, number: int, now: datetime) -> None:
        """Enter what needs the ledger alone; what needs a backend is given to its lane."""
        request = self._room.book.request(number)
        if request is None or request.final:
            return
        if request.status is Status.WAITING:
            if lapsed(request, self._room.book.halts(), now):
                self._enter(request, Lapsed())
        elif missed(request, self._room.book.halts(), now):
            self._enter(request, Missed(why=TOO_LATE), free=True)
        elif _over(request, now):
            self._end(request, now)
        elif request.status in {Status.ENDING, Status.UNCONFIRMED}:
            self._attend(request)
        elif unconfirmed(request):
            self._warn(request, now)
            self._prolong(request, now)
        elif request.status is Status.RUNNING:
            self._warn(request, now)
            if password_due(request):
                self._nudge_now_and_then(request, now)
        else:
            self._hurry(request, now)

    def _prolong(self, request: Request, now: datetime) -> None:
        """Tell the backend of its new end from here: without a broker, too, nothing may end early.

        What was noted in two deaths is left to a worker, which holds nothing else: a clock that dies of one extension
        takes the others with it, and they would all be settled with their old ends.
        """
        if self._again(request, now):
            spared = deaths(self._room.locks, request.number) >= SPARED
            self._nudge(request.number) if spared else self._attend(request)

    def _warn(self, request: Request, now: datetime) -> None:
        """Tell the holder ahead, once for each end; what is due may be looked at sooner, and is not told sooner."""
        if now >= (warned_at(request) or now):
            self._announce(request, now)

    def _warn_early(self, now: datetime) -> None:
        """Tell those whom people must agree with, while these still work."""
        for number in self._early.due(now):
            _alone(number, lambda: self._announce(self._room.book.request(number), now))  # noqa: B023 called at once

    def _announce(self, request: Request | None, now: datetime) -> None:
        if request is not None and request.not_after is not None and may_warn(request, now):
            self._enter(request, Warned(not_after=request.not_after))

    def _disqualify(self, now: datetime) -> None:
        """End what is held by somebody whom the policy would not even hear any more."""
        for request, entry, policy in self._eligibility.lost(now):
            _alone(request.number, partial(self._end_for, request, entry, policy))

    def _end_for(self, request: Request, entry: Disqualified, policy: Write) -> None:
        disqualify(self._room, request, entry, policy)
        self._attend(request)

    def _end(self, request: Request, now: datetime) -> None:
        """Enter that it is over and take it back; without a ledger, take it back all the same."""
        try:
            self._enter(request, Expired())
        except (ReadOnlyError, BusyError):
            self._in_lane(request, lambda: self._take_unlogged(request, now))
            return
        self._attend(request)

    def _attend(self, request: Request) -> None:
        if not self._in_lane(request, lambda: attend(self._room, request.number)):
            self._nudge_now_and_then(request, self._room.clock())  # its backend hangs here: perhaps not everywhere

    def _take_unlogged(self, request: Request, now: datetime) -> None:
        """Take it away and note that; the generation is barred, so that no worker can start it again meanwhile."""
        if any(ending.request == request.number for ending in self._room.journal.read()):
            return
        executor = self._room.executor_of(request)
        if executor is None:
            logger.error("its executor is not configured", request=request.number, executor=request.executor)
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
        except UnlawfulError as refused:
            logger.warning("the law refused an ending", request=ending.request, detail=refused.detail)
            return True
        except LedgerError as error:
            logger.warning("an ending stays noted", request=ending.request, detail=error.detail)
            return False
        self._attend(request)
        return True

    def _look_for_trial(self, number: int, now: datetime) -> None:
        """Let what its backend did not answer wait for the next try, which comes sooner than its grace is over."""
        request = self._room.book.request(number)
        if request is not None and request.status in HELD_UP and not _over(request, now):
            self._hurry(request, now)

    def _hurry(self, request: Request, now: datetime) -> None:
        """Nudge a worker for what is approved, or dispatched without a receipt, but not at every tick."""
        if self._trials.wait(self._room.backend_of(request), request):
            return
        waits_for_receipt = request.status is Status.STARTING and not request.stumbles
        if waits_for_receipt and request.dispatched_at is not None and now < request.dispatched_at + RECEIPT_GRACE:
            return
        self._nudge_now_and_then(request, now)

    def _nudge_now_and_then(self, request: Request, now: datetime) -> None:
        if self._again(request, now):
            self._nudge(request.number)

    def _again(self, request: Request, now: datetime) -> bool:
        """Whether it is time to try again what is still due."""
        last = self._nudged.get(request.number)
        moved = last is None or last.version != request.version
        if last is not None and abs(now - last.at) < (NUDGE_AGAIN if moved else last.pause):
            return False  # `abs`: the system's clock may have been set back since
        pause = NUDGE_AGAIN if last is None or moved else min(2 * last.pause, NUDGE_RARELY)
        self._nudged[request.number] = _Nudged(at=now, version=request.version, pause=pause)
        return True

    def _enter(self, request: Request, entry: Entry, *, free: bool = False) -> None:
        """Enter it; once the ledger could not be written, nothing waits for it again in this tick."""
        if self._unwritable:
            raise BusyError("it could not be written a moment ago")
        try:
            enter(self._room, request, entry, free=free, actor=CLOCK)
        except (ReadOnlyError, BusyError):
            self._unwritable = True
            raise

    def _in_lane(self, request: Request, work: Work) -> bool:
        """Do `work` in the lane of the request's executor; False when what it does takes long already."""
        return self._lanes.put(request.executor or "", lambda: _alone(request.number, work))


def _alone(what: int | str, work: Work) -> None:
    """Do `work`; whatever goes wrong with it is logged and keeps nothing else from being done."""
    try:
        work()
    except (VersionConflictError, UnlawfulError) as lost:
        logger.info("somebody else was first", about=what, detail=lost.detail)
    except (WorkerError, ReadOnlyError, BusyError) as error:
        logger.warning("could not finish; the next tick tries again", about=what, detail=error.detail)
    except Exception as error:  # noqa: BLE001 a request's edge
        _fault(what, error)


def _fault(what: int | str, error: Exception) -> None:
    """Log a fault that nobody thought of, plainly: no values of variables, which may be personal and take seconds."""
    trace = "".join(traceback.format_exception(error))
    logger.error("could not finish; the next tick tries again", about=what, trace=trace)


def _over(request: Request, now: datetime) -> bool:
    held = request.status in {Status.STARTING, Status.RUNNING} and request.form.kind is FormKind.LEASE
    return held and request.not_after is not None and now >= request.not_after
