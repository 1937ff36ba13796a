"""The labelled sample read by the grammar alone, and beside a model that always points at the right words: nothing gets worse."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from bot.intake.forms import may_be_read_twice
from bot.intake.grammar import read
from bot.intake.model.proposal import KINDS, NONE, NonsenseError, Pointer, Proposal
from bot.intake.model.together import together
from bot.intake.reading import scorer_slots
from bot.intake.vocabulary import Vocabulary

SAMPLE = Path(__file__).parents[5] / "shared" / "nl"
pytestmark = pytest.mark.skipif(not (SAMPLE / "sample.jsonl").is_file(), reason="the labelled sample is not at hand")
NAMED = ("gpu_type", "pool", "dataset", "model", "environment", "strategy", "access")
COUNTED = ("gpu_count", "replicas", "canary_percent", "version", "purpose")


@pytest.fixture(scope="module")
def vocabulary():
    return Vocabulary.from_json(json.loads((SAMPLE / "catalogue.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def labels():
    return [json.loads(line) for line in (SAMPLE / "sample.jsonl").read_text(encoding="utf-8").splitlines() if line]


def oracle(label, vocabulary):
    """Point at the words of every labelled value that can be found in the text; say none where nothing is asked for."""
    kind = next((name for name, intent in KINDS.items() if intent.value == label["intent"]), NONE)
    slots = {}
    for slot, value in (label["slots"] or {}).items():
        if kind == NONE or value in (None, False, []):
            continue
        found = _words(label["text"], slot, value, vocabulary)
        if found is not None:
            slots[slot] = Pointer(words=found, name=str(value) if slot in NAMED else "")
    return Proposal(kind=kind, slots=slots)


def _words(text, slot, value, vocabulary):
    ways = [str(value)]
    if slot in NAMED:
        tables = {
            "gpu_type": "gpu_types",
            "pool": "pools",
            "dataset": "datasets",
            "model": "models",
            "environment": "environments",
            "strategy": "strategies",
        }
        items = getattr(vocabulary, tables[slot]) if slot in tables else ()
        ways += [alias for item in items if item.name == value for alias in item.aliases]
    elif slot not in COUNTED:
        return None
    at = next(((text.lower().find(way.lower()), len(way)) for way in ways if way.lower() in text.lower()), None)
    return None if at is None else text[at[0] : at[0] + at[1]][:80]


def right(slot, mine, label):
    accepted = [label["slots"].get(slot), *label.get("slots_alt", {}).get(slot, [])]
    return mine in accepted or str(mine).removeprefix("v") in {str(each) for each in accepted if each is not None}


def test_no_slot_gets_worse_beside_a_model_that_is_right(labels, vocabulary):
    pointed_at = compared = 0
    for label in labels:
        now = datetime.fromisoformat(label["now"])
        alone = read(label["text"], now=now, vocabulary=vocabulary, sender=label["user"])
        if not may_be_read_twice(alone) or alone.intent.value != label["intent"]:
            continue
        asked = oracle(label, vocabulary)
        pointed_at += len(asked.slots)
        try:
            both = together(alone, asked, label["text"], now=now, vocabulary=vocabulary, sender=label["user"]).reading
        except NonsenseError:
            continue
        assert both.intent is alone.intent
        before, after = scorer_slots(alone), scorer_slots(both)
        for slot, value in before.items():
            compared += 1
            if slot != "purpose" and after[slot] != value:
                assert value is None or not right(slot, value, label), (label["text"], slot, value, after[slot])
                assert after[slot] is None or right(slot, after[slot], label), (label["text"], slot, after[slot])
    assert pointed_at > 60
    assert compared > 150
