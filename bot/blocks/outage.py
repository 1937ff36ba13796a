"""A backend that does not answer: what a card says meanwhile, and what the admins read until it answers again."""

from __future__ import annotations

from bot.blocks.parts import Message, section
from bot.blocks.words import Voice, duration, shown
from ledger.streams.request import Request, Status
from workers.outages import Outage


def unanswered(request: Request, outage: Outage, voice: Voice) -> str:
    """Return since when its backend does not answer, and that it goes on by itself."""
    name = request.form.resource.partition(":")[2]
    since = f":warning: *{name} does not answer* since {voice.at(outage.since)}."
    if request.status is not Status.STARTING:
        return f"{since} It starts when it does; nothing is charged."
    if request.not_after is None:
        return f"{since} It goes on by itself when it does."
    until = voice.at(request.not_after)
    return f"{since} It starts when it does, until {until} at the latest; nothing is charged before."


def report(outage: Outage, waiting: int, voice: Voice) -> Message:
    """Return what an admin reads first: since when, what it said, and how many wait."""
    head = f"Backend {shown(outage.backend)} does not answer"
    text = (
        f":rotating_light: *{head}* since {voice.at(outage.since)}. {shown(outage.why)}\n"
        f"{_many(waiting)} for it. It is tried once a minute, and they go on by themselves when it answers."
    )
    return Message(text=head, blocks=(section(text),))


def reminder(outage: Outage, waiting: int, hours: int) -> Message:
    """Return what an admin reads each hour that it does not answer."""
    text = f"Backend {shown(outage.backend)} still does not answer, for {duration(hours * 3600)} now. {_many(waiting)}."
    return Message(text=text, blocks=(section(f":rotating_light: {text}"),))


def over(backend: str, outage: Outage | None, voice: Voice) -> Message:
    """Return how the report closes: it answers again, or (None) nobody waits for it, so that nobody knows."""
    name = shown(backend)
    if outage is None or outage.back is None:
        head = f"Nothing waits for backend {name} any more"
        then = "It did not answer when it was tried last. The next request tries it again."
    else:
        head = f"Backend {name} answers again"
        span = duration(int((outage.back - outage.since).total_seconds()))
        then = f"Since {voice.at(outage.back)}, after {span}. What waited goes on by itself."
    return Message(text=head, blocks=(section(f":white_check_mark: *{head}.* {then}"),))


def _many(waiting: int) -> str:
    return "1 request waits" if waiting == 1 else f"{waiting} requests wait"
