"""A backend that does not answer: what the card says meanwhile, and what the admins are told, once, hourly, and at its end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bot_stage import ROOM, message_at, stage, text_of
from conftest import ADA, INES, KOFI, MIRA

from ledger.streams.request import Status
from workers.app import build_room, take_inventories
from workers.executors.base import Observation
from workers.executors.memory import MemoryExecutor, Mood
from workers.hands import attend
from workers.settings import HouseSettings

__all__ = ["stage"]


@pytest.fixture
def dark(stage):
    """A worker's room whose pool of GPUs does not answer, and Mira's request, approved by rule."""
    home = stage.house.home
    settings = HouseSettings(home=home, policies=home / "policies", database_url=f"sqlite:///{home}/l.sqlite3")
    room = build_room(settings, simulate=True)
    take_inventories(room)
    pool = MemoryExecutor(home / "pool.sqlite3", clock=stage.clock)
    pool.behave(Mood.DARK)
    stage.pool = pool
    stage.room = replace(room, clock=stage.clock, executors={**room.executors, "gpu": pool})
    stage.ts, stage.number = stage.asked(stage.server.person(MIRA), "2 h100 for 3 hours so I can retrain churn")
    yield stage
    room.book.store.close()


def told(stage, slack, words):
    """What an admin was told in direct messages, and in the threads under them, that says so now."""
    person = stage.server.person(slack)
    heads = person.messages(person.dm())
    found = {each["ts"]: each for head in heads for each in (head, *person.messages(person.dm(), head["ts"]))}
    return [message for message in found.values() if words in text_of(message)]


def card(stage, words):
    mira = stage.server.person(MIRA)
    return mira.wait(lambda: words in text_of(found := message_at(mira, ROOM, stage.ts)) and found)


def wait_told(stage, slack, words, many=1):
    stage.server.person(slack).wait(lambda: len(told(stage, slack, words)) == many)


def test_the_card_says_since_when_and_that_it_goes_on_by_itself(dark):
    attend(dark.room, dark.number)
    shown = text_of(card(dark, "h100-shared does not answer"))
    assert "It starts when it does, until" in shown
    assert "nothing is charged before" in shown
    assert f"{dark.room.outages.standing()['gpu'].since:%M} CET" in shown
    dark.pool.behave(Mood.READY)
    dark.pass_time(seconds=2)
    assert attend(dark.room, dark.number) is Status.RUNNING
    assert "does not answer" not in text_of(card(dark, "Running until"))


def test_what_is_not_dispatched_yet_reads_that_it_starts_by_itself_and_nothing_is_charged(dark):
    dark.room.outages.failed("gpu", dark.clock(), dark.number, "it does not answer")
    shown = text_of(card(dark, "h100-shared does not answer"))
    assert "It starts when it does; nothing is charged." in shown
    assert "It starts now" not in shown
    dark.room.outages.answered("gpu", dark.clock())
    assert "It starts now" in text_of(card(dark, "Approved by"))


def test_admins_are_told_once_and_hourly_until_it_answers_again(dark):
    attend(dark.room, dark.number)
    card(dark, "does not answer")
    assert told(dark, KOFI, "does not answer") == []
    dark.pass_time(seconds=10)
    for admin in (KOFI, ADA):
        wait_told(dark, admin, "Backend gpu does not answer")
    assert "1 request waits for it" in text_of(told(dark, KOFI, "Backend gpu does not answer")[0])
    assert told(dark, INES, "does not answer") == []
    dark.pass_time(hours=1)
    wait_told(dark, KOFI, "still does not answer, for 1 hour now")
    dark.pass_time(hours=1)
    wait_told(dark, KOFI, "still does not answer, for 2 hours now")
    assert len(told(dark, KOFI, "still")) == 2
    dark.pool.behave(Mood.READY)
    attend(dark.room, dark.number)
    wait_told(dark, KOFI, "Backend gpu answers again")
    wait_told(dark, ADA, "after 2 h")
    assert told(dark, KOFI, "Backend gpu does not answer") == []
    dark.pass_time(hours=2)
    dark.made.notifier.look()
    assert len(told(dark, KOFI, "still")) == 2


def test_what_is_over_at_once_is_told_to_nobody(dark):
    attend(dark.room, dark.number)
    card(dark, "does not answer")
    dark.pool.behave(Mood.READY)
    dark.pass_time(seconds=5)
    attend(dark.room, dark.number)
    card(dark, "Running until")
    dark.pass_time(seconds=60)
    dark.made.notifier.look()
    assert told(dark, KOFI, "answer") == []


def test_a_desk_that_was_down_tells_the_end_and_tells_nothing_twice(dark):
    attend(dark.room, dark.number)
    dark.pass_time(seconds=10)
    wait_told(dark, KOFI, "Backend gpu does not answer")
    dark.stop()
    dark.start()
    dark.made.notifier.look()
    assert len(told(dark, KOFI, "Backend gpu does not answer")) == 1
    dark.stop()
    dark.pool.behave(Mood.READY)
    attend(dark.room, dark.number)
    dark.start()
    wait_told(dark, KOFI, "Backend gpu answers again")
    card(dark, "Running until")


def test_an_outage_for_which_nothing_waits_closes_without_a_claim(dark):
    attend(dark.room, dark.number)
    dark.pass_time(seconds=10)
    wait_told(dark, KOFI, "Backend gpu does not answer")
    dark.room.outages.forget("gpu")
    wait_told(dark, KOFI, "Nothing waits for backend gpu any more")


def test_a_second_outage_is_told_anew_and_leaves_the_first_report_closed(dark):
    for since in (1, 2):
        dark.room.outages.failed("gpu", dark.clock(), dark.number, "it does not answer")
        dark.pass_time(seconds=10)
        wait_told(dark, KOFI, "Backend gpu does not answer")
        dark.room.outages.answered("gpu", dark.clock())
        wait_told(dark, KOFI, "Backend gpu answers again", many=since)


def test_what_begins_and_ends_between_two_looks_leaves_no_report_open(dark):
    """It begins when the first of them has looked and has not told yet."""
    dark.quiet()

    def begin():
        dark.room.outages.failed("gpu", dark.clock(), dark.number, "it does not answer")
        dark.pass_time(seconds=10)

    notifier = dark.made.notifier
    dark.tables.owe("outage:gpu", dark.clock())
    notifier.rounds.append(begin)
    notifier.look()
    notifier.rounds.remove(begin)
    dark.room.outages.answered("gpu", dark.clock())
    notifier.look()
    assert told(dark, KOFI, "does not answer") == []


def test_a_card_that_is_shown_between_two_looks_does_not_keep_what_is_over_by_the_next(dark):
    """Whatever else has it shown anew meanwhile: what no look saw, no look would take back."""
    card(dark, "It starts now")
    dark.quiet()
    dark.made.notifier.look()
    dark.room.outages.failed("gpu", dark.clock(), dark.number, "it does not answer")
    dark.made.notifier.duties["request"](str(dark.number))
    dark.room.outages.answered("gpu", dark.clock())
    dark.made.notifier.look()
    assert "does not answer" not in text_of(card(dark, "It starts now"))


def test_an_ending_that_cannot_be_confirmed_reads_as_that_and_as_nothing_else(dark):
    attend(dark.room, dark.number)
    card(dark, "does not answer")
    dark.pool.observe = lambda _grant: Observation.UNKNOWN
    dark.house.book.clock = dark.clock
    assert dark.front.desk.release(MIRA, dark.number) is not None
    assert attend(dark.room, dark.number) is Status.UNCONFIRMED
    assert "does not answer since" not in text_of(card(dark, "Not confirmed gone"))
