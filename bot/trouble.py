"""Tells the admins, in direct messages, of requests that always fail: at once, and hourly while one is not seen gone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from bot.blocks.parts import Message, section
from bot.blocks.states import GIVE_UP
from bot.blocks.words import Voice, shown
from bot.desk import Desk
from bot.slack import Slack
from bot.tables import Tables
from ledger.streams.request import Request, Status

AGAIN: Final = timedelta(hours=1)
PATIENCE: Final = timedelta(seconds=10)
"""How long the last try may take to be seen gone, so that what is over at once is told once."""
DUTY: Final = "trouble"
ADMIN: Final = "role:admin"


class Trouble:
    """What the notifier owes the admins about one request."""

    def __init__(
        self,
        desk: Desk,
        slack: Slack,
        tables: Tables,
        clock: Callable[[], datetime],
        voice: Callable[[str | None], Voice],
    ) -> None:
        self._desk, self._slack, self._tables, self._clock = desk, slack, tables, clock
        self._voice = voice

    def notice(self, number: int) -> None:
        """Owe the admins a word about a request that was given up: at once when it is over, else when it had time to."""
        request = self._desk.book.request(number)
        if request is not None and given_up(request):
            self._tables.owe(f"{DUTY}:{number}", self._clock() + (timedelta() if request.final else PATIENCE))

    def tell(self, name: str) -> None:
        """Tell every admin how it stands, once an hour as long as it is not over."""
        request = self._desk.book.request(int(name))
        if request is None or not given_up(request):
            return
        hour = 0 if request.final else int(self._clock().timestamp() // AGAIN.total_seconds())
        for slack in admins(self._desk):
            viewer = self._desk.subject(slack)
            key = f"trouble:{request.number}:{hour}:{viewer}"
            known = self._tables.message(key)
            if known is None or not known.ts:
                message = words(request, self._voice(viewer))
                self._slack.show(key, request.number, "trouble", self._slack.direct(slack), "", message)
        if not request.final:
            self._tables.again(f"{DUTY}:{name}", self._clock() + AGAIN)


def given_up(request: Request) -> bool:
    """Whether it failed too often to be tried again."""
    return request.stumbles >= GIVE_UP and request.status in {Status.STARTING, Status.FAILED}


def admins(desk: Desk) -> tuple[str, ...]:
    """Return the Slack ids of whoever holds the role of an admin."""
    roles = desk.policy().snapshot.roles
    return tuple(
        person.removeprefix("user:")
        for person in roles.people()
        if any(role == ADMIN for role, _ in roles.roles(person))
    )


def words(request: Request, voice: Voice) -> Message:
    """Return what an admin reads: what failed, how it stands, and what to do."""
    about = f"{voice.what(request.form)}, asked by {voice.name_of(request.asker)}"
    failed = f"{request.name} failed {request.stumbles} times"
    if request.final:
        text = f":warning: *{failed} and was given up.* {about}."
        then = "It was taken back and seen gone. The log of the worker says what broke."
    else:
        text = f":rotating_light: *{failed} and is not seen gone.* {about}."
        then = f"{shown(request.why)} It is not started again, and closes by itself once {request.executor} says it is gone."
    return Message(text=f"{failed}: {about}", blocks=(section(f"{text}\n{then}"),))
