"""Second phase: catalogue names. Masked before anything is counted, so that no number inside a name is a quantity.

A near miss is unknown, never the nearest name: digits must agree, a joint must not go on after the name, and a typo is
one only when a single name is close and the difference lies inside the word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rapidfuzz.distance import OSA

from bot.intake.grammar.index import ATOM, Found, Index

_JOINT: Final = frozenset("-_/. +'")
_GLUE: Final = frozenset("-_.")
_RUN: Final = re.compile(r"[\w.-]*")
_SUFFIX: Final = re.compile(
    r" (?:(?:xl|xxl|mini|lite|pro|plus|turbo|max|ultra|ng|nano|tiny|nvl|mig|ti|super|beta|alpha|nxt)\b(?!\s*pool)"
    r"|\d{2,3} ?gb?\b)"
)
_GPU_LIKE: Final = re.compile(
    r"(?:(?:nvidia|amd|tesla|geforce|quadro) )?(?:rtx|gtx|mi|rtx a)[ -]?\d{3,4}x?(?: ?ti| super)?(?!\w)"
    r"|(?:nvidia |amd |tesla )?(?<![\w.-])(?:(?:gb|gh|dgx |[abhl])\d{2,4}|[vp]\d{3}|[lt]4)[a-z]?s?(?![\w.])(?!\.\d)"
)
_NOT_TYPOS: Final = frozenset(
    (  # noqa: SIM905 words read better than a list of strings
        "embedded embedding summarized summarize summarizes stating stacking sharing researcher development "
        "developers triaged recording clicked payment produced productive products introduction sensory"
    ).split()
)
_LONG_TYPO: Final = 11


@dataclass(frozen=True, slots=True)
class Mask:
    """A stretch of the text that is a name (`found`) or looks like one and is not known (`found` empty)."""

    start: int
    end: int
    found: tuple[Found, ...] = ()
    unknown: str = ""
    """The kind an unknown name was near to: "gpu_types", "models", ...; empty when it is known."""


def find_names(folded: str, index: Index) -> list[Mask]:
    """Return every name in `folded`, in order, without overlaps. Linear in its length."""
    spans = [match.span() for match in ATOM.finditer(folded)]
    masks: list[Mask] = []
    at = 0
    while at < len(spans):
        mask, taken = _name_at(folded, spans, at, index)
        if mask:
            masks.append(mask)
            while at + taken < len(spans) and spans[at + taken][0] < mask.end:
                taken += 1
        at += max(taken, 1)
    return sorted([*masks, *_gpu_like(folded, masks)], key=lambda each: each.start)


def _name_at(folded: str, spans: list[tuple[int, int]], at: int, index: Index) -> tuple[Mask | None, int]:
    if _glued_before(folded, spans[at][0]):
        return None, 1
    windows = list(_windows(folded, spans, at, index.longest))
    for joined, count, end in reversed(windows):
        found = _exact(joined, index)
        if found:
            return _bounded(folded, spans, at, count, end, found), count
    for joined, count, end in reversed(windows):
        found = _typo(joined, count, index)
        if found and not _glued_after(folded, end):
            return _bounded(folded, spans, at, count, end, found), count
    joined, count, end = windows[0]
    family = index.families.get(joined) or index.families.get(joined.removesuffix("s"))
    return (_bounded(folded, spans, at, count, end, family), count) if family else (None, 1)


def _windows(folded: str, spans: list[tuple[int, int]], at: int, longest: int) -> Iterator[tuple[str, int, int]]:
    joined, last = "", 0
    for count, (start, end) in enumerate(spans[at : at + longest], 1):
        if count > 1 and (start - last > 1 or (start > last and folded[last] not in _JOINT)):
            return
        joined, last = joined + folded[start:end], end
        yield joined, count, end


def _exact(joined: str, index: Index) -> tuple[Found, ...]:
    return index.exact.get(joined) or index.exact.get(joined.removesuffix("s")) or index.exact.get(joined + "s") or ()


def _glued_before(folded: str, start: int) -> bool:
    return start > 1 and folded[start - 1] in _GLUE and folded[start - 2].isalnum()


def _glued_after(folded: str, end: int) -> bool:
    following = folded[end : end + 2]
    return len(following) > 1 and following[0] in _GLUE and following[1].isalnum()


def _bounded(
    folded: str, spans: list[tuple[int, int]], at: int, count: int, end: int, found: tuple[Found, ...]
) -> Mask | None:
    """The name, unless the text goes on as the name of something else: then an unknown name, with all of it."""
    start, kind, item = spans[at][0], found[0][0], found[0][1]
    if _glued_after(folded, end):
        tail = _RUN.match(folded, end)
        stop = tail.end() if tail else end
        stop -= len(folded[start:stop]) - len(folded[start:stop].rstrip(".-"))
        if kind == "models" and folded[end + 1 : stop] in _versions(item):
            return Mask(start, end, found)
        return Mask(start, stop, unknown=kind)
    if kind in {"models", "gpu_types", "datasets"}:
        suffix = _SUFFIX.match(folded, end)
        if suffix:
            return Mask(start, suffix.end(), unknown=kind)
        if at + count < len(spans) and _goes_on(folded, spans, at, count, found):
            return Mask(start, spans[at + count][1], unknown=kind)
    return Mask(start, end, found)


def _goes_on(folded: str, spans: list[tuple[int, int]], at: int, count: int, found: tuple[Found, ...]) -> bool:
    """Whether the next word begins what another member of the family is called: `claims 2052`, `genomics cohort c`."""
    (_, last), (start, end) = spans[at + count - 1], spans[at + count]
    if start - last != 1 or found[0][0] != "datasets":
        return False
    said, after = folded[spans[at][0] : last], folded[start:end]
    parts = [ATOM.findall(item.name.lower()) for _, item in found]
    if re.fullmatch(r"(?:19|20)\d\d", after):
        return any(re.search(r"\d{4}", item.name) for _, item in found) and not re.search(r"\d", said)
    return any(said == own[0] and after in own[1:-1] for own in parts)


def _versions(item: object) -> set[str]:
    versions = getattr(item, "versions", ())
    return {each.lower() for each in versions} | {"v" + each.lower().removeprefix("v") for each in versions}


def _typo(joined: str, count: int, index: Index) -> tuple[Found, ...]:
    length = len(joined)
    if length < 5 or joined in _NOT_TYPOS:  # noqa: PLR2004 shorter words are other words
        return ()
    allowed = 2 if length >= _LONG_TYPO else 1
    close = [
        key for key in index.typos.get(joined[0], ()) if abs(len(key) - length) <= allowed and count <= index.atoms[key]
    ]
    close = [
        key for key in close if OSA.distance(joined, key, score_cutoff=allowed) <= allowed and _inside(joined, key)
    ]
    items = {item.name for key in close for _, item in index.exact[key]}
    return index.exact[close[0]] if len(items) == 1 else ()


def _inside(joined: str, key: str) -> bool:
    """Same digits, and not merely another ending: `embedded` is no embedder."""
    same_digits = re.sub(r"\D", "", joined) == re.sub(r"\D", "", key)
    return same_digits and not (len(joined) == len(key) and joined[:-1] == key[:-1])


def _gpu_like(folded: str, masks: list[Mask]) -> Iterator[Mask]:
    taken = [(mask.start, mask.end) for mask in masks]
    for match in _GPU_LIKE.finditer(folded):
        if not any(start < match.end() and match.start() < end for start, end in taken):
            yield Mask(match.start(), match.end(), unknown="gpu_types")
