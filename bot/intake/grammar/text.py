"""First phase: the text as a person typed it, and its folded twin of the same length that the other phases read."""

from __future__ import annotations

import html
import re
import unicodedata
from functools import cache
from typing import Final

LONGEST: Final = 4000
_MARKUP: Final = re.compile(
    r"<(?:@([UW][A-Z0-9]+)(?:\|[^>]{0,80})?|[#!][^>]{0,200}|([^<>|@#!]{1,500})(?:\|([^<>]{0,500}))?)>"
)
_EMOJI: Final = re.compile(r":[a-z][a-z0-9_+-]{1,40}:")
_MERIDIEM: Final = re.compile(r"\b([ap])\.m\.?(?!\w)", re.IGNORECASE)
_QUOTES: Final = str.maketrans(
    {"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-"}
)
_JOINTS: Final = {"\u200d", "\u200c", "\u00ad"}


def clean(text: str) -> str:
    """Return one line without Slack's markup, emoji, control and direction marks; a mention stays as `@ID`."""
    bare = _MARKUP.sub(_shown, text[:LONGEST])
    bare = _EMOJI.sub(" ", html.unescape(bare)).translate(_QUOTES)
    bare = _MERIDIEM.sub(r"\1m", bare)
    kept = ("" if c in _JOINTS else " " if unicodedata.category(c)[0] in "CZ" else c for c in bare)
    return " ".join("".join(kept).replace("*", " ").replace("`", " ").split())


def _shown(match: re.Match[str]) -> str:
    mention, link, label = match.groups()
    return f" @{mention} " if mention else f" {label or link or ''} "


def fold(text: str) -> str:
    """Return `text` in lower case and without accents, character by character, so that offsets stay true."""
    return "".join(map(_folded, text))


@cache
def _folded(char: str) -> str:
    base = unicodedata.normalize("NFD", char.lower())[:1]
    return base if len(base) == 1 and (base.isascii() or not char.isascii()) else char
