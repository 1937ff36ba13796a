"""Ending sooner, end to end without Slack: by the holder alone, told to the backend, and over at the new end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from conftest import INES, KOFI, MIRA, kinds, refused

from bot.errors import Reason
from ledger.audit import verify_store
from ledger.book import Write
from ledger.nouns import Access, DataForm, Personal
from ledger.streams import halt
from ledger.streams.request import Prolonged, Request, Status
from ledger.views import differs
from workers.errors import BackendError, StaleGrantError
from workers.executors.memory import Mood
from workers.hands import attend

HOUR = 3600


def shorten(world, request, slack=MIRA, **after):
    """Have it end so long after now."""
    return world.desk.shorten(slack, request.number, world.time() + timedelta(**after))


def shortened(world, request, **after):
    outcome = shorten(world, request, **after)
    assert isinstance(outcome, Request), outcome
    return outcome


@pytest.fixture
def running(world):
    return world.running()


def test_it_ends_at_the_new_end_and_not_before_and_the_backend_is_told(world, running):
    after = shortened(world, running, hours=1)
    assert (after.not_after, after.generation, after.confirmed) == (world.time() + timedelta(hours=1), 2, 1)
    assert world.nudged[-1] == running.number
    attend(world.room, running.number)
    assert world.now(running).confirmed == 2
    assert world.effects() == ["start"]
    world.time.pass_time(minutes=59, seconds=59)
    world.clock.tick()
    assert world.now(running).status is Status.RUNNING
    world.time.pass_time(seconds=1)
    world.clock.tick()
    ended = world.now(running)
    assert (ended.status, ended.end, ended.usage.held_s) == (Status.ENDED, "request.expired", HOUR)
    assert world.effects() == ["start", "end"]
    assert verify_store(world.book.store).sound
    assert not differs(world.book.store)


def test_the_pool_and_the_budget_get_the_rest_in_the_same_transaction(world, running):
    before = list(world.book.store.scan())[-1].seq
    after = shortened(world, running, hours=1)
    stored = [each for each in world.book.store.scan() if each.seq > before]
    assert {each.kind for each in stored} == {"request.shortened", "pool.rebooked", "budget.reserved"}
    assert len({each.at for each in stored}) == 1
    pool = world.book.pool("h100-shared")
    assert pool.booking(running.number).end == pool.lease(running.number).end == after.not_after
    free = pool.bookable("h100-80gb", after.not_after, running.not_after)
    assert free == pool.total("h100-80gb")


def test_without_a_backend_that_answers_it_ends_at_the_new_end_all_the_same(world, running):
    world.executor.behave(Mood.DARK)
    shortened(world, running, hours=1)
    attend(world.room, running.number)
    assert (world.now(running).status, world.now(running).confirmed) == (Status.RUNNING, 1)
    world.time.pass_time(hours=1)
    world.clock.tick()
    assert (world.now(running).end, world.now(running).status) == ("request.expired", Status.UNCONFIRMED)
    world.executor.behave(Mood.READY)
    world.time.pass_time(seconds=30)
    world.clock.tick()
    assert world.now(running).usage.held_s == HOUR


def test_the_clock_tells_the_backend_when_no_worker_does(world, running):
    shortened(world, running, hours=1)
    world.clock.tick()
    assert world.now(running).confirmed == 2


@pytest.mark.parametrize("error", [BackendError("it will not"), StaleGrantError("0" * 32)])
def test_a_backend_that_refuses_does_not_put_the_old_end_back(world, running, monkeypatch, error):
    def refuse(grant):
        raise error

    after = shortened(world, running, hours=1)
    with monkeypatch.context() as patch:
        patch.setattr(world.executor, "ensure", refuse)
        attend(world.room, running.number)
    assert (world.now(running).not_after, kinds(world, running)[-1]) == (after.not_after, "shortened")
    attend(world.room, running.number)
    assert world.now(running).confirmed == 2


def test_an_older_answer_changes_nothing(world, running):
    late = Prolonged(generation=2, receipt=running.receipt)
    shortened(world, running, hours=2)
    after = shortened(world, running, hours=1)
    writing = Write(stream=f"request:{running.number}", expected=after.version, entries=(late,), actor="svc:worker")
    with pytest.raises(Exception, match="stale"):
        world.book.append(writing)
    assert world.now(running).not_after == after.not_after


def test_under_a_halt_giving_back_goes_on(world, running):
    entry = halt.Halted(resource="*", by=world.desk.subject(INES), rule="admin-halt", reason=Personal("smoke"))
    world.book.append(Write(stream="halt", expected=0, entries=(entry,), actor=world.desk.subject(INES)))
    shortened(world, running, hours=1)
    attend(world.room, running.number)
    assert world.now(running).confirmed == 2


def test_the_warning_follows_the_new_end(world, running):
    world.time.pass_time(hours=2, minutes=45)
    world.clock.tick()
    assert world.now(running).warned_of == running.not_after
    after = shortened(world, running, minutes=10)
    world.clock.tick()
    assert world.now(running).warned_of == running.not_after
    world.time.pass_time(minutes=5)
    world.clock.tick()
    assert world.now(running).warned_of == after.not_after


def test_the_warning_comes_though_the_backend_has_not_heard_of_the_new_end(world, running):
    world.executor.behave(Mood.DARK)
    after = shortened(world, running, hours=1)
    for _ in range(7):
        world.clock.tick()
        assert world.now(running).warned_of is None
        world.time.pass_time(minutes=7)
    world.clock.tick()
    assert (world.now(running).warned_of, world.now(running).confirmed) == (after.not_after, 1)


def test_an_end_that_the_backend_may_still_undo_is_not_announced(world, running):
    world.executor.behave(Mood.DARK)
    world.desk.extend(MIRA, running.number, 60)
    world.time.pass_time(hours=2, minutes=50)
    world.clock.tick()
    assert world.now(running).warned_of is None


def test_data_is_given_back_sooner_too(world):
    form = DataForm(resource="data:web_clicks", access=Access.READ, duration_s=24 * HOUR)
    request = world.desk.submit(MIRA, form, purpose="x", said="y")
    attend(world.room, request.number)
    shortened(world, request, hours=1)
    attend(world.room, request.number)
    world.time.pass_time(hours=1)
    world.clock.tick()
    assert world.now(request).status is Status.ENDED


def test_what_may_not_be_is_refused_and_nothing_is_written(world, running):
    size = world.book.store.size()
    assert refused(shorten(world, running, KOFI, hours=1)) is Reason.NOT_YOURS
    assert refused(shorten(world, running, hours=3)) is Reason.NOT_SOONER
    assert refused(shorten(world, running, hours=4)) is Reason.NOT_SOONER
    assert refused(shorten(world, running, hours=3, milliseconds=-1)) is Reason.NOT_SOONER
    assert refused(shorten(world, running, seconds=0)) is Reason.END_PAST
    assert refused(shorten(world, running, hours=-1)) is Reason.END_PAST
    assert refused(world.desk.shorten(MIRA, 4711, world.time())) is Reason.UNKNOWN_REQUEST
    entered = [each.kind for each in world.book.store.scan() if each.seq >= size]
    assert set(entered) <= {"people.enrolled"}


def test_not_before_it_runs_and_not_once_it_is_over(world):
    waiting = world.ask(gpus=4, hours=3)
    assert refused(shorten(world, waiting, hours=1)) is Reason.NOT_RUNNING
    running = world.running()
    world.time.pass_time(hours=3)
    assert refused(shorten(world, running, minutes=1)) is Reason.OVER
    world.clock.tick()
    assert refused(shorten(world, running, minutes=1)) is Reason.OVER


def test_not_while_people_decide_about_more_time_nor_while_the_backend_is_told(world, running):
    world.desk.extend(MIRA, running.number, 4 * HOUR)
    assert refused(shorten(world, running, hours=1)) is Reason.EXTENSION_PENDING
    digest = world.now(running).extension.form_digest
    world.desk.review_extension(INES, running.number, digest, approve=True)
    assert refused(shorten(world, running, hours=1)) is Reason.EXTENSION_PENDING
    attend(world.room, running.number)
    shortened(world, running, hours=1)
    assert refused(world.desk.extend(MIRA, running.number, HOUR)) is Reason.END_UNTOLD
    attend(world.room, running.number)
    assert isinstance(world.desk.extend(MIRA, running.number, HOUR), Request)


def test_what_was_given_back_is_decided_anew_when_it_is_wanted_again(world, running):
    shortened(world, running, hours=1)
    attend(world.room, running.number)
    again = world.desk.extend(MIRA, running.number, 4 * HOUR)
    assert {fact.name: fact.value for fact in again.extension.decision.facts}["added_s"] == 2 * HOUR


def test_a_card_that_was_seen_before_extends_nothing(world, running):
    shortened(world, running, hours=1)
    attend(world.room, running.number)
    assert refused(world.desk.extend(MIRA, running.number, HOUR, running.form_digest)) is Reason.END_MOVED
