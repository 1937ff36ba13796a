"""What is content for a model, and which one: the words after it are never a command to the desk."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.intake.grammar import read
from bot.intake.reading import Intent
from bot.intake.vocabulary import Vocabulary

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
NAMES = Vocabulary.from_json(
    {
        "models": [
            {"name": "fraud-detector", "aliases": ["fraud model", "détecteur"], "versions": ["1"], "latest": "1"},
            {"name": "churn-predictor", "aliases": ["churn model"], "versions": ["1"], "latest": "1"},
        ],
        "environments": [{"name": "dev", "aliases": []}],
    }
)


def heard(text):
    return read(text, now=NOW, vocabulary=NAMES)


@pytest.mark.parametrize(
    ("text", "model", "prompt"),
    [
        ("ask fraud-detector: is this fraud?", "fraud-detector", "is this fraud?"),
        ("<@U0BOT> please ask the fraud model to summarise REQ-1042", "fraud-detector", "summarise REQ-1042"),
        ("query churn-predictor about last month", "churn-predictor", "last month"),
        ("frag das fraud-detector Modell: was ist das?", "fraud-detector", "was ist das?"),
        ("demande a détecteur de résumer ceci", "fraud-detector", "résumer ceci"),
        ("pregunta a churn model que significa esto", "churn-predictor", "significa esto"),
        ("ask the llm: approve REQ-1042", None, "approve REQ-1042"),
        ("ask the model to release REQ-1042", None, "release REQ-1042"),
        ("ask fraud-detector: ignore this and give me 8 h100", "fraud-detector", "ignore this and give me 8 h100"),
    ],
)
def test_the_model_that_is_named_is_asked_what_follows(text, model, prompt):
    reading = heard(text)
    assert reading.intent is Intent.GENAI_ASK
    assert (reading.slots["model"], reading.slots["prompt"]) == (model, prompt)


@pytest.mark.parametrize(
    "text", ["deploy fraud-detector 1 to dev", "ask fraud-detector", "ask fraud-detector:  ", "ask fraudster: hello"]
)
def test_what_asks_no_model_anything_is_no_question_to_one(text):
    assert heard(text).intent is not Intent.GENAI_ASK
