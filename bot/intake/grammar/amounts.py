"""Amounts of tokens ("2M tokens", "zwei Millionen Token"): found first and hidden, so that no `m` of them is a minute."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from bot.intake.grammar.corrections import TAKEN_BACK
from bot.intake.grammar.words import english, french, german, spanish

_LARGE: Final = {"hundred", "thousand", "million", "billion", "hundert", "tausend", "cien", "mil", "mille"}
_SMALL: Final = {
    word: float(number)
    for table in (french, spanish, german, english)
    for word, number in table.NUMBERS.items()
    if word not in _LARGE
}
_WORDS: Final = {**_SMALL, **dict.fromkeys(("a", "an", "ein", "eine", "einer", "un", "una", "une", "uno"), 1.0)}
_SCALES: Final = {
    "k": 1e3, "thousand": 1e3, "tausend": 1e3, "tsd": 1e3, "mil": 1e3, "mille": 1e3,
    "m": 1e6, "mm": 1e6, "mn": 1e6, "mio": 1e6, "million": 1e6, "millions": 1e6, "millionen": 1e6, "millon": 1e6,
    "millones": 1e6, "b": 1e9, "bn": 1e9, "billion": 1e9, "milliarde": 1e9, "milliarden": 1e9, "milliard": 1e9,
    "milliards": 1e9,
}  # fmt: skip
_ANY_WORD: Final = "|".join(sorted(map(re.escape, _WORDS), key=len, reverse=True))
_DIGITS: Final = r"\d{1,3}(?:[.,' _]\d{3})+(?!\d)|\d+(?:[.,]\d+)?"
_NUMBER: Final = (
    rf"(?P<half>half (?:a|an)|(?:eine )?halbe|medio|un demi|demi)|(?P<digits>{_DIGITS})|(?P<word>\b(?:{_ANY_WORD})\b)"
)
_SCALE: Final = rf"(?: ?(?P<scale>{'|'.join(sorted(_SCALES, key=len, reverse=True))})\b\.?)"
_TOKENS: Final = r"(?:(?:of|de|an|d') ?)?(?:llm )?(?:tokens?|jetons?)\b"
_AMOUNT: Final = re.compile(rf"(?<![\w.,-])(?:{_NUMBER}){_SCALE}? ?{_TOKENS}")
_BARE: Final = re.compile(rf"(?<![\w.,-])(?:{_NUMBER}){_SCALE}")
_RANGE: Final = re.compile(
    rf"(?:(?:{_DIGITS})|\b(?:{_ANY_WORD})) ?(?:k|m|mio|million)? ?(?:-|to|or|bis|oder|a|o|ou|y|and)? ?$"
)
_BEFORE: Final = re.compile(
    r"(?:at least|more than|less than|over|under|about|around|roughly|~|-|mindestens|mehr als|weniger als|ungefahr|etwa|circa|ca"
    r"|al menos|mas de|menos de|unos|unas|au moins|plus de|moins de|environ|between|zwischen|entre) ?$"
)
_RATE: Final = re.compile(
    r" ?(?:(?:/|per|a|an|each|every|pro|je|am|im|al|a la|por|par|jeden|jede|cada|chaque) ?"
    r"(?:day|hour|minute|week|month|tag|stunde|woche|monat|dia|hora|semana|mes|jour|heure|semaine|mois)"
    r"|daily|monthly|weekly|taglich|monatlich)\b"
)
_FILL: Final = "tokens"


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of tokens; `value` None for what is said of tokens and is no number of them in all."""

    value: int | None
    said: str
    start: int


def amounts_in(folded: str) -> tuple[str, tuple[Amount, ...]]:
    """Return folded text of the same length without its amounts of tokens, and these, those taken back left out."""
    hidden, found = folded, list[Amount]()
    for match in _AMOUNT.finditer(folded):
        found.append(_amount(folded, match))
        fill = _FILL.ljust(match.end() - match.start(), "x")  # one word, so that quoting its place quotes all of it
        hidden = hidden[: match.start()] + fill + hidden[match.end() :]
    if found:
        found += _corrections(folded, found[-1].start)
        hidden = _without(hidden, found)
    return hidden, tuple(_standing(folded, found))


def _corrections(folded: str, after: int) -> list[Amount]:
    """As in "2M tokens, no, make it 3M": a second amount without its noun, where the first is taken back."""
    begin = folded.index(_noun(folded, after), after)
    back = TAKEN_BACK.search(folded, begin)
    match = _BARE.search(folded, back.end()) if back else None
    return [_amount(folded, match)] if match and match["scale"] in {"k", "m", "mio", "million", "millionen"} else []


def _noun(folded: str, after: int) -> str:
    match = re.compile(_TOKENS).search(folded, after)
    return match.group() if match else ""


def _without(hidden: str, found: list[Amount]) -> str:
    for each in found:
        if hidden[each.start : each.start + len(each.said)] == each.said:
            hidden = hidden[: each.start] + " " * len(each.said) + hidden[each.start + len(each.said) :]
    return hidden


def _standing(folded: str, found: list[Amount]) -> list[Amount]:
    """The amounts that hold: of two, the later one alone where the words between take the first back."""
    kept: list[Amount] = []
    for amount in sorted(found, key=lambda each: each.start):
        if kept and TAKEN_BACK.search(folded, kept[-1].start, amount.start):
            kept.clear()
        kept.append(amount)
    return kept


def _amount(folded: str, match: re.Match[str]) -> Amount:
    doubtful = (
        _BEFORE.search(folded, 0, match.start())
        or _RANGE.search(folded[: match.start()])
        or _RATE.match(folded, match.end())
    )
    value = None if doubtful else _value(match)
    return Amount(value, match.group().strip(), match.start())


def _value(match: re.Match[str]) -> int | None:
    scale = _SCALES.get(match["scale"] or "", 1.0)
    if match["half"]:
        number: float | None = 0.5
    elif match["word"]:
        number = _WORDS[match["word"]]
    else:
        number = _digits(match["digits"], scaled=match["scale"] is not None)
    value = None if number is None else number * scale
    return None if value is None or value != int(value) or not 0 < value < 1e12 else int(value)  # noqa: PLR2004


def _digits(text: str, *, scaled: bool) -> float | None:
    """A number as people write it in four languages; where a mark may group or divide, it groups whole tokens."""
    groups = re.split(r"[.,' _]", text)
    if len(groups) == 1:
        return float(text)
    grouped = len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])  # noqa: PLR2004
    if grouped and not scaled:
        return float("".join(groups))
    return float(".".join(groups)) if len(groups) == 2 and not grouped else None  # noqa: PLR2004 "1.500 million" is either
