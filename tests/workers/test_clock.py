"""The clock on bad days: one failure keeps nothing else waiting, and nothing ends it."""

from __future__ import annotations

import threading
import time as system
from dataclasses import replace
from datetime import timedelta

import pytest
from conftest import MIRA, TOMAS, Hand, kinds, make_world

from ledger.book import open_sqlite
from ledger.errors import BusyError, ReadOnlyError
from ledger.nouns import Access, DataForm
from ledger.streams.request import Status
from workers import clock as clocks
from workers.clock import Clock
from workers.executors.base import Observation
from workers.executors.memory import MemoryExecutor, Mood
from workers.hands import attend
from workers.journal import Ending


def broken(*_args):
    raise ReadOnlyError("disk full")


def test_a_request_that_fails_keeps_no_other_from_ending(world):
    bad, good = world.running(), world.running(slack=TOMAS)
    real = world.executor.revoke

    def revoke(grant):
        if grant.request == bad.number:
            raise RuntimeError("a fault that nobody thought of")
        real(grant)

    world.executor.revoke = revoke
    world.time.pass_time(hours=3)
    world.clock.tick()
    assert world.now(good).status is Status.ENDED
    assert world.now(bad).status is Status.UNCONFIRMED
    del world.executor.revoke
    world.time.pass_time(seconds=30)
    world.clock.tick()
    assert world.now(bad).status is Status.ENDED


def test_a_nudge_that_fails_as_nobody_thought_of_keeps_no_access_from_being_taken_away(world):
    waits, over = world.approved(), world.running(slack=TOMAS)

    def nudge(number):
        assert number == waits.number
        raise RuntimeError("a fault that nobody thought of")

    world.time.pass_time(hours=3)
    Clock(world.room, nudge).tick()
    assert world.now(over).status is Status.ENDED


def test_a_lapse_that_cannot_be_entered_keeps_no_access_from_being_taken_away(world, monkeypatch):
    waiting = world.ask(gpus=3)
    world.time.pass_time(hours=23.5)
    running = world.running(hours=1)
    world.time.pass_time(hours=2)
    assert world.book.requests.due(world.time()) == [waiting.number, running.number]
    with monkeypatch.context() as patch:
        patch.setattr(world.book.store, "append", broken)
        world.clock.tick()
    assert world.effects() == ["start", "end"]
    world.clock.tick()
    assert world.now(running).end == "request.ended-unlogged"
    assert world.now(waiting).status is Status.LAPSED


def test_a_ledger_that_could_not_be_written_is_waited_for_once_a_tick(world, monkeypatch):
    """Waiting for a locked ledger takes seconds: not before each of many endings."""
    for slack in (MIRA, TOMAS, MIRA):
        world.running(slack=slack)
    world.time.pass_time(hours=3)
    tries = []

    def locked(*_args):
        tries.append(1)
        raise BusyError("locked")

    with monkeypatch.context() as patch:
        patch.setattr(world.book.store, "append", locked)
        world.clock.tick()
    assert len(tries) == 1
    assert world.effects().count("end") == 3


def test_what_was_ended_without_the_ledger_is_not_ended_again_at_every_tick(world, monkeypatch):
    world.running()
    world.time.pass_time(hours=3)
    asked = []
    real = world.executor.revoke
    world.executor.revoke = lambda grant: (asked.append(grant.key), real(grant))[1]
    with monkeypatch.context() as patch:
        patch.setattr(world.book.store, "append", broken)
        for _ in range(3):
            world.clock.tick()
    assert len(asked) == 1
    assert len(world.room.journal.read()) == 1


def test_what_could_not_be_observed_gone_is_not_noted_as_ended(world, monkeypatch):
    world.running()
    world.time.pass_time(hours=3)
    with monkeypatch.context() as patch:
        patch.setattr(world.book.store, "append", broken)
        world.executor.behave(Mood.DARK)
        world.clock.tick()
        assert world.room.journal.read() == []
        world.executor.behave(Mood.READY)
        world.executor.observe = lambda _grant: Observation.UNKNOWN
        world.clock.tick()
        assert world.room.journal.read() == []
        del world.executor.observe
        world.clock.tick()
    assert len(world.room.journal.read()) == 1


def test_a_journal_that_cannot_be_read_keeps_no_lease_from_ending(world):
    request = world.running()
    world.time.pass_time(hours=3)

    def unreadable(*_args):
        raise OSError(5, "Input/output error")

    world.room.journal.drain = unreadable
    world.clock.tick()
    assert world.now(request).status is Status.ENDED


def test_an_ending_in_the_journal_that_the_law_refuses_ends_nothing(world):
    request = world.running()
    world.room.journal.note(Ending(request=request.number, happened_at=world.time()))
    world.clock.tick()
    assert world.now(request).status is Status.RUNNING
    assert world.room.journal.read() == []
    assert world.effects() == ["start"]


def test_an_ending_stays_in_the_journal_until_it_is_entered(world, monkeypatch):
    request = world.running()
    world.time.pass_time(hours=3)
    with monkeypatch.context() as patch:
        patch.setattr(world.book.store, "append", broken)
        world.clock.tick()
        world.clock.tick()
        assert [ending.request for ending in world.room.journal.read()] == [request.number]
    world.clock.tick()
    assert world.room.journal.read() == []
    assert kinds(world, request)[-2:] == ["ended-unlogged", "settled"]


def test_a_missed_window_frees_what_it_booked(world):
    request = world.approved(start=world.time() + timedelta(hours=1))
    assert world.book.pool("h100-shared").booking(request.number) is not None
    world.time.pass_time(hours=5)
    world.clock.tick()
    assert world.now(request).status is Status.MISSED
    assert world.book.pool("h100-shared").bookings == ()


# -- slow and hung ----------------------------------------------------------------------------------------------------


@pytest.fixture
def hung(world, tmp_path):
    """GPUs on a backend that hangs when something is taken back, data on one that works; and what lets it go on."""
    other = MemoryExecutor(tmp_path / "other.sqlite3", clock=world.time)
    other.name = "other"
    room = replace(world.room, executors={"gpu": world.executor, "data": other})
    gpu = world.running()
    form = DataForm(resource="data:web_clicks", access=Access.READ, duration_s=3600)
    data = world.desk.submit(MIRA, form, purpose="x", said="y")
    attend(room, data.number)
    assert world.now(data).status is Status.RUNNING
    gate, real, calls = threading.Event(), world.executor.revoke, []

    def revoke(grant):
        calls.append(grant.request)
        gate.wait(30)
        real(grant)

    world.executor.revoke = revoke
    yield Clock(room, world.nudged.append, patience_s=0.3), gpu, data, gate, calls
    gate.set()


def test_a_backend_that_hangs_keeps_no_other_from_ending_and_the_tick_comes_back(world, hung):
    clock, gpu, data, gate, calls = hung
    world.time.pass_time(hours=4)
    began = system.monotonic()
    clock.tick()
    clock.tick()
    clock.tick()
    assert system.monotonic() - began < 10
    assert world.now(data).status is Status.ENDED
    assert world.now(gpu).status is Status.ENDING
    assert calls == [gpu.number]
    assert world.nudged[-1] == gpu.number
    gate.set()
    deadline = system.monotonic() + 10
    while world.now(gpu).status is not Status.ENDED:
        assert system.monotonic() < deadline
        system.sleep(0.02)
    assert world.effects() == ["start", "end"]


def test_lapses_and_nudges_go_on_beside_a_backend_that_hangs(world, hung):
    clock, *_ = hung
    waiting = world.ask(slack=TOMAS, gpus=3)
    world.time.pass_time(hours=24)
    clock.tick()
    assert world.now(waiting).status is Status.LAPSED


def test_a_hold_that_somebody_keeps_locked_keeps_no_other_from_ending(world, monkeypatch):
    monkeypatch.setattr(clocks, "LOCK_S", 0.1)
    mine, others = world.running(), world.running(slack=TOMAS)
    world.time.pass_time(hours=3)
    with world.room.alone_with(mine):
        world.clock.tick()
        assert world.now(mine).status is Status.ENDING
        assert world.now(others).status is Status.ENDED
    world.clock.tick()
    assert world.now(mine).status is Status.ENDED


# -- the clock itself -------------------------------------------------------------------------------------------------


def test_a_tick_that_fails_does_not_end_the_clock(world, monkeypatch):
    monkeypatch.setattr(clocks, "TICK", timedelta(milliseconds=10))
    stop, seen = threading.Event(), []

    def due(_now):
        seen.append(1)
        if len(seen) == 1:
            raise RuntimeError("a fault that nobody thought of")
        stop.set()
        return []

    world.book.requests.due = due
    runner = threading.Thread(target=world.clock.run, args=(stop,))
    runner.start()
    runner.join(10)
    assert not runner.is_alive()
    assert len(seen) == 2


def test_two_clocks_at_once_end_a_lease_once(tmp_path):
    time = Hand()
    worlds = [make_world(open_sqlite(tmp_path / "l.sqlite3", clock=time), time, tmp_path) for _ in range(2)]
    requests = [worlds[0].running(slack=slack, gpus=3) for slack in (MIRA, TOMAS) for _ in range(2)]
    time.pass_time(hours=3)
    gate = threading.Barrier(2)

    def tick(world):
        gate.wait()
        for _ in range(3):
            world.clock.tick()

    threads = [threading.Thread(target=tick, args=(world,)) for world in worlds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for request in requests:
        assert kinds(worlds[0], request)[-2:] == ["expired", "settled"]
        assert kinds(worlds[0], request).count("expired") == 1
        assert [what for _, what in worlds[0].executor.effects(worlds[0].now(request).grant_key)] == ["start", "end"]
    for world in worlds:
        world.book.store.close()


def test_a_clock_that_is_set_back_ends_nothing_early_and_still_starts_what_is_due(world):
    running, clock = world.running(), world.clock
    approved = world.approved(slack=TOMAS)
    clock.tick()
    assert world.nudged[-1] == approved.number
    world.nudged.clear()
    world.time.pass_time(seconds=60)
    clock.tick()
    world.time.pass_time(seconds=-50)
    clock.tick()
    assert world.nudged == [approved.number] * 2
    assert world.now(running).status is Status.RUNNING
    world.time.pass_time(hours=3)
    clock.tick()
    assert world.now(running).status is Status.ENDED


def test_what_is_due_is_nudged_now_and_then_and_not_at_every_tick(world):
    request, clock = world.approved(), world.clock
    world.nudged.clear()
    for _ in range(10):
        clock.tick()
        world.time.pass_time(seconds=1)
    assert world.nudged == [request.number] * 2


def test_a_dispatch_gets_its_grace_before_somebody_looks_again(world):
    class Killed(BaseException):
        pass

    def killed(_grant):
        raise Killed

    request = world.approved()
    world.executor.ensure = killed
    with pytest.raises(Killed):
        attend(world.room, request.number)
    world.nudged.clear()
    world.time.pass_time(seconds=19)
    world.clock.tick()
    assert world.nudged == []
    world.time.pass_time(seconds=1)
    world.clock.tick()
    assert world.nudged == [request.number]


def test_a_nudge_that_fails_keeps_nothing_else_waiting(world):
    world.approved(slack=TOMAS)
    running = world.running()
    world.time.pass_time(hours=3)

    def no_broker(_number):
        raise OSError("no broker")

    Clock(world.room, no_broker).tick()
    assert world.now(running).status is Status.ENDED
