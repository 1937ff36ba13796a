"""The one view that ever holds a password."""

from __future__ import annotations

from typing import Final

from bot.blocks.parts import Block, context, modal, section
from bot.blocks.words import Voice, shown
from bot.verbs.showing import Password

VIEW: Final = "qm_shown"
_ONCE: Final = "Shown once, and kept nowhere. Copy it now: it works in a few seconds."
_AGAIN: Final = "Showing it again makes a new one and ends the sessions of this one"


def password_modal(password: Password, voice: Voice) -> Block:
    """Return the modal that shows a password to whoever pressed the button."""
    request = password.request
    where = request.receipt.note if request.receipt else ""
    until = f"Until {voice.at(request.not_after)}" if request.not_after else ""
    blocks = [
        section(_as_command(shown(where))),
        section(f"Password\n```{password.secret}```"),
        section(_ONCE),
        context(request.name, until, _AGAIN, f"ledger entry {request.seq:,} says that it was shown, not what it is"),
    ]
    return modal(VIEW, "Password", "", "Done", blocks, "")


def _as_command(where: str) -> str:
    words, _, command = where.partition(": ")
    return f"{words}:\n```{command}```" if command else where
