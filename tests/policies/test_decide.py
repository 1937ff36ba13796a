"""Decisions as people meet them: who may ask, what they are told, and what no row can ever allow."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from conftest import RULES

from ledger.nouns import Access, DataForm, DeployForm, GpuForm
from policies.decide import Policy, digest_of
from policies.directory import SlackUser, Stranger, resolve
from policies.limits import parse_limit
from policies.rows import Rows, Rule
from policies.vocabulary import FACTS
from policies.words import whenever

POLICY = Policy.load(RULES)
KNOWN = {"held_gpus": 0, "open_requests": 0}
MIRA, INES, TOMAS, ODILE = "user:U01MIRA", "user:U02INES", "user:U03TOMAS", "user:U05ODILE"
DAY = 86_400


def gpus(count, hours, pool="h100-shared", gpu_type="h100-80gb"):
    return GpuForm(resource=f"gpu:{pool}", gpu_type=gpu_type, gpus=count, duration_s=hours * 3600)


def data(name, days, access=Access.READ, columns=()):
    return DataForm(resource=f"data:{name}", access=access, duration_s=days * DAY, columns=columns)


def deploy(environment, version="3.2.1", rollback=False, **rest):
    name = f"deploy:fraud-detector@{environment}"
    return DeployForm(
        resource=name, model="fraud-detector", version=version, environment=environment, rollback=rollback, **rest
    )


def under(*rules, keep=True, files=None):
    """The shipped policy with more rows."""
    shipped = POLICY.snapshot.rows
    rows = Rows(rules=(*(shipped.rules if keep else ()), *rules), links=shipped.links)
    return Policy(POLICY.snapshot.with_rows(rows), POLICY.catalogue, "x", files or {})


def rule(stage="p", **fields):
    wide = {"line": 99, "id": "wide", "sub": "*", "dom": "*", "res": "class:any", "act": "*", "limit": "-"}
    return Rule(**{**wide, "stage": stage, "effect": "allow", **fields})


# -- what no row can allow --------------------------------------------------------------------------------------


@pytest.mark.parametrize("subject", ["svc:worker", "role:lead", "role:engineer", "U01MIRA", "*", ""])
def test_only_people_ask_whatever_the_rows_say(subject):
    wide = under(rule())
    assert not wide.decide(subject, gpus(1, 1), KNOWN).permitted
    assert wide.nearest(subject, gpus(1, 1), KNOWN) is None
    assert wide.may(subject, "revoke", "gpu:h100-shared") is None


@pytest.mark.parametrize("subject", ["svc:worker", "role:lead", "U02INES", "*", ""])
def test_only_people_vote_whatever_the_rows_say(subject):
    wide = under(rule("p3", slots="*"), keep=False)
    assert wide.may_vote(MIRA, "owner-lead", "team:platform", gpus(4, 3)) == "wide"
    assert wide.may_vote(subject, "owner-lead", "team:platform", gpus(4, 3)) is None


def test_nobody_votes_on_their_own_whatever_the_rows_say():
    wide = under(rule("p3", slots="*"), keep=False)
    assert wide.may_vote(MIRA, "owner-lead", "team:platform", gpus(4, 3), is_self=True) is None


@pytest.mark.parametrize("subject", ["role:lead", "role:engineer", "lead"])
def test_a_subject_named_like_a_role_is_nobody_to_the_engine_too(subject):
    assert POLICY.snapshot.first("p", subject, "team:vision", "gpu:h100-shared", "use", {"gpus": 1}) == (False, "")
    assert POLICY.snapshot.every("p2", subject, "team:platform", "gpu:h100-shared", "use", {}) == []


@pytest.mark.parametrize(("stage", "slot", "name"), [("p3", "owner-lead", "no-service"), ("p", "", "no-bot-data")])
def test_a_program_without_any_role_is_forbidden_by_the_row_itself(stage, slot, name):
    resource, action = ("data:claims_2024", "read")
    wide = under(rule(stage, slots="*" if slot else "")).snapshot
    facts = {"level": 2, "self": 0, "service": 0}
    assert wide.roles.roles("svc:stray") == ()
    assert wide.first(stage, "svc:stray", "team:platform", resource, action, facts, slot) == (False, name)


def test_an_empty_policy_denies():
    assert not under(keep=False).decide(MIRA, gpus(1, 1), KNOWN).permitted


# -- facts ------------------------------------------------------------------------------------------------------


def test_given_facts_never_override_those_of_the_form():
    lying = {**KNOWN, "gpus": 1, "cost_minor": 1, "duration_s": 1}
    assert not POLICY.decide(MIRA, gpus(16, 72), lying).permitted


def test_no_columns_named_means_all_of_them():
    narrow = under(rule(id="narrow", res="class:data", act="read", limit="columns<=3"), keep=False)
    assert narrow.decide(MIRA, data("claims_2024", 1, columns=("amount", "region")), KNOWN).permitted
    assert not narrow.decide(MIRA, data("claims_2024", 1), KNOWN).permitted


@pytest.mark.parametrize("form", [gpus(4, 3), data("claims_2024", 5), deploy("staging", replicas=2, canary_percent=5)])
def test_every_fact_of_a_decision_is_declared_with_its_source(form):
    facts = POLICY.decide(MIRA, form, {**KNOWN, "added_s": 0}).facts
    names = {fact.name for fact in facts} - {"gpu_type", "budget"}  # names: for the record and the law, not for rules
    assert names <= set(FACTS)


def test_every_declared_fact_is_in_the_readme_with_its_source():
    text = (RULES / "README.md").read_text()
    for name, (source, _) in FACTS.items():
        assert re.search(rf"`{name}`[^|]*\| {source} \|", text), name


@pytest.mark.parametrize("count", [0, -5])
def test_no_devices_or_fewer_are_denied(count):
    assert not POLICY.decide(MIRA, gpus(count, 1), KNOWN).permitted
    assert not POLICY.decide(MIRA, gpus(1, 0), KNOWN).permitted


def test_absurd_numbers_are_denied_and_not_crashed_on():
    assert not POLICY.decide(MIRA, gpus(10**9, 87600), KNOWN).permitted
    assert POLICY.nearest(MIRA, gpus(10**9, 87600), KNOWN).decision.permitted


def test_a_deployment_whose_resource_says_otherwise_is_denied():
    lying = replace(deploy("production"), resource="deploy:fraud-detector@dev")
    assert not POLICY.decide(MIRA, lying, KNOWN).permitted


# -- going back -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "name", "seats"),
    [("dev", "dev", []), ("staging", "stg", []), ("production", "production", ["owner-lead"])],
)
def test_going_back_is_an_action_of_its_own(environment, name, seats):
    decision = POLICY.decide(MIRA, deploy(environment, version="3.1.0", rollback=True), KNOWN)
    assert decision.rules[0] == f"ask-rollback-{name}"
    assert [seat.name for seat in decision.seats] == seats


def test_calling_a_deployment_a_rollback_opens_no_door():
    assert not POLICY.decide(MIRA, deploy("production", version="3.1.0"), KNOWN).permitted
    decision = POLICY.decide(MIRA, deploy("production", rollback=True), KNOWN)
    assert decision.why == (
        "Rule `ask-rollback-production` allows an earlier version. You asked for one that is not earlier."
    )


# -- why not ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("person", "form", "why"),
    [
        pytest.param(
            MIRA,
            gpus(16, 72),
            "Rule `ask-gpu-eng` allows up to 8 GPUs and €2,000. You asked for 16 GPUs and €3,225.60.",
            id="limits",
        ),
        pytest.param(
            MIRA,
            data("radiology_images", 5),
            "Rule `ask-data-eng` allows up to sensitivity 2. You asked for sensitivity 3.",
            id="a failed limit is nearer than another's role",
        ),
        pytest.param(
            ODILE,
            gpus(1, 1),
            "Rule `ask-gpu-eng` is for the role engineer. You have the role auditor.",
            id="role",
        ),
        pytest.param(
            MIRA,
            data("claims_2024", 5, access=Access.WRITE),
            "Rule `ask-data-eng` lets you read. You asked to write.",
            id="action",
        ),
        pytest.param(
            MIRA,
            deploy("production"),
            "Rule `no-change-window` forbids this while there is no emergency.",
            id="forbidden",
        ),
        pytest.param(MIRA, gpus(1, 1, pool="attic"), "The catalogue does not list that.", id="not listed"),
    ],
)
def test_a_denial_names_the_nearest_rule_and_each_part_that_fails(person, form, why):
    policy = POLICY
    if form == deploy("production"):
        policy = Policy(_closed(), POLICY.catalogue, "x", {})
    assert policy.decide(person, form, KNOWN).why == why


def _closed():
    """A house in which changes are closed: the forbidding row's first part always holds."""
    rows = POLICY.snapshot.rows
    rules = tuple(
        replace(each, limit="breakglass==0", id=each.id) if each.id == "no-change-window" else each
        for each in rows.rules
    )
    return POLICY.snapshot.with_rows(Rows(rules=rules, links=rows.links))


def test_a_forbidding_rule_says_when_it_bites():
    assert whenever(parse_limit("change_window_closed==1 breakglass==0")) == (
        " while changes are closed and there is no emergency"
    )
    assert whenever(()) == ""


def test_a_rule_of_a_team_one_is_not_in_is_never_shown():
    secret = rule(id="secret", dom="team:platform", res="class:data", act="write")
    private = rule(id="private", sub="user:U03TOMAS", res="class:data", act="write")
    shown = under(secret, private).decide(MIRA, data("claims_2024", 5, access=Access.WRITE), KNOWN)
    assert shown.rules == ("ask-data-eng",)
    own = under(replace(secret, dom="team:vision", limit="level<=1")).decide(
        MIRA, data("claims_2024", 5, access=Access.WRITE), KNOWN
    )
    assert own.rules == ("secret",)


@pytest.mark.parametrize(
    ("near", "far"),
    [
        pytest.param({"limit": "gpus<=1"}, {"limit": "gpus<=1 hours<=1"}, id="one limit before two"),
        pytest.param({"limit": "gpus<=1 hours<=1 cost<=1"}, {"sub": "role:dpo"}, id="three limits before a role"),
        pytest.param({"sub": "role:dpo"}, {"sub": "role:dpo", "limit": "gpus<=1"}, id="a role before role and limit"),
        pytest.param({"sub": "role:dpo", "limit": "gpus<=1 hours<=1"}, {"res": "gpu:a100-shared"}, id="role, resource"),
        pytest.param({"limit": "gpus<=8"}, {"limit": "gpus<=4"}, id="the higher of two limits"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_the_nearest_rule_is_the_one_that_least_keeps_from(near, far, turned):
    base = {"res": "gpu:h100-shared", "act": "use"}
    rules = [rule(id="near", line=1 + turned, **{**base, **near}), rule(id="far", line=2 - turned, **{**base, **far})]
    policy = under(*(reversed(rules) if turned else rules), keep=False)
    assert policy.decide(MIRA, gpus(16, 72), KNOWN).rules == ("near",)


@pytest.mark.parametrize(
    ("form", "label"),
    [
        pytest.param(gpus(16, 72), "Ask for 8 instead", id="fewer devices"),
        pytest.param(gpus(4, 80), "Ask for 72 hours instead", id="shorter"),
        pytest.param(gpus(16, 80), "Ask for 8 for 72 hours instead", id="both"),
        pytest.param(data("claims_2024", 120), "Ask for 90 days instead", id="fewer days"),
        pytest.param(data("claims_2024", 5, access=Access.WRITE), "Ask to read instead", id="read"),
        pytest.param(deploy("production"), "Ask for staging instead", id="a lower environment"),
    ],
)
def test_the_nearest_request_passes_and_is_said_in_words(form, label):
    assert not POLICY.decide(MIRA, form, KNOWN).permitted
    nearest = POLICY.nearest(MIRA, form, KNOWN)
    assert nearest.label == label
    assert POLICY.decide(MIRA, nearest.form, KNOWN).permitted


def test_of_two_ways_down_to_a_price_the_nearer_is_offered():
    cheap = under(rule(id="cheap", res="class:gpu", act="use", limit="gpus<=8 hours<=72 cost<=100"), keep=False)
    nearest = cheap.nearest(MIRA, gpus(8, 5), KNOWN)
    assert (nearest.form.gpus, nearest.form.duration_s) == (7, 5 * 3600)
    nearest = cheap.nearest(MIRA, gpus(1, 40), KNOWN)
    assert (nearest.form.gpus, nearest.form.duration_s) == (1, 35 * 3600)


def test_a_pool_that_holds_no_device_of_the_type_is_not_offered():
    only = under(rule(id="only", res="gpu:a100-shared", act="use", limit="gpus<=8"), keep=False)
    form = gpus(2, 2, pool="h100-shared", gpu_type="h100-80gb")
    assert only.nearest(MIRA, form, KNOWN) is None


def test_who_has_no_role_gets_no_nearest_request():
    assert POLICY.nearest(ODILE, gpus(1, 1), KNOWN) is None


def test_voters_are_those_who_may_vote(rules):
    assert POLICY.voters("owner-lead", "team:platform", gpus(4, 3)) == (INES,)
    assert POLICY.voters("dpo", "team:platform", data("claims_2024", 5)) == ("user:U04NOOR",)
    assert POLICY.voters("budget", "team:platform", gpus(64, 100)) == ("user:U09LENA",)


# -- people and digest ------------------------------------------------------------------------------------------


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


def test_the_digest_covers_every_byte():
    files = dict(POLICY.files)
    assert digest_of(files) == POLICY.digest
    for name, text in files.items():
        assert digest_of({**files, name: text + " "}) != POLICY.digest


def test_a_policy_built_from_its_texts_is_the_same():
    again = Policy.of(POLICY.files)
    assert again.digest == POLICY.digest
    assert again.snapshot.rows == POLICY.snapshot.rows
