"""What keys to models were used for: entered from the endpoint's counters once an hour is over, each hour once.

The counters are a mutable table. An hour is entered first and forgotten there afterwards: whoever crashes between the
two finds it again, and the law refuses to count it a second time.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

import structlog

from ledger import crash
from ledger.book import Book, Write
from ledger.log.canonical import parse_time
from ledger.nouns import KeyForm
from ledger.streams.usage import Counted, stream_of
from workers.endpoint.counters import Hour
from workers.executors.base import Meters
from workers.room import CLOCK, Room

logger = structlog.get_logger(__name__)

LATE: Final = timedelta(minutes=1)
"""How long after its end an hour is entered: the last calls of it are being settled still."""
EACH: Final = timedelta(minutes=1)
"""How often it is looked."""


class HourlyUse:
    """Looks once a minute."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._looked: datetime | None = None

    def enter(self, now: datetime) -> None:
        """Enter every hour that is over, and tell the counters what teams may use by the rules in force."""
        if self._looked is not None and abs(now - self._looked) < EACH:
            return
        self._looked = now
        for executor in self._room.executors.values():
            if isinstance(executor, Meters):
                executor.allot_teams()
                enter_hours(self._room.book, executor, now)


def enter_hours(book: Book, meter: Meters, now: datetime) -> None:
    """Enter what was counted in the hours that are over, and let the counters forget it.

    Raises:
        VersionConflictError: another clock was first with one of them; the rest is found again.
    """
    for (key, hour), rows in groupby(meter.hours(now - LATE), key=lambda row: (row.key, row.hour)):
        group = tuple(rows)
        _enter(book, key, hour, group)
        crash.point("after-counted", int(key) if key.isdecimal() else 0)
        meter.forget_hours(group)


def _enter(book: Book, key: str, hour: str, rows: tuple[Hour, ...]) -> None:
    number, begin = int(key) if key.isascii() and key.isdecimal() else 0, parse_time(hour)
    request, used = book.request(number), book.used(number)
    if request is None or not isinstance(request.form, KeyForm) or request.dispatched_at is None:
        logger.warning("the counters name a key that nobody was granted", key=key)
    elif used.until is not None and begin < used.until:
        logger.info("that hour was entered", request=number, hour=hour)
    else:
        entry = Counted(hour=begin, calls=sum(row.calls for row in rows), tokens=sum(row.tokens for row in rows))
        crash.point("before-counted", number)
        book.append(Write(stream=stream_of(number), expected=used.version, entries=(entry,), actor=CLOCK))
