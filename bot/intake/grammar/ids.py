"""Bare numbers that are ids because the verb before them governs one: "approve 1042", "status of 1042"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from bot.intake.grammar.clock import pivot
from bot.intake.grammar.tokens import Token

_VERBS: Final = frozenset(
    (  # noqa: SIM905 words read better than a list of strings
        "approve deny reject decline cancel release withdraw retract extend shorten prolong status why return"
    ).split()
)
_AFTER: Final = frozenset(
    ["", ",", ".", "!", "?", ";", "and", "please", "pls", "plz", "for", "by", "UNTIL", "SPAN", "until", "then"]
)
_LOWEST_ID: Final = 100
_HIGHEST_ID: Final = 10**9 - 1


def mark_ids(tokens: Sequence[Token], folded: str) -> list[Token]:
    """Return the tokens with numbers that a verb governs as ids; a number of things after a verb is none."""
    return [_marked(tokens, at, folded) for at in range(len(tokens))]


def _marked(tokens: Sequence[Token], at: int, folded: str) -> Token:
    token = tokens[at]
    before = pivot(tokens, at - 1)
    verb = before in _VERBS or (before in {"of", "number"} and pivot(tokens, at - 2) in _VERBS)
    digits = (
        token.kind == "num" and folded[token.start : token.end].isascii() and folded[token.start : token.end].isdigit()
    )
    if not (verb and digits and pivot(tokens, at + 1) in _AFTER and _LOWEST_ID <= token.value <= _HIGHEST_ID):
        return token
    return replace(token, kind="id", pivot="ID", value=int(token.value))
