"""Two readings made one: what both say stands, what they say differently is asked, what one alone says is marked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from bot.intake.grammar import mark, read_as
from bot.intake.model.pointing import Pointed, pointed
from bot.intake.model.proposal import KINDS, NONE, NonsenseError, Outcome, Proposal
from bot.intake.reading import Doubt, DoubtReason, Reading
from bot.intake.vocabulary import Vocabulary

THING: Final[Mapping[str, str]] = {"gpu": "gpu_type", "data": "dataset", "deploy": "model"}
"""The slot of each kind that names what is asked for."""
NEEDED: Final = frozenset({"gpu_type", "gpu_count", "dataset", "access", "model", "version", "environment"})
_TIMES: Final = ("start", "end", "duration_s")
_AGREE: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """One reading of both.

    Args:
        by_model: the slots whose values stand on the model's word that these are the words for them.
    """

    reading: Reading
    outcome: Outcome
    by_model: tuple[str, ...] = ()


def together(
    reading: Reading,
    proposal: Proposal,
    text: str,
    *,
    now: datetime,
    vocabulary: Vocabulary,
    sender: str = "",
    kind: str = "",
) -> Together:
    """Return the reading of a sentence by the grammar and by the model.

    Args:
        reading: the grammar's.
        kind: which of two kinds the person said they meant, empty while they were not asked.

    Raises:
        NonsenseError: the model's answer is not backed by the sentence.
    """
    marked = mark(text, vocabulary)
    seen = pointed(proposal, marked, now=now, vocabulary=vocabulary, sender=sender)
    mine = next((name for name, intent in KINDS.items() if intent is reading.intent), NONE)
    if proposal.kind == mine or KINDS.get(proposal.kind) in reading.also:
        return (
            _same(reading, seen) if proposal.kind == mine != NONE else Together(reading=reading, outcome=Outcome.AGREED)
        )
    if proposal.kind == NONE:
        return Together(reading=reading, outcome=Outcome.DIFFERED)
    if THING[proposal.kind] not in {*seen.slots, *seen.close}:
        raise NonsenseError("names nothing of the catalogue")
    if mine != NONE and kind != proposal.kind:
        return _asked(reading, mine, proposal.kind, kind)
    other = read_as(KINDS[proposal.kind], marked, now=now, vocabulary=vocabulary, sender=sender)
    both = _same(other, seen, trusting=True)
    said = tuple(slot for slot, value in both.reading.slots.items() if value not in (None, False))
    return replace(both, outcome=Outcome.ADDED, by_model=said)


def _asked(reading: Reading, mine: str, other: str, chosen: str) -> Together:
    if chosen == mine:
        return Together(reading=reading, outcome=Outcome.DIFFERED)
    doubt = Doubt(slot="kind", reason=DoubtReason.TWO_READINGS, candidates=(mine, other))
    return Together(reading=replace(reading, doubts=(doubt, *reading.doubts)), outcome=Outcome.DIFFERED)


def _same(reading: Reading, seen: Pointed, *, trusting: bool = False) -> Together:
    """Both read one kind. `trusting`: the grammar had understood nothing, so nothing was left out on purpose."""
    slots, doubts, added = dict(reading.slots), list(reading.doubts), list[str]()
    settled = {doubt.slot for doubt in doubts}
    for slot, value in seen.slots.items():
        if slot in _TIMES or slot in settled or slot not in slots:
            continue
        known = slots[slot]
        if known is None and (slot in NEEDED or slot == "purpose" or trusting):
            slots[slot] = value
            added += [slot] if slot != "purpose" else []
        elif slot != "purpose" and not _alike(known, value):
            doubts.append(_two(slot, known, value))
            slots[slot] = None
    _times(slots, seen.slots, doubts, added)
    _suggest(slots, seen, doubts)
    merged = replace(reading, slots=slots, doubts=tuple(doubts))
    asked = any(doubt.reason is DoubtReason.TWO_READINGS for doubt in doubts)
    outcome = Outcome.DIFFERED if asked else Outcome.ADDED if added else Outcome.AGREED
    return Together(reading=merged, outcome=outcome, by_model=tuple(added))


def _alike(mine: Any, other: Any) -> bool:
    if isinstance(mine, datetime) and isinstance(other, datetime):
        return abs(mine - other) <= _AGREE
    if isinstance(mine, str) and isinstance(other, str):
        return mine.removeprefix("v") == other.removeprefix("v")
    return bool(mine == other)


def _times(slots: dict[str, Any], seen: Mapping[str, Any], doubts: list[Doubt], added: list[str]) -> None:
    """Start, end and length hang together: all of them are the model's, or each is compared."""
    said = {slot: seen[slot] for slot in _TIMES if slot in seen}
    if not said or "duration_s" not in slots or {doubt.slot for doubt in doubts} & {*_TIMES}:
        return
    if all(slots.get(slot) is None for slot in _TIMES):
        slots |= said
        added += ["duration_s" if slot == "end" else slot for slot in said if slot != "end" or "duration_s" not in said]
        return
    if "start" in said and not _alike(slots["start"], said["start"]):
        doubts.append(_two("start", slots["start"], said["start"]))
        slots["start"] = None
    if "end" in said and slots["end"] is None and slots["duration_s"] is None:
        slots["end"] = said["end"]
        added.append("duration_s")
    elif "end" in said and not _alike(slots["end"], said["end"]):
        doubts.append(_two("duration_s", slots["duration_s"], said.get("duration_s")))
    elif "duration_s" in said and slots["duration_s"] is None:
        slots["duration_s"] = said["duration_s"]
        added.append("duration_s")
    elif "duration_s" in said and not _alike(slots["duration_s"], said["duration_s"]):
        doubts.append(_two("duration_s", slots["duration_s"], said["duration_s"]))
    if any(doubt.slot == "duration_s" for doubt in doubts):
        slots["duration_s"] = slots["end"] = None


def _suggest(slots: Mapping[str, Any], seen: Pointed, doubts: list[Doubt]) -> None:
    """A name that the words do not say is offered, where nothing else is known of the slot."""
    for slot, pointer in seen.close.items():
        if slots.get(slot) is not None or slot not in NEEDED - {"access"}:
            continue
        fresh = Doubt(slot=slot, reason=DoubtReason.UNKNOWN_NAME, said=pointer.words, candidates=(pointer.name,))
        known = next((at for at, doubt in enumerate(doubts) if doubt.slot == slot), None)
        if known is None:
            doubts.append(fresh)
        elif doubts[known].reason is DoubtReason.UNKNOWN_NAME and not doubts[known].candidates:
            doubts[known] = replace(doubts[known], candidates=fresh.candidates)


def _two(slot: str, mine: Any, other: Any) -> Doubt:
    values = [_text(value) for value in (mine, other) if value not in (None, False)]
    return Doubt(slot=slot, reason=DoubtReason.TWO_READINGS, candidates=tuple(dict.fromkeys(values)))


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
