"""The address in front of a model: who may, what it costs however it ends, and that nothing leads around it."""

from __future__ import annotations

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from endpoint_site import AT, BOUNDS, site, until

from workers.endpoint.calls import Served
from workers.endpoint.routes import Share

__all__ = ["site"]

HELLO = 5  # what the scripted server says of every prompt
MADE = 3


def reserved(words="hello ok", output=100, answers=1):
    """What a chat of one message reserves: its bytes, two parts, the template and the answer."""
    return answers * (len(words) + 2 * 8 + 10 + output)


def said(answer):
    return answer.json()["error"]


# -- what is passed on ----------------------------------------------------------------------------------------------


def test_a_call_is_answered_under_its_own_name_and_costs_what_it_used(site):
    answer = site.chat("hello ok", n=2, max_tokens=20)
    assert answer.status_code == 200
    assert answer.json()["model"] == "churn"
    assert answer.headers["x-quartermaster-version"] == "sha256:ab"
    path, body = site.upstream.heard[0]
    assert (path, body["model"], body["max_tokens"]) == ("/v1/chat/completions", "churn@sha256:ab", 20)
    assert site.upstream.headers[0]["authorization"] == "Bearer internal"
    assert site.used() == 2 * HELLO + 2 * MADE
    assert [each.tokens for each in site.counters.hours(AT.replace(hour=11))] == [site.used()]


def test_a_stream_comes_piece_by_piece_and_without_the_usage_that_nobody_asked_for(site):
    body = {"model": "churn", "messages": [{"role": "user", "content": "hello wait"}], "stream": True}
    with site.http.stream("POST", "/v1/chat/completions", json=body) as answer:
        lines = answer.iter_lines()
        first = json.loads(next(lines).removeprefix("data: "))
        assert first == {"model": "churn", "choices": [{"index": 0, "delta": {"content": "w1"}}]}
        assert site.used() == reserved("hello wait")  # the server waits: it was not held back for the rest
        site.upstream.hold.set()
        rest = [line for line in lines if line]
    assert len(rest) == 3
    assert rest[-1] == "data: [DONE]"
    site.settled(HELLO + MADE)


def test_who_asks_for_usage_gets_it_once_at_the_end(site):
    text = site.chat("hello ok", stream=True, stream_options={"include_usage": True}).text
    assert text.count("usage") == 1
    assert json.loads(text.split("\n\n")[-3].removeprefix("data: "))["usage"]["completion_tokens"] == MADE


def test_the_models_of_a_key_are_listed(site):
    assert [each["id"] for each in site.http.get("/v1/models").json()["data"]] == ["churn"]


# -- who may --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["", "qm-right", "Basic qm-right", "Bearer", "Bearer wrong"])
def test_without_a_key_nothing_is_answered(site, header):
    for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings"):
        answer = site.http.post(path, json={"model": "churn"}, headers={"authorization": header})
        assert (answer.status_code, said(answer)["type"]) == (401, "invalid_request_error")
    assert site.http.get("/v1/models", headers={"authorization": header}).status_code == 401
    assert site.upstream.heard == []


def test_a_key_that_is_revoked_is_refused_at_once(site):
    assert site.chat("hello ok").status_code == 200
    site.keys.revoked = True
    answer = site.chat("hello ok")
    assert (answer.status_code, said(answer)["code"]) == (401, "key_ended")


def test_a_model_that_the_key_is_not_for_is_named_with_those_it_is_for(site):
    answer = site.chat("hello ok", model="other")
    assert (answer.status_code, said(answer)["message"]) == (403, "This key is for churn alone.")


def with_adapter(site):
    """Two models answer, one of them with an adapter beside it."""
    adapter = replace(site.served, served=Served(name="legal-tone@ab", bounds=BOUNDS))
    names = {"churn": site.served, "churn:legal-tone": adapter, "other": site.served, "other:x": site.served}
    site.routes.swap({name: (Share(upstream=upstream, percent=100),) for name, upstream in names.items()})


def test_a_key_for_a_model_is_one_for_its_adapters_and_costs_the_same_budget(site):
    with_adapter(site)
    answer = site.chat("hello ok", model="churn:legal-tone")
    assert (answer.status_code, answer.json()["model"]) == (200, "churn:legal-tone")
    assert site.upstream.heard[-1][1]["model"] == "legal-tone@ab"
    assert site.used() == 8


def test_adapters_are_listed_with_the_models_of_a_key_alone(site):
    with_adapter(site)
    listed = [each["id"] for each in site.http.get("/v1/models").json()["data"]]
    assert listed == ["churn", "churn:legal-tone"]


def test_an_adapter_of_a_model_that_the_key_is_not_for_is_refused(site):
    with_adapter(site)
    assert site.chat("hello ok", model="other:x").status_code == 403


def test_an_adapter_whose_server_is_started_again_is_asked_for_again_as_its_model_is(site):
    with_adapter(site)
    site.routes.swap({"churn": (Share(upstream=site.at("http://127.0.0.1:9"), percent=100),), "churn:legal-tone": ()})
    answers = [site.chat("hello ok", model=model) for model in ("churn", "churn:legal-tone")]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert said(answers[0]) == said(answers[1])
    assert said(answers[1])["message"].endswith("Try again in a moment.")
    assert site.used() == 0
    assert "churn:legal-tone" in site.http.get("/v1/models").text


def test_an_adapter_that_is_not_loaded_is_named_as_such(site):
    with_adapter(site)
    answer = site.chat("hello ok", model="churn:tone")
    assert (answer.status_code, said(answer)["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    "path",
    [
        "/invocations",
        "/v1/messages",
        "/v1/responses",
        "/v1/chat/completions/",
        "/v1/chat/completions/batch",
        "/v1%2Fchat/completions",
        "/v1/chat%2Fcompletions",
        "//v1/chat/completions",
        "/v1/../v1/chat/completions",
        "/V1/chat/completions",
        "/tokenize",
        "/metrics",
        "/v1/load_lora_adapter",
        "/pooling",
        "/score",
        "/",
    ],
)
def test_no_other_path_leads_to_the_server(site, path):
    """Sent as it stands, which no well-bred client would."""
    raw = http.client.HTTPConnection(site.endpoint.url.removeprefix("http://"), timeout=10)
    body = json.dumps({"model": "churn", "messages": [{"role": "user", "content": "hello ok"}]})
    raw.request("POST", path, body, {"authorization": "Bearer qm-right", "content-type": "application/json"})
    answer = raw.getresponse()
    assert answer.status == 404
    answer.read()
    raw.close()
    assert site.upstream.heard == []


def test_a_get_is_no_post(site):
    answer = site.http.get("/v1/chat/completions")
    assert answer.status_code == 405
    assert "/v1/completions" in said(answer)["message"]


# -- what it costs, however it ends ---------------------------------------------------------------------------------


def test_fifty_calls_at_once_cannot_overrun_a_budget(site):
    site.counters.allow("key:1", 10 * reserved("hello wait") + 5)
    with ThreadPoolExecutor(50) as threads:
        calls = [threads.submit(site.chat, "hello wait") for _ in range(50)]
        until(lambda: sum(call.done() for call in calls) == 40)
        assert len(site.upstream.heard) == 10
        site.upstream.hold.set()
        answers = [call.result() for call in calls]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert sum(answer.status_code == 200 for answer in answers) == 10
    assert len(refused) == 40
    assert said(refused[0])["message"].startswith("This key has 5 tokens left, and this call can need")


def test_the_budget_of_a_team_is_asked_too(site):
    site.counters.allow("team:vision", 50)
    answer = site.chat("hello ok")
    assert said(answer)["message"].startswith("Vision has 50 tokens left")
    assert site.used() == 0


def test_a_stream_that_the_server_cuts_costs_what_was_made_and_says_so(site):
    text = site.chat("hello cut", stream=True).text
    assert text.count("w1") == text.count("w2") == 1
    assert "failed in the middle" in text
    assert "[DONE]" not in text
    site.settled(HELLO + 2)


@pytest.mark.parametrize("word", ["fails", "lies"])
def test_an_error_inside_a_stream_is_said_in_our_words(site, word):
    text = site.chat(f"hello {word}", stream=True, stream_options={"include_usage": True}).text
    assert "failed in the middle" in text
    assert "CUDA" not in text
    site.settled(HELLO + 2)


def test_a_caller_who_leaves_in_the_middle_pays_for_what_was_made_and_the_server_hears_of_it(site):
    body = {"model": "churn", "messages": [{"role": "user", "content": "hello wait"}], "stream": True}
    with site.http.stream("POST", "/v1/chat/completions", json=body) as answer:
        next(answer.iter_lines())
    site.settled(HELLO + 1)
    until(lambda: site.upstream.left == 1)
    assert site.routes.flying(site.served) == 0


@pytest.mark.parametrize("word", ["400", "413", "422"])
def test_what_the_server_refuses_costs_nothing_and_its_words_are_passed_on(site, word):
    answer = site.chat(f"hello {word}")
    assert (answer.status_code, said(answer)["message"]) == (int(word), "no churn for this")
    assert site.used() == 0


@pytest.mark.parametrize("word", ["401", "403", "404", "redirect"])
def test_a_server_that_is_set_up_wrongly_is_not_the_callers_fault(site, word):
    answer = site.chat(f"hello {word}")
    assert answer.status_code == 502
    assert "no churn" not in answer.text
    assert len(site.upstream.heard) == 1


def test_a_server_that_has_no_room_costs_nothing(site):
    answer = site.chat("hello 503")
    assert (answer.status_code, said(answer)["code"]) == (503, "server_away")
    assert site.used() == 0


@pytest.mark.parametrize("word", ["500", "garbage"])
def test_a_server_that_began_and_failed_is_charged_whole_as_nobody_knows_better(site, word):
    assert site.chat(f"hello {word}").status_code == 502
    assert site.used() == reserved(f"hello {word}")


def test_a_server_that_says_nothing_for_long_is_given_up(site):
    answer = site.chat("hello wait")
    assert (answer.status_code, said(answer)["type"]) == (502, "server_error")
    assert site.used() == reserved("hello wait")


def test_a_server_that_is_not_there_costs_nothing(site):
    gone = site.at("http://127.0.0.1:9")
    site.routes.swap({"churn": (Share(upstream=gone, percent=100),)})
    answer = site.chat("hello ok")
    assert (answer.status_code, said(answer)["code"]) == (503, "server_away")
    assert site.used() == 0


def test_ten_megabytes_are_refused_and_not_passed_on(site):
    answer = site.http.post("/v1/chat/completions", content=b"x" * 10**7)
    assert answer.status_code == 413
    assert site.upstream.heard == []


def test_a_fault_of_ours_is_one_sentence_and_gives_the_reservation_back(site, monkeypatch):
    monkeypatch.setattr("workers.endpoint.passing.orjson.dumps", lambda _: 1 / 0)
    answer = site.chat("hello ok")
    monkeypatch.undo()
    assert answer.status_code == 500
    assert site.used() == 0


# -- switching ------------------------------------------------------------------------------------------------------


def test_a_swap_cuts_no_stream_and_moves_the_next_call(site):
    new = site.at(site.upstream.url, "sha256:cd")
    body = {"model": "churn", "messages": [{"role": "user", "content": "hello wait"}], "stream": True}
    with site.http.stream("POST", "/v1/chat/completions", json=body) as answer:
        lines = answer.iter_lines()
        next(lines)
        site.routes.swap({"churn": (Share(upstream=new, percent=100),)})
        site.upstream.hold.set()
        assert [line for line in lines if line][-1] == "data: [DONE]"
        assert answer.headers["x-quartermaster-version"] == "sha256:ab"
    assert site.chat("hello ok").headers["x-quartermaster-version"] == "sha256:cd"


def test_shares_split_keys_and_not_calls(site):
    old, new = site.at(site.upstream.url, "sha256:ab"), site.at(site.upstream.url, "sha256:cd")
    site.routes.swap({"churn": (Share(upstream=old, percent=90), Share(upstream=new, percent=10))})
    chosen = [site.routes.choose("churn", str(key)).version for key in range(2000)]
    assert 0.07 < chosen.count("sha256:cd") / len(chosen) < 0.13
    assert chosen == [site.routes.choose("churn", str(key)).version for key in range(2000)]
    for wrong in ((90, 20), (110, -10), (50,)):
        with pytest.raises(ValueError, match="100 in all"):
            site.routes.swap({"churn": tuple(Share(upstream=old, percent=part) for part in wrong)})
