"""A server's own figures: what is read of them, what happened between two readings, and times from buckets."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.serving.figures import Reading, Window, between, joined, quantile, read_metrics
from workers.standin.figures import Figures

METRICS = """\
# HELP vllm:num_requests_running Requests.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_running{engine="1",model_name="m"} 1.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="m"} 7.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
# TYPE vllm:prompt_tokens counter
vllm:prompt_tokens_total{engine="0",model_name="m"} 100.0
# TYPE vllm:generation_tokens counter
vllm:generation_tokens_total{engine="0",model_name="m"} 40.0
# TYPE vllm:request_success counter
vllm:request_success_total{engine="0",finished_reason="stop",model_name="m"} 5.0
vllm:request_success_total{engine="0",finished_reason="length",model_name="m"} 2.0
# TYPE vllm:time_to_first_token_seconds histogram
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.1",model_name="m"} 4.0
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.2",model_name="m"} 6.0
vllm:time_to_first_token_seconds_bucket{engine="0",le="+Inf",model_name="m"} 7.0
vllm:time_to_first_token_seconds_count{engine="0",model_name="m"} 7.0
vllm:time_to_first_token_seconds_sum{engine="0",model_name="m"} 0.9
# TYPE python_gc_objects counter
python_gc_objects_total 17.0
"""
BUCKETS = ((0.1, 4.0), (0.2, 6.0), (math.inf, 7.0))


def test_what_a_server_says_is_read_and_the_rest_passed_over():
    reading = read_metrics(METRICS, 12.5)
    assert (reading.at, reading.running, reading.waiting, reading.kv_cache) == (12.5, 4, 7, 0.25)
    assert (reading.prompt_tokens, reading.made_tokens, reading.finished) == (100, 40, 7)
    assert reading.first_token == BUCKETS
    assert reading.between_tokens == ()


def test_the_stand_in_shows_every_figure_that_is_read():
    shown = Figures("m")
    with shown.running(2):
        shown.wrote(3)
        reading = read_metrics(shown.text().decode(), 0.0)
    assert (reading.running, reading.waiting, reading.made_tokens) == (2, 0, 3)
    assert reading.between_tokens[-1] == (math.inf, 1.0)


@pytest.mark.parametrize("text", ["vllm:x{", "vllm:num_requests_running{} many", "<html>"])
def test_what_is_no_figures_is_said_so(text):
    with pytest.raises(ValueError):
        read_metrics(text, 0.0)


def test_between_two_readings_only_what_came_since_counts():
    before = read_metrics(METRICS, 10.0)
    after = replace(before, at=20.0, finished=9, made_tokens=50, first_token=((0.1, 4.0), (0.2, 8.0), (math.inf, 9.0)))
    window = between(before, after)
    assert (window.seconds, window.finished, window.made_tokens, window.prompt_tokens) == (10.0, 2, 10, 0)
    assert window.first_token == ((0.1, 0.0), (0.2, 2.0), (math.inf, 2.0))


def test_a_server_that_was_started_anew_counts_from_nothing():
    before = replace(read_metrics(METRICS, 10.0), finished=1000)
    window = between(before, read_metrics(METRICS, 20.0))
    assert (window.finished, window.made_tokens, window.first_token) == (7, 40, BUCKETS)


@pytest.mark.parametrize(
    ("part", "expected"), [(0.5, 0.0875), (4 / 7, 0.1), (6 / 7, 0.2), (0.99, 0.2), (0.0001, 0.1 * 0.0007 / 4)]
)
def test_times_are_spread_evenly_within_a_bucket_and_end_with_the_last_bound(part, expected):
    assert quantile(BUCKETS, part) == pytest.approx(expected)


def test_of_nothing_there_are_no_times():
    assert quantile((), 0.5) is None
    assert quantile(((0.1, 0.0), (math.inf, 0.0)), 0.5) is None


@given(st.lists(st.floats(0.0001, 20), min_size=1, max_size=60), st.floats(0.01, 1))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(times, part):
    bounds = (0.001, 0.01, 0.1, 1.0, 10.0, math.inf)
    buckets = tuple((bound, float(sum(time <= bound for time in times))) for bound in bounds)
    rank = math.ceil(part * len(times) - 1e-9)
    true = sorted(times)[rank - 1]
    low = max((bound for bound in (0.0, *bounds) if bound < true), default=0.0)
    high = min(bound for bound in bounds if bound >= true)
    found = quantile(buckets, part)
    assert low - 1e-9 <= found <= (high if high < math.inf else low + 1e-9) + 1e-9


def test_several_servers_are_counted_together():
    one = Window(seconds=10, finished=2, made_tokens=5, first_token=((0.1, 1.0), (math.inf, 2.0)))
    two = Window(seconds=9, finished=3, made_tokens=1, first_token=((0.1, 3.0), (math.inf, 3.0)))
    both = joined([one, two])
    assert (both.seconds, both.finished, both.made_tokens) == (10, 5, 6)
    assert both.first_token == ((0.1, 4.0), (math.inf, 5.0))
    assert joined([]) == Window()
    assert Reading(at=0.0).first_token == ()
