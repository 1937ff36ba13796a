"""What is said when nobody answers: to the asker, and to admins where hardly anybody could."""

from __future__ import annotations

from bot.blocks.parts import Message, section
from bot.blocks.states import Missing, plain, state_line, who_is_missing
from bot.blocks.words import Voice
from ledger.streams.request import Request


def unanswered(request: Request, missing: Missing, voice: Voice, mention: str) -> Message:
    """Return what the asker reads at half of the time: who has not answered, and until when they may."""
    text = (
        f":hourglass_flowing_sand: *Not answered yet* by {who_is_missing(missing, voice)}. "
        f"They were reminded. It lapses {voice.at(request.lapse_at)}; ask them, or withdraw it."
    )
    words = f"{mention} {request.name}, {voice.what(request.form)}: {plain(text)}"
    return Message(text=words, blocks=(section(f"{mention} {text}"),))


def hardly_anybody(request: Request, missing: Missing, voice: Voice) -> Message:
    """Return what an admin reads, who may not vote: that nobody else can."""
    text = (
        f":information_source: *{request.name} waits for {who_is_missing(missing, voice)}*, and for nobody else who could "
        f"decide it: {voice.what(request.form)}, for {voice.name_of(request.asker)}. "
        f"It lapses {voice.at(request.lapse_at)}. You cannot decide it; perhaps somebody should stand in for them."
    )
    return Message(text=plain(text), blocks=(section(text),))


def information_over(request: Request, voice: Voice) -> Message:
    """Return what an admin's information becomes once there is nothing left to wait for."""
    text = f":information_source: {request.name} no longer waits. {plain(state_line(request, (), voice))}"
    return Message(text=plain(text), blocks=(section(text),))
