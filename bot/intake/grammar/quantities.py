"""Second phase: quantities. A number is one only when it is written as one; anything else becomes a question."""

from __future__ import annotations

import re
from typing import Final

WORDS: Final = {
    word: value
    for value, word in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    )
} | {"couple": 2, "dozen": 12, "sixteen": 16, "twenty": 20}
NUMBER: Final = rf"\d{{1,9}}(?:\.\d{{1,2}})?|{'|'.join(WORDS)}"
_TIMES: Final = re.compile(r"(?<![\w.-])(\d{1,6}) ?[x×] ?(\d{1,6})(?![\w.])")
_CORRECTED: Final = re.compile(
    rf"(?<![\w.])({NUMBER}) ?(?:[,.?!]* ?(?:no|sorry|wait|actually|make (?:it|that)|rather)[ ,:]*)+({NUMBER})(?![\w.])"
)
_PLAIN: Final = re.compile(rf"(?<![\w.,-])({NUMBER})(?![\w.]|,\d)")
_VAGUE: Final = re.compile(
    r"\b(some|a few|several|many|a bunch of|hundreds?|thousands?|millions?|billions?)\b"
    r"|(?<!\w)-\d+|\d+ ?(?:-|to) ?\d+|\d+e\d+|\d+[.,]\d+"
)


def number(text: str) -> float | None:
    """Return the number that `text` is, in ASCII digits or words; None otherwise."""
    if text in WORDS:
        return WORDS[text]
    return float(text) if text.isascii() and re.fullmatch(r"\d{1,9}(\.\d{1,2})?", text) else None


def counts(text: str) -> tuple[list[int], str]:
    """Return every whole quantity in masked text, and the words that were meant as one but are not (or empty)."""
    text = _CORRECTED.sub(lambda m: f" {m.group(2)} ", text)
    vague = _VAGUE.search(text)
    if vague:
        return [], vague.group()
    found = [int(a) * int(b) for a, b in _TIMES.findall(text)]
    rest = _TIMES.sub(" ", text)
    values = [number(word) for word in _PLAIN.findall(rest)]
    found += [int(value) for value in values if value is not None and value == int(value)]
    strange = re.search(r"[^\W\d_a-z]*\d+\w*|\d", "".join(c if c.isdigit() and not c.isascii() else " " for c in rest))
    return found, strange.group() if strange and not found else ""
