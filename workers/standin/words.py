"""Words that mean nothing, and are the same again for the same model, prompt and seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from workers.standin.asking import Call, Prompt

_WORDS: Final = (
    "anchor", "barrel", "canvas", "deck", "ebb", "fathom", "galley", "harbour",
    "inlet", "jetty", "keel", "ladder", "mast", "night", "oar", "pilot",
    "quay", "rope", "sail", "tide", "under", "vessel", "watch", "yard",
)  # fmt: skip
_SHORTEST, _LONGEST = 64, 192
"""Tokens after which an answer ends by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One sequence: a piece of text for every token, and why it ended.

    Args:
        reason: `stop` or `length`.
        stopped_by: the text that stopped it; None where it ended by itself.
    """

    pieces: tuple[str, ...]
    reason: str
    stopped_by: str | None = None

    @property
    def text(self) -> str:
        """The whole of it."""
        return "".join(self.pieces)


def answer(weights: str, prompt: Prompt, call: Call, *, number: int, context: int) -> Answer:
    """Return what the model `weights` says to a prompt as its `number`th of `call.n` answers."""
    draw = random.Random(f"{weights}\0{prompt.text}\0{_variety(call, number)}")  # noqa: S311 - nothing is secret
    room = min(context - prompt.tokens, context if call.most is None else call.most)
    by_itself = context if call.ignore_eos else draw.randint(_SHORTEST, _LONGEST)
    pieces: list[str] = []
    for _ in range(min(room, by_itself)):
        pieces.append(f" {draw.choice(_WORDS)}")
        stopped = _stopped(pieces, call.stops)
        if stopped is not None:
            return stopped
    return Answer(pieces=tuple(pieces), reason="length" if room <= by_itself else "stop")


def _variety(call: Call, number: int) -> str:
    """What makes two answers differ: nothing at temperature 0, else the seed, else chance."""
    if call.temperature == 0:
        return "greedy"
    return f"{random.random() if call.seed is None else call.seed} {number}"  # noqa: S311


def _stopped(pieces: list[str], stops: tuple[str, ...]) -> Answer | None:
    """Return the answer that ends before the first text that stops it, if there is one by now."""
    text = "".join(pieces)
    found = min(((text.find(stop), stop) for stop in stops if stop in text), default=None)
    if found is None:
        return None
    return Answer(pieces=_until(pieces, found[0]), reason="stop", stopped_by=found[1])


def _until(pieces: list[str], length: int) -> tuple[str, ...]:
    """Return as many pieces, of which together only the first `length` characters stay: what was cut was counted."""
    kept, at = [], 0
    for piece in pieces:
        kept.append(piece[: max(0, length - at)])
        at += len(piece)
    return tuple(kept)
