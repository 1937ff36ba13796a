"""Tells the admins of a backend that does not answer, once and hourly, and makes the cards of what waits for it say so.

What is told closes in place when it answers again. The marker that the hands keep says how it stands, so that a desk
that was down meanwhile finds out what it missed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from bot.blocks.outage import over, reminder, report
from bot.blocks.words import Voice
from bot.desk import Desk
from bot.slack import Slack
from bot.tables import Tables
from bot.trouble import AGAIN, PATIENCE, admins
from ledger.log.canonical import format_time, parse_time
from ledger.streams.request import Request
from workers.outages import HELD_UP, Outage, Outages

DUTY: Final = "outage"
_PARTS: Final = 3
"""Backend, beginning and admin: the parts of a report's key; a reminder in its thread has one more."""


class LastLook:
    """How it stood at the notifier's last look: what every message says.

    Not how it stands now: what began and ended between two looks would be shown and never taken back.
    """

    def __init__(self) -> None:
        self.standing: dict[str, Outage] | None = None
        """None before the first look."""

    def of(self, *backends: str | None) -> Outage | None:
        """Return the outage that stood at the first of these backends that had one."""
        standing = self.standing or {}
        return next((standing[backend] for backend in backends if backend in standing), None)


class OutageReports:
    """What the notifier owes about backends that do not answer."""

    def __init__(
        self,
        desk: Desk,
        slack: Slack,
        tables: Tables,
        clock: Callable[[], datetime],
        voice: Callable[[str | None], Voice],
        outages: Outages,
        seen: LastLook,
    ) -> None:
        self._desk, self._slack, self._tables, self._clock = desk, slack, tables, clock
        self._voice, self._outages, self._seen = voice, outages, seen

    def look(self) -> None:
        """Owe what follows from every outage that began or ended since the last look; at a start, from all that was told."""
        before, now = self._seen.standing, self._outages.standing()
        known = self._told() if before is None else before.keys()
        for backend in sorted(now.keys() | known):
            if before is None or _since(now, backend) != _since(before, backend):
                self._tables.owe(f"{DUTY}:{backend}", self._clock())
                for request in self._waiting(backend):
                    self._tables.owe(f"request:{request.number}", self._clock())
        self._seen.standing = now  # at last: what could not be owed is seen again

    def tell(self, backend: str) -> None:
        """Make every report about a backend say how it stood at the last look, and add a reminder for each hour."""
        self._close(backend)
        outage = self._seen.of(backend)
        if outage is None:
            return
        lasted = self._clock() - outage.since
        hours = lasted // AGAIN
        if lasted >= PATIENCE:
            waiting = len(self._waiting(backend))
            for slack in admins(self._desk):
                self._tell(slack, outage, hours, waiting)
        due = outage.since + (AGAIN * (hours + 1) if lasted >= PATIENCE else PATIENCE)
        self._tables.again(f"{DUTY}:{backend}", due)

    def _tell(self, slack: str, outage: Outage, hours: int, waiting: int) -> None:
        viewer = self._desk.subject(slack)
        channel = self._slack.direct(slack)
        key = f"{DUTY}:{outage.backend}@{format_time(outage.since)}@{viewer}"
        ts = self._slack.show(key, 0, viewer or "", channel, "", report(outage, waiting, self._voice(viewer)))
        again = f"{key}@{hours}"
        if hours and not self._tables.message(again):
            self._slack.show(again, 0, viewer or "", channel, ts, reminder(outage, waiting, hours))

    def _close(self, backend: str) -> None:
        """Close what was told of outages that do not stand any more."""
        noted = self._outages.of(backend)
        for posted in self._tables.messages_like(f"{DUTY}:{backend}@"):
            parts = posted.key.split("@")
            outage = noted.get(parse_time(parts[1]))
            if len(parts) == _PARTS and (outage is None or outage.back is not None):
                message = over(backend, outage, self._voice(posted.viewer))
                self._slack.show(posted.key, 0, posted.viewer, posted.channel, "", message)

    def _told(self) -> set[str]:
        reports = self._tables.messages_like(f"{DUTY}:")
        return {posted.key.removeprefix(f"{DUTY}:").partition("@")[0] for posted in reports}

    def _waiting(self, backend: str) -> list[Request]:
        """Return the requests that wait for it, oldest first."""
        found = (self._desk.book.request(number) for number in self._desk.book.requests.open())
        catalogue = self._desk.policy().catalogue
        return [
            each
            for each in found
            if each is not None
            and each.status in HELD_UP
            and backend in {catalogue.backend(each.form.resource), each.executor}
        ]


def _since(standing: Mapping[str, Outage], backend: str) -> datetime | None:
    outage = standing.get(backend)
    return None if outage is None else outage.since
