"""The life of a freeze as people meet it: one card in every channel, the top of every Home, refusals in words."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from bot_stage import ROOM, card_with, cards, message_at, text_of, whisper
from conftest import ADA, INES, KOFI, MIRA, ODILE

from bot.blocks.freeze import lifted
from bot.demo import CHANNELS
from ledger.nouns import GpuForm, Personal
from ledger.streams.halt import Spell
from ledger.streams.request import Status, Verdict


def frozen(kofi, words="halt Storage incident. Back when the cluster is healthy."):
    kofi.command(f"/qm {words}", ROOM)
    return card_with(kofi, ROOM, "qm_lift")


def test_one_card_in_every_channel_closed_in_place_by_a_second_admin(stage, mira, kofi, ada):
    stage.asked(mira)
    card = frozen(kofi)
    assert "Quartermaster is frozen" in text_of(card)
    assert ">Storage incident. Back when the cluster is healthy." in text_of(card)
    for name, _ in CHANNELS:
        card_with(mira, name, "qm_lift")
    ada.click(card, "Lift freeze")
    view = ada.wait(ada.modal)
    assert "1 waiting request goes on" in json.dumps(view)
    assert ada.submit(view, {"reason": " "})
    ada.submit(view, {"reason": "the cluster is healthy"})
    closed = ada.wait(lambda: (m := message_at(ada, ROOM, card["ts"])) and "Lifted by Ada" in text_of(m) and m)
    assert "1 waiting request goes on." in text_of(closed)
    assert "the cluster is healthy" in text_of(closed)
    assert "qm_lift" not in text_of(closed)
    for name, _ in CHANNELS:
        card_with(mira, name, "Lifted by Ada")
        assert len(cards(mira, name, "frozen")) == 1


@pytest.mark.parametrize(
    ("going_on", "words"),
    [(0, "Nothing waited."), (1, "1 waiting request goes on."), (3, "3 waiting requests go on.")],
)
def test_the_closed_card_says_how_long_and_what_goes_on(stage, kofi, going_on, words):
    since = datetime(2026, 11, 23, 15, 40, tzinfo=UTC)
    subject = stage.front.desk.subject(ADA)
    spell = Spell(
        resource="*",
        since=since,
        until=since + timedelta(minutes=45),
        lifted_by=subject,
        seq=7,
        until_seq=9,
        reason=Personal("healthy"),
    )
    message = lifted(spell, going_on, stage.front.notifier.voice(stage.front.desk.subject(KOFI)))
    assert message.text.startswith("Quartermaster is no longer frozen. Lifted by Ada, Mon 23 Nov, 17:25 CET")
    assert f"Frozen for 45 minutes. {words}" in message.text


def test_whoever_froze_does_not_lift_and_nobody_else_may(stage, mira, kofi):
    card = frozen(kofi)
    kofi.click(card, "Lift freeze")
    whisper(kofi, ROOM, "You froze Quartermaster, so another admin must lift it: Ada.")
    mira.click(card_with(mira, ROOM, "qm_lift"), "Lift freeze")
    whisper(mira, ROOM, "Only an admin freezes Quartermaster or lifts that: Kofi or Ada.")
    mira.command("/qm halt I am bored", ROOM)
    mira.command("/qm lift I am bored", ROOM)
    kofi.command("/qm lift I changed my mind", ROOM)
    assert len(stage.house.book.halts().stops) == 1


def test_a_click_under_a_freeze_is_refused_in_words_and_not_counted(stage, mira, ines, kofi):
    _, number = stage.asked(mira)
    approval = card_with(ines, ines.dm(), "qm_approve")
    frozen(kofi)
    waiting = ines.wait(
        lambda: (m := message_at(ines, ines.dm(), approval["ts"])) and "no approval counts" in text_of(m) and m
    )
    ines.click(waiting, "Approve")
    said = whisper(ines, ines.dm(), "Your click was not counted")
    assert 'frozen by Kofi: "Storage incident. Back when the cluster is healthy."' in said["text"]
    ines.click(waiting, "Approve less")
    assert stage.house.book.request(number).reviews == ()


def test_what_a_rule_approves_waits_on_its_card_and_goes_on_by_itself(stage, mira, kofi, ada):
    frozen(kofi)
    read_back = stage.read_back(mira, "1 h100 for 1 hour to see it")
    assert "Frozen by Kofi: it waits until the freeze is lifted" in text_of(read_back)
    ts, number = stage.asked(mira, "1 h100 for 1 hour to try it")
    held = mira.wait(lambda: (m := message_at(mira, ROOM, ts)) and "Nobody needs to decide" in text_of(m) and m)
    assert "Frozen by Kofi" in text_of(held)
    ada.command("/qm lift the cluster is healthy", ROOM)
    whisper(ada, ROOM, "Quartermaster is no longer frozen. What waited goes on.")
    ada.wait(lambda: stage.house.book.request(number).status is Status.APPROVED)
    mira.wait(lambda: "Frozen by Kofi" not in text_of(message_at(mira, ROOM, ts)))
    assert number in stage.nudged


def test_one_resource_is_frozen_by_its_name_and_the_rest_goes_on(stage, mira, kofi):
    card = frozen(kofi, "halt a100-shared new drivers")
    assert "a100-shared is frozen" in text_of(card)
    _, number = stage.asked(mira, "1 h100 for 1 hour to try it")
    assert stage.house.book.request(number).status is Status.APPROVED


def test_a_freeze_needs_a_reason(stage, kofi):
    kofi.command("/qm halt", ROOM)
    whisper(kofi, ROOM, "Say why: `/qm halt storage incident`")
    kofi.command("/qm halt h100-shared", ROOM)
    kofi.command("/qm lift", ROOM)
    whisper(kofi, ROOM, "Say why: `/qm lift storage is healthy`")
    assert stage.house.book.halts().version == 0


def test_it_stands_at_the_top_of_every_home_and_goes_when_lifted(stage, kofi, ada):
    frozen(kofi)
    for person in (MIRA, INES, ODILE, KOFI):
        blocks = stage.front.home(person)["blocks"]
        assert blocks[0]["text"]["text"] == "Quartermaster is frozen"
    ada.command("/qm lift healthy", ROOM)
    ada.wait(lambda: not stage.house.book.halts().stops)
    assert stage.front.home(MIRA)["blocks"][0]["text"]["text"] != "Quartermaster is frozen"


def test_a_restart_in_between_makes_no_second_card(stage, kofi, ada):
    card = frozen(kofi)
    stage.stop()
    stage.start()
    ada.command("/qm lift healthy", ROOM)
    ada.wait(lambda: "Lifted by Ada" in text_of(message_at(ada, ROOM, card["ts"])))
    assert len(cards(ada, ROOM, "frozen")) == 1


def test_admins_are_told_how_and_nobody_else(stage):
    assert "/qm halt" in stage.front.help(KOFI)
    assert "/qm halt" not in stage.front.help(MIRA)


# -- budgets on cards ---------------------------------------------------------------------------------------------------


def test_the_read_back_the_approval_and_home_say_what_is_left(stage, mira, ines):
    message = stage.read_back(mira)
    assert "€33.60. Vision has €6,000 left this month" in text_of(message)
    mira.click(message, "Confirm")
    approval = card_with(ines, ines.dm(), "qm_approve")
    assert "€6,000 of €6,000 left this month" in text_of(approval)
    ines.click(approval, "Approve")
    mira.wait(lambda: (n := stage.house.book.requests.last()) and stage.house.book.request(n).approved_at)
    assert "Vision's budget: €5,966.40 of €6,000 left this month" in json.dumps(
        stage.front.home(MIRA), ensure_ascii=False
    )


def test_what_does_not_fit_is_shown_with_the_budget_and_one_tap_takes_what_fits(stage, mira, ines):
    form = GpuForm(resource="gpu:h100-shared", gpu_type="h100-80gb", gpus=8, duration_s=60 * 3600)
    for _ in range(4):
        request = stage.front.desk.submit(MIRA, form, purpose="", said="")
        stage.front.desk.review(INES, request.number, request.form_digest, Verdict.APPROVE)
    ts = mira.say(ROOM, "@quartermaster 8 h100 for 60 hours to sweep once more")
    denied = card_with(mira, ROOM, "Policy would deny this", after=ts)
    assert "Vision has €624 left this month. This needs €1,344." in text_of(denied)
    mira.click(denied, "Ask for 27 hours instead")
    mira.wait(lambda: "Is this what you mean" in text_of(message_at(mira, ROOM, denied["ts"])))
    assert "8 × H100 for 27 hours" in text_of(message_at(mira, ROOM, denied["ts"]))
