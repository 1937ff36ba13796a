"""Follows the ledger and keeps every message true: cards, approvers' cards, and the lines in the asker's thread.

Whoever moved a request, and by whatever path, its messages are rebuilt from the request; sending them again changes
nothing. What Slack does not take now is tried again at the next look.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from slack_sdk.errors import SlackClientError

from bot.blocks.card import approval, card, closed_approval, plain, state_line
from bot.blocks.parts import Message, section
from bot.blocks.words import Voice
from bot.desk import Desk
from bot.slack import Slack
from bot.tables import Tables
from ledger.streams.request import Request, Status

logger = structlog.get_logger(__name__)

LOOK_S: Final = 0.2
_LINES: Final = {
    "request.approved",
    "request.denied",
    "request.queued",
    "request.lowered",
    "request.started",
    "request.done",
    "request.settled",
    "request.failed",
    "request.lapsed",
    "request.missed",
    "request.withdrawn",
    "request.reviewed",
    "request.decided",
}
_MENTIONED: Final = {
    Status.APPROVED,
    Status.DENIED,
    Status.RUNNING,
    Status.FAILED,
    Status.LAPSED,
    Status.ENDED,
    Status.DONE,
}


class Notifier:
    """Keeps messages true, on a thread of its own."""

    def __init__(self, desk: Desk, slack: Slack, tables: Tables, clock: Callable[[], datetime]) -> None:
        self._desk, self._slack, self._tables, self._clock = desk, slack, tables, clock
        self._again: set[int] = set()

    def run(self, stop: threading.Event) -> None:
        """Follow until told to stop."""
        while not stop.is_set():
            try:
                self.look()
            except Exception:  # the edge of this thread: it must outlive whatever a message runs into
                logger.exception("notify failed; trying again")
            stop.wait(LOOK_S)

    def look(self) -> None:
        """Refresh every request that moved since the last look, and those that Slack did not take then."""
        cursor = self._tables.cursor()
        moved = dict.fromkeys(self._again)
        for stored in self._desk.book.follow(cursor):
            scheme, _, name = stored.stream.partition(":")
            if scheme == "request":
                moved[int(name)] = None
            cursor = stored.seq + 1
        self._again = set()
        for number in moved:
            self._refresh_or_later(number)
        self._tables.move_cursor(cursor)

    def _refresh_or_later(self, number: int) -> None:
        try:
            self.refresh(number)
        except (SlackClientError, OSError) as error:
            logger.warning("Slack did not take a message; trying again", request=number, error=str(error)[:200])
            self._again.add(number)

    def refresh(self, number: int) -> None:
        """Make every message about a request say what is so."""
        request = self._desk.book.request(number)
        if request is None:
            return
        missing = self._desk.missing(request) if request.status is Status.WAITING else ()
        home = self._tables.message(f"card:{number}")
        if home is not None:
            voice = self.voice(request.asker)
            message = card(request, missing, voice)
            self._slack.show(f"card:{number}", number, "", home.channel, "", message)
            self._line(request, home.channel, home.thread, voice, state_line(request, missing, voice))
        self._approvers(request)

    def _line(self, request: Request, channel: str, thread: str, voice: Voice, state: str) -> None:
        """Say a change of state once in the asker's thread, mentioning them where they are waiting to hear it."""
        kind, _, _, seq = request.history[-1]
        if kind not in _LINES or not thread or (request.status is Status.WAITING and kind != "request.lowered"):
            return
        mention = f"{voice.mention_of(request.asker)} " if request.status in _MENTIONED else ""
        message = Message(text=f"{mention}{request.name}: {plain(state)}", blocks=(section(f"{mention}{state}"),))
        self._slack.show(f"line:{request.number}:{seq}", request.number, "line", channel, thread, message)

    def _approvers(self, request: Request) -> None:
        """A card in the direct messages of whoever may fill an open seat, and its end for whoever had one."""
        asked: set[str] = set()
        if request.status is Status.WAITING and not request.accept_pending:
            for seat, subjects in self._desk.missing(request):
                for subject in subjects:
                    asked.add(subject)
                    voice = self.voice(subject)
                    also = [voice.name_of(other) for other in subjects if other != subject]
                    self._show_to(request, subject, approval(request, seat, also, voice))
        missing = self._desk.missing(request) if request.status is Status.WAITING else ()
        for posted in self._tables.messages(request.number):
            if posted.viewer.startswith("user:") and posted.viewer not in asked:
                message = closed_approval(request, posted.viewer, missing, self.voice(posted.viewer))
                self._show_to(request, posted.viewer, message)

    def _show_to(self, request: Request, subject: str, message: Message) -> None:
        slack = self._desk.slack(subject)
        if slack is not None:
            key = f"approval:{request.number}:{subject}"
            known = self._tables.message(key)
            channel = known.channel if known else self._slack.direct(slack)
            self._slack.show(key, request.number, subject, channel, "", message)

    def voice(self, viewer: str | None) -> Voice:
        """Return how to speak to a subject: names, their zone, the policy in force."""
        slack = self._desk.slack(viewer) if viewer else None
        return Voice(
            name_of=self.name_of,
            mention_of=self.mention_of,
            title_of=self._title_of,
            zone=_zone(self._slack.zone(slack) if slack else "UTC"),
            policy=self._desk.policy(),
            now=self._clock(),
        )

    def name_of(self, subject: str) -> str:
        """Return the name Slack shows for a subject."""
        slack = self._desk.slack(subject)
        return self._slack.name(slack) if slack else "somebody"

    def mention_of(self, subject: str) -> str:
        """Return a mention of a subject."""
        slack = self._desk.slack(subject)
        return f"<@{slack}>" if slack else "somebody"

    def _title_of(self, subject: str) -> str:
        slack = self._desk.slack(subject)
        return self._desk.policy().title(f"user:{slack}") if slack else ""


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
