"""A request that waits: its approvers are reminded once, then its asker hears who has not answered; time alone does it."""

from __future__ import annotations

from datetime import timedelta

from bot_stage import ROOM, card_with, message_at, text_of
from conftest import ADA, KOFI

from bot.waiting import Step, due
from ledger.streams.halt import Halts

REMINDED, UNANSWERED, INFORMED = "Mira still waits for you", "Not answered yet", "You cannot decide it"


def count(person, room, words, thread=None):
    return sum(words in text_of(m) for m in (person.messages(room, thread) if thread else person.messages(room)))


def reminders(ines):
    approval = card_with(ines, ines.dm(), "Needs your decision")
    return count(ines, ines.dm(), REMINDED, approval["ts"])


def test_a_quarter_and_a_half_of_the_time_to_lapse(world):
    request = world.ask()
    assert due(request, Halts(), world.time.now) == [
        (Step.REMINDED, request.submitted_at + timedelta(hours=6)),
        (Step.ESCALATED, request.submitted_at + timedelta(hours=12)),
    ]
    world.approve(request)
    assert due(world.now(request), Halts(), world.time.now) == []


def test_each_happens_once_over_a_restart_and_ends_in_place(stage, mira, ines, kofi):
    ts, number = stage.asked(mira)
    home = stage.tables.message(f"card:{number}")
    thread = home.thread or home.ts
    stage.pass_time(hours=5, minutes=59)
    card_with(ines, ines.dm(), "Needs your decision")
    assert reminders(ines) == 0
    stage.pass_time(minutes=2)
    ines.wait(lambda: reminders(ines) == 1)
    assert count(mira, ROOM, UNANSWERED, thread) == 0
    stage.stop()
    stage.pass_time(hours=6)
    stage.start()
    mira.wait(lambda: count(mira, ROOM, UNANSWERED, thread) == 1)
    kofi.wait(lambda: count(kofi, kofi.dm(), INFORMED) == 1)
    assert "Ines" in text_of(next(m for m in mira.messages(ROOM, thread) if UNANSWERED in text_of(m)))
    mira.wait(lambda: "not answered by" in text_of(message_at(mira, ROOM, ts)))
    stage.stop()
    stage.start()
    stage.front.notifier.refresh(number)
    assert (reminders(ines), count(mira, ROOM, UNANSWERED, thread), count(kofi, kofi.dm(), INFORMED)) == (1, 1, 1)
    ines.click(card_with(ines, ines.dm(), "Needs your decision"), "Approve")
    kofi.wait(lambda: count(kofi, kofi.dm(), f"REQ-{number} no longer waits") == 1)


def test_two_that_look_at_once_note_a_step_once(stage):
    now = stage.clock()
    assert [stage.tables.step(1001, Step.REMINDED, now) for _ in range(2)] == [True, False]


def test_under_a_halt_nobody_is_reminded_and_its_time_is_given_back(world):
    request = world.ask()
    world.time.pass_time(hours=1)
    world.desk.halt(KOFI, "*", "because")
    world.time.pass_time(hours=20)
    assert due(request, world.book.halts(), world.time.now) == []
    world.desk.lift(ADA, "*", "done")
    first = due(request, world.book.halts(), world.time.now)[0]
    assert first == (Step.REMINDED, request.submitted_at + timedelta(hours=26))
