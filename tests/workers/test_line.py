"""A lease in its backend's own line: time there is neither held nor lost."""

from __future__ import annotations

from datetime import timedelta

from conftest import INES, MIRA, kinds

from ledger.nouns import DeployForm
from ledger.streams.request import Status
from policies.decide import Policy
from workers.executors.base import Observation, Pending
from workers.executors.memory import Mood
from workers.hands import attend

HOURS = timedelta(hours=1)


def in_line(world):
    """Mira's three hours, accepted by a backend that is full."""
    request = world.approved()
    world.executor.behave(Mood.FULL)
    assert attend(world.room, request.number) is Status.STARTING
    return request


def test_a_place_in_line_is_entered_once_and_again_only_when_it_changed(world):
    request = in_line(world)
    attend(world.room, request.number)
    assert kinds(world, request)[-2:] == ["dispatched", "queued"]
    assert world.now(request).queued.why == "The simulated backend is full."


def test_an_estimate_that_moves_by_seconds_is_not_entered_again(world):
    request = in_line(world)
    for seconds, entries in ((0, 2), (59, 2), (3600, 3)):
        said = Pending(place=1, estimate=world.time() + timedelta(hours=5, seconds=seconds), why="Full.")
        world.executor.ensure = lambda _, said=said: said
        attend(world.room, request.number)
        assert kinds(world, request).count("queued") == entries


def test_the_window_counts_from_the_start_and_not_from_the_place_in_line(world):
    request = in_line(world)
    world.time.pass_time(hours=1)
    world.executor.behave(Mood.READY)
    assert attend(world.room, request.number) is Status.RUNNING
    now = world.now(request)
    assert now.not_after - now.started_at > 3 * HOURS - timedelta(seconds=5)
    assert (now.generation, now.grant_key) == (2, now.grant_key)
    assert kinds(world, request)[-3:] == ["queued", "dispatched", "started"]


def test_what_waits_for_longer_than_its_window_keeps_its_place_and_does_not_expire(world):
    request = in_line(world)
    for _ in range(5):
        world.time.pass_time(hours=1.6)
        world.clock.tick()
        attend(world.room, request.number)
    assert world.now(request).status is Status.STARTING
    world.executor.behave(Mood.READY)
    assert attend(world.room, request.number) is Status.RUNNING
    assert world.effects() == ["start"]


def test_whoever_waited_until_it_was_too_late_has_left_the_line_and_is_told(world):
    request = in_line(world)
    for _ in range(16):
        world.time.pass_time(hours=1.6)
        attend(world.room, request.number)
    now = world.now(request)
    assert (now.status, now.why) == (Status.FAILED, "It waited in its backend's line until it was too late to start.")
    assert world.effects() == []


def test_a_line_that_cannot_be_left_is_not_failed(world):
    request = in_line(world)
    for _ in range(14):
        world.time.pass_time(hours=1.6)
        attend(world.room, request.number)
    world.executor.observe = lambda _: Observation.UNKNOWN
    world.time.pass_time(hours=1.7)
    assert attend(world.room, request.number) is Status.STARTING


def test_who_may_not_any_more_when_their_turn_comes_holds_nothing(world):
    request = in_line(world)
    spoiled = {**world.policy.files, "policy.csv": without(world.policy.files["policy.csv"], f"user:{INES}")}
    world.policy = Policy.of(spoiled)
    world.executor.behave(Mood.READY)
    assert attend(world.room, request.number) is Status.FAILED
    assert "Today's policy does not allow it" in world.now(request).why
    assert world.effects() == ["start", "end"]


def without(text, words):
    return "\n".join(line for line in text.split("\n") if words not in line)


def test_time_in_line_costs_nothing(world):
    request = in_line(world)
    world.time.pass_time(hours=1)
    world.desk.release(MIRA, request.number)
    attend(world.room, request.number)
    now = world.now(request)
    assert (now.status, now.usage.held_s, now.usage.cost_minor) == (Status.ENDED, 0, 0)


def test_a_change_that_waited_is_done_when_its_turn_comes(world):
    form = DeployForm(
        resource="deploy:churn-predictor@dev", model="churn-predictor", version="2.1.0", environment="dev"
    )
    request = world.desk.submit(MIRA, form, purpose="", said="")
    world.executor.behave(Mood.FULL)
    attend(world.room, request.number)
    assert (world.now(request).status, world.now(request).queued.place) == (Status.STARTING, 1)
    world.executor.behave(Mood.READY)
    attend(world.room, request.number)
    assert world.now(request).status is Status.DONE
    assert world.effects() == ["start"]
