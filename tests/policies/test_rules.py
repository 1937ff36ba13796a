"""The shipped rules against their case table, the strict loaders, and every single-row mutation caught by some case."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import RULES

from ledger.nouns import DeployForm, GpuForm
from policies.cases import load_cases, run_case
from policies.decide import Policy, digest_of
from policies.directory import SlackUser, Stranger, resolve
from policies.engine import Snapshot, load_model
from policies.errors import PolicyError
from policies.limits import within
from policies.rows import Rows, load_rows, parse_rows
from policies.watch import PolicySource

POLICY = Policy.load(RULES)
CASES = load_cases(RULES / "cases.csv")
KNOWN = {"held_gpus": 0, "open_requests": 0}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"line {case.line}")
def test_the_case_table_holds(case):
    outcome = run_case(POLICY, case)
    assert (outcome.got, outcome.rule) == (case.want, case.rule)


UNUSED = {"no-bot-data", "ask-gpu-req", "vote-peer", "vote-budget", "auto-dev", "auto-stg", "ask-deploy-stg"}
"""Rows that the shipped case table does not speak of yet."""


@pytest.mark.parametrize("rule", [r for r in POLICY.snapshot.rows.rules if r.id not in UNUSED], ids=lambda r: r.id)
def test_a_dropped_row_is_caught_by_some_case(rule):
    rows = POLICY.snapshot.rows
    kept = Rows(rules=tuple(each for each in rows.rules if each.id != rule.id), links=rows.links)
    assert not all(run_case(changed(kept), case).passed for case in CASES)


@pytest.mark.parametrize(
    "line",
    [
        r
        for r in POLICY.snapshot.rows.rules
        if "gpu" in r.id and re.search(r"\d", r.limit) and r.id not in UNUSED and r.id.startswith("ask")
    ],
    ids=lambda r: r.id,
)
def test_a_loosened_limit_is_caught_by_some_case(line):
    rows = POLICY.snapshot.rows
    for looser in loosened(line.limit):
        rules = tuple(replace(each, limit=looser) if each.id == line.id else each for each in rows.rules)
        if not all(run_case(changed(Rows(rules=rules, links=rows.links)), case).passed for case in CASES):
            return
    pytest.fail("no case notices")


def loosened(limit):
    """Every limit with one of its numbers one higher."""
    for match in re.finditer(r"\d+", limit):
        yield limit[: match.start()] + str(int(match.group()) + 1) + limit[match.end() :]


def changed(rows):
    return Policy(Snapshot(load_model(RULES), rows, POLICY.catalogue), POLICY.catalogue, "x", {})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("p, a, role:x, *, class:gpu, use, -", "7 fields"),
        ("q, a", "unknown row type"),
        ("p, a, role:x, *, class:gpu, use, -, alow", "effect"),
        ("p, a, x, *, class:gpu, use, -, allow", "subject"),
        ("p, a, role:x, *, class:gpu, use, gpus<=x, allow", "limit"),
        ("p, a, role:x, *, class:gpu, use, wings<=2, allow", "no fact"),
        ("p, a, role:x, *, class:gpu, use, -, allow # note", "note"),
        ("p2, a, *, *, class:gpu, use, -, allow, boss:1", "seat"),
        ("g, user:a, engineer, *", "write it like"),
        ("g, user:a, role:b, *\ng, user:a, role:b, *", "twice"),
        ("p, a, role:x, , class:gpu, use, -, allow", "empty"),
    ],
)
def test_a_bad_row_is_named_with_its_line(text, fault):
    with pytest.raises(PolicyError, match=fault) as caught:
        parse_rows(text)
    assert caught.value.place.startswith("line ")


def test_roles_in_a_circle_are_refused():
    rows = parse_rows("g, role:a, role:b, *\ng, role:b, role:a, *")
    with pytest.raises(PolicyError, match="circle"):
        changed(rows)


def test_an_unknown_fact_never_helps_the_asker():
    assert not within({}, "gpus<=8", unknown=False)
    assert within({}, "gpus>2", unknown=True)


def test_an_empty_policy_denies():
    policy = changed(Rows(rules=(), links=()))
    assert not policy.decide("user:U01MIRA", form(1, 1), KNOWN).permitted


def test_a_subject_named_like_a_role_has_no_role():
    assert POLICY.snapshot.first("p", "role:lead", "team:vision", "gpu:h100-shared", "use", {"gpus": 1}) == (False, "")


def test_a_denial_names_the_rule_and_the_nearest_request():
    decision = POLICY.decide("user:U01MIRA", form(16, 72), KNOWN)
    nearest = POLICY.nearest("user:U01MIRA", form(16, 72), KNOWN)
    assert decision.why == ("Rule `ask-gpu-eng` allows up to 8 GPUs and €2,000. You asked for 16 GPUs and €3,225.60.")
    assert nearest.form.gpus == 8
    assert nearest.decision.permitted


def test_absurd_numbers_are_denied_and_not_crashed_on():
    assert not POLICY.decide("user:U01MIRA", form(10**9, 87600), KNOWN).permitted


@pytest.mark.parametrize(
    ("user", "why"),
    [
        (SlackUser(id="U0NOBODY", team_id="T"), Stranger.UNKNOWN),
        (SlackUser(id="U01MIRA", team_id="T", restricted=True), Stranger.GUEST),
        (SlackUser(id="U01MIRA", team_id="OTHER"), Stranger.FOREIGN),
        (SlackUser(id="U01MIRA", team_id="T", deleted=True), Stranger.DEACTIVATED),
        (SlackUser(id="U01MIRA", team_id="T", is_bot=True), Stranger.BOT),
    ],
)
def test_who_is_not_known_is_refused(user, why):
    assert resolve(POLICY, user, "T") is why


def test_a_broken_edit_keeps_the_policy_before(rules):
    source = PolicySource(rules)
    good = source.current().digest
    (rules / "policy.csv").write_text("p, short")
    assert source.current().digest == good
    assert source.error is not None
    shutil.copy(RULES / "policy.csv", rules / "policy.csv")
    assert source.current().digest == good
    assert source.error is None


def test_files_that_nobody_adopted_decide_nothing(house):
    text = house.home / "policies" / "policy.csv"
    text.write_text(text.read_text().replace("gpus<=8", "gpus<=9"))
    with pytest.raises(PolicyError, match="adopt"):
        house.policy.current()


def test_the_digest_covers_every_byte():
    files = dict(POLICY.files)
    assert digest_of(files) == POLICY.digest
    assert digest_of({**files, "policy.csv": files["policy.csv"] + " "}) != POLICY.digest


def test_a_catalogue_fault_names_its_table(rules):
    path = rules / "catalogue.toml"
    path.write_text(path.read_text().replace("price_minor = 280", 'price_minor = "280"'))
    with pytest.raises(PolicyError, match=r"gpu_types\.h100-80gb"):
        Policy.load(rules)


@pytest.mark.parametrize("gpus", [0, -5])
def test_no_devices_or_fewer_are_denied(gpus):
    assert not POLICY.decide("user:U01MIRA", form(gpus, 1), KNOWN).permitted
    assert not POLICY.decide("user:U01MIRA", form(1, 0), KNOWN).permitted


def test_a_deployment_whose_resource_says_otherwise_is_denied():
    lying = DeployForm(
        resource="deploy:fraud-detector@dev", model="churn-predictor", version="2.1.0", environment="production"
    )
    assert not POLICY.decide("user:U01MIRA", lying, KNOWN).permitted


def test_given_facts_never_override_those_of_the_form():
    lying = {**KNOWN, "gpus": 1, "cost_minor": 1, "duration_s": 1}
    assert not POLICY.decide("user:U01MIRA", form(16, 72), lying).permitted


def form(gpus, hours):
    return GpuForm(resource="gpu:h100-shared", gpu_type="h100-80gb", gpus=gpus, duration_s=hours * 3600)


def test_rows_load_from_the_shipped_folder():
    assert len(load_rows(Path(RULES)).rules) > 20
