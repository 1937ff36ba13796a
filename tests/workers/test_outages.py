"""A backend that does not answer: tried by one at a time, ever more rarely, for as long as something waits for it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest
from conftest import MIRA, TOMAS, kinds

from ledger.book import Book
from ledger.nouns import Access, DataForm
from ledger.streams.request import Status
from workers.errors import BackendError
from workers.executors.base import Observation
from workers.executors.memory import MemoryExecutor, Mood
from workers.hands import attend
from workers.outages import LONGEST, Outages, pause

GPU = "gpu"


@pytest.fixture
def tries(world):
    """The moments at which the backend was told to start something."""
    real, moments = world.executor.ensure, []
    world.executor.ensure = lambda grant: (moments.append(world.time()), real(grant))[1]
    return moments


def pass_time(world, seconds, clock=None):
    """Let the clock tick each second, and a worker attend to whatever was nudged."""
    clock = clock or world.clock
    world.nudged.clear()
    for _ in range(seconds):
        world.time.pass_time(seconds=1)
        clock.tick()
        while world.nudged:
            attend(world.room, world.nudged.pop(0))


def gone_dark(world, **rest):
    """A request that was dispatched to a backend that does not answer."""
    request = world.ask(**rest)
    if request.status is Status.WAITING:
        world.approve(request)
    world.executor.behave(Mood.DARK)
    attend(world.room, request.number)
    return world.now(request)


def test_tries_are_counted_and_come_ever_more_rarely_up_to_once_a_minute(world, tries):
    request = gone_dark(world)
    pass_time(world, 250)
    pauses = [(after - before).total_seconds() for before, after in itertools.pairwise(tries)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert world.room.outages.standing()[GPU].tries == len(tries)
    assert world.room.outages.standing()[GPU].since == tries[0]
    assert kinds(world, request).count("dispatched") == 1
    assert world.now(request).stumbles == 0


def test_the_pause_never_gets_longer_than_a_minute():
    assert pause(1) == timedelta(seconds=1)
    assert {pause(tries) for tries in (7, 50, 10_000)} == {LONGEST} == {timedelta(seconds=60)}


def test_nothing_else_is_dispatched_to_a_backend_that_does_not_answer(world, tries):
    gone_dark(world)
    others = [world.ask(slack=TOMAS, gpus=2), world.approved(gpus=3)]
    for other in others:
        assert attend(world.room, other.number) is Status.APPROVED
    assert len(tries) == 1


def test_it_goes_on_by_itself_when_the_backend_answers_again(world):
    first, other = gone_dark(world), world.ask(slack=TOMAS, gpus=2)
    pass_time(world, 20)
    world.executor.behave(Mood.READY)
    pass_time(world, 20)
    assert world.now(first).status is world.now(other).status is Status.RUNNING
    assert world.room.outages.standing() == {}
    assert [outage.back is not None for outage in world.room.outages.of(GPU).values()] == [True]
    assert world.effects() == ["start", "start"]


def test_an_outage_outlives_every_process(world, tries):
    request = gone_dark(world)
    pass_time(world, 8)
    before = world.room.outages.standing()[GPU]
    book = Book(world.book.store, clock=world.time)
    world.room = replace(world.room, book=book, outages=Outages(world.room.outages._path))
    assert world.room.outages.standing()[GPU] == before
    pass_time(world, 7)
    assert world.room.outages.standing()[GPU].since == tries[0]
    assert (tries[-1] - tries[-2]).total_seconds() == 8
    assert world.now(request).status is Status.STARTING


def test_of_two_workers_one_claims_the_try(world, tries):
    first = gone_dark(world)
    second = world.ask(slack=TOMAS, gpus=2)
    world.time.pass_time(seconds=1)
    other = replace(world.room, outages=Outages(world.room.outages._path))
    attend(world.room, first.number)
    attend(other, second.number)
    attend(other, first.number)
    assert len(tries) == 2
    assert world.room.outages.standing()[GPU].tries == 2


def test_a_try_whose_worker_died_is_due_again(world):
    gone_dark(world)
    outages, now = world.room.outages, world.time() + timedelta(seconds=1)
    assert outages.may_try(GPU, now)
    assert not outages.may_try(GPU, now)
    assert outages.may_try(GPU, now + pause(1))


def test_one_that_never_starts_keeps_no_other_from_the_next_try(world):
    poison = world.approved()
    real, other = world.executor.ensure, world.ask(slack=TOMAS, gpus=2)

    def refuses_one(grant):
        if grant.request == poison.number:
            raise BackendError("not this one")
        return real(grant)

    world.executor.ensure, observe = refuses_one, world.executor.observe
    world.executor.observe = lambda g: Observation.UNKNOWN if g.request == poison.number else observe(g)
    attend(world.room, poison.number)
    pass_time(world, 5)
    assert world.now(other).status is Status.RUNNING
    assert world.now(poison).status is Status.STARTING


def test_what_the_backend_refuses_and_holds_not_is_failed_at_once_and_is_no_outage(world):
    request = world.approved()

    def refuses(_grant):
        raise BackendError("no such account")

    world.executor.ensure = refuses
    assert attend(world.room, request.number) is Status.FAILED
    assert world.room.outages.of(GPU) == {}


def test_a_lost_nudge_is_sent_again_until_somebody_claims_the_try(world):
    request, clock = gone_dark(world), world.clock
    world.nudged.clear()
    for _ in range(3):
        world.time.pass_time(seconds=1)
        clock.tick()
    assert world.nudged == [request.number] * 3


def test_while_it_is_dark_one_message_a_tick_is_sent_however_many_wait(world):
    gone_dark(world)
    for _ in range(3):
        world.ask(slack=TOMAS, gpus=1)
    clock = world.clock
    world.nudged.clear()
    world.time.pass_time(seconds=1)
    clock.tick()
    assert len(world.nudged) == 1


def test_it_is_not_failed_by_itself_and_a_lease_ends_when_it_was_to_end(world):
    request = gone_dark(world, hours=1)
    world.time.pass_time(seconds=3500)
    pass_time(world, 90)
    assert world.now(request).status is Status.STARTING
    pass_time(world, 60)
    assert world.now(request).status is Status.UNCONFIRMED
    world.executor.behave(Mood.READY)
    pass_time(world, 40)
    assert world.now(request).status is Status.ENDED
    assert world.now(request).usage.cost_minor == world.now(request).usage.held_s == 0


def test_what_was_approved_misses_its_window_in_the_dark(world):
    first = gone_dark(world)
    later = world.ask(slack=TOMAS, gpus=2, start=world.time() + timedelta(hours=1))
    world.time.pass_time(hours=1)
    attend(world.room, first.number)
    assert attend(world.room, later.number) is Status.APPROVED
    world.time.pass_time(hours=20)
    world.clock.tick()
    assert world.now(later).status is Status.MISSED


def test_an_outage_for_which_nothing_waits_is_forgotten(world):
    request = gone_dark(world, hours=1)
    world.time.pass_time(seconds=3590)
    pass_time(world, 10)
    assert world.now(request).status is Status.UNCONFIRMED
    pass_time(world, 150)
    assert world.room.outages.of(GPU) == {}
    assert world.now(request).status is Status.UNCONFIRMED


def test_endings_wait_for_no_try_and_begin_no_outage(world):
    running = world.running(hours=1)
    other = gone_dark(world, hours=3, slack=TOMAS, gpus=2)
    since = world.room.outages.standing()[GPU].tries
    world.executor.behave(Mood.READY)
    world.desk.release(MIRA, running.number)
    assert attend(world.room, running.number) is Status.ENDED
    assert world.room.outages.standing()[GPU].tries == since
    world.executor.behave(Mood.READY)
    pass_time(world, 5)
    assert world.now(other).status is Status.RUNNING
    world.executor.behave(Mood.DARK)
    world.desk.release(TOMAS, other.number)
    assert attend(world.room, other.number) is Status.UNCONFIRMED
    assert world.room.outages.standing() == {}


def test_one_backend_in_the_dark_holds_up_no_other(world, tmp_path):
    gone_dark(world)
    data = MemoryExecutor(tmp_path / "data.sqlite3", clock=world.time)
    room = replace(world.room, executors={**world.room.executors, "data": data})
    form = DataForm(resource="data:web_clicks", access=Access.READ, duration_s=3600)
    asked = world.desk.submit(MIRA, form, purpose="x", said="y")
    assert attend(room, asked.number) is Status.RUNNING


def test_a_grant_of_a_backend_that_the_catalogue_names_no_more_darkens_not_its_successor(world, tmp_path):
    request = gone_dark(world)
    successor = MemoryExecutor(tmp_path / "new.sqlite3", clock=world.time)
    successor.name = "another"
    room = replace(world.room, executors={**world.room.executors, "gpu": successor})
    assert room.backend_of(world.now(request)) == "memory"
    assert room.backend_of(world.ask(slack=TOMAS, gpus=1)) == "gpu"


def test_a_marker_that_cannot_be_read_or_written_stops_nobody(world, tmp_path):
    (tmp_path / "outages.sqlite3").write_bytes(b"no database at all" * 100)
    request = gone_dark(world)
    assert world.room.outages.of(GPU) == {}
    world.executor.behave(Mood.READY)
    assert attend(world.room, request.number) is Status.RUNNING
    assert world.room.outages.may_try(GPU, world.time())


def test_in_good_times_no_file_is_made(world, tmp_path):
    world.running()
    assert not (tmp_path / "outages.sqlite3").exists()
