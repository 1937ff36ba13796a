"""The engine against Casbin as shipped: every row, the stock role manager, no index. They must never differ."""

from __future__ import annotations

import logging
import random
import re
from pathlib import Path

import casbin
import pytest

from policies.decide import Policy

RULES = Path(__file__).parents[2] / "policies"
POLICY = Policy.load(RULES)
STAGES = ("p", "p2", "p3")
REQUESTS = 4_000
UNITS = {"hours": ("duration_s", 3600), "days": ("duration_s", 86_400), "cost": ("cost_minor", 100)}
TEAMS = ("team:vision", "team:platform", "team:data-platform", "team:none")
ACTIONS = ("use", "read", "write", "deploy", "rollback", "export", "revoke")
SEATS = ("owner-lead", "dpo", "budget", "peer")


def resources():
    book = POLICY.catalogue
    deploys = [f"deploy:{model}@{place}" for model in book.models for place in book.environments]
    known = [*(f"gpu:{name}" for name in book.pools), *(f"data:{name}" for name in book.datasets), *deploys]
    return [*known, "desk:audit", "gpu:nowhere", "data:nothing"]


def slow_within(facts, limit, mode):
    """The limit language once more, written without a look at the first: whole numbers, unit by unit."""
    for word, compare, number in re.findall(r"([a-z_]+)([<>=]+)(\d+)", limit):
        name, unit = UNITS.get(word, (word, 1))
        if name not in facts:
            if mode in {"allow", "auto"}:
                return False
            continue
        difference = facts[name] - int(number) * unit
        holds = {"<=": difference <= 0, ">=": difference >= 0, "==": difference == 0}
        if not {**holds, "<": difference < 0, ">": difference > 0}[compare]:
            return False
    return True


@pytest.fixture(scope="module")
def stock():
    logging.getLogger("casbin").setLevel(logging.WARNING)
    model = casbin.Model()
    model.load_model_from_text((RULES / "model.conf").read_text())
    enforcer = casbin.Enforcer(model)
    enforcer.add_function("within", slow_within)
    for rule in POLICY.snapshot.rows.rules:
        model.add_policy("p", rule.stage, rule.values)
    for link in POLICY.snapshot.rows.links:
        for team in TEAMS if link.team == "*" else (link.team,):
            model.add_policy("g", "g", [link.member, link.role, team])
    for resource in resources():
        for name in POLICY.catalogue.classes(resource):
            model.add_policy("g", "g2", [resource, name])
    enforcer.build_role_links()
    return enforcer


def ask_stock(enforcer, stage, request):
    """What Casbin says with all rows; the empty id when nothing matched."""
    arguments = request if stage == "p" else [enforcer.new_enforce_context(stage[1:]), *request]
    allowed, explain = enforcer.enforce_ex(*arguments)
    return bool(allowed), explain[0] if explain else ""


def boundaries():
    """Each fact with the values around every limit that speaks of it."""
    found: dict[str, set[int]] = {"self": {0, 1}, "gpus": {1}}
    for rule in POLICY.snapshot.rows.rules:
        for word, number in re.findall(r"([a-z_]+)[<>=]+(\d+)", rule.limit):
            name, unit = UNITS.get(word, (word, 1))
            exact = int(number) * unit
            found.setdefault(name, set()).update({max(exact - 1, 0), exact, exact + 1})
    return {name: sorted(values) for name, values in found.items()}


def requests(seed):
    dice, values, places = random.Random(seed), boundaries(), resources()
    people = [*(f"user:{name}" for name in POLICY.people()), "user:U0NOBODY", "svc:worker", "svc:other"]
    for _ in range(REQUESTS):
        facts = {name: dice.choice(options) for name, options in values.items() if dice.random() < 0.85}
        stage, person, place = dice.choice(STAGES), dice.choice(people), dice.choice(places)
        yield stage, [person, dice.choice(TEAMS), place, dice.choice(ACTIONS), facts], dice.choice(SEATS)


@pytest.mark.parametrize("stage", ["p", "p3"])
def test_the_index_never_changes_what_stock_casbin_answers(stock, stage):
    answers = []
    for _, request, seat in requests(f"first {stage}"):
        full = [*request, *([seat] if stage == "p3" else [])]
        ours = POLICY.snapshot.first(stage, *request, seat)
        assert ours == ask_stock(stock, stage, full), full
        answers.append(ours)
    assert len({rule for _, rule in answers}) >= 5, "the requests reached too few rules to prove anything"


def test_the_seats_needed_hang_on_the_rows_stock_casbin_matches(stock):
    reached = set()
    for _, request, _ in requests("every"):
        ours = POLICY.snapshot.every("p2", *request)
        assert bool(ours) == ask_stock(stock, "p2", request)[0], request
        reached.update(rule.id for rule in ours)
    assert len(reached) >= 5


def test_the_oracle_notices_a_row_that_the_index_loses(stock, monkeypatch):
    candidates = POLICY.snapshot.candidates

    def forgetful(*asked):
        return [rule for rule in candidates(*asked) if rule.id != "no-self"]

    monkeypatch.setattr(POLICY.snapshot, "candidates", forgetful)
    assert any(
        POLICY.snapshot.first("p3", *request, seat) != ask_stock(stock, "p3", [*request, seat])
        for _, request, seat in requests("first p3")
    )
