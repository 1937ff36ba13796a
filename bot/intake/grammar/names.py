"""First phase: clean the text, and mask ids and catalogue names, so that no number inside a name is read as a quantity."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from rapidfuzz import fuzz, process

from bot.intake.vocabulary import Name, Vocabulary

LONGEST: Final = 4000
_LINK: Final = re.compile(r"<(?:[@#!][^>]*|([^>|]*)\|?([^>]*))>")
_EMOJI: Final = re.compile(r":[a-z0-9_+-]+:")
_REQUEST: Final = re.compile(r"\b(?:req(?:uest)?[- #]?|#)([1-9][0-9]{2,8})\b", re.IGNORECASE)
_LOOKS_LIKE_GPU: Final = re.compile(r"\b[abhlv][1-9][0-9]{1,3}s?\b|\brtx ?[0-9]{4}\b|\bgpus?\b", re.IGNORECASE)
_TYPO: Final = 92


@dataclass(slots=True)
class Masked:
    """The text in lower case with names replaced by spaces, and the names found by kind (all candidates of each)."""

    text: str
    names: dict[str, list[tuple[str, tuple[Name, ...]]]] = field(default_factory=dict)
    ids: list[int] = field(default_factory=list)
    unknown_gpu: str = ""

    def one(self, kind: str) -> Name | None:
        """Return the only item of this kind, None when there is none or more than one."""
        items = {item.name: item for _, found in self.names.get(kind, []) for item in found}
        return next(iter(items.values())) if len(items) == 1 else None


def clean(text: str) -> str:
    """Return the text as a person typed it: no Slack markup, no emoji, no control or direction marks, one line."""
    bare = _LINK.sub(lambda m: f" {m.group(2) or m.group(1) or ''} ", text[:LONGEST])
    bare = _EMOJI.sub(" ", html.unescape(bare))
    kept = (" " if unicodedata.category(c)[0] in {"C", "Z"} else c for c in bare)
    return " ".join("".join(kept).split())


def mask(text: str, vocabulary: Vocabulary) -> Masked:
    """Return the text with every id and name masked; longer names win over shorter ones inside them."""
    masked = Masked(text=re.sub(r"@\S+", lambda m: " " * len(m.group()), text.lower()))
    masked.text = _REQUEST.sub(lambda m: _take_id(masked, m), masked.text)
    words = sorted(_words(vocabulary), key=lambda each: -len(each[0]))
    for word, kind, item in words:
        _mask_word(masked, word, kind, (item,))
    _mask_families(masked, vocabulary)
    _mask_typos(masked, vocabulary)
    found = _LOOKS_LIKE_GPU.search(masked.text)
    if found and "gpu_types" not in masked.names:
        masked.unknown_gpu = found.group()
        masked.text = masked.text.replace(found.group(), " " * len(found.group()))
    return masked


def _shape(word: str) -> tuple[str, int]:
    """Digits and joints: a typo changes neither, another name does."""
    return re.sub(r"\D", "", word), len(re.findall(r"[-_ ]", word))


def _take_id(masked: Masked, match: re.Match[str]) -> str:
    masked.ids.append(int(match.group(1)))
    return " " * len(match.group())


def _words(vocabulary: Vocabulary) -> Iterator[tuple[str, str, Name]]:
    for kind in ("gpu_types", "pools", "datasets", "models", "environments", "strategies"):
        for item in getattr(vocabulary, kind):
            for word in (item.name, *item.aliases):
                yield word.lower(), kind, item


def _mask_word(masked: Masked, word: str, kind: str, items: tuple[Name, ...]) -> None:
    pattern = re.compile(rf"(?<![\w.-]){re.escape(word)}s?(?![\w-]|\.\d)")
    if pattern.search(masked.text):
        masked.names.setdefault(kind, []).append((word, items))
        masked.text = pattern.sub(lambda m: " " * len(m.group()), masked.text)


def _mask_families(masked: Masked, vocabulary: Vocabulary) -> None:
    """`a100` alone may be several types; `claims` alone several data sets: all of them are candidates."""
    for kind in ("gpu_types", "datasets"):
        families: dict[str, list[Name]] = {}
        for item in getattr(vocabulary, kind):
            families.setdefault(re.split(r"[-_ ]", item.name)[0], []).append(item)
        for family, items in families.items():
            if len(items) > 1:
                _mask_word(masked, family, kind, tuple(items))


def _mask_typos(masked: Masked, vocabulary: Vocabulary) -> None:
    """A clear typo of a long name without digits in doubt is that name; a name with other digits is unknown."""
    known = {word: (kind, item) for word, kind, item in _words(vocabulary) if len(word) > 7 and kind != "gpu_types"}  # noqa: PLR2004
    for word in re.findall(r"[a-z][\w-]{6,}", masked.text):
        best = process.extractOne(word, list(known), scorer=fuzz.ratio, score_cutoff=_TYPO)
        if best and _shape(best[0]) == _shape(word):
            kind, item = known[best[0]]
            masked.names.setdefault(kind, []).append((word, (item,)))
            masked.text = masked.text.replace(word, " " * len(word))
