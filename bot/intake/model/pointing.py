"""What the model pointed at, read by the grammar: it selects words of the sentence, and no value comes from it.

The words of each slot are laid out in a fixed order, and the grammar's own frame reads them as it reads a sentence. A
number, a duration or a moment is one only where the grammar marked it as one in the whole sentence; a name is one only
where the words are that name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bot.intake.grammar import Marked, fill
from bot.intake.grammar.frames.sheet import Sheet
from bot.intake.grammar.skeleton import Skeleton
from bot.intake.grammar.text import clean, fold
from bot.intake.grammar.tokens import Token
from bot.intake.model.proposal import KINDS, NonsenseError, Pointer, Proposal
from bot.intake.vocabulary import Vocabulary

TIMES: Final = ("start", "end", "duration")
_ORDER: Final = (
    *("gpu_count", "gpu_type", "access", "dataset", "rollback", "model", "version", "environment"),
    *("replicas", "strategy", "canary_percent", "pool", *TIMES),
)
_READ_AS: Final[Mapping[str, str]] = {"duration": "duration_s"}
_EDGES: Final = " \t.,;:!?\"'()[]{}"
_COUNTED: Final = re.compile(
    r"%|percent|replicas?|instances?|pods?|cop(?:y|ies)|people|persons?|users?|each"
    r"|nodes?|servers?|machines?|hosts?|box(?:es)?|knoten|nodos?|noeuds?"
)
"""Words that say of what there are so many: a number is never parted from them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointed:
    """What the pointed words say.

    Args:
        slots: the values that the grammar read from them, by slot.
        close: names that the model saw in words which do not say them, with those words: to be asked about alone.
    """

    slots: Mapping[str, Any] = field(default_factory=dict)
    close: Mapping[str, Pointer] = field(default_factory=dict)


def pointed(proposal: Proposal, marked: Marked, *, now: datetime, vocabulary: Vocabulary, sender: str = "") -> Pointed:
    """Return what the words say that the proposal points at.

    Raises:
        NonsenseError: words that are not in the sentence, or a name for words that say another.
    """
    under = {slot: _under(pointer.words, marked) for slot, pointer in proposal.slots.items()}
    if proposal.kind not in KINDS:
        return Pointed()
    tokens = [token for slot in _ORDER if under.get(slot) for token in (*_laid_out(slot, under[slot]), _COMMA)]
    clause = Skeleton.of(tokens)
    sheet = Sheet(clause, clause, marked.text, marked.folded, now, vocabulary, sender)
    if tokens:
        fill(KINDS[proposal.kind], sheet)
    doubted = {doubt.slot for doubt in sheet.doubts}
    read = {slot: value for slot, value in sheet.slots.items() if value is not None and slot not in doubted}
    slots = dict(_claimed(proposal, read))
    if "purpose" in proposal.slots:
        slots["purpose"] = _as_said(proposal.slots["purpose"].words, marked)
    return Pointed(slots=slots, close=dict(_close(proposal, sheet, read, under)))


_COMMA: Final = Token(0, 0, "punct", ",")
_REPLICAS: Final = Token(0, 0, "word", "replicas")


def _laid_out(slot: str, tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    """A bare number of replicas is told as one: "scale it so that 3 run" says it without the word."""
    bare = slot == "replicas" and [token.kind for token in tokens] == ["num"]
    return (*tokens, _REPLICAS) if bare else tokens


def _claimed(proposal: Proposal, read: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The values of the slots that the model pointed at; what the words say beside them was not claimed."""
    timed = any(slot in proposal.slots for slot in TIMES)
    for slot, pointer in proposal.slots.items():
        value = read.get(_READ_AS.get(slot, slot))
        if slot in TIMES or value is None or value is False:
            continue
        if pointer.name and value != pointer.name:
            raise NonsenseError(f"{slot}: the words say another name")
        yield slot, value
    if timed:
        yield from ((slot, read[slot]) for slot in ("start", "end", "duration_s") if slot in read)


def _close(
    proposal: Proposal, sheet: Sheet, read: Mapping[str, Any], under: Mapping[str, tuple[Token, ...]]
) -> Iterator[tuple[str, Pointer]]:
    """Names that the words may mean and do not say; where they say several, the grammar's own question stands."""
    several = {doubt.slot for doubt in sheet.doubts if doubt.candidates}
    for slot, pointer in proposal.slots.items():
        names = any(token.kind == "name" for token in under[slot])
        if pointer.name and slot not in read and slot not in several and not names:
            yield slot, pointer


def _under(words: str, marked: Marked) -> tuple[Token, ...]:
    """Return the tokens that the words lie over, none when they stand in several places that read differently.

    Raises:
        NonsenseError: the words are not in the sentence.
    """
    found = [_tokens(marked.whole, start, end) for start, end in _places(words, marked)]
    if not found:
        raise NonsenseError("words that are not in the sentence")
    alike = {tuple((token.kind, token.pivot, repr(token.value)) for token in each) for each in found}
    return found[0] if len(alike) == 1 else ()


def _places(words: str, marked: Marked) -> list[tuple[int, int]]:
    """Return where the words stand whole: a 4 does not stand in 14, nor in h4."""
    needle = fold(clean(words)).strip(_EDGES)
    if not needle:
        return []
    whole = re.compile(rf"(?<![^\W_])(?<!\d[.,:]){re.escape(needle)}(?![^\W_])(?![.,:]\d)")
    return [match.span() for match in whole.finditer(marked.folded)]


def _tokens(whole: Skeleton, start: int, end: int) -> tuple[Token, ...]:
    at = [at for at, token in enumerate(whole.tokens) if token.start < end and start < token.end]
    if at and whole.tokens[at[-1]].kind == "num":
        at += [
            each for each in range(at[-1] + 1, len(whole.tokens))[:1] if _COUNTED.fullmatch(whole.tokens[each].pivot)
        ]
    return tuple(whole.tokens[each] for each in at)


def _as_said(words: str, marked: Marked) -> str:
    start, end = _places(words, marked)[0]
    return marked.text[start:end]
