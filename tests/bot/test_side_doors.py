"""A side door as people see it: told where it must be, taken away by two, and closed in place."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from bot_doors import SECURITY, STRANGE, explained, known, taken, until
from bot_stage import card_with, cards, text_of, whisper
from conftest import ADA, INES, KOFI, MIRA, TOMAS

from bot.blocks.door import Where
from ledger.audit import verify_store
from ledger.streams.watch import Fault
from workers.executors.leases import Lease, write_lease
from workers.hands import attend
from workers.reconcile import unseen


def test_a_side_door_is_told_to_admins_and_to_the_leads_who_own_it(doors):
    kofi, ines = doors.server.person(KOFI), doors.server.person(INES)
    card = card_with(kofi, SECURITY, "Access without a grant")
    for words in ("gpu-02:7", "gpu_pool", "platform (lead Ines)", "Not there at", "ledger entry"):
        assert words in text_of(card)
    assert "Access without a grant" in text_of(card_with(ines, ines.dm(), "Access without a grant"))
    tomas = doors.server.person(TOMAS)
    assert cards(tomas, tomas.dm(), "Access without a grant") == []


def test_two_admins_take_it_away_and_every_card_says_so(doors):
    kofi, ada, ines = (doors.server.person(who) for who in (KOFI, ADA, INES))
    theirs = card_with(ines, ines.dm(), "Access without a grant")
    card = taken(doors, kofi)
    asked = until(kofi, SECURITY, card["ts"], "Kofi asks to take it away")
    assert "qm_take_away" not in text_of(asked)
    approval = card_with(ada, ada.dm(), "Needs your decision")
    assert "gpu-02:7" in text_of(approval)
    assert "as admin, before" in text_of(approval)
    ada.click(approval, "Approve")
    number = doors.house.book.requests.last()
    doors.server.person(KOFI).wait(lambda: doors.house.book.request(number).approved_at)
    attend(doors.room, number)
    for person, room, ts in ((kofi, SECURITY, card["ts"]), (ines, ines.dm(), theirs["ts"])):
        closed = until(person, room, ts, "Taken away and seen gone")
        assert "asked by Kofi, approved by Ada" in text_of(closed)
    assert not (doors.folder / f"{STRANGE}.lease").exists()
    assert "Done" in text_of(card_with(kofi, SECURITY, "Take away a side door"))


def test_what_is_gone_by_itself_is_closed_in_place(doors):
    kofi = doors.server.person(KOFI)
    card = card_with(kofi, SECURITY, "Access without a grant")
    (doors.folder / f"{STRANGE}.lease").unlink()
    doors.look()
    assert "qm_take_away" not in text_of(until(kofi, SECURITY, card["ts"], "no longer saw it"))


def standing(doors):
    return doors.house.book.watch("gpu_pool").findings


def test_two_admins_explain_it_and_it_is_found_again_once_its_time_is_over(doors):
    kofi, ada = doors.server.person(KOFI), doors.server.person(ADA)
    last_day = (doors.clock() + timedelta(days=3)).date()
    card = explained(doors, kofi, last_day.isoformat())
    asked = until(kofi, SECURITY, card["ts"], "Kofi explains it until")
    assert "The nightly backup's role" in text_of(asked)
    assert "qm_explain" not in text_of(asked)
    ada.click(card_with(ada, ada.dm(), "Needs your decision"), "Approve")
    number = doors.house.book.requests.last()
    ada.wait(lambda: doors.house.book.request(number).approved_at)
    attend(doors.room, number)
    closed = until(kofi, SECURITY, card["ts"], "Known until")
    assert "asked by Kofi, approved by Ada" in text_of(closed)
    assert "Done" in text_of(card_with(kofi, SECURITY, "Leave a side door"))
    doors.look()
    assert standing(doors) == ()
    assert [number for _, number in doors.house.book.watch("gpu_pool").explained] == [number]
    assert (doors.folder / f"{STRANGE}.lease").exists()
    doors.pass_time(days=2)
    doors.look()
    assert standing(doors) == ()
    doors.pass_time(days=2)
    doors.look()
    assert [each.fault for each in standing(doors)] == [Fault.UNEXPLAINED]
    assert verify_store(doors.house.book.store).sound


def test_an_explained_access_that_changes_is_found_at_once(doors):
    known(doors)
    more = ("gpu-02:6", "gpu-02:7")
    lease = Lease(request=1001, generation=1, devices=more, not_after=doors.clock() + timedelta(hours=1))
    write_lease(doors.folder, STRANGE, lease)
    doors.look()
    assert ["gpu-02:6" in each.what.value for each in standing(doors)] == [True]


@pytest.mark.parametrize("days", [-2, 91])
def test_nothing_is_explained_for_ever_or_for_the_past(doors, days):
    kofi = doors.server.person(KOFI)
    card = card_with(kofi, SECURITY, "Access without a grant")
    kofi.click(card, "Explain it")
    view = kofi.wait(kofi.modal)
    last_day = (doors.clock() + timedelta(days=days)).date().isoformat()
    kofi.submit(view, {"reason": "The nightly backup's role.", "until": last_day})
    kofi.wait(lambda: "Name an end" in text_of(kofi.modal()))
    assert doors.house.book.requests.last() == 0


def test_an_explanation_names_what_it_is_and_its_last_day(doors):
    kofi = doors.server.person(KOFI)
    kofi.click(card_with(kofi, SECURITY, "Access without a grant"), "Explain it")
    view = kofi.wait(kofi.modal)
    assert "reason" in kofi.submit(view, {"reason": " "})


@pytest.mark.parametrize("button", ["Take it away", "Explain it"])
def test_who_may_not_ask_is_told_so(doors, button):
    mira = doors.server.person(MIRA)
    card = card_with(mira, SECURITY, "Access without a grant")
    mira.click(card, button)
    whisper(mira, SECURITY, "Admins alone ask")
    assert mira.modal() is None
    assert doors.house.book.requests.last() == 0


@pytest.mark.parametrize("value", ["", "{}", "[1,2]", '["a", "b", "c"]', '["a",2,"c"]'])
def test_a_button_says_only_what_we_wrote_on_it(value):
    assert Where.parse(value) is None
    assert Where.parse(Where(backend="a", finding="b").value()) == Where(backend="a", finding="b")


def test_a_reason_is_asked_for(doors):
    kofi = doors.server.person(KOFI)
    kofi.click(card_with(kofi, SECURITY, "Access without a grant"), "Take it away")
    view = kofi.wait(kofi.modal)
    assert "reason" in kofi.submit(view, {"reason": "  "})


def test_a_finding_that_was_over_before_it_was_shown_is_no_news(doors):
    doors.quiet()
    other = "e" * 32
    lease = Lease(request=1, generation=1, devices=("gpu-02:6",), not_after=doors.clock() + timedelta(hours=1))
    write_lease(doors.folder, other, lease)
    doors.look()
    (doors.folder / f"{other}.lease").unlink()
    doors.look()
    for _ in range(3):
        doors.made.notifier.look()
    kofi = doors.server.person(KOFI)
    assert cards(kofi, SECURITY, "gpu-02:6") == []


def test_a_missed_scan_is_told_to_admins_alone(doors):
    unseen(doors.house.book, "gpu_pool", "Nobody could look at gpu_pool since noon.")
    kofi, ines = doors.server.person(KOFI), doors.server.person(INES)
    card = card_with(kofi, SECURITY, "Nobody could look")
    assert "qm_take_away" not in text_of(card)
    assert cards(ines, ines.dm(), "Nobody could look") == []


def test_a_name_from_a_backend_is_text_and_mentions_nobody(doors):
    (doors.folder / "<!channel> *x*.lease").write_text("{}")
    doors.look()
    kofi = doors.server.person(KOFI)
    card = kofi.wait(lambda: next((m for m in cards(kofi, SECURITY, "channel") if "door" in text_of(m)), None))
    assert "<!channel>" not in json.dumps(card, ensure_ascii=False)


def test_without_a_channel_the_admins_are_told_directly(doors):
    doors.front.doors._wanted = doors.front.doors._channel = ""
    unseen(doors.house.book, "gpu_pool", "Nobody could look at gpu_pool since noon.")
    for who in (KOFI, ADA):
        person = doors.server.person(who)
        card_with(person, person.dm(), "Nobody could look")
