"""The case table holds, every limit bites at its edge, and no single-row mistake goes unnoticed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from conftest import RULES

from policies.boundaries import boundaries, broken
from policies.cases import COLUMNS, cast, check_cases, load_cases, run_case, run_cases
from policies.decide import Policy
from policies.errors import PolicyError
from policies.limits import within
from policies.mutants import mutants, survivors
from policies.rows import Rows

POLICY = Policy.load(RULES)
SNAPSHOT = POLICY.snapshot
CASES = load_cases(RULES / "cases.csv")
STAGED = SNAPSHOT.with_rows(cast(SNAPSHOT.rows, CASES))
RULE_IDS = [rule.id for rule in SNAPSHOT.rows.rules]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"line {case.line}")
def test_the_case_table_holds(case):
    outcome = run_case(STAGED, case)
    assert (outcome.got, outcome.rule) == (case.want, case.rule)


@pytest.mark.parametrize("rule", RULE_IDS)
def test_every_rule_decides_some_case(rule):
    assert any(rule in case.rule.split(" ") for case in CASES)


def test_no_single_row_mistake_goes_unnoticed():
    count, alive = survivors(SNAPSHOT, CASES)
    assert [f"{mutant.name}: {mutant.how}" for mutant in alive] == []
    assert count > 700


def test_mistakes_of_every_kind_are_tried_on_every_rule():
    tried: dict[str, list[str]] = {}
    for mutant in mutants(SNAPSHOT):
        tried.setdefault(mutant.name, []).append(mutant.how)
    for rule in SNAPSHOT.rows.rules:
        assert "dropped" in tried[rule.id]
        assert any("role:" in how for how in tried[rule.id])
        assert any(how.endswith(f"in place of {rule.act}") for how in tried[rule.id])
        if rule.limit != "-":
            assert sum("without" in how for how in tried[rule.id]) == len(rule.limit.split(" "))
    assert "owner-lead:2 in place of owner-lead:1" in tried["need-production"]
    assert "gpus<=9 in place of gpus<=8" in tried["ask-gpu-eng"]
    assert {link.member for link in SNAPSHOT.rows.links} <= set(tried)


def test_a_mistake_that_no_case_speaks_of_is_reported():
    silent = [case for case in CASES if case.rule != "no-service"]
    _, alive = survivors(SNAPSHOT, silent)
    assert "no-service" in {mutant.name for mutant in alive}


def test_every_limit_bites_at_its_edge():
    count, wrong = broken(SNAPSHOT)
    assert wrong == []
    parts = [part for rule in SNAPSHOT.rows.rules if rule.limit != "-" for part in rule.limit.split(" ")]
    assert count == 3 * sum(not part.startswith("service") for part in parts)


def test_the_edges_notice_an_engine_that_lets_an_unknown_fact_help(monkeypatch):
    monkeypatch.setattr("policies.engine.within", lambda facts, limit, unknown: within(facts, limit, unknown=True))
    _, wrong = broken(SNAPSHOT.with_rows(SNAPSHOT.rows))
    assert {edge.edge.rpartition(" ")[2] for edge in wrong} == {"unknown"}


def test_the_edges_notice_an_engine_that_is_off_by_one(monkeypatch):
    def lax(facts, limit, unknown):
        return within({name: value - (name == "gpus") for name, value in facts.items()}, limit, unknown=unknown)

    monkeypatch.setattr("policies.engine.within", lax)
    _, wrong = broken(SNAPSHOT.with_rows(SNAPSHOT.rows))
    assert {"gpus=9", "gpus=3"} <= {edge.edge for edge in wrong}


@pytest.mark.parametrize("stage", ["allow", "auto", "seats", "deny"])
def test_an_unknown_fact_never_helps_the_asker(stage):
    kinds = {
        "allow": lambda rule: rule.stage != "p2" and rule.effect == "allow",
        "auto": lambda rule: rule.slots == "auto",
        "seats": lambda rule: bool(rule.seats),
        "deny": lambda rule: rule.effect == "deny",
    }
    unknown = [e for e in boundaries(SNAPSHOT) if e.edge.endswith("unknown") and kinds[stage](e.rule)]
    assert {edge.wants for edge in unknown} == {stage in {"seats", "deny"}}


def test_a_stand_in_holds_its_role_in_its_team_alone():
    case = next(case for case in CASES if case.sub == "some:lead" and case.rule == "ask-gpu-lead")
    assert run_cases(SNAPSHOT, [case])[0].passed
    assert run_cases(SNAPSHOT, [replace(case, sub="some:auditor")])[0].got == "deny"


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("ask,user:U1,team:t,gpu:h100-shared,use,gpus=x,,deny,", "written like gpus=4"),
        ("ask,user:U1,team:t,gpu:h100-shared,use,gpus=1_0,,deny,", "written like gpus=4"),
        ("ask,user:U1,team:t,gpu:h100-shared,use,gpu=1,,deny,", "Did you mean gpus"),
        ("wish,user:U1,team:t,gpu:h100-shared,use,,,deny,", "ask, need or vote"),
        ("ask,user:U1,team:t,gpu:h100-shared,use,,owner-lead,deny,", "names its seat"),
        ("vote,user:U1,team:t,gpu:h100-shared,use,,,deny,", "names its seat"),
        ("ask,user:U1,team:t", "9 fields"),
        ("ask,user:U1,team:t,gpu:h100,use,,,deny,", "no resource gpu:h100"),
        ("ask,user:U1,team:t,gpu:h100-shared,read,,,deny,", "cannot be done"),
        ("ask,user:U1,team:t,gpu:h100-shared,use,,,deny,no-such", "no rule no-such"),
    ],
)
def test_a_misspelt_case_is_a_fault_and_no_passing_denial(tmp_path, row, fault):
    path = tmp_path / "cases.csv"
    path.write_text(",".join(COLUMNS) + "\n" + row + "\n")
    with pytest.raises(PolicyError, match=fault) as caught:
        check_cases(load_cases(path), SNAPSHOT)
    assert caught.value.place == "line 2"


def test_without_rows_everything_is_denied():
    assert not any(outcome.got == "allow" for outcome in run_cases(SNAPSHOT.with_rows(Rows(rules=(), links=())), CASES))
