"""Labelled sentences over every rule: the exact frame of each, in four languages, with a catalogue of their own."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from bot.intake.grammar import read
from bot.intake.reading import SLOTS, Intent, scorer_slots
from bot.intake.vocabulary import Vocabulary

HERE = Path(__file__).parent
VOCABULARY = Vocabulary.from_json(json.loads((HERE / "vocabulary.json").read_text(encoding="utf-8")))
SENTENCES = [json.loads(line) for line in (HERE / "sentences.jsonl").read_text(encoding="utf-8").splitlines()]
NOW = datetime.fromisoformat("2026-06-10T10:00:00+02:00")


def heard(text):
    return read(text, now=NOW, vocabulary=VOCABULARY, sender="U0MARA")


@pytest.mark.parametrize("label", SENTENCES, ids=lambda label: label["text"][:60])
def test_the_frame_is_exact(label):
    reading = heard(label["text"])
    said = {
        key: value for key, value in scorer_slots(reading).items() if key != "purpose" and value not in (None, False)
    }
    assert (reading.intent, said) == (label["intent"], label["slots"])
    assert [also.value for also in reading.also] == label.get("also", [])
    assert list(reading.unresolved) == label.get("unresolved", [])


def test_every_intent_and_language_is_labelled():
    intents = Counter(label["intent"] for label in SENTENCES)
    assert set(intents) == {intent.value for intent in Intent}
    assert {"de", "es", "fr"} <= {label["tag"] for label in SENTENCES}
    assert len(SENTENCES) >= 150


@pytest.mark.parametrize("label", SENTENCES, ids=lambda label: label["text"][:60])
def test_every_slot_of_the_intent_is_there(label):
    reading = heard(label["text"])
    assert tuple(reading.slots) == (SLOTS[reading.intent] if reading.slots else ())


@pytest.mark.parametrize(
    "label",
    [each for each in SENTENCES if each["tag"] in {"missing", "unknown", "ambiguous"}],
    ids=lambda label: label["text"][:60],
)
def test_a_name_or_number_that_decides_nothing_is_asked_about(label):
    reading = heard(label["text"])
    needed = {
        "gpu.request": ("gpu_type", "gpu_count", "duration_s"),
        "data.request": ("dataset", "access", "duration_s"),
        "deploy.request": ("model", "version", "environment"),
        "key.request": ("model", "environment", "tokens", "duration_s"),
    }.get(reading.intent, ())
    doubted = {doubt.slot for doubt in reading.doubts}
    moves_end = reading.intent in {"request.extend", "request.shorten"}
    assert doubted or moves_end or any(reading.slots[slot] is None for slot in needed)
    assert all(reading.slots[doubt.slot] is None for doubt in reading.doubts)
