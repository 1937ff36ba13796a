"""Every way around a token budget that a vLLM server offers is closed, and what is sent was built here."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.endpoint.calls import BODY, Bounds, Route, Served, read
from workers.endpoint.errors import CallError
from workers.endpoint.strict import DEEPEST

BOUNDS = Bounds(context=1000, output=100, sequences=4, template=10)
HELLO = [{"role": "user", "content": "hello"}]
CHAT, COMPLETIONS, EMBEDDINGS = Route.CHAT, Route.COMPLETIONS, Route.EMBEDDINGS


def served(name):
    if name != "churn":
        raise CallError(404, "model_not_found", f"There is no model {name}.", "model")
    return Served(name="churn@sha256:ab", bounds=BOUNDS, routes=frozenset(Route))


def call(route, *, raw=None, **body):
    return read(route, json.dumps({"model": "churn", **body}).encode() if raw is None else raw, served)


def chat(**body):
    return call(CHAT, **{"messages": HELLO, **body})


def refused(route, why, **body):
    with pytest.raises(CallError) as error:
        call(route, **body)
    assert why in f"{error.value.message} [{error.value.param}]", error.value.message
    return error.value


# -- what is passed on ----------------------------------------------------------------------------------------------


def test_a_chat_is_rebuilt_under_the_name_of_its_version():
    found = chat(temperature=0, seed=7, stop="\n")
    assert found.body == {
        "model": "churn@sha256:ab",
        "messages": HELLO,
        "temperature": 0.0,
        "seed": 7,
        "stop": "\n",
        "max_tokens": BOUNDS.output,
        "stream": False,
    }
    assert (found.model, found.stream, found.answers, found.sequences) == ("churn", False, 1, 1)


def test_a_stream_always_tells_its_usage_and_remembers_who_asked_for_it():
    always = {"include_usage": True, "continuous_usage_stats": True}
    plain = chat(stream=True)
    asked = chat(stream=True, stream_options={"include_usage": True, "continuous_usage_stats": False})
    assert plain.body["stream_options"] == asked.body["stream_options"] == always
    assert (plain.usage, asked.usage) == (False, True)
    refused(CHAT, "stream: true alone", messages=HELLO, stream_options={"include_usage": True})


def test_null_is_as_good_as_not_there():
    assert chat(temperature=None, stop=None, n=None).body == chat().body


def test_what_changes_no_answer_is_dropped_and_not_refused():
    assert chat(user="u1", metadata={"a": 1}, store=False, stream_interval=1000).body == chat().body


@pytest.mark.parametrize(
    "form", [{"type": "json_object"}, {"type": "json_schema", "json_schema": {"schema": {"a": 1}}}]
)
def test_a_form_of_the_answer_is_passed_on(form):
    assert chat(response_format=form).body["response_format"] == form


# -- ways around a budget -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("route", "field"),
    [
        (CHAT, {"use_beam_search": True}),
        (CHAT, {"best_of": 4}),
        (COMPLETIONS, {"best_of": 4}),
        (COMPLETIONS, {"echo": True}),
        (COMPLETIONS, {"prompt_logprobs": 20}),
        (CHAT, {"prompt_logprobs": 1}),
        (CHAT, {"min_tokens": 9}),
        (CHAT, {"ignore_eos": True}),
        (CHAT, {"priority": -1}),
        (CHAT, {"tools": []}),
        (CHAT, {"vllm_xargs": {}}),
        (CHAT, {"chat_template": "{{ x }}"}),
        (CHAT, {"structured_outputs": {"regex": "(a+)+"}}),
        (CHAT, {"guided_json": {}}),
        (EMBEDDINGS, {"priority": 1}),
    ],
)
def test_what_is_not_known_is_refused_with_its_name(route, field):
    rest = {CHAT: {"messages": HELLO}, COMPLETIONS: {"prompt": "x"}, EMBEDDINGS: {"input": "x"}}[route]
    assert refused(route, f"{next(iter(field))} is not passed on", **rest, **field).status == 400


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_tokens", "20"),
        ("max_tokens", 20.0),
        ("max_tokens", True),
        ("max_tokens", 0),
        ("max_tokens", -1),
        ("max_tokens", 101),
        ("max_tokens", 2**70),
        ("max_completion_tokens", "20"),
        ("n", "4"),
        ("n", 0),
        ("n", 5),
        ("n", True),
        ("stream", "true"),
        ("stream", 1),
        ("temperature", "1"),
        ("temperature", 3),
        ("seed", 1.5),
        ("top_logprobs", 20),
        ("logprobs", 5),
        ("stop", []),
        ("stop", ["a"] * 5),
        ("stop", ["x" * 201]),
        ("stop", [1]),
        ("response_format", {"type": "regex"}),
        ("response_format", {"type": "json_object", "more": 1}),
        ("response_format", "json"),
        ("messages", []),
        ("messages", "hello"),
        ("messages", [{"role": "tool", "content": "x"}]),
        ("messages", [{"role": "user"}]),
        ("messages", [{"role": "user", "content": 3}]),
        ("messages", [{"role": "user", "content": []}]),
        (
            "messages",
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}],
        ),
        ("messages", [{"role": "user", "content": "x", "tool_calls": []}]),
        ("messages", ["x"]),
        ("model", 3),
    ],
)
def test_what_is_not_of_its_type_or_out_of_bounds_is_refused(field, value):
    refused(CHAT, field, **{"messages": HELLO, field: value})


def test_of_two_limits_neither_wins():
    assert chat(max_tokens=20).body["max_tokens"] == 20
    assert chat(max_completion_tokens=20).body["max_tokens"] == 20
    assert "max_completion_tokens" not in chat(max_completion_tokens=20).body
    assert chat(max_tokens=20, max_completion_tokens=20).body["max_tokens"] == 20
    refused(CHAT, "differ", messages=HELLO, max_tokens=1, max_completion_tokens=99)


def test_of_a_key_that_stands_twice_the_server_hears_the_one_that_was_counted():
    raw = b'{"model": "churn", "messages": [{"role": "user", "content": "x"}], "max_tokens": 1, "max_tokens": 99}'
    found = call(CHAT, raw=raw)
    assert found.body["max_tokens"] == 99
    assert found.most == 1 + 8 + 8 + 10 + 99


# -- what it can cost -----------------------------------------------------------------------------------------------


def test_each_answer_is_reserved_with_its_prompt():
    one, four = chat(max_tokens=20), chat(max_tokens=20, n=4)
    assert four.most == 4 * one.most
    assert (four.answers, four.sequences) == (4, 4)


@pytest.mark.parametrize(
    ("prompt", "sequences", "most"),
    [
        ("hello", 1, 5 + 10 + 20),
        (["hello", "you"], 2, 5 + 10 + 20 + 3 + 10 + 20),
        ([1, 2, 3], 1, 3 + 10 + 20),
        ([[1, 2, 3], [4]], 2, 3 + 10 + 20 + 1 + 10 + 20),
        ("ä" * 3, 1, 6 + 10 + 20),
        ("x" * 5000, 1, 1000),
    ],
)
def test_every_shape_of_a_prompt_is_counted(prompt, sequences, most):
    found = call(COMPLETIONS, prompt=prompt, max_tokens=20)
    assert (found.sequences, found.most) == (sequences, most)
    assert found.body["prompt"] == prompt


def test_prompts_times_answers_are_bounded():
    assert call(COMPLETIONS, prompt=["a", "b"], n=2).sequences == 4
    refused(COMPLETIONS, "times the prompts is 6", prompt=["a", "b"], n=3)
    refused(COMPLETIONS, "has 5 parts", prompt=["a"] * 5)
    refused(EMBEDDINGS, "has 5 parts", input=["a"] * 5)


@pytest.mark.parametrize(
    "value", ["", [], [""], [[]], [1, "a"], ["a", [1]], [True], [-1], [2**40], {"a": 1}, 7, [None]]
)
def test_no_other_shape_of_a_prompt_is_passed_on(value):
    refused(COMPLETIONS, "prompt", prompt=value)
    refused(EMBEDDINGS, "input", input=value)


@pytest.mark.parametrize(("route", "field"), [(CHAT, "messages"), (COMPLETIONS, "prompt"), (EMBEDDINGS, "input")])
def test_what_is_missing_is_named(route, field):
    refused(route, f"{field} is missing")
    refused(route, "model must be the name", raw=b"{}")


def test_an_embedding_costs_its_inputs():
    found = call(EMBEDDINGS, input=["hello", "you"], encoding_format="base64")
    assert (found.most, found.sequences, found.body["input"]) == (5 + 10 + 3 + 10, 2, ["hello", "you"])
    refused(EMBEDDINGS, "max_tokens is not passed on", input="x", max_tokens=3)


def test_a_path_that_the_model_does_not_answer_is_refused_with_those_it_does():
    def chats(_):
        return Served(name="churn", bounds=BOUNDS)

    with pytest.raises(CallError, match="churn answers /v1/chat/completions and /v1/completions alone"):
        read(EMBEDDINGS, orjson.dumps({"model": "churn", "input": "x"}), chats)


def test_where_a_text_can_have_more_tokens_than_bytes_a_prompt_counts_as_the_context():
    def unsure(_):
        return Served(name="churn", bounds=Bounds(context=1000, output=100, byte_level=False))

    raw = orjson.dumps({"model": "churn", "messages": HELLO, "max_tokens": 5})
    assert read(CHAT, raw, unsure).most == 1000


# -- bodies that are none -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"model": NaN}',
        b'{"model": "\\ud800"}',
        b'{"a": ' * 5000 + b"1" + b"}" * 5000,
        orjson.dumps({"model": "churn", "a": json.loads("[" * (DEEPEST + 2) + "]" * (DEEPEST + 2))}),
    ],
)
def test_what_is_no_strict_object_is_refused(raw):
    with pytest.raises(CallError) as error:
        read(CHAT, raw, served)
    assert (error.value.status, error.value.code) == (400, "invalid_json")


def test_ten_megabytes_are_not_even_read():
    with pytest.raises(CallError) as error:
        read(CHAT, b"x" * 10**7, served)
    assert error.value.status == 413
    assert f"{BODY:,}" in error.value.message


def test_a_model_that_is_not_served_is_said_in_the_shape_that_clients_expect():
    with pytest.raises(CallError) as error:
        call(CHAT, model="other", messages=HELLO)
    body = error.value.body()["error"]
    assert (error.value.status, body["param"], body["type"]) == (404, "model", "invalid_request_error")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["messages", "prompt", "input", "n", "max_tokens", "stop", "stream", "stream_options", "logprobs"]
)


@given(route=st.sampled_from(Route), body=st.dictionaries(NAMES | st.text(max_size=3), JSON, max_size=5))
def test_whatever_comes_is_refused_in_words_or_costs_no_more_than_its_bounds(route, body):
    try:
        found = call(route, **body)
    except CallError as error:
        assert 400 <= error.status < 500
    else:
        assert 0 < found.most <= BOUNDS.sequences * BOUNDS.context
        orjson.dumps(found.body)
