"""What a deployment and the endpoint rely on, asked of a real vLLM and of the stand-in alike."""

from __future__ import annotations

import json
import time

import httpx
import pytest

from tests.models.serving import CONTEXT, wait_for

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
LOAD, UNLOAD = "/v1/load_lora_adapter", "/v1/unload_lora_adapter"
HELLO = [{"role": "user", "content": "hello there"}]
LONG = "word " * 3000


def events(answer: httpx.Response) -> list[dict]:
    """Return what a stream carried, which ends with [DONE]."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    *said, last, rest = answer.text.split("\n\n")
    assert (last, rest) == ("data: [DONE]", "")
    return [json.loads(each.removeprefix("data: ")) for each in said]


def text(answer: httpx.Response) -> str:
    choice = answer.json()["choices"][0]
    return choice["text"] if "text" in choice else choice["message"]["content"]


# -- health, and what is served


def test_health_is_an_empty_200(served):
    answer = served.client.get("/health")
    assert (answer.status_code, answer.content) == (200, b"")
    assert served.client.head("/health").status_code == 405


def test_the_model_is_listed_with_its_context_and_where_it_lies(served, places):
    listing = served.client.get("/v1/models").json()
    assert listing["object"] == "list"
    (model,) = listing["data"]
    assert (model["id"], model["object"], model["owned_by"], model["parent"]) == ("tiny", "model", "vllm", None)
    assert (model["root"], model["max_model_len"]) == (str(places[0]), CONTEXT)


def test_it_says_which_vllm_it_is(served):
    assert served.client.get("/version").json() == {"version": "0.32.0"}


# -- whole answers


def test_a_chat_answers_as_openai_does(served):
    answer = served.chat(max_tokens=4).json()
    assert answer["id"].startswith("chatcmpl-")
    assert (answer["object"], answer["model"]) == ("chat.completion", "tiny")
    assert abs(answer["created"] - time.time()) < 60
    (choice,) = answer["choices"]
    assert (choice["index"], choice["finish_reason"], choice["stop_reason"]) == (0, "length", None)
    assert choice["message"]["role"] == "assistant"
    assert isinstance(choice["message"]["content"], str)
    assert answer["system_fingerprint"].startswith("vllm-0.32.0-")


def test_a_completion_answers_as_openai_does(served):
    answer = served.complete(max_tokens=4).json()
    assert answer["id"].startswith("cmpl-")
    assert (answer["object"], answer["model"]) == ("text_completion", "tiny")
    (choice,) = answer["choices"]
    assert (choice["index"], choice["finish_reason"], choice["stop_reason"]) == (0, "length", None)
    assert isinstance(choice["text"], str)


def test_usage_adds_up_and_a_limit_is_kept(served):
    for answer in (served.chat(max_tokens=4, ignore_eos=True), served.complete(max_tokens=4, ignore_eos=True)):
        usage = answer.json()["usage"]
        assert usage["prompt_tokens"] > 0
        assert usage["completion_tokens"] == 4
        assert usage["total_tokens"] == usage["prompt_tokens"] + 4


def test_the_newer_limit_wins_over_the_older(served):
    assert served.chat(max_tokens=2, max_completion_tokens=3, ignore_eos=True).json()["usage"]["completion_tokens"] == 3


def test_a_completion_without_a_limit_has_sixteen_tokens(served):
    assert served.complete(ignore_eos=True).json()["usage"]["completion_tokens"] == 16


def test_a_chat_without_a_limit_goes_on_to_the_end_of_the_context(served):
    usage = served.chat(ignore_eos=True, temperature=0).json()["usage"]
    assert usage["total_tokens"] == CONTEXT


def test_an_answer_ends_at_a_word_that_stops_it_and_is_charged_for_it(served):
    whole = text(served.complete(max_tokens=6, temperature=0))
    stop = whole[3:5]
    for given in (stop, [stop]):
        answer = served.complete(max_tokens=6, temperature=0, stop=given)
        choice = answer.json()["choices"][0]
        assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", stop)
        assert choice["text"] == whole[: whole.index(stop)]
        assert 1 <= answer.json()["usage"]["completion_tokens"] < 6


@pytest.mark.parametrize("fixed", [{"temperature": 0}, {"seed": 7}])
def test_the_same_question_has_the_same_answer_at_temperature_0_and_with_a_seed(served, fixed):
    assert text(served.chat(max_tokens=8, **fixed)) == text(served.chat(max_tokens=8, **fixed))


def test_seeds_differ_and_no_seed_is_chance(served):
    answers = [text(served.complete(max_tokens=8, **more)) for more in ({"seed": 1}, {"seed": 2}, {}, {})]
    assert len(set(answers)) == 4


def test_usage_counts_a_prompt_once_however_many_answers_it_has(served):
    """Why a budget must count sequences itself: the engine reads the prompt for each of them."""
    alone = served.complete(max_tokens=2, ignore_eos=True).json()["usage"]
    answer = served.complete(max_tokens=2, ignore_eos=True, n=3).json()
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    assert answer["usage"]["prompt_tokens"] == alone["prompt_tokens"]
    assert answer["usage"]["completion_tokens"] == 6


def test_several_prompts_are_answered_in_their_order_n_times_each(served):
    answer = served.complete(prompt=["hello", "hi"], n=2, max_tokens=2, ignore_eos=True).json()
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2, 3]
    assert answer["usage"]["completion_tokens"] == 8


def test_a_prompt_of_token_ids_is_as_long_as_it_is(served):
    assert served.complete(prompt=[5, 6, 7], max_tokens=1).json()["usage"]["prompt_tokens"] == 3


def test_an_echoed_prompt_stands_before_the_answer(served):
    assert text(served.complete(max_tokens=2, echo=True)).startswith("hello")


def test_an_answer_is_cut_at_the_end_of_the_context(served):
    answer = served.complete(prompt=[5] * (CONTEXT - 2), max_tokens=100, ignore_eos=True).json()
    assert answer["usage"]["total_tokens"] == CONTEXT
    assert answer["choices"][0]["finish_reason"] == "length"


# -- streams

COSTS = [
    (None, False, False),
    ({"include_usage": False}, False, False),
    ({"include_usage": True}, False, True),
    ({"continuous_usage_stats": True}, False, False),
    ({"include_usage": True, "continuous_usage_stats": True}, True, True),
]


@pytest.mark.parametrize("options, running, at_the_end", COSTS)
@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
def test_a_stream_says_what_it_costs_as_it_was_asked_to(served, path, options, running, at_the_end):
    ask = served.chat if path == CHAT else served.complete
    said = events(ask(max_tokens=3, ignore_eos=True, stream=True, stream_options=options))
    steps = [chunk for chunk in said if chunk["choices"]]
    assert [bool(chunk.get("usage")) for chunk in steps] == [running] * len(steps)
    assert [bool(chunk.get("usage")) for chunk in said[len(steps) :]] == [True] * at_the_end
    if running:
        counts = [chunk["usage"]["completion_tokens"] for chunk in steps]
        assert counts == sorted(counts)
        assert counts[-1] == 3
    if at_the_end:
        usage = said[-1]["usage"]
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
        assert usage["completion_tokens"] == 3


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
def test_a_stream_says_what_a_whole_answer_says(served, path):
    ask = served.chat if path == CHAT else served.complete
    said = events(ask(max_tokens=6, temperature=0, stream=True))
    choices = [chunk["choices"][0] for chunk in said]
    assert len({chunk["id"] for chunk in said}) == 1
    assert {chunk["object"] for chunk in said} == {"chat.completion.chunk" if path == CHAT else "text_completion"}
    if path == CHAT:
        assert choices[0]["delta"] == {"role": "assistant", "content": ""}
    pieces = [choice["delta"]["content"] if path == CHAT else choice["text"] for choice in choices]
    assert "".join(pieces) == text(ask(max_tokens=6, temperature=0))
    assert [choice["finish_reason"] for choice in choices] == [None] * (len(choices) - 1) + ["length"]


def test_a_stream_of_two_answers_counts_each_for_itself_and_both_at_the_end(served):
    options = {"include_usage": True, "continuous_usage_stats": True}
    *steps, last = events(served.chat(max_tokens=2, ignore_eos=True, n=2, stream=True, stream_options=options))
    most = {0: 0, 1: 0}
    for chunk in steps:
        most[chunk["choices"][0]["index"]] = chunk["usage"]["completion_tokens"]
    assert most == {0: 2, 1: 2}
    assert last["usage"]["completion_tokens"] == 4


def test_a_caller_who_leaves_is_noticed_and_what_was_written_stays_counted(served):
    before = served.figures()
    body = {"model": "tiny", "prompt": "hi", "max_tokens": 900, "ignore_eos": True, "stream": True}
    with served.client.stream("POST", COMPLETIONS, json=body) as answer:
        assert next(answer.iter_lines()).startswith("data: ")
    wait_for(lambda: not any(v for k, v in served.figures().items() if k.startswith("vllm:num_requests_running")))
    assert 1 <= served.moved("generation_tokens_total", before) < 900
    assert served.moved("request_success_total", before) == 0


# -- refusals

CHATTED, COMPLETED = {"model": "tiny", "messages": HELLO}, {"model": "tiny", "prompt": "hi"}
REFUSED = {
    "unknown model": (CHAT, {**CHATTED, "model": "x"}, 404, "NotFoundError", "model", "The model `x` does not exist."),
    "in a stream": (CHAT, {**CHATTED, "model": "x", "stream": True}, 404, "NotFoundError", "model", "`x`"),
    "long chat": (CHAT, {**CHATTED, "messages": [{"role": "user", "content": LONG}]}, 400, "BadRequestError",
                  "input_tokens", f"This model's maximum context length is {CONTEXT} tokens."),
    "long stream": (CHAT, {**CHATTED, "messages": [{"role": "user", "content": LONG}], "stream": True}, 400,
                    "BadRequestError", "input_tokens", "maximum context length"),
    "long prompt": (COMPLETIONS, {**COMPLETED, "prompt": [5] * (CONTEXT + 1)}, 400, "BadRequestError", "input_tokens",
                    "exceeds this limit even without any output tokens"),
    "no room": (COMPLETIONS, {**COMPLETED, "prompt": [5] * CONTEXT}, 400, "BadRequestError", "max_tokens", "got 0"),
    "too many": (CHAT, {**CHATTED, "max_tokens": 5000}, 400, "BadRequestError", "max_tokens",
                 f"max_tokens=5000 cannot be greater than max_model_len={CONTEXT}."),
    "none": (CHAT, {**CHATTED, "max_tokens": 0}, 400, "BadRequestError", "max_tokens", "at least 1, got 0"),
    "negative": (COMPLETIONS, {**COMPLETED, "max_tokens": -1}, 400, "BadRequestError", "max_tokens", "got -1"),
    "temperature": (CHAT, {**CHATTED, "temperature": -1}, 400, "BadRequestError", "temperature", "non-negative"),
    "top_p": (CHAT, {**CHATTED, "top_p": 2}, 400, "BadRequestError", "top_p", "top_p must be in (0, 1], got 2.0."),
    "n": (CHAT, {**CHATTED, "n": 0}, 400, "BadRequestError", None, "n must be at least 1, got 0."),
    "n too large": (CHAT, {**CHATTED, "n": 99999}, 400, "BadRequestError", None, "n must be at most 16384, got 99999."),
    "empty stop": (COMPLETIONS, {**COMPLETED, "stop": ""}, 400, "BadRequestError", None, "stop cannot contain"),
    "no turn": (CHAT, {**CHATTED, "messages": []}, 400, "BadRequestError", None, "empty conversation"),
    "no prompt": (COMPLETIONS, {"model": "tiny"}, 400, "BadRequestError", "prompt", "Either prompt or prompt_embeds"),
    "empty prompt": (COMPLETIONS, {**COMPLETED, "prompt": ""}, 400, "BadRequestError", "prompt", "non-empty"),
    "empty prompts": (COMPLETIONS, {**COMPLETED, "prompt": []}, 400, "BadRequestError", None, "at least one prompt"),
    "cost of no stream": (CHAT, {**CHATTED, "stream_options": {"include_usage": True}}, 400, "BadRequestError",
                          "stream_options", "Stream options can only be defined when `stream=True`."),
    "cost of no stream either": (COMPLETIONS, {**COMPLETED, "stream_options": {"include_usage": True}}, 400,
                                 "BadRequestError", "stream_options", "Stream options"),
    "messages are a list": (CHAT, {**CHATTED, "messages": "hello"}, 400, "Bad Request", "body.messages", "list_type"),
    "messages are missing": (CHAT, {"model": "tiny"}, 400, "Bad Request", "body.messages", "Field required"),
    "no number": (CHAT, {**CHATTED, "max_tokens": "many"}, 400, "Bad Request", "body.max_tokens", "'input': 'many'"),
    "no whole number": (CHAT, {**CHATTED, "max_tokens": 1.5}, 400, "Bad Request", "body.max_tokens", "int_from_float"),
    "no model's name": (CHAT, {**CHATTED, "model": 3}, 400, "Bad Request", "body.model", "string_type"),
    "no yes or no": (CHAT, {**CHATTED, "stream": "perhaps"}, 400, "Bad Request", "body.stream", "bool_parsing"),
    "no seed": (CHAT, {**CHATTED, "seed": "x"}, 400, "Bad Request", "body.seed", "int_parsing"),
    "many stops": (COMPLETIONS, {**COMPLETED, "stop": list("abcde")}, 400, "Bad Request", "body.stop", "at most 4"),
    "no text": (COMPLETIONS, {**COMPLETED, "prompt": 3}, 400, "Bad Request", "body.prompt", "valid string"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_answered_is_refused_in_one_shape(served, case):
    path, body, status, kind, param, words = REFUSED[case]
    answer = served.post(path, body)
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["param"], error["code"]) == (status, kind, param, status)
    assert words in error["message"]
    assert set(error) == {"message", "type", "param", "code"}


BODIES = [
    (b"{nope", "body.1", "json_invalid"),
    (b'{"model":"tiny",}', "body.16", "JSON decode error"),
    (b"[]", "body", "model_attributes_type"),
    (b"", "body", "Field required"),
]


@pytest.mark.parametrize("body, param, words", BODIES)
@pytest.mark.parametrize("path", [CHAT, COMPLETIONS, LOAD])
def test_a_body_that_is_no_object_is_refused(served, path, body, param, words):
    answer = served.post(path, body)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["param"]) == (400, "Bad Request", param)
    assert words in error["message"]


def test_a_body_that_is_no_text_or_not_json_by_its_header_is_refused(served):
    answer = served.post(CHAT, b'{"model":"\xff"}')
    assert (answer.status_code, answer.json()) == (400, {"detail": "There was an error parsing the body"})
    answer = served.post(CHAT, json.dumps(CHATTED).encode(), **{"content-type": "text/plain"})
    assert answer.status_code == 400
    assert "Unsupported Media Type" in answer.json()["error"]["message"]


def test_other_paths_and_methods_are_not_there(served):
    for answer in (served.client.get("/v1/nowhere"), served.client.get("/nowhere"), served.post("//v1/models", {})):
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})
    answer = served.client.get(CHAT)
    assert (answer.status_code, answer.json()) == (405, {"detail": "Method Not Allowed"})


def test_this_kind_of_model_makes_no_embeddings(served):
    assert served.post("/v1/embeddings", {"model": "tiny", "input": "hi"}).status_code == 404


# -- leniencies that a proxy must not share

LENIENT = {
    "a number as text": (b'"max_tokens":"2"', 2),
    "a number with a point": (b'"max_tokens":2.0', 2),
    "yes as a number": (b'"max_tokens":true', 1),
    "the last of two": (b'"max_tokens":5,"max_tokens":1', 1),
    "a field that is unknown": (b'"max_tokens":1,"zzz":1', 1),
    "no cost asked for": (b'"max_tokens":1,"stream_options":{}', 1),
    "an unknown role": (b'"max_tokens":1,"messages":[{"role":"wizard","content":"hi"}]', 1),
    "a message in parts": (b'"max_tokens":1,"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]', 1),
    "no model": (b'"max_tokens":1,"model":null', 1),
    "an empty model": (b'"max_tokens":1,"model":""', 1),
}


@pytest.mark.parametrize("case", LENIENT)
def test_it_passes_over_what_a_proxy_must_refuse(served, case):
    more, tokens = LENIENT[case]
    body = b'{"messages":[{"role":"user","content":"hi"}],"ignore_eos":true,' + more + b"}"
    answer = served.post(CHAT, body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["model"] == "tiny"
    assert answer.json()["usage"]["completion_tokens"] == tokens


def test_yes_as_text_streams(served):
    assert events(served.chat(max_tokens=1, stream="true"))


# -- adapters


@pytest.fixture
def shelf(served):
    """Nothing is loaded before and after."""
    yield served
    served.post(UNLOAD, {"lora_name": "tuned"})


def load(served, name: str = "tuned", **more) -> httpx.Response:
    return served.post(LOAD, {"lora_name": name, "lora_path": str(served.adapter), **more})


def test_an_adapter_answers_under_its_own_name_from_load_to_unload(shelf):
    answer = load(shelf)
    assert (answer.status_code, answer.text) == (200, "Success: LoRA adapter 'tuned' added successfully.")
    tuned = shelf.client.get("/v1/models").json()["data"][1]
    assert (tuned["id"], tuned["parent"], tuned["root"]) == ("tuned", "tiny", str(shelf.adapter))
    assert tuned["max_model_len"] is None
    answer = shelf.complete(model="tuned", max_tokens=6, temperature=0)
    assert answer.json()["model"] == "tuned"
    assert text(answer) != text(shelf.complete(max_tokens=6, temperature=0))
    answer = shelf.post(UNLOAD, {"lora_name": "tuned"})
    assert (answer.status_code, answer.text) == (200, "Success: LoRA adapter 'tuned' removed successfully.")
    assert len(shelf.client.get("/v1/models").json()["data"]) == 1
    assert shelf.complete(model="tuned").status_code == 404


def test_an_adapter_is_loaded_again_only_in_place(shelf):
    load(shelf)
    error = load(shelf).json()["error"]
    assert (error["code"], error["type"]) == (400, "InvalidUserInput")
    assert "has already been loaded" in error["message"]
    assert load(shelf, load_inplace=True).status_code == 200


def test_an_adapter_that_is_none_too_big_or_named_as_the_model_is_refused(shelf):
    tries = [
        ({"lora_name": "tuned", "lora_path": "/nowhere"}, 404, "NotFoundError", "No adapter found for /nowhere"),
        (
            {"lora_name": "tuned", "lora_path": str(shelf.too_big)},
            500,
            "InternalServerError",
            "LoRA rank 16 is greater",
        ),
        ({"lora_name": "tiny", "lora_path": str(shelf.adapter)}, 400, "InvalidUserInput", "conflicts"),
        ({"lora_name": "", "lora_path": ""}, 400, "InvalidUserInput", "must be provided"),
        ({"lora_name": "tuned"}, 400, "Bad Request", "Field required"),
    ]
    for body, status, kind, words in tries:
        answer = shelf.post(LOAD, body)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["type"]) == (status, status, kind)
        assert words in error["message"]
    assert len(shelf.client.get("/v1/models").json()["data"]) == 1


@pytest.mark.parametrize("name", ["x", "tiny"])
def test_what_is_no_adapter_cannot_be_unloaded(served, name):
    answer = served.post(UNLOAD, {"lora_name": name})
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "NotFoundError")
    assert answer.json()["error"]["message"] == f"The lora adapter '{name}' cannot be found."


# -- figures

FIGURES = {
    "num_requests_running": "gauge", "num_requests_waiting": "gauge", "kv_cache_usage_perc": "gauge",
    "num_preemptions_total": "counter", "prompt_tokens_total": "counter", "generation_tokens_total": "counter",
    "request_success_total": "counter", "time_to_first_token_seconds": "histogram",
    "inter_token_latency_seconds": "histogram", "e2e_request_latency_seconds": "histogram",
    "request_queue_time_seconds": "histogram",
}  # fmt: skip


def test_the_figures_have_vllms_names(served):
    served.complete(max_tokens=2)
    answer = served.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    kinds = dict(line.split()[2:] for line in answer.text.splitlines() if line.startswith("# TYPE vllm:"))
    assert {name: kinds.get(f"vllm:{name}") for name in FIGURES} == FIGURES


def test_what_is_answered_is_counted_and_a_prompt_as_often_as_it_is_answered(served):
    before = served.figures()
    usage = served.complete(max_tokens=5, ignore_eos=True, n=3).json()["usage"]
    wait_for(lambda: served.moved("request_success_total", before))
    assert served.moved("generation_tokens_total", before) == 15
    assert served.moved("prompt_tokens_total", before) == 3 * usage["prompt_tokens"]
    assert any('finished_reason="length",model_name="tiny"' in name for name in before)


# -- the key: what it guards, and what it leaves open

GUARDED = [
    ("GET", "/v1/models"), ("POST", CHAT), ("POST", COMPLETIONS), ("POST", LOAD), ("POST", UNLOAD),
    ("POST", "/v1/messages"), ("POST", "/v1/responses"), ("POST", "/v1/chat/completions/batch"),
    ("POST", "/v1%2Fchat%2Fcompletions"), ("POST", "/inference/v1/generate"), ("GET", "/v1"), ("GET", "/v1x"), ("GET", "/v1/nowhere"),
]  # fmt: skip
OPEN = [
    ("GET", "/health", None), ("GET", "/ping", None), ("GET", "/version", None), ("GET", "/metrics", None),
    ("POST", "/invocations", {"messages": HELLO, "max_tokens": 1}),
    ("POST", "/invocations", {"prompt": "hi", "max_tokens": 1}),
]  # fmt: skip


@pytest.mark.parametrize("method, path", GUARDED)
def test_the_key_guards(served, method, path):
    answer = served.anyone.request(method, path, json={})
    assert (answer.status_code, answer.json()) == (401, {"error": "Unauthorized"})


@pytest.mark.parametrize("method, path, body", OPEN)
def test_the_key_leaves_open(served, method, path, body):
    """Why vLLM must be reachable from the endpoint alone: without a key it talks, and below loads adapters."""
    assert served.anyone.request(method, path, json=body).status_code == 200


def test_adapters_are_loaded_without_a_key(served):
    sneaked = {"name": "sneaked", "src": str(served.adapter)}
    assert served.anyone.post("/adapters", json=sneaked).status_code == 200
    assert "sneaked" in served.client.get("/v1/models").text
    assert served.anyone.delete("/adapters/sneaked").status_code == 200
    assert "sneaked" not in served.client.get("/v1/models").text


@pytest.mark.parametrize("header", ["kept-by-the-endpoint", "Bearer other", "Bearer", "Basic kept-by-the-endpoint"])
def test_only_the_key_as_a_bearer_opens(served, header):
    assert served.anyone.get("/v1/models", headers={"authorization": header}).status_code == 401


def test_the_word_bearer_may_be_written_small(served):
    header = {"authorization": "bearer kept-by-the-endpoint"}
    assert httpx.get(f"{served.server.url}/v1/models", headers=header).status_code == 200
    assert (
        httpx.get(f"{served.server.url}/v1/models", headers={"x-api-key": header["authorization"]}).status_code == 401
    )
