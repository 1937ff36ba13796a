"""Whoever loses what let them ask does not keep what they hold: within fifteen minutes, whatever is killed meanwhile."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from conftest import INES, MIRA, RULES, TOMAS

from bot.errors import Reason, Refused
from ledger.audit import verify_store
from ledger.streams.house import People
from ledger.streams.request import Outcome, Request, Status
from ledger.views import differs
from policies.decide import FILES, Policy
from policies.errors import PolicyError
from policies.inforce import adopt

HOUR = 3600
PROMISED = timedelta(minutes=15)
MEMBER = "g, user:U01MIRA,  role:engineer, team:vision"


def policy_with(replacing, by):
    files = {name: (RULES / name).read_text() for name in FILES}
    assert replacing in files["policy.csv"]
    return Policy.of({**files, "policy.csv": files["policy.csv"].replace(replacing, by)})


def without(person):
    text = (RULES / "policy.csv").read_text()
    return policy_with(next(line for line in text.splitlines() if f"user:{person}" in line), "")


def rule_gone():
    """Nobody of her role asks for GPUs any more: the rules for engineers speak of data alone."""
    files = {name: (RULES / name).read_text() for name in FILES}
    text = files["policy.csv"]
    for rule in ("ask-gpu-eng, ", "ask-gpu-req, "):
        row = next(line for line in text.splitlines() if line.startswith(f"p, {rule}"))
        text = text.replace(row, row.replace("class:gpu/shared, use,", "class:data, export,"))
    return Policy.of({**files, "policy.csv": text})


LOSSES = {
    "removed": lambda: without(MIRA),
    "another role": lambda: policy_with(MEMBER, MEMBER.replace("role:engineer", "role:auditor")),
    "the rule is gone": rule_gone,
}


@pytest.fixture
def running(world):
    return world.running()


def minutes(world, count, restarting_each=None, clock=None):
    """Let minutes pass, a tick each; the clock is another process after every `restarting_each` of them."""
    clock = clock or world.clock
    for minute in range(count):
        if restarting_each and minute % restarting_each == 0:
            clock = world.clock
        world.time.pass_time(minutes=1)
        clock.tick()


def extension_of(world, request, seconds):
    outcome = world.desk.extend(MIRA, request.number, seconds, "")
    assert isinstance(outcome, Request), outcome
    return outcome


def gone(world, request):
    now = world.now(request)
    assert (now.status, now.end) == (Status.ENDED, "request.disqualified")
    assert world.effects().count("end") == 1
    assert verify_store(world.book.store).sound
    assert not differs(world.book.store)
    return now


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("restarting_each", [None, 4, 1])
def test_whoever_lost_what_let_them_ask_keeps_it_fifteen_minutes_at_most(world, running, loss, restarting_each):
    clock = world.clock
    clock.tick()
    world.policy = LOSSES[loss]()
    minutes(world, 15, restarting_each, clock)
    assert gone(world, running).ended_at - running.started_at <= PROMISED


def test_a_clock_that_was_down_when_it_was_lost_ends_it_at_its_first_tick(world, running):
    world.clock.tick()
    world.policy = without(MIRA)
    world.time.pass_time(hours=2)
    world.clock.tick()
    gone(world, running)


def test_a_clock_killed_before_it_takes_it_back_is_made_up_for_by_the_next(world, running, monkeypatch):
    world.policy = without(MIRA)
    with monkeypatch.context() as patch:
        patch.setattr(type(world.clock), "_attend", lambda *_: None)
        world.clock.tick()
    assert world.now(running).status is Status.ENDING
    assert "end" not in world.effects()
    world.policy = without(TOMAS)
    world.clock.tick()
    gone(world, running)


def test_an_extension_that_waits_for_a_lead_saves_nothing_and_no_vote_on_it_counts(world, running):
    asked = extension_of(world, running, 4 * HOUR)
    assert asked.extension.outcome is Outcome.PENDING
    world.policy = without(MIRA)
    minutes(world, 15, restarting_each=4)
    gone(world, running)
    late = world.desk.review_extension(INES, running.number, asked.extension.form_digest, approve=True, reason="")
    assert isinstance(late, Refused)
    assert late.reason is Reason.EXTENSION_SETTLED
    assert world.book.pool("h100-shared").booking(running.number) is None


def test_an_extension_that_the_backend_was_not_told_of_saves_nothing_either(world, running):
    asked = extension_of(world, running, HOUR)
    assert (asked.extension.outcome, asked.confirmed) == (Outcome.GRANTED, 1)
    world.policy = without(MIRA)
    minutes(world, 15)
    gone(world, running)


def test_whoever_was_removed_from_the_policy_does_not_keep_what_they_hold(world, running):
    other = world.running(slack=TOMAS)
    clock = world.clock
    clock.tick()
    world.policy = without(MIRA)
    for _ in range(15):
        world.time.pass_time(minutes=1)
        clock.tick()
    gone = world.now(running)
    assert (gone.status, gone.end) == (Status.ENDED, "request.disqualified")
    assert "No rule lets" in gone.why
    assert gone.ended_at - running.started_at <= timedelta(minutes=15)
    assert world.now(other).status is Status.RUNNING
    assert world.effects().count("end") == 1


def test_a_tighter_limit_ends_nothing(world, running):
    world.policy = policy_with("gpus<=8 hours<=72 cost<=2000", "gpus<=1 hours<=1 cost<=2000")
    world.clock.tick()
    assert world.now(running).status is Status.RUNNING


def test_rules_that_cannot_be_read_end_nothing(world, running, monkeypatch):
    def unreadable():
        raise PolicyError("policy.csv", "1", "broken")

    room = replace(world.room, policy=unreadable)
    type(world.clock)(room, lambda _: None).tick()
    assert world.now(running).status is Status.RUNNING


def test_a_policy_adopted_while_eligibility_is_looked_at_ends_nobody_by_the_old_one(world, running):
    world.policy, back = without(MIRA), world.policy
    looks = []

    def asked():
        if not looks:
            looks.append(1)
            adopt(world.book, back, actor="os:test", why="a test")
        return world.policy

    type(world.clock)(replace(world.room, policy=asked), lambda _: None).tick()
    assert world.now(running).status is Status.RUNNING


def test_a_holder_who_was_erased_does_not_keep_what_they_hold(world, running, monkeypatch):
    monkeypatch.setattr(world.book, "people", People)
    world.clock.tick()
    assert world.now(running).status is Status.ENDED
    assert "no longer known" in world.now(running).why
