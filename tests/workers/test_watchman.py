"""Who looks for side doors: often enough, beside everything else, and never silently not at all."""

from __future__ import annotations

import threading
import time as system
from datetime import timedelta

from ledger.errors import ReadOnlyError
from ledger.streams.request import Status
from ledger.streams.watch import Fault
from workers.executors.memory import Mood
from workers.watchman import EACH, Watchman


def man(world, **rest):
    return Watchman(world.room, pause_s=0, **rest)


def tick(watchman):
    watchman.tick()
    watchman.wait()


def count(world, kind, stream="watch:memory"):
    return sum(stored.kind == kind for stored in world.book.store.read(stream, 0))


def test_every_backend_is_looked_at_every_five_minutes(world):
    assert timedelta(minutes=5) >= EACH
    watchman = man(world)
    for _ in range(3):
        tick(watchman)
    assert count(world, "watch.reconciled") == 1
    world.time.now += EACH
    tick(watchman)
    assert count(world, "watch.reconciled") == 2


def test_two_who_watch_share_the_work(world):
    tick(man(world))
    tick(man(world))
    assert count(world, "watch.reconciled") == 1


def test_the_clock_beats_once_an_hour_and_says_what_is_late(world):
    world.ask()
    watchman = man(world)
    for minutes in (0, 30, 30):
        world.time.pass_time(minutes=minutes)
        tick(watchman)
    beats = [s.body for s in world.book.store.read("watch:clock", 0)]
    assert beats == [{"open": 1, "due_for_s": 0}] * 2
    world.time.pass_time(hours=25)
    tick(watchman)
    assert [s.body["due_for_s"] for s in world.book.store.read("watch:clock", 0)][-1] == 2 * 3600


def test_a_backend_that_cannot_be_read_is_a_finding_until_it_can(world):
    world.executor.behave(Mood.DARK)
    watchman = man(world)
    tick(watchman)
    world.time.now += EACH
    tick(watchman)
    assert [f.fault for f in world.book.watch("memory").findings] == [Fault.UNSEEN]
    assert count(world, "watch.found") == 1
    world.executor.behave(Mood.READY)
    world.time.now += EACH
    tick(watchman)
    assert world.book.watch("memory").findings == ()


def test_a_backend_that_hangs_is_reported_and_keeps_no_lease_from_ending(world):
    request, hung = world.running(hours=1), threading.Event()
    world.executor.holdings = lambda: hung.wait(30) and ()
    watchman = man(world)
    try:
        began = system.monotonic()
        watchman.tick()
        world.time.pass_time(hours=2)
        watchman.tick()
        world.clock.tick()
        assert system.monotonic() - began < 10
        assert world.now(request).status is Status.ENDED
        assert [f.fault for f in world.book.watch("memory").findings] == [Fault.UNSEEN]
    finally:
        hung.set()
        watchman.wait()


def test_a_gap_in_which_no_clock_ran_is_entered(world):
    tick(man(world))
    world.time.pass_time(minutes=11)
    late = man(world)
    late.tick()
    late.wait()
    kinds = [stored.kind for stored in world.book.store.read("watch:memory", 0)]
    assert kinds == ["watch.reconciled", "watch.found", "watch.closed", "watch.reconciled"]


def test_a_scan_that_breaks_is_one_that_nobody_did(world):
    world.executor.holdings = lambda: 1 / 0
    tick(man(world))
    assert [f.fault for f in world.book.watch("memory").findings] == [Fault.UNSEEN]


def test_a_ledger_that_cannot_be_written_ends_no_watch(world, monkeypatch):
    watchman = man(world)

    def broken(*_args):
        raise ReadOnlyError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(world.book.store, "append", broken)
        tick(watchman)
    world.time.now += EACH
    tick(watchman)
    assert count(world, "watch.reconciled") == 1


def test_a_watch_ends_when_it_is_told_to(world):
    stop = threading.Event()
    thread = threading.Thread(target=man(world, each=timedelta(seconds=0.1)).run, args=(stop,))
    thread.start()
    deadline = system.monotonic() + 10
    while not count(world, "watch.reconciled") and system.monotonic() < deadline:
        system.sleep(0.02)
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
    assert count(world, "watch.reconciled") == 1  # the world's clock stands still
