"""Seventh phase: the wishes of a message. The first one that can be acted on is read; the others are named beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from bot.intake.grammar.corrections import TAKEN_BACK
from bot.intake.grammar.cues import intent_of
from bot.intake.grammar.skeleton import Skeleton
from bot.intake.reading import Intent

_HARD: Final = frozenset(".!?;")
_SOFT: Final = frozenset({",", "and", "then", "also", "plus", "&", "und", "-"})
_OBJECTS: Final = {
    Intent.GPU_REQUEST: ("gpu_types",),
    Intent.DATA_REQUEST: ("datasets",),
    Intent.DEPLOY_REQUEST: ("models",),
    Intent.KEY_REQUEST: ("models",),
    Intent.READINESS_CHECK: ("models",),
}
_BY_ID: Final = frozenset({
    Intent.REQUEST_APPROVE, Intent.REQUEST_DENY, Intent.REQUEST_CANCEL, Intent.REQUEST_RELEASE, Intent.REQUEST_EXTEND,
    Intent.REQUEST_SHORTEN, Intent.REQUEST_STATUS,
})  # fmt: skip
_IDLE: Final = frozenset({Intent.OTHER, Intent.HELP})
_LONGEST_CLAUSE: Final = 90
_MOST_CLAUSES: Final = 60


@dataclass(frozen=True, slots=True)
class Wish:
    """An intent, and the tokens (from, to) that speak of it."""

    intent: Intent
    start: int
    end: int


def wishes_of(whole: Skeleton) -> list[Wish]:
    """Return the wishes in order, at least one; what stands beside a wish belongs to the one before it."""
    found: list[Wish] = []
    for start, end in _sentences(whole)[:_MOST_CLAUSES]:
        found += _of_sentence(whole, start, end)
    real = [wish for wish in found if wish.intent not in _IDLE]
    if not real:
        idle = next((wish.intent for wish in found if wish.intent is Intent.HELP), None)
        plain = any(wish.intent is Intent.OTHER for wish in found)
        intent = idle or (None if plain else intent_of(whole.part(0, _LONGEST_CLAUSE))) or Intent.OTHER
        return [Wish(intent, 0, len(whole.tokens))]
    return _spread(_merged(whole, real), len(whole.tokens))


def _sentences(whole: Skeleton) -> list[tuple[int, int]]:
    edges, start = [], 0
    for at, token in enumerate(whole.tokens):
        if token.kind == "punct" and token.pivot in _HARD:
            if at > start:
                edges.append((start, at + 1))
            start = at + 1
    return edges + ([(start, len(whole.tokens))] if start < len(whole.tokens) else [])


def _of_sentence(whole: Skeleton, start: int, end: int) -> list[Wish]:
    cuts = [at for at in range(start + 1, end) if whole.tokens[at].pivot in _SOFT][:_MOST_CLAUSES]
    wishes: list[Wish] = []
    begin = start
    for cut, following in zip(cuts, [*cuts[1:], end][: len(cuts)], strict=True):
        piece = whole.part(cut + 1, min(following, cut + _LONGEST_CLAUSE))
        before = whole.part(begin, min(cut, begin + _LONGEST_CLAUSE))
        second = intent_of(piece) if _strong(piece) else None
        first = intent_of(before) if second else None
        if first and second and first not in _IDLE and second not in _IDLE and _apart(first, before, second, piece):
            wishes.append(Wish(first, begin, cut))
            begin = cut + 1
    last = intent_of(whole.part(begin, min(end, begin + _LONGEST_CLAUSE)))
    return wishes + ([Wish(last, begin, end)] if last else [])


_STRONG: Final = re.compile(
    r"\bID\b|\bMODEL\b|\bDATA\b|\bGPU\b|\bUNKNOWN|\bgpus?\b|\b(?:status|export|my (?:requests"
    r"|bookings|allocations|gpus|quota|limit))\b"
)
_PURPOSE: Final = re.compile(
    r"\b(?:so (?:that )?(?:i|we)|because|in order to|to (?:train|test|run|check|finish|compare"
    r"|see|tune|profile|evaluate|benchmark))\b"
)


def _strong(piece: Skeleton) -> bool:
    """Whether a clause names a thing, and not only in its purpose: "for 2 days so I can score claims"."""
    purpose = _PURPOSE.search(piece.text)
    head = piece.text[: purpose.start()] if purpose else piece.text
    return _STRONG.search(head) is not None and not TAKEN_BACK.match(piece.text)


def _apart(first: Intent, before: Skeleton, second: Intent, piece: Skeleton) -> bool:
    """Whether two clauses are two wishes: other verbs, or the same about other things."""
    if (
        before.has(_PURPOSE)
        or piece.has(TAKEN_BACK)
        or TAKEN_BACK.search(before.text[-24:])
        or before.text.endswith("between")
    ):
        return False
    if first is not second:
        if re.fullmatch(r"(?:(?:request|the|number) )*ID[ .!]*", piece.text):
            return False
        return not (second is Intent.REQUEST_EXTEND and "ID" not in piece.text) and _owns(first, before)
    if first in _BY_ID:
        return False
    mine, other = _named(first, before), _named(first, piece)
    if first is Intent.GPU_REQUEST:
        return "NUM" in piece.text and "NUM" in before.text and bool(mine and other)
    return bool(mine and other and not mine & other)


def _owns(intent: Intent, clause: Skeleton) -> bool:
    """A wish for a thing is one when its thing is there: "read and write claims" is one wish."""
    return intent not in _OBJECTS or bool(_named(intent, clause)) or "UNKNOWN" in clause.text or "gpu" in clause.text


def _named(intent: Intent, clause: Skeleton) -> set[str]:
    kinds = _OBJECTS.get(intent, ())
    names = {item.name for kind in kinds for token in clause.named(kind) for each, item in token.value if each == kind}
    return names | {token.pivot + str(token.start) for token in clause.found("unknown")}


def _merged(whole: Skeleton, wishes: list[Wish]) -> list[Wish]:
    """One wish said in several sentences is one: "deploy X to prod. No, staging."""
    kept: list[Wish] = []
    for wish in wishes:
        if kept and kept[-1].intent is wish.intent and not _differs(whole, kept[-1], wish):
            kept[-1] = Wish(wish.intent, kept[-1].start, wish.end)
        elif kept and (
            TAKEN_BACK.match(whole.part(wish.start, wish.end).text)
            and "ID" not in whole.part(wish.start, wish.end).text
        ):
            kept[-1] = Wish(kept[-1].intent, kept[-1].start, wish.end)
        else:
            kept.append(wish)
    return kept


def _differs(whole: Skeleton, first: Wish, second: Wish) -> bool:
    before, after = whole.part(first.start, first.end), whole.part(second.start, second.end)
    if first.intent in _BY_ID:
        ids = [{token.value for token in clause.found("id")} for clause in (before, after)]
        return bool(ids[0] and ids[1] and not ids[0] & ids[1])
    return _apart(first.intent, before, second.intent, after)


def _spread(wishes: list[Wish], length: int) -> list[Wish]:
    """Give every wish the words up to the next one, the first also those before it."""
    starts = [0, *(wish.start for wish in wishes[1:])]
    ends = [*starts[1:], length]
    return [Wish(wish.intent, start, end) for wish, start, end in zip(wishes, starts, ends, strict=True)]
