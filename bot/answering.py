"""Answers to a question become part of what was read: each settles its own doubt, and no other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bot.blocks.question import ALL, NOT_SAID, NOW, YES
from bot.intake.forms import Other, Unclear, Understood, form_from, understand
from bot.intake.model.proposal import KINDS, Proposal
from bot.intake.reading import Doubt, Reading
from policies.catalogue import Catalogue


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Still not clear: the slots that are known, and the doubts that remain.

    Args:
        kind: gpu, data or deploy; empty when the words ask for none of them.
        by_model: the slots that are to be checked, because a model pointed at the words for them.
    """

    slots: Mapping[str, Any]
    doubts: tuple[Doubt, ...]
    kind: str = ""
    by_model: tuple[str, ...] = ()


def answered(
    said: str,
    answers: Mapping[str, str],
    *,
    now: datetime,
    catalogue: Catalogue,
    person: str,
    proposal: Proposal | None = None,
) -> Understood | Open:
    """Return the exact form of a sentence with its answers, or what remains open.

    Args:
        answers: option values by slot, as the question's menus offer them.
        now: when the sentence was said; "tomorrow" is meant from then.
        proposal: what a model said of it then.
    """
    kind = answers.get("kind", "")
    heard = understand(said, now=now, catalogue=catalogue, person=person, proposal=proposal, kind=kind)
    if isinstance(heard, Unclear):
        reading = _settled(heard.reading, answers)
        by_model = tuple(slot for slot in heard.by_model if slot not in answers)
        heard = form_from(reading, catalogue, now)
        if isinstance(heard, Unclear):
            name = next((name for name, intent in KINDS.items() if intent is reading.intent), "")
            return Open(slots=reading.slots, doubts=heard.doubts, kind=name, by_model=by_model)
        if isinstance(heard, Understood):
            heard = replace(heard, by_model=by_model)
    if isinstance(heard, Other):
        return Open(slots={}, doubts=())
    return heard


def _settled(reading: Reading, answers: Mapping[str, str]) -> Reading:
    slots = dict(reading.slots)
    for slot, value in answers.items():
        if slot != "kind":
            slots[slot] = _value(slot, value)
    if "duration_s" in answers:
        slots["end"] = None
    doubts = tuple(doubt for doubt in reading.doubts if doubt.slot not in answers)
    return replace(reading, slots=slots, doubts=doubts)


def _value(slot: str, value: str) -> Any:
    if value == NOT_SAID or (slot == "start" and value == NOW):
        return None
    if slot in {"gpu_count", "duration_s", "replicas", "canary_percent", "tokens"}:
        return int(value)
    if slot == "columns":
        return () if value == ALL else (value,)
    if slot == "start":
        return datetime.fromisoformat(value)
    return value == YES if slot == "rollback" else value
