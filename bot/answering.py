"""Answers to a question become part of what was read: each settles its own doubt, and no other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bot.blocks.question import ALL, NOW
from bot.intake.forms import Other, Unclear, Understood, form_from, understand
from bot.intake.reading import Doubt, Reading
from policies.catalogue import Catalogue


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Still not clear: the slots that are known, and the doubts that remain."""

    slots: Mapping[str, Any]
    doubts: tuple[Doubt, ...]


def answered(
    said: str, answers: Mapping[str, str], *, now: datetime, catalogue: Catalogue, person: str
) -> Understood | Open:
    """Return the exact form of a sentence with its answers, or what remains open.

    Args:
        answers: option values by slot, as the question's menus offer them.
        now: when the sentence was said; "tomorrow" is meant from then.
    """
    heard = understand(said, now=now, catalogue=catalogue, person=person)
    if isinstance(heard, Unclear):
        reading = _settled(heard.reading, answers)
        heard = form_from(reading, catalogue, now)
        if isinstance(heard, Unclear):
            return Open(slots=reading.slots, doubts=heard.doubts)
    if isinstance(heard, Other):
        return Open(slots={}, doubts=())
    return heard


def _settled(reading: Reading, answers: Mapping[str, str]) -> Reading:
    slots = dict(reading.slots)
    for slot, value in answers.items():
        slots[slot] = _value(slot, value)
    if "duration_s" in answers:
        slots["end"] = None
    doubts = tuple(doubt for doubt in reading.doubts if doubt.slot not in answers)
    return replace(reading, slots=slots, doubts=doubts)


def _value(slot: str, value: str) -> Any:
    if slot in {"gpu_count", "duration_s", "canary_percent", "tokens"}:
        return int(value)
    if slot == "columns":
        return () if value == ALL else (value,)
    return None if slot == "start" and value == NOW else value
