"""The few Block Kit shapes that cards are made of, within Slack's limits, and the messages they make."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

Block = dict[str, Any]
_TEXT: Final = 2900
_FIELD: Final = 1900
_HEADER: Final = 140


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message: `text` is the full sentence that notifications and screen readers give."""

    text: str
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """What a button carries: the request, its version and the digest of the form that was seen."""

    request: int
    version: int
    digest: str

    def value(self) -> str:
        """Return the button's value."""
        return json.dumps([self.request, self.version, self.digest], separators=(",", ":"))

    @classmethod
    def parse(cls, value: str) -> Ref | None:
        """Return what a button's value says, None when it is not one that we made."""
        try:
            request, version, digest = json.loads(value)
        except (ValueError, TypeError):
            return None
        ref = cls(request=request, version=version, digest=digest)
        typed = type(request) is int and type(version) is int and type(digest) is str
        return ref if typed and ref.value() == value else None


def header(text: str) -> Block:
    """A card's first line: what it is about."""
    return {"type": "header", "text": {"type": "plain_text", "text": text[:_HEADER], "emoji": False}}


def section(text: str) -> Block:
    """A paragraph."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:_TEXT]}}


def fields(pairs: Sequence[tuple[str, str]]) -> Block:
    """Facts, at most ten: label above value."""
    cells = [{"type": "mrkdwn", "text": f"*{label}*\n{value}"[:_FIELD]} for label, value in pairs if value]
    return {"type": "section", "fields": cells[:10]}


def context(*parts: str) -> Block:
    """The small print: why, and where it is entered."""
    text = " · ".join(part for part in parts if part)
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text[:_TEXT]}]}


def button(action: str, label: str, value: str, style: str = "") -> Block:
    """A button; `style` is primary, danger or empty."""
    made: Block = {
        "type": "button",
        "action_id": action,
        "text": {"type": "plain_text", "text": label[:75], "emoji": False},
        "value": value,
    }
    return {**made, "style": style} if style else made


def actions(*elements: Block, block: str = "") -> Block:
    """The next step; `block` names it where a menu must say what it belongs to."""
    made: Block = {"type": "actions", "elements": list(elements)}
    return {**made, "block_id": block} if block else made


def option(label: str, value: str) -> Block:
    """One choice of a menu."""
    return {"text": {"type": "plain_text", "text": label[:75], "emoji": False}, "value": value}


def menu(action: str, label: str, options: Sequence[Block]) -> Block:
    """A menu on a card; `label` says what is chosen, until it is."""
    placeholder = {"type": "plain_text", "text": label[:150], "emoji": False}
    return {"type": "static_select", "action_id": action, "placeholder": placeholder, "options": list(options)}


def entry_input(
    block: str, label: str, element: Block, *, hint: str = "", optional: bool = False, live: bool = False
) -> Block:
    """An input of a modal; its action id is that of its block. A live one tells the app when its value changes."""
    if live:
        typed = {"dispatch_action_config": {"trigger_actions_on": ["on_character_entered"]}}
        element = {**element, **(typed if element["type"] in {"plain_text_input", "number_input"} else {})}
    made: Block = {
        "type": "input",
        "block_id": block,
        "label": {"type": "plain_text", "text": label, "emoji": False},
        "element": {**element, "action_id": block},
        "optional": optional,
    }
    if live:
        made["dispatch_action"] = True
    return {**made, "hint": {"type": "plain_text", "text": hint, "emoji": False}} if hint else made


def modal(callback: str, title: str, submit: str, close: str, blocks: Sequence[Block], private: str) -> Block:
    """A modal view."""

    def plain(text: str) -> Block:
        return {"type": "plain_text", "text": text, "emoji": False}

    view: Block = {"type": "modal", "callback_id": callback, "title": plain(title), "close": plain(close)}
    return {
        **view,
        **({"submit": plain(submit)} if submit else {}),
        "blocks": list(blocks),
        "private_metadata": private,
    }


def quote(text: str) -> str:
    """A reason in its author's words, on a line of its own; empty when there is none."""
    return f"\n>{text}" if text else ""
