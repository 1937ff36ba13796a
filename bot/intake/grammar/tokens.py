"""Third phase: tokens. Each knows its place in the text, the pivot's word for it and, where it is a value, the value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from bot.intake.grammar.index import Found, Index, of_kind
from bot.intake.grammar.names import Mask, find_names
from bot.intake.grammar.words import SCALES, Lexicon, lexicon, spoken

_MENTION: Final = re.compile(r"@[a-z0-9]{6,}")
"""An id that Slack gave somebody; UM84IGCEXAE is no German."""
_WORD: Final = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
_TOKEN: Final = re.compile(
    rf"(?P<mention>{_MENTION.pattern})"
    r"|(?P<id>(?<![\w#])(?:req(?:uest)?|requests|ticket|anfrage|antrag|solicitud|demande|requete|peticion)?s?"
    r"(?:(?:(?<=[a-z]) ?(?:no\.?|nr\.?|n)? ?[-_#:]? ?)|#)0*(?P<number>[1-9]\d{2,8})(?![\w%]|[.,]\d))"
    r"|(?P<iso>\d{4}-\d\d-\d\d(?:[t ]\d\d:\d\d(?::\d\d)?(?:z|[+-]\d\d:?\d\d)?)?(?!\w))"
    r"|(?P<clock>\d{1,2}:\d{2}(?!\d))"
    r"|(?P<slash>\d{1,2}/\d{1,2}(?:/\d{2,4})?(?![\w/]))"
    r"|(?P<dotted>v?\d+(?:\.\d+)+(?:-[a-z0-9]+)*\.?(?!\w))"
    r"|(?P<version>v\d+(?:-[a-z0-9]+)*(?!\w))"
    r"|(?P<number2>\d{1,3}(?:,\d{3})+(?!\d)|\d+(?:e\d+)?)"
    rf"|(?P<word>{_WORD.pattern})"
    r"|(?P<punct>[^\s])"
)
LONGEST_NUMBER: Final = 15
_CLITICS: Final = frozenset(
    (  # noqa: SIM905 words read better than a list of strings
        "it's what's who's where's that's let's how's here's there's he's she's when's"
    ).split()
)
PLACEHOLDER: Final = {
    "gpu_types": "GPU", "models": "MODEL", "datasets": "DATA", "environments": "ENV", "pools": "POOL",
    "strategies": "STRATEGY", "projects": "PROJECT", "teams": "TEAM", "users": "USER",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    """`kind`: word, num, id, version, mention, iso, clock, slash, punct, name, unknown; later also typed times."""

    start: int
    end: int
    kind: str
    pivot: str
    """What the grammar reads: the pivot's word, or a placeholder in capitals for what has a value."""
    value: Any = None
    glued: bool = False
    """Whether it follows the token before it without a space."""
    scale: bool = False
    """Whether it is a number word that multiplies: hundred, dozen, couple."""

    def is_a(self, kind: str) -> bool:
        """Return whether this is a name with a candidate of this kind of the vocabulary."""
        return self.kind == "name" and bool(of_kind(self.value, kind))


def tokenise(folded: str, index: Index) -> tuple[list[Token], str]:
    """Return the tokens of folded text, and the language beside English that it is in ("" for none)."""
    masks = find_names(folded, index)
    words = _WORD.findall(_MENTION.sub(" ", _hidden(folded, masks)))
    language = spoken(words)
    raw = list(_raw(folded, masks))
    return list(_pivoted(raw, lexicon(language))), language


def _hidden(folded: str, masks: list[Mask]) -> str:
    edges = [0, *(edge for mask in masks for edge in (mask.start, mask.end)), len(folded)]
    return " ".join(folded[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))


def _raw(folded: str, masks: list[Mask]) -> Iterator[Token]:
    at = last = 0
    for mask in [*masks, Mask(len(folded), len(folded))]:
        for match in _TOKEN.finditer(folded, at, mask.start):
            token = _token(match, glued=0 < match.start() == last)
            last = token.end
            yield token
        if mask.found:
            yield Token(mask.start, mask.end, "name", _placeholder(mask.found), mask.found, glued=mask.start == last)
        elif mask.unknown:
            pivot = "UNKNOWN" + PLACEHOLDER[mask.unknown]
            yield Token(mask.start, mask.end, "unknown", pivot, mask.unknown, glued=mask.start == last)
        at = last = mask.end


def _placeholder(found: tuple[Found, ...]) -> str:
    kinds = {kind for kind, _ in found}
    return next(text for kind, text in PLACEHOLDER.items() if kind in kinds)


def _token(match: re.Match[str], *, glued: bool) -> Token:
    kind, text = str(match.lastgroup), match.group()
    if match.group("number") is not None:
        return Token(match.start(), match.end(), "id", "ID", int(match.group("number")), glued)
    if kind == "number2":
        value = (
            float("inf")
            if "e" in text or not text.isascii() or len(text) > LONGEST_NUMBER
            else float(text.replace(",", ""))
        )
        return Token(match.start(), match.end(), "num", "NUM", value, glued)
    text = text.removesuffix("'s") if kind == "word" and text not in _CLITICS else text
    pivot = {"mention": "USER", "version": "VERSION", "dotted": "VERSION"}.get(kind, text)
    kind = "version" if kind == "dotted" else kind
    return Token(match.start(), match.end(), kind, pivot, text.rstrip(".") if kind == "version" else text, glued)


def _pivoted(raw: list[Token], words: Lexicon) -> Iterator[Token]:
    at = 0
    while at < len(raw):
        token = raw[at]
        count, pivot = _phrase(raw, at, words) if token.kind == "word" else (0, ())
        if count:
            end = raw[at + count - 1].end
            for each in pivot:
                yield _number_or_word(token, end, each, words)
            at += count
        else:
            yield _number_or_word(token, token.end, token.pivot, words) if token.kind == "word" else token
            at += 1


def _number_or_word(token: Token, end: int, pivot: str, words: Lexicon) -> Token:
    if pivot in words.numbers:
        return Token(token.start, end, "num", "NUM", float(words.numbers[pivot]), token.glued, pivot in SCALES)
    return Token(token.start, end, "word", pivot, None, token.glued)


def _phrase(raw: list[Token], at: int, words: Lexicon) -> tuple[int, tuple[str, ...]]:
    for said, pivot in words.phrases.get(raw[at].pivot, ()):
        if tuple(each.pivot for each in raw[at : at + len(said)]) == said:
            return len(said), pivot
    return 0, ()
