"""What the hands do when a backend, a policy or another worker has a bad day."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from conftest import MIRA, TOMAS

from ledger.errors import ReadOnlyError
from ledger.log import store
from ledger.streams.request import Status
from policies.errors import PolicyError
from workers.clock import Clock
from workers.errors import BackendError, OccupiedError
from workers.executors.base import Observation
from workers.executors.memory import MemoryExecutor, Mood
from workers.hands import attend
from workers.room import grant_of


def kinds(world, request):
    return [kind.removeprefix("request.") for kind, *_ in world.now(request).history]


def fails(*_args):
    raise BackendError("no")


# -- starting ---------------------------------------------------------------------------------------------------------


def test_a_start_that_failed_and_left_nothing_is_failed_and_frees_its_devices(world):
    request = world.approved()
    world.executor.ensure = fails
    attend(world.room, request.number)
    assert world.now(request).status is Status.FAILED
    assert world.book.pool("h100-shared").bookings == ()
    assert world.effects() == []


def test_a_failed_start_that_cannot_be_taken_back_is_not_failed_and_goes_on_later(world):
    request = world.approved()
    world.executor.behave(Mood.DARK)
    assert attend(world.room, request.number) is Status.STARTING
    world.executor.behave(Mood.READY)
    world.time.pass_time(seconds=1)
    assert attend(world.room, request.number) is Status.RUNNING
    assert world.effects() == ["start"]


def test_a_start_of_which_nobody_knows_is_not_failed_until_it_is_observed_gone(world):
    request = world.approved()
    world.executor.ensure, world.executor.observe = fails, lambda _: Observation.UNKNOWN
    assert attend(world.room, request.number) is Status.STARTING
    assert world.book.pool("h100-shared").lease(request.number) is not None
    del world.executor.ensure, world.executor.observe
    world.time.pass_time(seconds=1)
    assert attend(world.room, request.number) is Status.FAILED
    assert world.effects() == []


def test_a_crash_after_taking_back_a_failed_start_ends_as_failed(world):
    request = world.approved()
    world.executor.ensure, world.executor.observe = fails, lambda _: Observation.UNKNOWN
    attend(world.room, request.number)
    del world.executor.ensure, world.executor.observe
    world.executor.revoke(grant_of(world.now(request)))
    world.time.pass_time(seconds=1)
    assert attend(world.room, request.number) is Status.FAILED
    assert world.effects() == []


def test_a_success_that_comes_late_is_taken_back_at_once(world):
    request = world.approved()
    real = world.executor.ensure

    def slow(grant):
        receipt = real(grant)
        world.time.pass_time(hours=4)
        return receipt

    world.executor.ensure = slow
    attend(world.room, request.number)
    assert world.effects() == ["start", "end"]
    assert "started" not in kinds(world, request)
    world.clock.tick()
    assert world.now(request).status is Status.ENDED


def test_a_late_success_that_cannot_be_taken_back_is_the_clocks_to_end(world):
    request = world.approved()
    real = world.executor.ensure

    def slow_and_then_dark(grant):
        receipt = real(grant)
        world.time.pass_time(hours=4)
        world.executor.behave(Mood.DARK)
        return receipt

    world.executor.ensure = slow_and_then_dark
    assert attend(world.room, request.number) is Status.STARTING
    world.clock.tick()
    assert world.now(request).status is Status.UNCONFIRMED
    world.executor.behave(Mood.READY)
    world.time.pass_time(seconds=30)
    world.clock.tick()
    assert world.now(request).status is Status.ENDED
    assert world.effects() == ["start", "end"]


def test_what_was_released_while_it_started_is_taken_back(world):
    request = world.approved()
    real = world.executor.ensure

    def slow(grant):
        receipt = real(grant)
        world.desk.release(MIRA, request.number)
        return receipt

    world.executor.ensure = slow
    assert attend(world.room, request.number) is Status.ENDED
    assert world.effects() == ["start", "end"]


def test_a_ledger_that_fails_after_the_start_leaves_a_grant_that_still_ends(world, monkeypatch):
    request = world.approved()
    real = world.executor.ensure

    def start_and_break(grant):
        receipt = real(grant)
        patch.setattr(world.book.store, "append", lambda *_: (_ for _ in ()).throw(ReadOnlyError("disk full")))
        return receipt

    world.executor.ensure = start_and_break
    with monkeypatch.context() as patch, pytest.raises(ReadOnlyError):
        attend(world.room, request.number)
    assert world.now(request).status is Status.STARTING
    world.time.pass_time(hours=3)
    world.clock.tick()
    assert world.now(request).status is Status.ENDED
    assert world.effects() == ["start", "end"]


def test_nothing_is_called_before_the_dispatch_is_sealed(world, monkeypatch):
    request = world.approved()
    order = []
    real = world.executor.ensure
    monkeypatch.setattr(store.Receipt, "wait_sealed", lambda *_, **__: order.append("sealed"))
    world.executor.ensure = lambda grant: (order.append("called"), real(grant))[1]
    attend(world.room, request.number)
    assert order == ["sealed", "called"]


def test_a_dispatch_that_is_never_sealed_calls_nobody(world, monkeypatch):
    request = world.approved()

    def never(*_args, **_rest):
        raise ReadOnlyError("not sealed")

    monkeypatch.setattr(store.Receipt, "wait_sealed", never)
    with pytest.raises(ReadOnlyError):
        attend(world.room, request.number)
    assert world.effects() == []


# -- a backend that queues --------------------------------------------------------------------------------------------


def test_what_the_backend_accepted_keeps_its_dispatch_in_line_and_its_key_when_it_starts(world):
    request = world.approved()
    world.executor.behave(Mood.FULL)
    waits = attend(world.room, request.number)
    assert waits in {Status.STARTING, Status.QUEUED}
    before = world.now(request)
    world.time.pass_time(seconds=30)
    world.clock.tick()
    assert world.nudged[-1] == request.number
    assert attend(world.room, request.number) is waits
    assert world.effects() == []
    assert kinds(world, request).count("dispatched") == 1
    world.executor.behave(Mood.READY)
    assert attend(world.room, request.number) is Status.RUNNING
    after = world.now(request)
    assert (after.grant_key, after.generation) == (before.grant_key, before.generation + 1)
    assert world.effects() == ["start"]


def test_what_the_backend_never_started_is_taken_from_its_line_when_its_window_is_over(world):
    request = world.approved()
    world.executor.behave(Mood.FULL)
    attend(world.room, request.number)
    world.time.pass_time(hours=3)
    world.clock.tick()
    assert world.now(request).status is Status.ENDED
    assert world.executor.holdings() == ()
    assert world.effects() == []


def test_what_is_released_while_the_backend_has_not_started_it_never_starts(world):
    request = world.approved()
    world.executor.behave(Mood.FULL)
    attend(world.room, request.number)
    world.desk.release(MIRA, request.number)
    world.executor.behave(Mood.READY)
    assert attend(world.room, request.number) is Status.ENDED
    assert world.effects() == []


# -- taking back ------------------------------------------------------------------------------------------------------


def test_a_backend_that_does_not_answer_is_never_settled_and_is_tried_again(world):
    request = world.running()
    world.executor.behave(Mood.DARK)
    world.desk.release(MIRA, request.number)
    assert attend(world.room, request.number) is Status.UNCONFIRMED
    assert "does not answer" in world.now(request).why
    world.time.pass_time(seconds=30)
    world.clock.tick()
    assert world.now(request).attempts == 2
    world.executor.behave(Mood.READY)
    world.time.pass_time(seconds=30)
    world.clock.tick()
    assert world.now(request).status is Status.ENDED
    assert world.effects() == ["start", "end"]


@pytest.mark.parametrize("successor", [None, "another"])
def test_what_another_executor_started_is_not_settled_by_its_successor(world, tmp_path, successor):
    request = world.running()
    other = MemoryExecutor(tmp_path / "other.sqlite3", clock=world.time)
    other.name = "another"
    room = replace(world.room, executors={} if successor is None else {"gpu": other})
    world.desk.release(MIRA, request.number)
    assert attend(room, request.number) is Status.UNCONFIRMED
    assert "No executor named memory is configured" in world.now(request).why
    assert other.effects() == []
    assert world.effects() == ["start"]
    assert attend(world.room, request.number) is Status.ENDED


def test_a_dispatch_of_another_executor_is_not_started_by_its_successor(world, tmp_path):
    request = world.approved()
    world.executor.behave(Mood.DARK)
    attend(world.room, request.number)
    other = MemoryExecutor(tmp_path / "other.sqlite3", clock=world.time)
    other.name = "another"
    attend(replace(world.room, executors={"gpu": other}), request.number)
    assert other.effects() == []
    assert world.now(request).status is Status.STARTING


# -- the policy -------------------------------------------------------------------------------------------------------


def broken_policy():
    raise PolicyError("policy files", "0123", "they are not what was adopted")


def test_a_policy_that_cannot_be_used_grants_nothing_and_loses_nothing(world):
    request = world.approved()
    with pytest.raises(PolicyError):
        attend(replace(world.room, policy=broken_policy), request.number)
    assert world.effects() == []
    assert world.now(request).status is Status.APPROVED
    assert attend(world.room, request.number) is Status.RUNNING


def test_a_policy_that_cannot_be_used_ends_leases_all_the_same(world):
    request = world.running()
    world.time.pass_time(hours=3)
    listed = world.policy.catalogue
    Clock(replace(world.room, policy=broken_policy, prices=lambda: listed), lambda _: None).tick()
    assert world.now(request).status is Status.ENDED
    assert world.effects() == ["start", "end"]


# -- alone ------------------------------------------------------------------------------------------------------------


def test_while_somebody_is_at_work_on_the_same_hold_nothing_is_done_and_nobody_waits_for_ever(world):
    request = world.approved()
    room = replace(world.room, patience_s=0.1)
    with world.room.alone_with(request):
        assert attend(room, request.number) is Status.APPROVED
        with pytest.raises(OccupiedError), room.alone_with(request):
            pass
    assert world.effects() == []
    assert attend(room, request.number) is Status.RUNNING


def test_other_holds_are_not_kept_waiting(world):
    mine, others = world.approved(), world.approved(slack=TOMAS)
    with world.room.alone_with(mine):
        assert attend(replace(world.room, patience_s=0.1), others.number) is Status.RUNNING


def test_effects_on_one_hold_come_one_after_the_other(world):
    """Two requests of one person on one pool: their executor calls never overlap."""
    requests = [world.approved(), world.approved()]
    inside, worst = [], []
    real = world.executor.ensure

    def ensure(grant):
        inside.append(grant.key)
        worst.append(len(inside))
        threading.Event().wait(0.1)
        inside.remove(grant.key)
        return real(grant)

    world.executor.ensure = ensure
    threads = [threading.Thread(target=attend, args=(world.room, request.number)) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [world.now(request).status for request in requests] == [Status.RUNNING] * 2
    assert worst == [1, 1]
