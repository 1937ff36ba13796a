"""Asking a model from Slack: entered, answered in the thread with one's own key, and said plainly when it cannot be."""

from __future__ import annotations

import json
import shutil

import httpx
import pytest
from bot_stage import ROOM, Stage, message_at, text_of, whisper
from conftest import INES, MIRA, RULES
from keys_site import catalogue_text

from bot.demo import CHANNELS, PEOPLE
from bot.workspace.model import Channel, Person
from bot.workspace.server import WorkspaceServer
from ledger.audit import verify_store
from ledger.streams.request import Status
from workers.answering import Answering
from workers.app import build_room
from workers.hands import attend
from workers.settings import HouseSettings

ANSWER = "It is *fraud*: <@U02INES> & <https://evil.example|look>.\nSecond line.\u202e"
SECRET = "my prompt about claim 4711"


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """A desk whose catalogue serves fraud-detector, and an endpoint that answers as told."""
    home = tmp_path / "home"
    shutil.copytree(RULES, home / "policies", ignore=shutil.ignore_patterns("*.py", "__pycache__", "README.md"))
    catalogue = home / "policies" / "catalogue.toml"
    catalogue.write_text(catalogue_text(catalogue.read_text()))
    people = [Person(id=slack, name=name, title=title) for slack, name, title in PEOPLE]
    with WorkspaceServer(people, [Channel(name=n, topic=t) for n, t in CHANNELS], retry_after=(0.0, 0.1)) as server:
        made = Stage(home, server)
        settings = HouseSettings(home=home, policies=home / "policies", database_url=f"sqlite:///{home}/l.sqlite3")
        made.room = build_room(settings, simulate=True)
        made.says, made.calls = (200, ANSWER), []
        made.answering = Answering(
            book=made.house.book,
            endpoint="http://endpoint",
            token=lambda grant: grant,
            locks=home / "locks",
            clock=made.clock,
            transport=httpx.MockTransport(lambda call: heard(made, call)),
        )
        made.mira = server.person(MIRA)
        yield made
        made.stop()
        made.room.book.store.close()
        made.house.book.store.close()


def heard(stage, call):
    stage.calls.append(json.loads(call.content))
    status, text = stage.says
    if status != 200:
        return httpx.Response(status, json={"error": {"code": "insufficient_quota", "message": text}})
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    body = {"choices": [choice], "usage": {"prompt_tokens": 12, "completion_tokens": 30}}
    return httpx.Response(200, json=body, headers={"x-quartermaster-version": "sha256:" + "ab" * 32})


@pytest.fixture
def key(stage):
    """A key for fraud-detector in dev, which Mira holds."""
    _, number = stage.asked(stage.mira, "a key for fraud-detector in dev, 100k tokens, for 7 days")
    assert attend(stage.room, number) is Status.RUNNING
    return number


def thread_of(stage, ts, words):
    """Wait for a message of the thread that says so."""

    def find():
        found = [each for each in stage.mira.messages(ROOM, ts) if words in text_of(each)]
        return found[-1] if found else None

    return stage.mira.wait(find)


def ask(stage, words):
    return stage.mira.say(ROOM, f"@quartermaster {words}")


def test_the_answer_comes_in_the_thread_with_what_it_rests_on(stage, key):
    ts = ask(stage, f"ask fraud-detector: {SECRET}")
    thread_of(stage, ts, "Asking *fraud-detector*, as it is in dev")
    assert stage.asked_models == [key]
    stage.answering.answer(key)
    shown = thread_of(stage, ts, "It is *fraud*")
    assert "Asking" not in json.dumps(stage.mira.messages(ROOM, ts)[1:])
    words = text_of(shown)
    assert "version `abababababab`" in words
    assert f"42 tokens of REQ-{key}" in words
    assert "temperature 0.7" in words
    assert stage.calls[0]["messages"] == [{"role": "user", "content": SECRET}]
    assert verify_store(stage.house.book.store).sound


def test_the_words_of_a_model_are_plain_text_whatever_they_look_like(stage, key):
    ts = ask(stage, "ask the model: x")
    thread_of(stage, ts, "Asking")
    stage.answering.answer(key)
    shown = thread_of(stage, ts, "It is *fraud*")
    said = [block for block in shown["blocks"] if "evil.example" in json.dumps(block)]
    assert [block["text"]["type"] for block in said] == ["plain_text"]
    assert "\u202e" not in json.dumps(shown, ensure_ascii=False)
    assert "Second line." in text_of(shown)


def test_prompt_and_answer_are_in_no_leaf(stage, key):
    ts = ask(stage, f"ask the model: {SECRET}")
    thread_of(stage, ts, "Asking")
    stage.answering.answer(key)
    leaves = b"".join(stored.data for stored in stage.house.book.store.scan())
    assert b"question.answered" in leaves
    assert SECRET.encode() not in leaves
    assert b"evil.example" not in leaves


def test_without_an_answer_the_thread_says_why(stage, key):
    stage.says = (429, "This key (REQ-1001) has 3 tokens left.")
    ts = ask(stage, "ask the model: x")
    thread_of(stage, ts, "Asking")
    stage.answering.answer(key)
    assert "gave no answer" in text_of(thread_of(stage, ts, "has 3 tokens left"))


def test_a_desk_that_was_down_meanwhile_shows_the_answer_when_it_is_back(stage, key):
    ts = ask(stage, "ask the model: x")
    thread_of(stage, ts, "Asking")
    stage.stop()
    stage.answering.answer(key)
    stage.start()
    thread_of(stage, ts, "It is *fraud*")


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("ask the model: x", "You hold no key for a model"),
        ("ask fraud-detector: x", "You hold no key for fraud-detector"),
    ],
)
def test_without_a_key_it_is_said_how_to_get_one(stage, words, answer):
    ask(stage, words)
    shown = text_of(whisper(stage.mira, ROOM, answer))
    assert "Ask for it" in shown
    assert stage.entries("question.asked") == []


def test_the_key_of_another_model_or_person_is_no_key(stage, key):
    ask(stage, "ask churn-predictor: x")
    whisper(stage.mira, ROOM, "You hold no key for churn-predictor")
    ines = stage.server.person(INES)
    ines.say(ROOM, "@quartermaster ask fraud-detector: x")
    whisper(ines, ROOM, "You hold no key for fraud-detector")
    assert stage.entries("question.asked") == []


def test_three_wait_and_the_next_one_is_told_so(stage, key):
    for _ in range(3):
        thread_of(stage, ask(stage, "ask the model: x"), "Asking")
    ask(stage, "ask the model: x")
    whisper(stage.mira, ROOM, "still wait for their answers")
    assert len(stage.entries("question.asked")) == 3


def test_a_command_is_answered_in_direct_messages(stage, key):
    stage.mira.command("/qm ask the model: x", ROOM)
    stage.mira.wait(lambda: any("Asking" in text_of(each) for each in stage.mira.messages(stage.mira.dm())))
    assert message_at(stage.mira, ROOM, "") is None
    assert not any("Asking" in text_of(each) for each in stage.mira.messages(ROOM))
