"""A request that always fails: what its card says, and what the admins are told, at once and hourly."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from bot_stage import ROOM, message_at, stage, text_of
from conftest import ADA, INES, KOFI, MIRA

from bot import trouble
from bot.blocks import states
from workers import attempts
from workers.app import build_room, take_inventories
from workers.executors.base import Observation
from workers.hands import attend
from workers.settings import HouseSettings

__all__ = ["stage"]


@pytest.fixture
def broken(stage):
    """Mira's request, approved, whose backend breaks at every try and cannot say what it holds."""
    home = stage.house.home
    room = build_room(
        HouseSettings(home=home, policies=home / "policies", database_url=f"sqlite:///{home}/l.sqlite3"), simulate=True
    )
    take_inventories(room)
    gpu = room.executors["gpu"]
    gpu.ensure, gpu.observe = lambda _: 1 / 0, lambda _: Observation.UNKNOWN
    ts, number = stage.asked(stage.server.person(MIRA), "2 h100 for 3 hours so I can retrain churn")
    yield room, ts, number
    room.book.store.close()


def told(stage, slack):
    person = stage.server.person(slack)
    return [m for m in person.messages(person.dm()) if "failed 5 times" in text_of(m)]


def test_what_was_given_up_and_is_not_gone_is_said_to_the_asker_and_hourly_to_the_admins(stage, broken):
    room, ts, number = broken
    mira, kofi = stage.server.person(MIRA), stage.server.person(KOFI)
    attend(room, number)
    mira.wait(lambda: "it failed once" in text_of(message_at(mira, ROOM, ts)))
    assert told(stage, KOFI) == []
    for _ in range(4):
        attend(room, number)
    mira.wait(lambda: "not tried again" in text_of(message_at(mira, ROOM, ts)))
    stage.pass_time(seconds=10)
    kofi.wait(lambda: told(stage, KOFI))
    kofi.wait(lambda: stage.tables.owing(stage.clock()) == [])  # it is owed again in an hour, not at every look
    assert "is not seen gone" in text_of(told(stage, KOFI)[0])
    assert told(stage, INES) == []
    stage.pass_time(hours=1)
    kofi.wait(lambda: len(told(stage, KOFI)) == 2)
    stage.server.person(ADA).wait(lambda: len(told(stage, ADA)) == 2)


def test_what_was_given_up_and_is_gone_is_said_once(stage, broken):
    room, ts, number = broken
    mira, kofi = stage.server.person(MIRA), stage.server.person(KOFI)
    del room.executors["gpu"].observe
    for _ in range(5):
        attend(room, number)
    mira.wait(lambda: "Did not start" in text_of(message_at(mira, ROOM, ts)))
    kofi.wait(lambda: told(stage, KOFI))
    assert "was given up" in text_of(told(stage, KOFI)[0])
    stage.pass_time(hours=2)
    kofi.wait(lambda: stage.tables.owing(stage.clock()) == [])
    assert len(told(stage, KOFI)) == 1


def test_card_and_hands_give_up_after_the_same_number_of_tries():
    assert states.GIVE_UP == attempts.GIVE_UP == trouble.GIVE_UP


def test_a_request_that_nothing_carries_out_says_once_that_nothing_is_held(stage, broken):
    room, ts, number = broken
    mira = stage.server.person(MIRA)
    attend(replace(room, executors={}), number)
    card = mira.wait(lambda: (m := message_at(mira, ROOM, ts)) and "Did not start" in text_of(m) and m)
    for words in (card["text"], json.dumps(card["blocks"])):
        assert words.count("You hold nothing and nothing is charged.") == 1
