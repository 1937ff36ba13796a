"""Corrections: of two values of one kind the later one wins when it was plainly taken back; otherwise it is a question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bot.intake.grammar.skeleton import Skeleton

TAKEN_BACK: Final = re.compile(
    r"\b(?:no|nope|sorry|actually|rather|instead|wait|hold on|scratch|correction|oops|i mean|i meant|better"
    r"|(?:make|change|turn) (?:it|that)|let's (?:say|make|do)|on second thought|strike that|perdon|besser|pardon)\b"
)


@dataclass(frozen=True, slots=True)
class Choice:
    """The value that holds; or the `values` that compete; or the words that are none."""

    value: float | None = None
    values: tuple[float, ...] = ()
    said: str = ""
    corrected: bool = False


def choose(skeleton: Skeleton, found: Sequence[tuple[int, float | None]]) -> Choice:
    """Return which of the values found (token index, value) holds."""
    ordered = sorted(found, key=lambda each: each[0])
    if not ordered:
        return Choice()
    values = list(dict.fromkeys(value for _, value in ordered))
    if len(values) == 1:
        return Choice(value=values[0], said="" if values[0] is not None else "a node")
    if taken_back(skeleton, ordered[-2][0], ordered[-1][0]):
        return Choice(value=ordered[-1][1], corrected=True)
    return Choice(values=tuple(sorted(value for value in values if value is not None)))


def taken_back(skeleton: Skeleton, first: int, second: int) -> bool:
    """Return whether words between two tokens take the first one back."""
    between = skeleton.text[skeleton.starts[first] : skeleton.starts[second]]
    return TAKEN_BACK.search(between) is not None
