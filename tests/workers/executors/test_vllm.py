"""Deployments by the executor alone, beside a keeper that has everything ready at once."""

from __future__ import annotations

import secrets
from dataclasses import replace

import pytest
from conftest import Hand
from contracts.test_executor import VllmBackend

from ledger.nouns import Grant
from workers.errors import RefusedError
from workers.executors.base import Observation
from workers.executors.vllm import VllmExecutor
from workers.serving.orders import Orders, Phase

A, B = ("sha256:" + each * 64 for each in "ab")
PLACE = "deploy:fraud-detector@production"


@pytest.fixture
def executor(tmp_path):
    return VllmBackend(tmp_path).executor(Hand())


@pytest.fixture
def grant(tmp_path):
    form = VllmBackend(tmp_path).form(0)

    def make(digest=A, **rest):
        wanted = replace(form, digest=digest, version=digest[7:8], **rest)
        return Grant(
            request=1001,
            key=secrets.token_hex(16),
            subject="user:" + "0" * 32,
            form=wanted,
            generation=1,
            not_after=None,
        )

    return make


def answering(executor):
    return [(share.version, share.percent) for share in executor.answering(PLACE)]


def test_what_is_taken_back_lets_what_answered_before_answer(executor, grant):
    executor.ensure(grant())
    second = grant(B)
    executor.ensure(second)
    assert answering(executor) == [("b", 100)]
    executor.revoke(second)
    assert answering(executor) == [("a", 100)]


def test_a_first_version_that_is_taken_back_leaves_nothing(executor, grant):
    first = grant()
    executor.ensure(first)
    executor.revoke(first)
    assert answering(executor) == []


def test_what_a_later_order_stands_on_is_not_taken_away(executor, grant):
    first, again = grant(), grant()
    executor.ensure(first)
    executor.ensure(again)
    executor.revoke(first)
    assert answering(executor) == [("a", 100)]
    assert executor.observe(again) is Observation.HELD


def test_a_canary_that_is_taken_back_gives_its_part_back(executor, grant):
    executor.ensure(grant())
    canary = grant(B, canary_percent=25)
    executor.ensure(canary)
    assert answering(executor) == [("a", 75), ("b", 25)]
    executor.revoke(canary)
    assert answering(executor) == [("a", 100)]


def test_what_gave_way_before_it_was_entered_is_refused_with_the_reason(executor, grant):
    executor.ensure(grant())
    second = grant(B)
    executor.ensure(second)
    orders = Orders(executor.folder)
    state = orders.state(orders.order(second.key))
    orders.note(replace(state, phase=Phase.FAILED, why="Its server ended by itself."))
    with pytest.raises(RefusedError, match="ended by itself"):
        VllmExecutor.ensure(executor, second)


def test_a_model_that_is_not_served_is_refused_in_words(executor, grant):
    with pytest.raises(RefusedError, match="other is not served here any more"):
        executor.ensure(grant(model="other"))


def test_a_broken_route_table_is_never_guessed_at(executor, grant):
    first = grant()
    executor.ensure(first)
    (executor.folder / "routes.json").write_text("{")
    with pytest.raises(Exception, match="the route table cannot be read"):
        executor.ensure(grant(B))
    assert executor.observe(first) is Observation.HELD
