"""How text travels: what people type becomes Slack's escaped form, in which `<@U…>` is a mention."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.workspace.model import Json

_REFERENCE: Final = re.compile(r"(<(?:[@#][A-Z][A-Z0-9]+(?:\|[^<>]*)?|![a-z]+(?:\^[A-Z0-9]+)?(?:\|[^<>]*)?)>)")
_AT: Final = re.compile(r"(?<![\w@.])@([\w][\w.\-]*)")
_MENTION: Final = re.compile(r"<@([A-Z][A-Z0-9]+)(?:\|[^<>]*)?>")


def escape(text: str) -> str:
    """Return `text` with `&`, `<` and `>` as entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def encode(text: str, handles: Mapping[str, str], *, labelled: bool = False) -> str:
    """Return what the app receives when a person typed `text`.

    Args:
        handles: user id by handle in small letters; `@handle` becomes a mention of it.
        labelled: as in slash commands, `<@U…|handle>`.
    """

    def mention(match: re.Match[str]) -> str:
        handle = match.group(1).rstrip(".-")
        user = handles.get(handle.lower())
        if user is None:
            return match.group(0)
        rest = match.group(1)[len(handle) :]
        return (f"<@{user}|{handle}>" if labelled else f"<@{user}>") + rest

    def part(index: int, piece: str) -> str:
        return piece if index % 2 else _AT.sub(mention, escape(piece))

    return "".join(part(index, piece) for index, piece in enumerate(_REFERENCE.split(text)))


def mentions(text: str) -> list[str]:
    """Return the user ids mentioned in encoded `text`, in order."""
    return _MENTION.findall(text)


def rich_text(text: str) -> Json:
    """Return the rich_text block that Slack's own composer sends along with encoded `text`."""
    elements: list[Json] = []
    at = 0
    for match in _MENTION.finditer(text):
        elements += _plain(text[at : match.start()])
        elements.append({"type": "user", "user_id": match.group(1)})
        at = match.end()
    elements += _plain(text[at:])
    section = {"type": "rich_text_section", "elements": elements}
    return {"type": "rich_text", "block_id": "typed", "elements": [section]}


def _plain(text: str) -> list[Json]:
    unescaped = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return [{"type": "text", "text": unescaped}] if unescaped else []
