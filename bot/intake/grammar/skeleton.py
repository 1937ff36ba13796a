"""The sentence as its meaning reads it: the pivot's words, and a placeholder in capitals for every value."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.intake.grammar.tokens import Token


@dataclass(frozen=True, slots=True)
class Skeleton:
    """`text` is what patterns are matched on; `starts` are the offsets in it of the tokens."""

    tokens: tuple[Token, ...]
    text: str
    starts: tuple[int, ...]

    @classmethod
    def of(cls, tokens: Sequence[Token]) -> Skeleton:
        """Return the skeleton of tokens."""
        starts, at = [], 0
        for token in tokens:
            starts.append(at)
            at += len(token.pivot) + 1
        return cls(tuple(tokens), " ".join(token.pivot for token in tokens), tuple(starts))

    def index(self, offset: int) -> int:
        """Return the index of the token that an offset of `text` lies in."""
        return max(bisect_right(self.starts, offset) - 1, 0)

    def part(self, start: int, end: int) -> Skeleton:
        """Return the skeleton of the tokens from one index to another."""
        return Skeleton.of(self.tokens[start:end])

    def has(self, pattern: re.Pattern[str]) -> bool:
        """Return whether the pattern occurs."""
        return pattern.search(self.text) is not None

    def found(self, *kinds: str) -> list[Token]:
        """Return the tokens of these kinds, in order."""
        return [token for token in self.tokens if token.kind in kinds]

    def named(self, kind: str) -> list[Token]:
        """Return the names with a candidate of this kind of the vocabulary, in order."""
        return [token for token in self.tokens if token.is_a(kind)]

    def matches(self, pattern: re.Pattern[str]) -> Iterator[tuple[re.Match[str], int]]:
        """Yield each match with the index of its first token."""
        for match in pattern.finditer(self.text):
            yield match, self.index(match.start())
