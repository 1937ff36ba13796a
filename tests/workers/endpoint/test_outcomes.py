"""What became of calls is counted by version: refused, failed, and answers that are not of the shape asked for."""

from __future__ import annotations

import sqlite3

import pytest
from endpoint_site import AT, site, until

from workers.endpoint.calls import Call, Route
from workers.endpoint.outcomes import KEPT_S, Hearing, Outcomes

__all__ = ["site"]

NOW = AT.timestamp()
SCHEMA = {"type": "object", "properties": {"label": {"type": "string"}}, "required": ["label"]}
FORMATS = {
    "none": {},
    "schema": {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}},
    "list": {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "array"}}}},
    "object": {"response_format": {"type": "json_object"}},
}


def hearing(asked="schema"):
    call = Call(
        route=Route.CHAT, body=FORMATS[asked], model="m", stream=False, usage=True, answers=1, sequences=1, most=10
    )
    return Hearing(call)


def whole(text, reason="stop", **message):
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": reason}
    return {"choices": [choice]}


@pytest.mark.parametrize(
    ("asked", "text", "unfit"),
    [
        ("schema", '{"label": "fraud"}', False),
        ("schema", '{"other": 1}', True),
        ("schema", '["label"]', True),
        ("schema", '{"label": ', True),
        ("schema", "I cannot say.", True),
        ("object", "{}", False),
        ("object", "[]", True),
        ("list", "[]", False),
        ("list", "no", True),
    ],
)
def test_an_answer_of_another_shape_than_was_asked_for_is_unfit(asked, text, unfit):
    heard = hearing(asked)
    heard.hear(whole(text))
    assert list(heard.outcomes()) == ["calls", "asked_for_schema", *(["unfit"] if unfit else [])]


def test_the_pieces_of_a_stream_are_put_together():
    heard = hearing()
    for text in ('{"la', 'bel": ', '"x"}'):
        heard.hear({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]})
    heard.hear({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    assert list(heard.outcomes()) == ["calls", "asked_for_schema"]


def test_whoever_left_before_the_end_says_nothing_of_the_shape():
    heard = hearing()
    heard.hear({"choices": [{"index": 0, "delta": {"content": "{"}, "finish_reason": None}]})
    assert list(heard.outcomes()) == ["calls"]


@pytest.mark.parametrize("piece", [whole("x", "content_filter"), whole("x", refusal="I will not.")])
def test_a_model_that_refuses_is_counted(piece):
    heard = hearing("none")
    heard.hear(piece)
    assert list(heard.outcomes()) == ["calls", "refused"]


@pytest.mark.parametrize("piece", [{}, {"choices": None}, {"choices": [1]}, {"choices": [{"message": 1}]}])
def test_whatever_a_server_says_breaks_nothing(piece):
    heard = hearing()
    heard.hear(piece)
    assert list(heard.outcomes()) == ["calls"]


# -- through the address ----------------------------------------------------------------------------------------------


def counted(site, version="sha256:ab"):
    site.outcomes.write()
    return site.outcomes.between("churn", version, NOW, NOW)


@pytest.mark.parametrize(
    ("words", "body", "became"),
    [
        ("hello ok", {}, {"calls": 1}),
        ("hello ok", {"stream": True}, {"calls": 1}),
        ("hello 400", {}, {"calls": 1, "refused": 1}),
        ("hello 500", {}, {"calls": 1, "failed": 1}),
        ("hello 503", {}, {"calls": 1, "failed": 1}),
        ("hello garbage", {}, {"calls": 1, "failed": 1}),
        ("hello cut", {"stream": True}, {"calls": 1, "failed": 1}),
        ("hello fails", {"stream": True}, {"calls": 1, "failed": 1}),
    ],
)
def test_what_became_of_a_call_is_counted_for_its_version(site, words, body, became):
    site.chat(words, **body)
    until(lambda: site.outcomes._counts)
    assert counted(site) == became
    assert counted(site, "sha256:cd") == {}


def test_what_was_refused_before_it_was_sent_is_nobodys_fault(site):
    assert site.chat("hello ok", n=99).status_code == 400
    assert counted(site) == {}


# -- the table ----------------------------------------------------------------------------------------------------------


def test_several_endpoints_add_up_and_old_minutes_go(tmp_path):
    one, two = Outcomes(tmp_path / "o.sqlite3"), Outcomes(tmp_path / "o.sqlite3")
    for outcomes in (one, two):
        outcomes.note("m@dev", "d", hearing("none"), 60.0)
        outcomes.write()
    assert one.between("m@dev", "d", 60, 119) == {"calls": 2}
    assert one.between("m@dev", "d", 120, 200) == {}
    one.note("m@dev", "d", hearing("none"), 120.0 + KEPT_S)
    one.write()
    assert one.between("m@dev", "d", 0, 119) == {}


def test_what_cannot_be_written_is_kept(tmp_path):
    path = tmp_path / "no" / "o.sqlite3"
    outcomes = Outcomes(path)
    outcomes.note("m@dev", "d", hearing("none"), 60.0)
    outcomes.write()
    with pytest.raises(sqlite3.Error):
        outcomes.between("m@dev", "d", 0, 119)
    path.parent.mkdir()
    outcomes.write()
    assert outcomes.between("m@dev", "d", 0, 119) == {"calls": 1}
