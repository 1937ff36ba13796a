"""The languages: English is the pivot, every other one is a dictionary into it.

A language is active in a sentence when one of its own words is there; English always is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final

from bot.intake.grammar.words import english, french, german, spanish

_TABLES: Final = MappingProxyType({"de": german, "es": spanish, "fr": french})
_SHARED: Final = frozenset(
    (  # noqa: SIM905 words read better than a list of strings
        "a am an as at audit d das des die do e el en es est fin for h hat help i in is l la liste ma mai mal "
        "mars me mes mi min n no on once or par pair passe per permanent plus pon pour replicas reserve "
        "sept si simple son stand status sube team un uno usage use version was will y minute minutes week-end "
        "weekend mil audit-log valide autorise prolonge da lance libera data halt instances uso instance lista je "
        "registro restaure export stop cent more tags rollback j o ou demande rejette seize refuse montre dans "
        "roll ya la null acceso deploy wait"
    ).split()
)
"""Words that one of the others shares with English or with another: they activate no language."""

SCALES: Final = frozenset(
    (  # noqa: SIM905 words read better than a list of strings
        "hundred thousand million billion dozen couple pair hundert tausend dutzend paar cien mil docena par cent "
        "mille douzaine"
    ).split()
)
"""Number words that multiply the number before them."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """What is said, by its first word: (all its words, the pivot's words), longest first; and the number words."""

    phrases: Mapping[str, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]]
    numbers: Mapping[str, float]
    language: str


@cache
def lexicon(language: str) -> Lexicon:
    """Return English, with one other language over it ("" for none)."""
    table = _TABLES.get(language)
    merged = _spread(english.PHRASES) | (_spread(table.PHRASES) if table else {})
    by_first: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
    for said, pivot in merged.items():
        by_first.setdefault(said[0], []).append((said, pivot))
    ordered = {first: tuple(sorted(found, key=lambda each: -len(each[0]))) for first, found in by_first.items()}
    numbers: dict[str, float] = {**english.NUMBERS, **(table.NUMBERS if table else {})}
    return Lexicon(MappingProxyType(ordered), MappingProxyType(numbers), language)


def spoken(words: Iterable[str]) -> str:
    """Return the other language that most of `words` belong to, "" when none has a word of its own there."""
    hits = dict.fromkeys(_TABLES, 0)
    for word in words:
        for language in _owners().get(word, ()):
            hits[language] += 1
    best = max(hits, key=lambda each: hits[each])
    return best if hits[best] else ""


@cache
def _owners() -> Mapping[str, tuple[str, ...]]:
    english_words = {said[0] for said in _spread(english.PHRASES) if len(said) == 1} | set(english.NUMBERS)
    owners: dict[str, tuple[str, ...]] = {}
    for language, table in _TABLES.items():
        own = {said[0] for said in _spread(table.PHRASES) if len(said) == 1} | set(table.NUMBERS)
        for word in (own - english_words - _SHARED) | table.MARKERS:
            owners[word] = (*owners.get(word, ()), language)
    return MappingProxyType(owners)


def _spread(table: Mapping[str, str]) -> dict[tuple[str, ...], tuple[str, ...]]:
    return {
        tuple(said.split()): tuple(pivot.split()) for pivot, phrases in table.items() for said in phrases.split("|")
    }
