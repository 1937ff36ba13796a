"""The messages of one request, made true: its card, the lines in the asker's thread, the approvers' cards."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from slack_sdk.errors import SlackApiError

from bot import waiting
from bot.beside import beside
from bot.blocks.approval import approval, closed_approval, reminder
from bot.blocks.card import card
from bot.blocks.lines import Line, lines
from bot.blocks.parts import Message, section
from bot.blocks.reminders import hardly_anybody, information_over, unanswered
from bot.blocks.states import Missing
from bot.blocks.words import Voice
from bot.desk import Desk
from bot.longer import Longer
from bot.outages import LastLook
from bot.slack import NO_PLACE, TROUBLE, Slack
from bot.tables import Nudges, Posted, Tables
from ledger.streams.request import Request, Status
from policies.ahead import sooner_at, warning_at
from workers.outages import Outage

logger = structlog.get_logger(__name__)

REMIND_AFTER: Final = timedelta(minutes=30)
REMIND_EACH: Final = timedelta(hours=1)
LOOK_AGAIN: Final = timedelta(minutes=5)
"""How soon a request that waits under a halt is looked at again: its times go on once the halt is lifted."""
REWORD_EACH: Final = timedelta(minutes=15)
"""How soon a card is looked at again whose words follow from more than its request."""


def remindable_at(request: Request, nudges: Nudges) -> datetime | None:
    """Return from when the asker may remind the approvers; None when it lapses first or nobody is to be reminded."""
    if request.status is not Status.WAITING or request.accept_pending or not request.open_seats:
        return None
    first = request.submitted_at + REMIND_AFTER
    at = first if nudges.last is None else max(first, nudges.last + REMIND_EACH)
    return at if at < request.lapse_at else None


class Keeping:
    """Rebuilds messages from the request; knows no loop and no retry."""

    def __init__(self, desk: Desk, slack: Slack, tables: Tables, clock: Callable[[], datetime], seen: LastLook) -> None:
        self._desk, self._slack, self._tables, self._clock = desk, slack, tables, clock
        self._seen = seen
        self._longer = Longer(desk, slack, tables, self.voice)
        self._turns = tuple(threading.Lock() for _ in range(64))

    def refresh(self, number: int) -> datetime | None:
        """Make every message about a request say what is so, and return when to look again though nothing moved.

        One message that Slack does not take keeps no other from being shown; its error is raised at the end. One thread
        at a time for a request: who read it earlier must not have the last word.
        """
        with self._turns[number % len(self._turns)]:
            return self._refresh(number)

    def _refresh(self, number: int) -> datetime | None:
        request = self._desk.book.request(number)
        if request is None:
            return None
        look_again = self._let_time_act(request)
        steps = [
            lambda: self._own(request),
            *self._approvers(request),
            *self._escalation(request),
            *self._longer.steps(request),
        ]
        trouble: Exception | None = None
        for step in steps:
            try:
                step()
            except TROUBLE as error:
                trouble = error
        if trouble is not None:
            raise trouble
        moments = (remindable_at(request, self._tables.nudges(number)), look_again, self._reworded_at(request))
        return min((at for at in moments if at is not None and at > self._clock()), default=None)

    def _let_time_act(self, request: Request) -> datetime | None:
        """Note each step that time has come to, before it is shown; return when the next one comes."""
        now, upcoming, halts = self._clock(), None, self._desk.book.halts()
        if request.status is Status.WAITING and halts.over(request.form.resource) is not None:
            return now + LOOK_AGAIN
        for step, at in waiting.due(request, halts, now):
            if at <= now:
                self._tables.step(request.number, step, now)
            else:
                upcoming = upcoming or at
        return upcoming

    def _reworded_at(self, request: Request) -> datetime | None:
        """When the time of its warning may be another: whether people must agree follows from what else its holder has."""
        may_move = request.status is Status.RUNNING and request.warned_of != request.not_after
        sooner = sooner_at(self._desk.policy().catalogue.hours, request) if may_move else None
        return None if sooner is None else self._clock() + REWORD_EACH

    def _escalation(self, request: Request) -> list[Callable[[], None]]:
        """Once time has come to it: the asker reads who has not answered; the admins do where hardly anybody could."""
        if self._tables.nudges(request.number).escalated is None:
            return []
        if request.status is not Status.WAITING:
            told = [posted for posted in self._tables.messages(request.number) if posted.key.startswith("inform:")]
            return [partial(self._informed, request, posted) for posted in told]
        missing, home = self._desk.missing(request), self._tables.message(f"card:{request.number}")
        steps: list[Callable[[], None]] = []
        thread = (home.thread or home.ts) if home is not None else ""
        if home is not None and thread and missing:
            message = unanswered(request, missing, self.voice(request.asker), self._mention_of(request.asker))
            key = f"unanswered:{request.number}"
            steps.append(lambda: self._show_once(key, request, "line", home.channel, thread, message))
        if any(len(subjects) <= 1 for _, subjects in missing):
            steps += [partial(self._inform, request, missing, admin) for admin in self._admins(request, missing)]
        return steps

    def _admins(self, request: Request, missing: Missing) -> tuple[str, ...]:
        """The subjects of the policy's admins: whoever may halt it, without those whose request or seat it is."""
        policy, seated = self._desk.policy(), {s for _, who in missing for s in who}
        found = (slack for slack in policy.people() if policy.may(f"user:{slack}", "halt", request.form.resource))
        subjects = (self._desk.subject(slack) for slack in found)
        return tuple(subject for subject in subjects if subject not in request.barred | seated)

    def _inform(self, request: Request, missing: Missing, admin: str) -> None:
        slack = self._desk.slack(admin)
        if slack is not None:
            words = hardly_anybody(request, missing, self.voice(admin))
            key = f"inform:{request.number}:{admin}"
            known = self._tables.message(key)
            channel = known.channel if known else self._slack.direct(slack)
            self._show_once(key, request, f"inform:{admin}", channel, "", words)

    def _informed(self, request: Request, posted: Posted) -> None:
        words = information_over(request, self.voice(posted.key.rpartition(":")[2]))
        self._slack.show(posted.key, request.number, posted.viewer, posted.channel, "", words)

    def _show_once(self, key: str, request: Request, viewer: str, channel: str, thread: str, message: Message) -> None:
        known = self._tables.message(key)
        if known is None or not known.ts:
            self._slack.show(key, request.number, viewer, channel, thread, message)

    def _own(self, request: Request) -> None:
        """The asker's card, and the lines in their thread."""
        home = self._tables.message(f"card:{request.number}")
        if home is None:
            return
        voice, nudges = self.voice(request.asker), self._tables.nudges(request.number)
        waits = request.status in {Status.WAITING, Status.LAPSED}
        open_seats = self._desk.missing(request) if waits else self._desk.extension_missing(request)
        at = remindable_at(request, nudges)
        remind = at is not None and at <= self._clock()
        frozen = self._desk.book.halts().over(request.form.resource)
        message = card(request, open_seats, voice, nudges=nudges, remind=remind, frozen=frozen)
        ts = self._card(request, home, message)
        now = self._tables.message(home.key) or home
        for line in lines(request, open_seats, voice):
            self._line(request, now.channel, now.thread or ts, voice, line)

    def _card(self, request: Request, home: Posted, message: Message) -> str:
        """Show the card where it stood; where that place is closed to us, in the asker's direct messages."""
        try:
            return self._slack.show(home.key, request.number, "", home.channel, "", message)
        except SlackApiError as error:
            slack = self._desk.slack(request.asker)
            if error.response.get("error") not in NO_PLACE or slack is None:
                raise
            direct = self._slack.direct(slack)
            if direct == home.channel:
                logger.warning("no place to show a card", request=request.number)
                return ""
            self._tables.move(home.key, direct, "")
            return self._slack.show(home.key, request.number, "", direct, "", message)

    def _line(self, request: Request, channel: str, thread: str, voice: Voice, line: Line) -> None:
        """Say a change of state once, mentioning the asker where they wait to hear it; a place that is gone hears nothing."""
        key = f"line:{request.number}:{line.key}"
        known = self._tables.message(key)
        if not thread or (known is not None and known.ts and not line.changes):
            return
        mention = f"{voice.mention_of(request.asker)} " if line.mentions else ""
        text = f"{mention}{request.name}, {voice.what(request.form)}: {line.plain}"
        message = Message(text=text, blocks=(section(f"{mention}{line.text}"),))
        try:
            self._slack.show(key, request.number, "line", channel, thread, message)
        except SlackApiError as error:
            if error.response.get("error") not in NO_PLACE:
                raise

    def _approvers(self, request: Request) -> list[Callable[[], None]]:
        """A card in the direct messages of whoever may fill an open seat, and its end for whoever had one."""
        steps: list[Callable[[], None]] = []
        asked: set[str] = set()
        missing = self._desk.missing(request) if request.status is Status.WAITING else ()
        for seat, subjects in () if request.accept_pending else missing:
            for subject in subjects:
                if subject not in asked:
                    asked.add(subject)
                    voice = self.voice(subject)
                    also = [voice.name_of(other) for other in subjects if other != subject]
                    facts = beside(self._desk.book, request, voice)
                    message = approval(request, seat, also, voice, facts)
                    steps.append(lambda to=subject, m=message: self._ask(request, to, m))  # type: ignore[misc]
        for posted in self._tables.messages(request.number):
            if posted.key.startswith("approval:") and posted.viewer not in asked:
                message = closed_approval(request, posted.viewer, missing, self.voice(posted.viewer))
                steps.append(lambda to=posted.viewer, m=message: self._close(request, to, m))  # type: ignore[misc]
        return steps

    def _ask(self, request: Request, subject: str, message: Message) -> None:
        """The card to decide on, and under it a reminder when the asker sent one."""
        where = self._show_to(request, subject, message)
        nudges = self._tables.nudges(request.number)
        key = f"reminder:{request.number}:{nudges.count}:{subject}"
        known = self._tables.message(key)
        if where is None or not nudges.count or (known is not None and known.ts):
            return
        words = reminder(request, self.voice(subject), by_itself=nudges.by_itself)
        self._slack.show(key, request.number, f"reminder:{subject}", where.channel, where.ts, words)

    def _close(self, request: Request, subject: str, message: Message) -> None:
        self._show_to(request, subject, message)

    def _show_to(self, request: Request, subject: str, message: Message) -> Posted | None:
        slack = self._desk.slack(subject)
        if slack is None:
            return None
        key = f"approval:{request.number}:{subject}"
        known = self._tables.message(key)
        channel = known.channel if known else self._slack.direct(slack)
        self._slack.show(key, request.number, subject, channel, "", message)
        return self._tables.message(key)

    def voice(self, viewer: str | None) -> Voice:
        """Return how to speak to a subject: names, their zone, the policy in force."""
        slack = self._desk.slack(viewer) if viewer else None
        return Voice(
            name_of=self._name_of,
            mention_of=self._mention_of,
            title_of=self._title_of,
            zone=_zone(self._slack.zone(slack) if slack else "UTC"),
            policy=self._desk.policy(),
            now=self._clock(),
            warned_at=partial(warning_at, self._desk.policy(), self._desk.book),
            outage_of=self._outage_of,
            used_of=lambda request: self._desk.book.used(request.number),
        )

    def _outage_of(self, request: Request) -> Outage | None:
        named = self._desk.policy().catalogue.backend(request.form.resource)
        return self._seen.of(named, request.executor)

    def _name_of(self, subject: str) -> str:
        slack = self._desk.slack(subject)
        return self._slack.name(slack) if slack else "somebody"

    def _mention_of(self, subject: str) -> str:
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
