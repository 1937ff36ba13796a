"""The one view that ever holds a password or a key."""

from __future__ import annotations

from typing import Final

from bot.blocks.parts import Block, context, modal, section
from bot.blocks.words import Voice, code, shown
from bot.verbs.showing import Password
from ledger.nouns import KeyForm

VIEW: Final = "qm_shown"
_ONCE: Final = "Shown once, and kept nowhere. Copy it now: it works in a few seconds."
_AGAIN: Final = "Showing it again makes a new one and ends the sessions of this one"
_KEY_AGAIN: Final = "Showing it again makes a new one, and this one stops working"


def password_modal(password: Password, voice: Voice) -> Block:
    """Return the modal that shows a password or a key to whoever pressed the button."""
    request = password.request
    key = isinstance(request.form, KeyForm)
    title, again = ("Key", _KEY_AGAIN) if key else ("Password", _AGAIN)
    where = request.receipt.note if request.receipt else ""
    until = f"Until {voice.at(request.not_after)}" if request.not_after else ""
    blocks = [
        section(_as_command(where)),
        section(f"{title}\n```{password.secret}```"),
        section(_ONCE),
        context(request.name, until, again, f"ledger entry {request.seq:,} says that it was shown, not what it is"),
    ]
    return modal(VIEW, title, "", "Done", blocks, "")


def _as_command(where: str) -> str:
    words, _, command = where.partition(": ")
    return f"{shown(words)}:\n```{code(command)}```" if command else shown(where)
