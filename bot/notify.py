"""Follows the ledger and keeps every message true, on a thread of its own.

Whoever moved a request, and by whatever path, its messages are rebuilt from the request; sending them again changes
nothing. What must be shown is owed in a table before it is shown: what Slack does not take now, or what a killed
process left behind, is tried again, ever more rarely, until Slack takes it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from bot.blocks.words import Voice
from bot.desk import Desk
from bot.freezing import Freezing
from bot.keeping import Keeping
from bot.outages import LastLook
from bot.slack import TROUBLE, Slack
from bot.tables import Owed, Tables
from ledger.streams import usage

logger = structlog.get_logger(__name__)

LOOK_S: Final = 0.2
LONGEST_S: Final = 60.0
WATCHED: Final = {"watch.found": "door", "watch.closed": "shut", "policy.published": "rules", "model.routed": "routed"}
"""Entries that are no request's, and the duty that each is: side doors, rules that were adopted, ways back."""
TIDY_EACH: Final = timedelta(hours=1)


class Notifier:
    """The loop that pays what is owed; `duties` says how, by the first word of a key."""

    def __init__(self, desk: Desk, slack: Slack, tables: Tables, clock: Callable[[], datetime], seen: LastLook) -> None:
        self._desk, self._tables, self._clock = desk, tables, clock
        self._keeping = Keeping(desk, slack, tables, clock, seen)
        self._tidied: datetime | None = None
        self.duties: dict[str, Callable[[str], None]] = {"request": self._request, "remind": self._request}
        self.duties["halt"] = Freezing(desk, slack, tables, self.voice, clock).show
        self.beside: list[Callable[[int], None]] = []
        """What else is shown about a request that moved."""
        self.rounds: list[Callable[[], None]] = []
        """What else is done at every look."""

    def run(self, stop: threading.Event) -> None:
        """Follow until told to stop."""
        while not stop.is_set():
            try:
                self.look()
            except Exception:  # the edge of this thread: it must outlive whatever a message runs into
                logger.exception("notify failed; trying again")
            stop.wait(LOOK_S)

    def look(self) -> None:
        """Owe what moved since the last look, and pay what is due."""
        cursor, moved = self._tables.cursor(), dict[str, None]()
        start = cursor
        for stored in self._desk.book.follow(cursor):
            if stored.stream.startswith("request:"):
                moved[stored.stream] = None
            elif stored.stream.startswith(usage.PREFIX):
                moved[f"request:{stored.stream.removeprefix(usage.PREFIX)}"] = None
            elif stored.stream == "halt":
                moved[f"halt:{stored.seq}"] = None
            elif stored.kind in WATCHED:
                moved[f"{WATCHED[stored.kind]}:{stored.seq}"] = None
            cursor = stored.seq + 1
        if cursor != start:
            self._tables.move_cursor(cursor, moved, self._clock())
        for each in self.rounds:
            each()
        for owed in self._tables.owing(self._clock()):
            self.pay(owed)
        self._tidy()

    def pay(self, owed: Owed) -> None:
        """Show what is owed, or note when to try again."""
        scheme, _, name = owed.key.partition(":")
        try:
            self.duties[scheme](name)
        except TROUBLE as error:
            pause = min(LONGEST_S, 0.25 * 2 ** min(owed.tries, 10))
            logger.warning("Slack did not take a message; trying again", owed=owed.key, error=str(error)[:200])
            self._tables.later(owed.key, self._clock() + timedelta(seconds=pause))
        except Exception:  # one message that cannot be made must keep no other from being shown
            logger.exception("a message could not be made; trying again", owed=owed.key)
            self._tables.later(owed.key, self._clock() + timedelta(seconds=LONGEST_S))
        else:
            self._tables.paid(owed.key, owed.mark)

    def soon(self, key: str) -> None:
        """Show it now if Slack takes it, and otherwise as soon as it does; never raises for Slack's sake."""
        self._tables.owe(key, self._clock())
        for owed in self._tables.owing(self._clock()):
            if owed.key == key:
                self.pay(owed)

    def refresh(self, number: int) -> None:
        """Make every message about a request say what is so, now or as soon as Slack takes it."""
        self.soon(f"request:{number}")

    def voice(self, viewer: str | None) -> Voice:
        """Return how to speak to a subject: names, their zone, the policy in force."""
        return self._keeping.voice(viewer)

    def _request(self, name: str) -> None:
        for each in self.beside:
            each(int(name))
        again = self._keeping.refresh(int(name))
        if again is not None:
            self._tables.owe(f"remind:{name}", again)

    def _tidy(self) -> None:
        now = self._clock()
        if self._tidied is None or now - self._tidied > TIDY_EACH:
            self._tidied = now
            self._tables.tidy(now)
