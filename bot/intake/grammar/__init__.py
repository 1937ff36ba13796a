"""A typed grammar for requests in people's own words, in phases: text, names, times, quantities, wishes, slots, doubts.

`read` never raises and never guesses: what the text, the time and the catalogue do not decide becomes a doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from bot.intake.grammar.amounts import Amount, amounts_in
from bot.intake.grammar.frames import records
from bot.intake.grammar.frames.data import data
from bot.intake.grammar.frames.deploy import deploy
from bot.intake.grammar.frames.gpu import gpu
from bot.intake.grammar.frames.key import key
from bot.intake.grammar.frames.sheet import Sheet
from bot.intake.grammar.genai import prompt_to
from bot.intake.grammar.ids import mark_ids
from bot.intake.grammar.index import index_of
from bot.intake.grammar.purpose import purpose_of
from bot.intake.grammar.quantities import mark_numbers
from bot.intake.grammar.skeleton import Skeleton
from bot.intake.grammar.text import clean, fold
from bot.intake.grammar.times import mark_times
from bot.intake.grammar.tokens import Token, tokenise
from bot.intake.grammar.wishes import Wish, wishes_of
from bot.intake.reading import SLOTS, Intent, Reading
from bot.intake.vocabulary import Vocabulary

_BUILD: Final[Mapping[Intent, Callable[[Sheet], None]]] = MappingProxyType(
    {
        Intent.GPU_REQUEST: gpu,
        Intent.DATA_REQUEST: data,
        Intent.KEY_REQUEST: key,
        Intent.DEPLOY_REQUEST: deploy,
        Intent.REQUEST_EXTEND: records.extend,
        Intent.REQUEST_SHORTEN: records.shorten,
        Intent.READINESS_CHECK: records.readiness,
        Intent.MODELS_RAN: records.ran,
        Intent.AUDIT_QUERY: records.audit,
        Intent.AUDIT_EXPORT: records.export,
        Intent.HELP: records.nothing,
        Intent.OTHER: records.nothing,
    }
)
_THINGS: Final = frozenset({Intent.GPU_REQUEST, Intent.DATA_REQUEST, Intent.DEPLOY_REQUEST, Intent.KEY_REQUEST})
_LONGEST_WISH: Final = 300
"""Tokens of one wish: what goes on for longer is pasted text, and no more of the wish."""
_VOTES: Final = frozenset({Intent.REQUEST_APPROVE, Intent.REQUEST_DENY})


def read(text: str, *, now: datetime, vocabulary: Vocabulary, sender: str = "") -> Reading:
    """Return the one reading of `text` said at `now` (aware). Linear in its length, of which 4,000 characters count."""
    bare = clean(text)
    model, prompt = prompt_to(bare, fold(bare), vocabulary.models)
    if prompt is not None:
        return Reading(intent=Intent.GENAI_ASK, slots={"prompt": prompt, "model": model}, text=bare)
    marked = _marked(bare, vocabulary)
    return _read(marked, wishes_of(marked.whole), now, vocabulary, sender)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """A sentence before anything is made of it: clean, folded to the same length, and as tokens with typed values."""

    text: str
    folded: str
    whole: Skeleton
    amounts: tuple[Amount, ...] = ()


def mark(text: str, vocabulary: Vocabulary) -> Marked:
    """Return the sentence with its names, numbers, times and ids marked; linear in its length."""
    return _marked(clean(text), vocabulary)


def _marked(bare: str, vocabulary: Vocabulary) -> Marked:
    folded, amounts = amounts_in(fold(bare))
    tokens, language = tokenise(folded, index_of(vocabulary))
    tokens = _addressed(tokens, bare, vocabulary)
    tokens = mark_ids(mark_numbers(mark_times(tokens, vocabulary.conventions, language)), folded)
    return Marked(text=bare, folded=folded, whole=Skeleton.of(tokens), amounts=amounts)


def read_as(intent: Intent, marked: Marked, *, now: datetime, vocabulary: Vocabulary, sender: str = "") -> Reading:
    """Return the reading of a sentence of which somebody else said that all of it is one wish of this intent."""
    return _read(marked, [Wish(intent, 0, len(marked.whole.tokens))], now, vocabulary, sender)


def fill(intent: Intent, sheet: Sheet) -> None:
    """Fill in the slots of an intent from the words on a sheet."""
    _BUILD.get(intent, records.request_id)(sheet)


def _read(marked: Marked, wishes: list[Wish], now: datetime, vocabulary: Vocabulary, sender: str) -> Reading:
    sheet = _sheet(marked.whole, wishes, marked.text, marked.folded, now, vocabulary, sender)
    sheet.amounts = marked.amounts
    fill(wishes[0].intent, sheet)
    return _reading(wishes, sheet, marked.text)


def _addressed(tokens: list[Token], bare: str, vocabulary: Vocabulary) -> list[Token]:
    """The text without the name of the desk that it begins with."""
    people = {user.id.upper() for user in vocabulary.users}
    if tokens and tokens[0].kind == "mention" and bare[tokens[0].start + 1 : tokens[0].end].upper() not in people:
        return tokens[1:]
    return tokens


def _sheet(
    whole: Skeleton, wishes: list[Wish], bare: str, folded: str, now: datetime, vocabulary: Vocabulary, sender: str
) -> Sheet:
    first = wishes[0]
    part = whole.part(first.start, min(first.end, first.start + _LONGEST_WISH))
    words, zone = purpose_of(part, bare) if first.intent in _THINGS else ("", set())
    clause = Skeleton.of([token for at, token in enumerate(part.tokens) if at not in zone])
    shared = len(wishes) > 1 and wishes[1].intent is first.intent and not part.found("span", "until", "window", "next")
    sheet = Sheet(clause, whole if shared else part, bare, folded, now, vocabulary, sender)
    if "purpose" in SLOTS[first.intent]:
        sheet.slots["purpose"] = words or None
    return sheet


def _reading(wishes: list[Wish], sheet: Sheet, bare: str) -> Reading:
    intent = wishes[0].intent
    if intent in _VOTES and sheet.slots.get("request_id") is None:
        return Reading(intent=Intent.OTHER, text=bare)
    ids = list(dict.fromkeys(token.value for token in sheet.clause.found("id")))
    more = [intent] * (len(ids) - 1) if "request_id" in SLOTS[intent] and len(ids) > 1 else []
    doubted = {doubt.slot for doubt in sheet.doubts if doubt.reason.value not in {"past", "not_a_number"}}
    slots = {key: None if key in doubted else sheet.slots.get(key) for key in SLOTS[intent]}
    return Reading(
        intent=intent,
        slots=slots,
        doubts=tuple(sheet.doubts),
        unresolved=tuple(sheet.unresolved),
        also=(*more, *(wish.intent for wish in wishes[1:])),
        text=bare,
    )
