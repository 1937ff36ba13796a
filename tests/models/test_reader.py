"""The second reader in front of real servers: a random model whose answers mean nothing gets no value into a form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr
from reading_stage import CATALOGUE, MIRA, NOW, SCHEMA, VOCABULARY, grammar, second, settings

from bot.doctor import reader as examined
from bot.intake.forms import Unclear, Understood, understand
from bot.intake.grammar import mark
from bot.intake.model.prompt import body_of
from bot.intake.model.proposal import Outcome, parse
from bot.intake.model.reader import Reader
from bot.intake.model.server import ModelServer
from tests.models.conftest import need_vllm
from tests.models.serving import model, running, stand_in, vllm

SENTENCES = Path(__file__).parents[1] / "bot" / "intake" / "sentences.jsonl"
KEY = "kept-by-the-endpoint"
PATIENCE_S = 60.0
"""A CPU that everybody shares is no measure of how long people wait."""


def sentences(count=40):
    """Requests and other words, in every language that there are examples of."""
    said = [json.loads(line)["text"] for line in SENTENCES.read_text(encoding="utf-8").splitlines() if line]
    mine = [
        "4 h100 for 3 hours",
        "deploy fraud-detector 3.2.1 to staging",
        "read claims_2024 for 2 days",
        "blue elephants",
    ]
    return [*mine, *said[:: len(said) // (count - len(mine))]][:count]


def asked_of(server):
    return settings(url=f"{server.url}/v1", model="tiny", key=SecretStr(KEY), timeout_s=10)


def patient(server):
    made = asked_of(server).model_copy(update={"timeout_s": PATIENCE_S})
    return Reader(ModelServer(made), timeout_s=PATIENCE_S)


def heard(text, proposal=None):
    return understand(text, now=NOW, catalogue=CATALOGUE, person=MIRA, proposal=proposal)


def outcomes_of(server):
    """Ask about every sentence, and see that no form holds what the grammar would not have read there."""
    made, found = patient(server), []
    for text in sentences():
        said = second(made, text)
        alone, both = heard(text), heard(text, said.proposal)
        if isinstance(alone, Understood):
            assert isinstance(both, Unclear) or both.form == alone.form, text
        elif isinstance(both, Understood):
            assert both.by_model, text
        found.append(said.outcome)
    made.close()
    return found


def test_a_stand_in_that_knows_no_schema_writes_nonsense(tmp_path):
    with running(stand_in(tmp_path, tmp_path / "log", "--api-key", KEY, "--max-model-len", "16384")) as server:
        assert examined(asked_of(server)).well
        said = {outcome for outcome in outcomes_of(server) if outcome is not Outcome.OFF}
    assert said == {Outcome.NONSENSE}


def test_a_stand_in_that_wants_another_key_is_down(tmp_path):
    with running(stand_in(tmp_path, tmp_path / "log", "--api-key", "another", "--max-model-len", "16384")) as server:
        assert "answered 401" in examined(asked_of(server)).words
        assert second(patient(server), "4 h100 for 3 hours").outcome is Outcome.DOWN


@pytest.mark.models
@pytest.mark.timeout(900)
def test_a_random_model_answers_in_the_schema_and_is_never_believed(tmp_path):
    """Structured output makes it answer JSON of the schema; the words in it are not the sentence's."""
    need_vllm()
    strict = json.dumps({"backend": "guidance", "disable_any_whitespace": True})
    flags = ("--api-key", KEY, "--max-model-len", "2048", "--structured-outputs-config", strict)
    with running(vllm(model(1), tmp_path / "log", *flags)) as server:
        assert examined(asked_of(server)).well
        with ModelServer(asked_of(server).model_copy(update={"timeout_s": PATIENCE_S})) as asked:
            for text in sentences()[:5]:
                answer = asked.ask(body_of(mark(text, VOCABULARY), VOCABULARY, SCHEMA, "tiny"))
                assert parse(answer, SCHEMA).kind in {"gpu", "data", "deploy", "none"}
        said = outcomes_of(server)
    assert set(said) <= {Outcome.OFF, Outcome.NONSENSE, Outcome.AGREED, Outcome.ADDED, Outcome.DIFFERED}
    assert said.count(Outcome.OFF) < len(said) // 2


def test_forty_sentences_are_asked_about_and_most_are_requests():
    assert len(sentences()) == 40
    assert sum(grammar(text).intent.value.endswith(".request") for text in sentences()) >= 10
