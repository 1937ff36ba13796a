"""Answering what people ask a model: with what was granted to them, once, and in plain words when there is no answer."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from ledger.book import Write, open_memory
from ledger.nouns import Decision, Effect, Enforcement, KeyForm, Personal, Receipt
from ledger.streams.codec import digest, entry_of
from ledger.streams.question import AT_ONCE, ENTRIES, Answered, Asked, Sampling, Unanswered, stream_of
from ledger.streams.request import Approved, Decided, Dispatched, Phase, Released, Started, Submitted
from workers.answering import KEY_OVER, LONGEST, NOBODY, NONSENSE, PATIENCE, REFUSED, Answering
from workers.questions import AGAIN, OpenQuestions

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
MIRA = "user:" + "a" * 32
FORM = KeyForm(resource="endpoint:m@dev", tokens=1000, duration_s=36000)
KEY = "b" * 32
GOOD = {
    "choices": [{"message": {"role": "assistant", "content": "Because."}}],
    "usage": {"prompt_tokens": 4, "completion_tokens": 2},
}


class House:
    """A ledger with one running key, and an endpoint that answers as told."""

    def __init__(self, folder):
        self.now, self.calls, self.says = NOW, [], (200, GOOD)
        self.book = open_memory(clock=lambda: self.now)
        self.answering = Answering(
            book=self.book,
            endpoint="http://endpoint",
            token=lambda grant: f"house {grant}",
            locks=folder / "locks",
            clock=lambda: self.now,
            transport=httpx.MockTransport(self._heard),
        )
        self._grant()

    def _grant(self):
        def enter(*entries, actor="svc:worker"):
            expected = self.book.store.version("request:1001")
            self.book.append(Write(stream="request:1001", expected=expected, entries=entries, actor=actor))

        self.enter, named = enter, digest(FORM)
        said = {"request": 1001, "asker": MIRA, "beneficiary": MIRA, "form": FORM, "form_digest": named}
        enter(Submitted(**said, purpose=Personal("x"), said=Personal("y")), actor=MIRA)
        decision = Decision(effect=Effect.PERMIT, rules=("r",), auto=True)
        enter(Decided(phase=Phase.SUBMIT, form_digest=named, decision=decision), Approved(form_digest=named))
        end = NOW + timedelta(hours=10)
        enter(Decided(phase=Phase.DISPATCH, form_digest=named, decision=decision))
        rest = {"executor": "endpoint", "devices": ()}
        enter(Dispatched(generation=1, grant_key=KEY, form_digest=named, not_after=end, **rest))
        enter(Started(generation=1, receipt=Receipt(executor="endpoint", enforcement=Enforcement.SELF_ENDING)))

    def _heard(self, call):
        self.calls.append(call)
        if isinstance(self.says, Exception):
            raise self.says
        status, body = self.says
        return httpx.Response(
            status,
            content=body if isinstance(body, bytes) else json.dumps(body).encode(),
            headers={"x-quartermaster-version": "sha256:" + "c" * 64},
        )

    def ask(self, name=1):
        entry = Asked(
            question=f"{name:032x}",
            by=MIRA,
            model="m",
            environment="dev",
            prompt=Personal("Why?"),
            sampling=Sampling(temperature=70, max_tokens=100, seed=7),
        )
        expected = self.book.questions(1001).version
        self.book.append(Write(stream=stream_of(1001), expected=expected, entries=(entry,), actor=MIRA))

    def became(self):
        entries = [entry_of(stored, ENTRIES) for stored in self.book.store.read(stream_of(1001))]
        return [entry for entry in entries if not isinstance(entry, Asked)]


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


def test_it_is_asked_with_the_grant_and_its_answer_is_entered(house):
    house.ask()
    house.answering.answer(1001)
    (answered,) = house.became()
    assert (str(answered.answer), answered.version) == ("Because.", "sha256:" + "c" * 64)
    assert (answered.prompt_tokens, answered.answer_tokens) == (4, 2)
    (call,) = house.calls
    assert (call.method, str(call.url)) == ("POST", "http://endpoint/v1/chat/completions")
    assert call.headers["authorization"] == f"Bearer house {KEY}"
    assert json.loads(call.content) == {
        "model": "m",
        "messages": [{"role": "user", "content": "Why?"}],
        "temperature": 0.7,
        "max_tokens": 100,
        "seed": 7,
    }


def test_every_question_that_waits_is_answered_and_none_twice(house):
    for name in range(AT_ONCE):
        house.ask(name)
    house.answering.answer(1001)
    house.answering.answer(1001)
    assert [each.question for each in house.became()] == [f"{name:032x}" for name in range(AT_ONCE)]
    assert len(house.calls) == AT_ONCE


def test_of_two_workers_one_asks(house):
    house.ask()
    with house.answering._alone(1001) as alone:
        house.answering.answer(1001)
        assert (alone, house.calls) == (True, [])
    house.answering.answer(1001)
    assert len(house.calls) == 1


@pytest.mark.parametrize(
    "says",
    [
        httpx.ConnectError("refused"),
        (503, {"error": {"code": "server_away", "message": "The model's server does not answer."}}),
    ],
    ids=["no endpoint", "no server"],
)
def test_while_nobody_is_there_it_waits_and_in_the_end_it_is_said(house, says):
    house.ask()
    house.says = says
    house.answering.answer(1001)
    assert house.became() == []
    house.now += PATIENCE + timedelta(seconds=1)
    house.answering.answer(1001)
    assert [each.why for each in house.became()] == [NOBODY]


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ((429, {"error": {"code": "insufficient_quota", "message": "This key has 3 tokens left."}}), "3 tokens left"),
        ((400, {"error": {"code": "refused_by_server", "message": "I will not say Why?"}}), REFUSED),
        ((200, {"choices": []}), NONSENSE),
        ((200, b"<html>"), NONSENSE),
        ((200, [1]), NONSENSE),
        (httpx.ReadTimeout("slow"), NOBODY),
        (httpx.RemoteProtocolError("cut"), NONSENSE),
    ],
    ids=["budget", "the server's words", "no choice", "no JSON", "no object", "slow", "cut"],
)
def test_without_an_answer_it_is_said_why_and_never_in_words_of_the_server(house, says, why):
    house.ask()
    house.says = says
    house.answering.answer(1001)
    (unanswered,) = house.became()
    assert isinstance(unanswered, Unanswered)
    assert why in unanswered.why


def test_a_key_that_is_over_asks_nothing(house):
    house.ask()
    house.enter(Released(holder=MIRA), actor=MIRA)
    house.answering.answer(1001)
    assert [each.why for each in house.became()] == [KEY_OVER]
    assert house.calls == []


def test_a_key_whose_end_went_by_asks_nothing_though_no_clock_has_ended_it(house):
    house.ask()
    house.now += timedelta(hours=10)
    house.answering.answer(1001)
    assert [each.why for each in house.became()] == [KEY_OVER]


def test_an_endless_answer_is_cut(house):
    house.ask()
    house.says = (200, {**GOOD, "choices": [{"message": {"content": "x" * (LONGEST + 1)}}]})
    house.answering.answer(1001)
    (answered,) = house.became()
    assert isinstance(answered, Answered)
    assert len(str(answered.answer)) == LONGEST


# -- finding what waits ---------------------------------------------------------------------------------------------------


def test_what_waits_is_put_to_a_worker_again_until_it_is_answered(house):
    put = []
    questions = OpenQuestions(house.book, put.append, lambda: house.now)
    questions.look()
    house.ask()
    questions.look()
    assert put == []  # the desk's own nudge is tried first
    for _ in range(2):
        house.now += AGAIN
        questions.look()
    assert put == [1001, 1001]
    house.answering.answer(1001)
    house.now += AGAIN
    questions.look()
    assert put == [1001, 1001]


def test_what_waited_before_the_clock_began_is_found(house):
    house.ask()
    put = []
    questions = OpenQuestions(house.book, put.append, lambda: house.now)
    questions.look()
    house.now += AGAIN
    questions.look()
    assert put == [1001]


def test_the_grant_is_named_only_in_the_header(house):
    house.ask()
    replace(house.answering).answer(1001)
    assert KEY not in str(house.calls[0].url)
    assert KEY.encode() not in house.calls[0].content
