"""Budgets of tokens: whatever comes at once, never overrun; settled by use; counted by the hour."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from workers.endpoint.counters import Counters, Hour, Short

AT = datetime(2026, 11, 24, 9, 59, 59, tzinfo=UTC)
BOTH = ("key:1", "team:vision")


@pytest.fixture
def counters(tmp_path):
    made = Counters(tmp_path / "tokens.sqlite3")
    made.allow("key:1", 100)
    made.allow("team:vision", 150)
    yield made
    made.close()


def test_what_is_reserved_is_gone_and_what_was_not_used_comes_back(counters):
    assert counters.reserve(BOTH, 80) is None
    assert (counters.left("key:1"), counters.left("team:vision")) == (20, 70)
    counters.settle(BOTH, 80, 30, key="1", model="churn", at=AT)
    assert (counters.left("key:1"), counters.left("team:vision")) == (70, 120)


def test_one_budget_that_is_short_takes_from_none(counters):
    assert counters.reserve(("team:vision", "key:1"), 101) == Short(name="key:1", left=100)
    assert (counters.left("key:1"), counters.left("team:vision")) == (100, 150)


@pytest.mark.parametrize("tokens", [0, 1])
def test_a_budget_of_zero_and_a_name_that_nobody_allowed_have_nothing(counters, tokens):
    counters.allow("key:0", 0)
    expected = Short(name="key:0", left=0) if tokens else None
    assert counters.reserve(("key:0",), tokens) == expected
    assert counters.reserve(("key:unknown",), 1) == Short(name="key:unknown", left=0)


def test_a_budget_that_is_lowered_below_its_use_has_nothing_left(counters):
    counters.reserve(BOTH, 80)
    counters.allow("key:1", 50)
    assert counters.left("key:1") == 0
    assert counters.reserve(BOTH, 1) == Short(name="key:1", left=0)
    counters.allow("key:1", 100)
    assert counters.left("key:1") == 20


def test_what_used_more_than_was_reserved_is_charged_all_the_same(counters):
    counters.reserve(BOTH, 90)
    counters.settle(BOTH, 90, 120, key="1", model="churn", at=AT)
    assert counters.left("key:1") == 0
    assert counters.left("team:vision") == 30


def test_what_never_reached_a_server_is_given_back_and_counted_nowhere(counters):
    counters.reserve(BOTH, 90)
    counters.give_back(BOTH, 90)
    assert counters.left("key:1") == 100
    assert counters.hours(AT.replace(hour=12)) == []


def test_use_is_counted_for_each_key_model_and_hour_once_the_hour_is_over(counters):
    for minute, tokens in ((0, 5), (59, 7)):
        counters.settle(BOTH, 0, tokens, key="1", model="churn", at=AT.replace(minute=minute))
    counters.settle(BOTH, 0, 9, key="1", model="churn", at=AT.replace(hour=10))
    assert counters.hours(AT) == []
    nine = Hour(key="1", model="churn", hour="2026-11-24T09:00:00.000000Z", calls=2, tokens=12)
    assert counters.hours(AT.replace(hour=10)) == [nine]
    assert [each.tokens for each in counters.hours(AT.replace(hour=11))] == [12, 9]


def test_what_a_dead_process_had_reserved_stays_charged(counters, tmp_path):
    counters.reserve(BOTH, 60)
    again = Counters(tmp_path / "tokens.sqlite3")
    assert again.left("key:1") == 40
    again.close()


def take_all(path, calls):
    counters = Counters(path)
    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(lambda _: counters.reserve(("key:many", "team:many"), 7) is None, range(calls)))
    counters.close()
    return sum(taken)


def test_from_four_processes_at_once_a_budget_is_used_up_and_never_overrun(tmp_path):
    path = tmp_path / "tokens.sqlite3"
    counters = Counters(path)
    counters.allow("key:many", 705)
    counters.allow("team:many", 1000)
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as pool:
        taken = sum(pool.map(take_all, [path] * 4, [50] * 4))
    assert taken == 100
    assert (counters.left("key:many"), counters.left("team:many")) == (5, 300)
    counters.close()
