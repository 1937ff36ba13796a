"""Running longer, or ending sooner, as people meet it: the menu, the warning, the cards, and the words typed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from bot_stage import ROOM, card_with, message_at, text_of, whisper
from conftest import INES, MIRA

from bot.blocks.parts import Ref
from bot.front import Spot
from ledger.streams.request import Outcome, Status
from policies.decide import Policy
from policies.hours import DAYS
from policies.inforce import adopt
from workers.clock import Clock
from workers.executors.memory import MemoryExecutor
from workers.hands import attend
from workers.journal import Journal
from workers.outages import FILE, Outages
from workers.room import Room, take_inventory


@pytest.fixture
def room(stage, tmp_path):
    book, executor = stage.house.book, MemoryExecutor(tmp_path / "simulated.sqlite3", clock=stage.clock)
    policy = stage.house.policy.current()
    for pool in policy.catalogue.pools:
        take_inventory(book, pool, "catalogue", policy.catalogue.devices(pool))
    return Room(
        book=book,
        policy=stage.house.policy.current,
        executors={"gpu": executor, "data": executor},
        journal=Journal(tmp_path / "journal.jsonl"),
        locks=tmp_path / "locks",
        outages=Outages(tmp_path / FILE),
        clock=stage.clock,
    )


@pytest.fixture
def held(stage, mira, ines, room):
    """Mira holds 4 GPUs for 3 hours: (time stamp of her card, number)."""
    ts, number = stage.asked(mira)
    ines.click(card_with(ines, ines.dm(), "Needs your decision"), "Approve")
    mira.wait(lambda: request(stage, number).status is Status.APPROVED)
    attend(room, number)
    mira.wait(lambda: "Running until" in text_of(message_at(mira, ROOM, ts)))
    return ts, number


def request(stage, number):
    return stage.house.book.request(number)


def work_now(stage):
    """Adopt rules by which it is a working day's morning now, whatever day it is."""
    hour, folder = stage.clock().hour, stage.house.home / "policies"
    ahead = (8 - hour) if hour <= 20 else (32 - hour)
    zone, days = f"Etc/GMT{-ahead:+d}", ", ".join(f'"{day}"' for day in DAYS)
    text = (folder / "catalogue.toml").read_text().partition("\n[hours]")[0]
    (folder / "catalogue.toml").write_text(f'{text}\n[hours]\nzone = "{zone}"\ndays = [{days}]\n')
    adopt(stage.house.book, Policy.load(folder), actor="os:test", why="a test")


def test_the_card_says_when_the_warning_comes_where_people_must_agree_to_more(stage, mira, held, room):
    ts, number = held
    work_now(stage)
    mira.select(message_at(mira, ROOM, ts), "qm_extend", "3600")
    mira.wait(lambda: "What holds it is being told" in text_of(message_at(mira, ROOM, ts)))
    attend(room, number)
    mira.wait(lambda: "you are warned 1 h 24 min before the end" in text_of(message_at(mira, ROOM, ts)))
    stage.pass_time(hours=2, minutes=35)
    Clock(room, stage.nudged.append).tick()
    assert request(stage, number).warned_of is None
    stage.pass_time(minutes=1)
    Clock(room, stage.nudged.append).tick()
    assert request(stage, number).warned_of == request(stage, number).not_after
    mira.wait(lambda: "you are warned" not in text_of(message_at(mira, ROOM, ts)))


def thread(person, ts):
    """What is said in the thread of the message that the card answers: the one before it."""
    return person.messages(ROOM, max(m["ts"] for m in person.messages(ROOM) if m["ts"] < ts))


def within(person, ts, words):
    """The message of that thread that says `words`, None while there is none."""
    return next((m for m in thread(person, ts) if words in text_of(m)), None)


def warned(stage, room, person, ts):
    stage.pass_time(hours=2, minutes=45)
    Clock(room, stage.nudged.append).tick()
    return person.wait(lambda: within(person, ts, "qm_extend_first"))


def now(person, ts, message):
    return text_of(next(m for m in thread(person, ts) if m["ts"] == message["ts"]))


def test_the_menu_on_the_card_extends_by_rule_and_the_card_shows_the_new_end(stage, mira, held, room):
    ts, number = held
    before = request(stage, number).not_after
    card = message_at(mira, ROOM, ts)
    assert "1 hour, €11.20" in text_of(card)
    assert "4 hours, €44.80" in text_of(card)
    assert "you are warned 18 minutes before the end" in text_of(card)
    mira.select(card, "qm_extend", "3600")
    mira.wait(lambda: "What holds it is being told" in text_of(message_at(mira, ROOM, ts)))
    assert "qm_extend" not in text_of(message_at(mira, ROOM, ts))
    attend(room, number)
    mira.wait(lambda: "qm_extend" in text_of(message_at(mira, ROOM, ts)))
    mira.wait(
        lambda: (
            "4 × H100 for 4 hours" in text_of(message_at(mira, ROOM, ts))
            and "approved by rule" in text_of(message_at(mira, ROOM, ts))
        )
    )
    assert (request(stage, number).not_after - before).total_seconds() == 3600
    assert "qm_extend" in text_of(message_at(mira, ROOM, ts))
    assert "being told" not in text_of(message_at(mira, ROOM, ts))


def test_the_warning_is_a_new_message_in_the_thread_and_a_direct_one_and_loses_its_buttons(stage, mira, held, room):
    message = warned(stage, room, mira, held[0])
    assert f"<@{MIRA}>" in text_of(message)
    assert "Ends soon" in text_of(message)
    assert message["thread_ts"]
    direct = card_with(mira, mira.dm(), "qm_extend_first")
    assert "nobody else has booked these devices" in text_of(direct)
    mira.click(message, "Extend 1 hour")
    mira.wait(lambda: "Extended by 1 hour" in now(mira, held[0], message))
    mira.wait(lambda: "Extended by 1 hour" in text_of(message_at(mira, mira.dm(), direct["ts"])))
    assert '"actions"' not in now(mira, held[0], message) + text_of(message_at(mira, mira.dm(), direct["ts"]))
    attend(room, held[1])
    mira.wait(lambda: "+4 GPU-hours, €11.20" in now(mira, held[0], message))


def test_a_warning_closes_when_the_lease_is_released(stage, mira, held, room):
    message = warned(stage, room, mira, held[0])
    mira.click(message, "Release now")
    mira.wait(lambda: "Released" in now(mira, held[0], message))
    assert '"actions"' not in now(mira, held[0], message)


def test_a_lead_is_asked_agrees_and_everybody_reads_it(stage, mira, ines, held, room):
    ts, _ = held
    message = warned(stage, room, mira, held[0])
    mira.select(message, "qm_extend", "14400")
    asked = card_with(ines, ines.dm(), "qm_extension_approve")
    assert "Mira asks for 4 hours more" in text_of(asked)
    assert "€44.80 more" in text_of(asked)
    mira.wait(lambda: "Extension by 4 hours waiting for Ines" in now(mira, held[0], message))
    assert "Extension by 4 hours waiting for Ines" in text_of(message_at(mira, ROOM, ts))
    ines.click(asked, "Approve")
    mira.wait(lambda: "Extended by 4 hours" in now(mira, held[0], message))
    ines.wait(lambda: "Approved by you" in text_of(message_at(ines, ines.dm(), asked["ts"])))
    assert '"actions"' not in text_of(message_at(ines, ines.dm(), asked["ts"]))
    mira.wait(
        lambda: [
            m
            for m in thread(mira, ts)
            if "Extended by 4 hours" in text_of(m) and m["ts"] not in {ts, message["ts"]} and f"<@{MIRA}>" in text_of(m)
        ]
    )


def test_approve_typed_brings_the_card_of_the_extension_that_waits(stage, mira, ines, held):
    _, number = held
    mira.say(ROOM, f"@quartermaster extend REQ-{number} by 10 hours")
    card = card_with(ines, ines.dm(), "qm_extension_deny")
    ines.say(ROOM, f"@quartermaster approve REQ-{number}")
    said = whisper(ines, ROOM, "Words do not vote")
    assert card["ts"].replace(".", "") in text_of(said)
    assert request(stage, number).extension.outcome is Outcome.PENDING


def test_a_lead_denies_with_a_reason_and_the_warning_offers_what_is_left(stage, mira, ines, held, room):
    message = warned(stage, room, mira, held[0])
    mira.select(message, "qm_extend", "14400")
    ines.click(card_with(ines, ines.dm(), "qm_extension_deny"), "Deny")
    view = ines.wait(ines.modal)
    assert "as planned" in text_of(view)
    ines.submit(view, {"reason": "The pool is needed tonight."})
    mira.wait(lambda: "denied by Ines" in now(mira, held[0], message))
    assert "The pool is needed tonight." in now(mira, held[0], message)
    assert "qm_extend_first" in now(mira, held[0], message)
    assert request(stage, held[1]).extension.outcome is Outcome.DENIED


def test_typed_words_do_what_the_menu_does(stage, mira, held, room):
    _, number = held
    mira.command(f"/qm extend REQ-{number} 1h", ROOM)
    whisper(mira, ROOM, "Extended by 1 hour")
    attend(room, number)
    end = request(stage, number).not_after.astimezone()
    mira.say(ROOM, f"@quartermaster extend REQ-{number}")
    whisper(mira, ROOM, "how much longer")
    mira.say(ROOM, f"@quartermaster extend REQ-{number} by 100 hours")
    whisper(mira, ROOM, "denied by policy")
    assert request(stage, number).not_after == end


def test_somebody_elses_tap_and_an_old_one_are_refused_in_words(stage, mira, ines, held, room):
    ts, number = held
    card = message_at(mira, ROOM, ts)
    seen = Ref(request=number, version=1, digest=request(stage, number).form_digest)
    ines.select(card, "qm_extend", "3600")
    whisper(ines, ROOM, "belongs to Mira")
    mira.select(card, "qm_extend", "3600")
    mira.wait(lambda: request(stage, number).extension is not None)
    attend(room, number)
    stage.front.extend(MIRA, seen, 3600, Spot(channel=mira.channel_id(ROOM)))
    whisper(mira, ROOM, "moved after this was sent")


def test_home_offers_to_extend_and_brings_a_lead_what_waits(stage, mira, ines, held):
    _, number = held
    assert "qm_extend" in json.dumps(stage.front.home(MIRA))
    mira.command(f"/qm extend REQ-{number} 4h", ROOM)
    home = ines.wait(lambda: "qm_extension_approve" in (h := json.dumps(stage.front.home(INES))) and h)
    assert "Waiting for you (1)" in home


def test_whoever_lost_the_role_reads_why_it_ended(stage, mira, held, room):
    ts, number = held
    policy = stage.house.policy.current()
    text = policy.files["policy.csv"].replace(
        "g, user:U01MIRA,  role:engineer, team:vision", "g, user:U01MIRA,  role:finance, team:vision"
    )
    changed = type(policy).of({**policy.files, "policy.csv": text})
    Clock(replace(room, policy=lambda: changed), stage.nudged.append).tick()
    mira.wait(lambda: "Ended early by policy" in text_of(message_at(mira, ROOM, ts)))
    assert "No rule lets its holder ask for this any more" in text_of(message_at(mira, ROOM, ts))
    assert request(stage, number).status is Status.ENDED


# -- ending sooner --------------------------------------------------------------------------------------------------


def test_ended_sooner_by_a_word_card_thread_and_status_say_the_new_end(stage, mira, held, room):
    ts, number = held
    before = request(stage, number).not_after
    mira.say(ROOM, f"@quartermaster shorten REQ-{number} by 1 hour")
    said = text_of(whisper(mira, ROOM, "Shortened"))
    assert "Running until" in said
    mira.wait(lambda: "What holds it is being told" in text_of(message_at(mira, ROOM, ts)))
    assert (before - request(stage, number).not_after).total_seconds() == 3600
    attend(room, number)
    mira.wait(lambda: "qm_extend" in text_of(message_at(mira, ROOM, ts)))
    card = text_of(message_at(mira, ROOM, ts))
    assert "being told" not in card
    assert "shortened from" in card
    assert "4 × H100 for 2 hours" in card
    line = mira.wait(lambda: within(mira, ts, "*Shortened.*"))
    mira.wait(lambda: "being told" not in now(mira, ts, line))
    assert f"<@{MIRA}>" not in text_of(line)
    end = stage.front.state_of(MIRA, number)
    assert end in card.replace("*", "")
    mira.command(f"/qm status REQ-{number}", ROOM)
    whisper(mira, ROOM, end)


def test_a_warning_of_an_end_that_was_made_sooner_loses_its_buttons(stage, mira, held, room):
    ts, number = held
    message = warned(stage, room, mira, ts)
    mira.command(f"/qm shorten REQ-{number} by 5 minutes", ROOM)
    mira.wait(lambda: "Shortened" in now(mira, ts, message))
    assert '"actions"' not in now(mira, ts, message)
    attend(room, number)
    mira.wait(lambda: "being told" not in now(mira, ts, message))
    assert '"actions"' not in now(mira, ts, message)
    stage.pass_time(minutes=6)
    Clock(room, stage.nudged.append).tick()
    newer = mira.wait(lambda: within(mira, ts, "qm_extend_first"))
    assert newer["ts"] != message["ts"]
    assert '"actions"' not in now(mira, ts, message)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("shorten REQ-{}", "when it shall end"),
        ("shorten REQ-{} to 2 hours", "when it shall end"),
        ("end REQ-{} in 20 hours", "not sooner than the end"),
        ("shorten REQ-{} by 20 hours", "That moment is over"),
        ("extend REQ-{} until yesterday", "end it sooner: `/qm shorten"),
    ],
)
def test_what_the_words_leave_open_or_ask_in_vain_changes_nothing(stage, mira, held, words, answer):
    _, number = held
    before = request(stage, number)
    mira.say(ROOM, "@quartermaster " + words.format(number))
    whisper(mira, ROOM, answer)
    assert request(stage, number) == before


def test_whoever_asked_for_more_is_told_that_it_waits_for_people(stage, mira, held):
    _, number = held
    mira.command(f"/qm extend REQ-{number} 4h", ROOM)
    whisper(mira, ROOM, "waiting for Ines")
    mira.command(f"/qm shorten REQ-{number} by 1 hour", ROOM)
    whisper(mira, ROOM, "not settled yet")


def test_somebody_else_ends_nothing_sooner(stage, mira, ines, held):
    _, number = held
    before = request(stage, number).not_after
    ines.say(ROOM, f"@quartermaster end REQ-{number} in 30 minutes")
    whisper(ines, ROOM, "belongs to Mira")
    assert request(stage, number).not_after == before
