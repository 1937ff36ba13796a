"""The names of a vocabulary, by what people may write for them. Built once a vocabulary and kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from bot.intake.grammar.text import fold
from bot.intake.kept import Kept
from bot.intake.vocabulary import Name, Vocabulary

KINDS: Final = ("gpu_types", "models", "datasets", "environments", "pools", "strategies", "projects", "teams", "users")
FAMILIES: Final = ("gpu_types", "datasets")
ATOM: Final = re.compile(r"\d+x(?=[a-z])|[^\W_]+?(?=x\d+(?![^\W_]))|[^\W_]+")
_SHORTEST_TYPO: Final = 6

Found = tuple[str, Name]
"""A kind and one item of it."""


@dataclass(slots=True)
class Index:
    """`exact`: joined atoms to items; `families`: a first atom that several items share; `columns` by data set."""

    exact: dict[str, tuple[Found, ...]] = field(default_factory=dict)
    families: dict[str, tuple[Found, ...]] = field(default_factory=dict)
    atoms: dict[str, int] = field(default_factory=dict)
    typos: dict[str, list[str]] = field(default_factory=dict)
    longest: int = 1


def index_of(vocabulary: Vocabulary) -> Index:
    """Return the index of `vocabulary`, made once."""
    return _INDEXES.of(vocabulary)


def _build(vocabulary: Vocabulary) -> Index:
    index = Index()
    for kind, item, said in _said(vocabulary):
        parts = atoms(said)
        key = "".join(parts)
        if not key:
            continue
        known = index.exact.get(key, ())
        if (kind, item) not in known:
            index.exact[key] = (*known, (kind, item))
        index.atoms[key] = min(len(parts), index.atoms.get(key, 9))
        index.longest = max(index.longest, len(parts) + 2)
    for key in index.exact:
        if len(key) >= _SHORTEST_TYPO:
            index.typos.setdefault(key[0], []).append(key)
    _families(index, vocabulary)
    return index


def atoms(said: str) -> list[str]:
    """Return the runs of letters and digits of a name: joints between them are how people differ."""
    return ATOM.findall(fold(said))


def _said(vocabulary: Vocabulary) -> Iterator[tuple[str, Name, str]]:
    for kind in KINDS:
        for item in getattr(vocabulary, kind):
            yield from ((kind, item, said) for said in (item.name, *item.aliases, *_first_names(kind, item)))


def _first_names(kind: str, item: Name) -> tuple[str, ...]:
    """A person is called by the first part of `mara.lind`, too; two of one name are ambiguous."""
    return (item.name.split(".")[0],) if kind == "users" and "." in item.name else ()


def _families(index: Index, vocabulary: Vocabulary) -> None:
    for kind in FAMILIES:
        members: dict[str, list[Found]] = {}
        for item in getattr(vocabulary, kind):
            members.setdefault(atoms(item.name)[0], []).append((kind, item))
        for first, found in members.items():
            if len(found) > 1 and not any(k == kind for k, _ in index.exact.get(first, ())):
                index.families[first] = tuple(found)


def of_kind(found: tuple[Found, ...], kind: str) -> Mapping[str, Name]:
    """Return the items of one kind, by name."""
    return {item.name: item for each, item in found if each == kind}


_INDEXES: Final = Kept(_build)
