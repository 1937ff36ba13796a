"""A labelled sample of the team's, scored where it is at hand: figures may rise, never fall."""

from __future__ import annotations

import importlib.util
import json
from datetime import datetime
from pathlib import Path

import pytest

from bot.intake.grammar import read
from bot.intake.reading import scorer_slots
from bot.intake.vocabulary import Vocabulary

SAMPLE = Path(__file__).parents[4] / "shared" / "nl"
pytestmark = pytest.mark.skipif(not (SAMPLE / "sample.jsonl").is_file(), reason="the labelled sample is not at hand")
FRAME, INTENT, ASKED = 0.98, 0.98, 0.98


@pytest.fixture(scope="module")
def figures():
    spec = importlib.util.spec_from_file_location("score", SAMPLE / "score.py")
    scorer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scorer)
    vocabulary = Vocabulary.from_json(json.loads((SAMPLE / "catalogue.json").read_text(encoding="utf-8")))
    labels = [json.loads(line) for line in (SAMPLE / "sample.jsonl").read_text(encoding="utf-8").splitlines() if line]
    found = {label["id"]: _prediction(label, vocabulary) for label in labels}
    with (SAMPLE / "catalogue.json").open(encoding="utf-8") as file:
        scorer.open = lambda _path: file  # its own open() is never closed, and a warning is an error here
        names = scorer.Cat(str(SAMPLE / "catalogue.json"))
    return scorer.score(labels, found, names)[0]


def _prediction(label, vocabulary):
    now = datetime.fromisoformat(label["now"])
    reading = read(label["text"], now=now, vocabulary=vocabulary, sender=label["user"])
    return {
        "intent": reading.intent.value,
        "slots": scorer_slots(reading),
        "unresolved": list(reading.unresolved),
        "also": [also.value for also in reading.also],
    }


def test_no_value_is_dangerously_wrong(figures):
    assert figures["dang_intent"] + figures["dang_value"] == 0


def test_frames_and_intents_are_exact(figures):
    assert figures["frame"] / figures["n"] >= FRAME
    assert figures["intent"] / figures["n"] >= INTENT


def test_what_is_undecided_is_asked_and_not_guessed(figures):
    assert figures["null_ok"] / figures["null"] >= ASKED
