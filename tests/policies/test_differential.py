"""The engine against Casbin as shipped: every row, the stock role manager, no index. They must never differ."""

from __future__ import annotations

import pytest
from bench.policies import RULES, ask_stock, differences, requests, stock

from policies.decide import Policy

POLICY = Policy.load(RULES)
TEAMS = ("team:vision", "team:platform", "team:data-platform", "team:none")
REQUESTS = 6_000


@pytest.fixture(scope="module")
def enforcer():
    return stock(POLICY, TEAMS)


def test_the_engine_never_answers_otherwise_than_stock_casbin(enforcer):
    assert differences(POLICY, enforcer, TEAMS, "seed", REQUESTS) == []


def test_the_requests_reach_nearly_every_rule(enforcer):
    reached = set()
    for stage, request, seat in requests(POLICY, TEAMS, "seed", REQUESTS):
        if stage == "p2":
            reached.update(rule.id for rule in POLICY.snapshot.every("p2", *request))
        else:
            reached.add(POLICY.snapshot.first(stage, *request, seat)[1])
    assert len(reached) >= 0.7 * len(POLICY.snapshot.rows.rules), sorted(reached)


def test_the_seats_needed_are_the_rows_that_stock_casbin_matches_one_by_one():
    alone = {
        rule.id: stock(Policy(POLICY.snapshot.with_rows(only(rule)), POLICY.catalogue, "", {}), TEAMS)
        for rule in POLICY.snapshot.rows.rules
        if rule.stage == "p2"
    }
    for stage, request, _ in requests(POLICY, TEAMS, "rows", 1_200):
        if stage == "p2":
            theirs = [name for name, enforcer in alone.items() if ask_stock(enforcer, "p2", request)[0]]
            assert [rule.id for rule in POLICY.snapshot.every("p2", *request)] == theirs


def only(rule):
    return type(POLICY.snapshot.rows)(rules=(rule,), links=POLICY.snapshot.rows.links)


def test_the_oracle_notices_a_row_that_the_index_loses(enforcer, monkeypatch):
    candidates = POLICY.snapshot.candidates

    def forgetful(*asked):
        return [entry for entry in candidates(*asked) if entry[1].id != "no-self"]

    monkeypatch.setattr(POLICY.snapshot, "candidates", forgetful)
    assert differences(POLICY, enforcer, TEAMS, "seed", REQUESTS)
