"""Who looks for side doors: every backend at least every five minutes, and an hourly beat that somebody was there.

It runs beside the clock's ticks, on threads of its own, so that a backend that hangs keeps no lease from ending. A scan
that could not be done in time is a finding itself.
"""

from __future__ import annotations

import threading
import traceback
from datetime import datetime, timedelta
from typing import Final

import structlog

from ledger.book import Write
from ledger.errors import BusyError, LedgerError, ReadOnlyError, VersionConflictError
from ledger.streams.watch import Beat
from workers.errors import BackendError
from workers.executors.base import Executor, Forgets, Lists
from workers.reconcile import PAUSE_S, Keys, reconcile, unseen
from workers.room import CLOCK, Room

logger = structlog.get_logger(__name__)

FORGET_AFTER: Final = timedelta(days=1)
"""How long a grant that was taken back stays barred at its backend: longer than any worker can be late."""
EACH: Final = timedelta(minutes=5)
"""How long a side door may stand unseen at most, while backends answer."""
BEAT: Final = timedelta(hours=1)
LOOK_S: Final = 1.0


def listing(room: Room) -> tuple[Executor, ...]:
    """Return every executor that can say what its backend holds, once each, by name."""
    named = {each.name: each for each in room.executors.values() if isinstance(each, Lists)}
    return tuple(named[name] for name in sorted(named))


class Watchman:
    """Starts what is due, once a tick; any number may run, and the ledger says who looked last.

    Args:
        room: what the hands work with.
        each: how often every backend is looked at.
        pause_s: between the two looks of one scan.
    """

    def __init__(self, room: Room, *, each: timedelta = EACH, pause_s: float = PAUSE_S) -> None:
        self._room, self._each, self._pause_s = room, each, pause_s
        self._keys: dict[str, Keys] = {}
        self._scans: dict[str, tuple[threading.Thread, datetime]] = {}
        self._began = room.clock()

    def run(self, stop: threading.Event) -> None:
        """Look until `stop` is set; whatever goes wrong is logged, and looked at again at the next tick."""
        while not stop.is_set():
            try:
                self.tick()
            except (LedgerError, BackendError) as error:
                logger.warning("could not look for side doors; trying again", detail=error.detail)
            except Exception as error:  # noqa: BLE001 the edge of this thread
                _fault("the watch", error)
            stop.wait(min(LOOK_S, self._each.total_seconds() / 4))

    def tick(self) -> None:
        """Beat, report what nobody saw in time, and start the scans that are due."""
        now = self._room.clock()
        self._beat(now)
        for executor in listing(self._room):
            self._report(executor, now)
            self._start(executor, now)

    def wait(self, timeout_s: float = 60.0) -> None:
        """Return once every scan that was started is done, or after `timeout_s` for each."""
        for thread, _ in tuple(self._scans.values()):
            thread.join(timeout_s)

    def _start(self, executor: Executor, now: datetime) -> None:
        running = self._scans.get(executor.name)
        if running is not None and (running[0].is_alive() or now < running[1] + self._each):
            return
        looked = self._room.book.watch(executor.name).scanned_at
        if looked is not None and now < looked + self._each:
            return
        scan = threading.Thread(target=self._scan, args=(executor,), name=f"look {executor.name}", daemon=True)
        self._scans[executor.name] = (scan, now)
        scan.start()

    def _scan(self, executor: Executor) -> None:
        keys = self._keys.setdefault(executor.name, Keys(self._room.book))
        try:
            reconcile(self._room, executor, keys, pause_s=self._pause_s)
            forget(self._room, executor, keys)
        except BackendError as error:
            self._unseen(executor, f"{executor.name} could not be read: {error.detail}")
        except (LedgerError, OSError) as error:
            logger.warning("a scan could not be entered; trying again", backend=executor.name, error=str(error)[:200])
        except Exception as error:  # noqa: BLE001 a scan's edge: one that breaks is one that nobody did
            _fault(executor.name, error)
            self._unseen(executor, f"{executor.name} could not be compared; the program log has the reason")

    def _report(self, executor: Executor, now: datetime) -> None:
        """Enter that nobody looked for twice the time: the backend hangs, or no clock ran."""
        looked = self._room.book.watch(executor.name).scanned_at
        since = looked or self._began
        if now > since + 2 * self._each:
            self._unseen(executor, f"Nobody could look at {executor.name} since {since:%Y-%m-%d %H:%M:%S} UTC.")

    def _unseen(self, executor: Executor, why: str) -> None:
        try:
            unseen(self._room.book, executor.name, why)
        except (LedgerError, BackendError) as error:
            logger.warning("a missed scan could not be entered", backend=executor.name, detail=error.detail)

    def _beat(self, now: datetime) -> None:
        watch = self._room.book.watch("clock")
        if watch.beat_at is not None and now < watch.beat_at + BEAT:
            return
        due = self._room.book.requests.next_due()
        late = max(0, int((now - due).total_seconds())) if due is not None else 0
        entry = Beat(open=len(self._room.book.requests.open()), due_for_s=late)
        try:
            self._room.book.append(Write(stream="watch:clock", expected=watch.version, entries=(entry,), actor=CLOCK))
        except VersionConflictError:
            logger.info("another clock has beaten")
        except (ReadOnlyError, BusyError) as error:
            logger.warning("no beat could be entered", detail=error.detail)


def _fault(what: str, error: Exception) -> None:
    """Log a fault that nobody thought of, plainly: no values of variables, which may be personal."""
    logger.error("could not look for side doors", about=what, trace="".join(traceback.format_exception(error)))


def forget(room: Room, executor: Executor, keys: Keys) -> None:
    """Let the executor drop its notes of grants whose request is over in the ledger, and was so a day ago."""

    def over(key: str) -> bool:
        request = keys.request(key)
        return request is not None and request.final and room.clock() >= request.since + FORGET_AFTER

    if isinstance(executor, Forgets):
        count = executor.forget(over)
        logger.info("forgot what is over", backend=executor.name, count=count)
