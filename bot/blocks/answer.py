"""What a person asked a model, in their thread: that it is being answered, the answer, or why there is none.

A model's words are shown as plain text: no markup of theirs mentions anybody, links anywhere or looks like ours.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from bot.blocks.parts import Block, Message, context, section
from bot.blocks.words import shown
from ledger.nouns import request_name
from ledger.streams.question import Answered, Asked, Unanswered

_PIECE: Final = 2900
_PIECES: Final = 6
CUT: Final = "It is longer than Slack shows; the rest is with the entry."


def asking(number: int, asked: Asked) -> Message:
    """While nobody answered yet."""
    text = f"Asking *{shown(asked.model)}*, as it is in {shown(asked.environment)} …"
    return Message(text=text, blocks=(section(f":hourglass_flowing_sand: {text}"), _paid(number)))


def answer(number: int, asked: Asked, answered: Answered) -> Message:
    """The model's words, and what they rest on."""
    text = _plain(str(answered.answer)) or "(an empty answer)"
    pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]
    blocks: list[Block] = [_words(piece) for piece in pieces[:_PIECES]]
    tokens = answered.prompt_tokens + answered.answer_tokens
    facts = context(
        f"*{shown(asked.model)}*, {shown(asked.environment)}",
        f"version `{answered.version.removeprefix('sha256:')[:12]}`" if answered.version else "",
        f"{tokens:,} tokens of {request_name(number)}, {answered.took_ms / 1000:.1f} s",
        f"seed {asked.sampling.seed}, temperature {asked.sampling.temperature / 100:g}",
        CUT if len(pieces) > _PIECES else "",
    )
    warning = context("A model wrote this: check it. Question and answer are in the record by their digest.")
    return Message(text=text[:_PIECE], blocks=(*blocks, facts, warning))


def no_answer(number: int, asked: Asked, unanswered: Unanswered) -> Message:
    """Why there is none."""
    text = f"*{shown(asked.model)}* gave no answer. {shown(unanswered.why)}"
    return Message(text=text, blocks=(section(f":warning: {text}"), _paid(number)))


def _paid(number: int) -> Block:
    return context(f"With your key of {request_name(number)}")


def _words(text: str) -> Block:
    return {"type": "section", "text": {"type": "plain_text", "text": text, "emoji": False}}


def _plain(text: str) -> str:
    """Without control and direction marks, but for the ends of lines."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c)[0] != "C").strip()
