"""The limit language: a conjunction over declared, typed facts, parsed once, never raising when it is evaluated.

`gpus<=8 hours<=72 cost<=2000`: `hours`, `days` and `cost` are units over `duration_s` and `cost_minor`, compared exactly.
An unknown fact never helps the asker: parts that allow need it, parts that deny or add seats bite without it.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from policies.errors import PolicyError
from policies.vocabulary import FACTS, UNITS, nearest_word

COMPARE: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_PART: Final = re.compile(r"([a-z_]+)(<=|>=|==|<|>)(0|[1-9][0-9]{0,11})")
_REMEMBERED: Final = 1 << 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One comparison: `word` as written, `fact` and `value` in the fact's own unit, `shown` the number as written."""

    word: str
    fact: str
    compare: str
    value: int
    shown: int

    def holds(self, facts: Mapping[str, int]) -> bool | None:
        """Return whether it holds; None when the fact is unknown."""
        known = facts.get(self.fact)
        return None if known is None else COMPARE[self.compare](known, self.value)

    def __str__(self) -> str:
        return f"{self.word}{self.compare}{self.shown}"


@lru_cache(maxsize=_REMEMBERED)
def parse_limit(text: str) -> tuple[Part, ...]:
    """Return the parts of a limit; `-` is none. Raises PolicyError for anything that is not one."""
    if text == "-":
        return ()
    return tuple(_part(word) for word in text.split(" "))


def _part(text: str) -> Part:
    match = _PART.fullmatch(text)
    if match is None:
        raise PolicyError("policy.csv", f"limit {text!r}", "write it like gpus<=8, with a whole number")
    word, compare, digits = match.groups()
    fact, unit = UNITS.get(word, (word, 1))
    if fact not in FACTS:
        raise PolicyError("policy.csv", f"limit {text!r}", f"no fact {word}. {nearest_word(word, {*FACTS, *UNITS})}")
    return Part(word=word, fact=fact, compare=compare, value=int(digits) * unit, shown=int(digits))


def within(facts: Mapping[str, int], limit: str, *, unknown: bool) -> bool:
    """Whether every part holds; `unknown` is what a part with an unknown fact counts as."""
    for part in parse_limit(limit):
        known = facts.get(part.fact)
        if not (unknown if known is None else COMPARE[part.compare](known, part.value)):
            return False
    return True


def failing(facts: Mapping[str, int], limit: str) -> tuple[Part, ...]:
    """Return the parts that do not hold."""
    return tuple(part for part in parse_limit(limit) if not part.holds(facts))
