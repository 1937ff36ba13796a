"""What a held lease does not pass under other rules, and what makes nothing fail though it is counted differently now."""

from __future__ import annotations

import pytest
from conftest import INES, MIRA, RULES, TOMAS

from ledger.nouns import Access, DataForm
from ledger.streams.request import Outcome
from policies.decide import FILES, Policy
from policies.stricter import shortfall
from workers.hands import attend

HOUR = 3600
ENG = "gpus<=8 hours<=72 cost<=2000,    allow"


def policy_with(*changes, name="policy.csv"):
    files = {each: (RULES / each).read_text() for each in FILES}
    for before, after in changes:
        assert before in files[name]
        files[name] = files[name].replace(before, after)
    return Policy.of(files)


def fails(world, request, policy):
    found = shortfall(policy, world.book, world.now(request))
    return None if found is None else found.fails


def test_what_was_approved_passes_under_its_own_rules(world):
    assert fails(world, world.running(), world.policy) is None


@pytest.mark.parametrize(
    ("before", "after", "part", "why"),
    [
        (ENG, ENG.replace("gpus<=8", "gpus<=2"), "gpus<=2", "allows up to 2 GPUs now; this is 4 GPUs."),
        (ENG, ENG.replace("hours<=72", "hours<=2"), "hours<=2", "allows up to 2 hours now; this is 3 hours."),
        (
            ENG,
            ENG.replace("gpus<=8 hours<=72 cost<=2000", "gpus<=2 hours<=72 cost<=30"),
            "gpus<=2 cost<=30",
            "allows up to 2 GPUs and €30 now; this is 4 GPUs and €33.60.",
        ),
    ],
)
def test_each_part_that_fails_is_named(world, before, after, part, why):
    found = shortfall(policy_with((before, after)), world.book, world.running())
    assert found.fails == f"ask-gpu-eng {part}"
    assert found.why == f"Rule `ask-gpu-eng` {why}"


def test_a_higher_price_is_a_limit_too(world):
    request = world.running(gpus=8, hours=72)
    dearer = policy_with(("price_minor = 280", "price_minor = 2800"), name="catalogue.toml")
    assert fails(world, request, dearer) == "ask-gpu-eng cost<=2000"


def test_a_rule_that_forbids_it_is_named(world):
    text = "p, no-bot-data, "
    forbids = policy_with((text, f"p, no-gpus,  *, *, class:gpu, use, gpus>3, deny\n{text}"))
    assert fails(world, world.running(), forbids) == "no-gpus"


def test_what_the_catalogue_does_not_list_any_more_is_said(world):
    gone = policy_with(
        ('nodes = { "gpu-01" = { type = "h100-80gb", gpus = 8 }, "gpu-02" = { type = "h100-80gb", gpus = 8 } }',
         'nodes = { "gpu-01" = { type = "a100-40gb", gpus = 8 } }'),
        name="catalogue.toml",
    )  # fmt: skip
    assert fails(world, world.running(), gone) == "catalogue"


def test_whoever_lost_the_role_of_the_rule_reads_that(world):
    request = world.running()
    requester = policy_with(("g, user:U01MIRA,  role:engineer,", "g, user:U01MIRA,  role:requester,"))
    found = shortfall(requester, world.book, request)
    assert found.fails == "ask-gpu-eng role:engineer"
    assert "is for the role engineer, which its holder does not have" in found.why


def test_whoever_may_not_ask_for_the_like_at_all_is_no_question(world):
    request = world.running()
    assert fails(world, request, policy_with(("g, user:U01MIRA,  role:engineer, team:vision\n", ""))) is None


def test_a_rule_that_wants_a_second_lead_is_named_with_who_agreed(world):
    request = world.running()
    two = policy_with(("gpus>2,     allow, owner-lead:1", "gpus>2,     allow, owner-lead:2"))
    found = shortfall(two, world.book, request)
    assert found.fails == "need-gpu owner-lead:2"
    assert found.why == "Rule `need-gpu` now needs 2 leads of platform; 1 lead agreed."


def test_fewer_seats_than_it_had_are_no_question(world):
    fewer = policy_with(("gpus>2,     allow, owner-lead:1", "gpus>7,     allow, owner-lead:1"))
    assert fails(world, world.running(), fewer) is None


def test_what_else_its_holder_holds_now_makes_nothing_fail(world):
    request = world.ask(gpus=2)
    attend(world.room, request.number)
    world.running(gpus=8)
    assert fails(world, request, policy_with(("cost<=200, ", "cost<=250, "))) is None
    assert (
        fails(world, request, policy_with(("held_gpus<=2 open", "held_gpus<=2 gpus<=1 open"))) == "default owner-lead:1"
    )


def test_what_people_agreed_to_extend_passes_until_its_rules_change(world):
    request = world.running(gpus=4, hours=7)
    asked = world.desk.extend(MIRA, request.number, 4 * HOUR, "")
    assert asked.extension.outcome is Outcome.PENDING
    agreed = world.desk.review_extension(INES, request.number, asked.extension.form_digest, approve=True, reason="")
    assert agreed.extension.outcome is Outcome.GRANTED
    attend(world.room, request.number)
    assert fails(world, request, world.policy) is None
    assert fails(world, request, policy_with((ENG, ENG.replace("hours<=72", "hours<=8")))) == "ask-gpu-eng hours<=8"
    two = policy_with(("hours>8,    allow, owner-lead:1", "hours>8,    allow, owner-lead:2"))
    assert fails(world, request, two) == "need-gpu-hours owner-lead:2"


def test_an_extension_that_is_asked_for_takes_nothing_from_the_one_before(world):
    request = world.ask(gpus=2, hours=8)
    attend(world.room, request.number)
    first = world.desk.extend(MIRA, request.number, 4 * HOUR, "")
    world.desk.review_extension(INES, request.number, first.extension.form_digest, approve=True, reason="")
    attend(world.room, request.number)
    second = world.desk.extend(MIRA, request.number, 4 * HOUR, "")
    assert second.extension.outcome is Outcome.PENDING
    assert fails(world, request, policy_with(("cost<=200, ", "cost<=250, "))) is None


def test_data_that_became_more_sensitive_is_asked_about(world):
    form = DataForm(resource="data:customer_events", access=Access.READ, duration_s=30 * 86_400)
    asked = world.desk.submit(MIRA, form, purpose="churn", said="")
    world.approve(asked, TOMAS)
    attend(world.room, asked.number)
    before = 'owner = "team:vision"\nlevel = 1'
    assert fails(world, asked, policy_with((before, before[:-1] + "2"), name="catalogue.toml")) == "need-data-pii dpo:1"
    assert (
        fails(world, asked, policy_with((before, before[:-1] + "3"), name="catalogue.toml")) == "ask-data-eng level<=2"
    )


def small_among_more(world):
    """Two GPUs that a rule approved, for one who has eight more by now: to hold those, no rule would approve two."""
    request = world.ask(gpus=2)
    attend(world.room, request.number)
    world.running(gpus=8)
    return request


def test_an_extension_that_was_denied_says_nothing_of_what_is_held(world):
    request = small_among_more(world)
    denied = world.desk.extend(MIRA, request.number, 100 * HOUR, "")
    assert denied.extension.outcome is Outcome.DENIED
    assert fails(world, request, world.policy) is None


def test_an_extension_that_waits_says_nothing_of_what_is_held(world):
    request = small_among_more(world)
    waits = world.desk.extend(MIRA, request.number, 8 * HOUR, "")
    assert waits.extension.outcome is Outcome.PENDING
    assert fails(world, request, world.policy) is None


def test_the_rule_that_it_passed_is_named_though_another_is_nearer(world):
    """Four GPUs are nearer to two than three hours to one."""
    shorter = policy_with((ENG, ENG.replace("hours<=72", "hours<=1")))
    assert fails(world, world.running(), shorter) == "ask-gpu-eng hours<=1"
