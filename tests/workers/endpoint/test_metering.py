"""What a call is charged: what the server said of it, per choice where a stream was cut, and all of it where nothing was said."""

from __future__ import annotations

import orjson
import pytest

from workers.endpoint.calls import Bounds, Route, Served, read
from workers.endpoint.metering import Meter

BOUNDS = Bounds(context=1000, output=100, sequences=8, template=10)


def meter(route=Route.COMPLETIONS, **body):
    raw = orjson.dumps({"model": "m", "prompt": "hello", "max_tokens": 20, **body})
    return Meter(read(route, raw, lambda name: Served(name=name, bounds=BOUNDS)))


def usage(prompt, made):
    return {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made}


def piece(at, prompt, made):
    return {"choices": [{"index": at, "text": "x"}], "usage": usage(prompt, made)}


def test_an_answer_in_one_piece_costs_what_it_says():
    told = meter()
    told.hear({"choices": [{"index": 0}], "usage": usage(5, 7)})
    assert told.tokens() == 12


def test_a_prompt_is_charged_for_every_answer_though_it_is_counted_once():
    told = meter(n=4)
    told.hear({"choices": [{"index": at} for at in range(4)], "usage": usage(20, 40)})
    assert told.tokens() == 4 * 20 + 40


def test_a_stream_that_came_to_its_end_costs_what_its_end_says():
    told = meter(stream=True, n=2)
    for each in (piece(0, 5, 1), piece(1, 5, 1), piece(0, 5, 2), {"choices": [], "usage": usage(5, 9)}):
        told.hear(each)
    assert told.tokens() == 2 * 5 + 9


def test_a_stream_that_was_cut_costs_the_most_that_each_choice_said():
    told = meter(stream=True, n=2)
    for each in (piece(0, 5, 1), piece(1, 5, 4), piece(0, 5, 2), {"choices": [{"index": 0}]}):
        told.hear(each)
    assert told.tokens() == (5 + 2) + (5 + 4)


def test_a_choice_that_was_not_heard_of_costs_its_share_of_the_reservation():
    told = meter(stream=True, prompt=["hello", "there"])
    told.hear(piece(0, 5, 3))
    assert told.tokens() == 8 + told.call.most // 2


@pytest.mark.parametrize(
    "said", [[], [{"choices": []}], [{"usage": None}], [{"usage": "12"}], [{"error": {"message": "x"}}]]
)
def test_where_nothing_was_said_all_of_it_is_charged(said):
    for told in (meter(), meter(stream=True)):
        for each in said:
            told.hear(each)
        assert told.tokens() == told.call.most


@pytest.mark.parametrize("count", [-5, True, "7", None, 2.5])
def test_a_count_that_is_none_is_nothing(count):
    told = meter()
    told.hear({"usage": {"prompt_tokens": count, "completion_tokens": 3}})
    assert told.tokens() == 3
