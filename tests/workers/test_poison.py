"""What always fails: counted, tried again ever more rarely, given up after five tries, and never said to be gone unseen."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from ledger.streams.request import Status
from workers.attempts import GIVE_UP, at_work
from workers.executors.base import Observation
from workers.hands import attend


def kinds(world, request):
    return [kind.removeprefix("request.") for kind, *_ in world.now(request).history]


def breaks(*_args):
    raise ZeroDivisionError("Mira's secret")


def tries(world, request, most=40):
    """Let time pass and the clock nudge; return the moments at which a worker was asked, until it is over."""
    clock, moments = world.clock, []
    for _ in range(most * 10):
        world.nudged.clear()
        clock.tick()
        if request.number in world.nudged:
            moments.append(world.time.now)
            attend(world.room, request.number)
        if world.now(request).final:
            break
        world.time.pass_time(seconds=1)
    return moments


def dies(world, request, monkeypatch, where="ensure"):
    """Attend in a process that is killed at once: its note stays, and nothing of it is done."""

    class Killed(BaseException):
        pass

    def killed(*_args):
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("workers.attempts.Path.unlink", lambda *_args, **_rest: None)
        patch.setattr(
            "workers.hands.crash.point" if where == "before" else f"workers.executors.memory.MemoryExecutor.{where}",
            killed,
        )
        attend(world.room, request.number)


def test_what_breaks_five_times_is_failed_once_it_is_seen_gone_and_not_tried_again(world):
    request = world.approved()
    world.executor.ensure = breaks
    moments = tries(world, request)
    failed = world.now(request)
    assert failed.status is Status.FAILED
    assert kinds(world, request).count("stumbled") == GIVE_UP == 5
    assert "5 times" in failed.why
    assert "secret" not in failed.why
    assert len(moments) == 5
    assert world.effects() == []
    assert world.book.pool("h100-shared").bookings == ()


def test_the_pause_between_tries_grows(world):
    request = world.approved()
    world.executor.ensure = breaks
    moments = tries(world, request)
    pauses = [after - before for before, after in itertools.pairwise(moments)]
    assert pauses == sorted(pauses)
    assert pauses[-1] >= timedelta(seconds=8)


def test_what_breaks_once_and_then_works_is_running(world):
    request, real = world.approved(), world.executor.ensure
    world.executor.ensure = breaks
    attend(world.room, request.number)
    assert world.now(request).stumbles == 1
    world.executor.ensure, broke_at = real, world.time.now
    tried = tries(world, request, most=3)
    assert tried[0] - broke_at <= timedelta(seconds=2)
    assert world.now(request).status is Status.RUNNING
    assert world.now(request).stumbles == 0
    assert world.effects() == ["start"]


def test_what_broke_and_is_not_seen_gone_stays_and_is_never_started_again(world):
    request = world.approved()
    world.executor.ensure, world.executor.observe = breaks, lambda _: Observation.UNKNOWN
    for _ in range(GIVE_UP):
        attend(world.room, request.number)
    del world.executor.ensure
    assert attend(world.room, request.number) is Status.STARTING
    assert world.effects() == []
    del world.executor.observe
    assert attend(world.room, request.number) is Status.FAILED


def test_what_breaks_while_it_is_taken_back_is_not_confirmed_and_never_settled(world):
    request = world.running()
    world.time.pass_time(hours=3)
    world.executor.revoke = breaks
    world.clock.tick()
    assert world.now(request).status is Status.UNCONFIRMED
    assert "secret" not in world.now(request).why
    del world.executor.revoke
    attend(world.room, request.number)
    assert world.now(request).status is Status.ENDED


def test_one_death_is_an_accident_and_it_goes_on_at_once(world, monkeypatch):
    request = world.approved()
    dies(world, request, monkeypatch)
    assert attend(world.room, request.number) is Status.RUNNING
    assert "stumbled" not in kinds(world, request)


def test_what_kills_its_worker_again_and_again_is_counted_and_given_up(world, monkeypatch):
    request = world.approved()
    dies(world, request, monkeypatch)
    for count in range(1, GIVE_UP + 1):
        dies(world, request, monkeypatch)
        attend(world.room, request.number)
        assert world.now(request).stumbles == count
    assert attend(world.room, request.number) is Status.FAILED
    assert world.effects() == []


def test_what_kills_its_worker_before_it_is_dispatched_is_given_up(world, monkeypatch):
    request = world.approved()
    for _ in range(GIVE_UP):
        dies(world, request, monkeypatch, "before")
    assert attend(world.room, request.number) is Status.FAILED
    assert "dispatched" not in kinds(world, request)


def test_what_kills_its_worker_while_it_is_taken_back_is_left_a_while_and_not_confirmed(world, monkeypatch):
    request = world.running()
    world.desk.release(world.book.people().slack(request.asker), request.number)
    for _ in range(2):
        dies(world, request, monkeypatch, "revoke")
    assert attend(world.room, request.number) is Status.UNCONFIRMED
    assert world.book.requests.due(world.time()) == []
    assert attend(world.room, request.number) is Status.ENDED


def test_an_extension_that_kills_whoever_tells_of_it_is_settled_and_the_old_end_stands(world, monkeypatch):
    request = world.running()
    after = world.desk.extend(world.book.people().slack(request.asker), request.number, 3600)
    assert after.not_after > request.not_after
    for _ in range(GIVE_UP):
        dies(world, request, monkeypatch)
        assert "not-prolonged" not in kinds(world, request)
    assert attend(world.room, request.number) is Status.RUNNING
    assert kinds(world, request)[-1] == "not-prolonged"
    assert world.now(request).not_after == request.not_after
    world.time.pass_time(hours=3)
    world.clock.tick()
    assert world.now(request).status is Status.ENDED
    assert world.effects() == ["start", "end"]


def test_an_extension_that_two_died_of_is_left_to_a_worker_by_the_clock(world, monkeypatch):
    request = world.running()
    world.desk.extend(world.book.people().slack(request.asker), request.number, 3600)
    for _ in range(2):
        dies(world, request, monkeypatch)
    world.nudged.clear()
    world.clock.tick()
    assert world.nudged == [request.number]
    assert world.now(request).confirmed == 1
    attend(world.room, request.number)
    assert world.now(request).confirmed == 2


def test_a_note_that_a_crash_cut_short_counts_as_one_death(tmp_path):
    (tmp_path / "at-work.7").write_text("")
    with at_work(tmp_path, 7) as attempt:
        assert attempt.before == 1
    with at_work(tmp_path, 7) as attempt:
        assert attempt.before == 0
