"""The walk of one request as people live it: through the local workspace, with Valkey, a worker and the clock for real."""

from __future__ import annotations

import json
import re

import pytest
from conftest import INES, KOFI, MIRA, NOOR, ODILE, TOMAS

from bot.demo import running_demo
from ledger.audit import verify_bundle
from ledger.export.bundle import read_bundle

pytestmark = pytest.mark.services
ROOM = "gpu-requests"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_demo(tmp_path_factory.mktemp("home")) as running:
        yield running


def card_with(person, channel, words, *, not_before=None):
    """Return the newest message whose text or blocks hold `words`, once it is there."""

    def find():
        found = [
            m for m in person.messages(channel) if words in text_of(m) and (not_before is None or m["ts"] > not_before)
        ]
        return found[-1] if found else None

    return person.wait(find, 20)


def text_of(message):
    return message["text"] + json.dumps(message.get("blocks") or [], ensure_ascii=False)


def ask(server, slack, words):
    """Say it in the channel, confirm what is read back, and return (card ts, REQ name)."""
    person = server.person(slack)
    ts = person.say(ROOM, f"@quartermaster {words}")
    read_back = card_with(person, ROOM, "qm_confirm", not_before=ts)
    person.click(read_back, "qm_confirm")
    card = person.wait(
        lambda: next((m for m in person.messages(ROOM) if m["ts"] == read_back["ts"] and "REQ-" in text_of(m)), None),
        20,
    )
    return card["ts"], re.search(r"REQ-\d+", text_of(card)).group()


def until(server, slack, ts, words):
    person = server.person(slack)
    return person.wait(
        lambda: next((m for m in person.messages(ROOM) if m["ts"] == ts and words in text_of(m)), None), 20
    )


def test_the_walk(server):
    ts, name = ask(server, MIRA, "4 h100 for 3 hours so I can retrain churn")
    ines = server.person(INES)
    approval = card_with(ines, ines.dm(), name)
    assert "Approve less" in text_of(approval)
    assert "retrain churn" in text_of(approval)
    ines.click(approval, "Approve")
    running = until(server, MIRA, ts, "Running until")
    assert "gpu-01:" in text_of(running)
    closed = ines.wait(
        lambda: next(
            (m for m in ines.messages(ines.dm()) if m["ts"] == approval["ts"] and "qm_approve" not in text_of(m)), None
        ),
        10,
    )
    assert "Approved by you" in text_of(closed)
    server.person(MIRA).click(running, "Release")
    ended = until(server, MIRA, ts, "Released by Mira")
    assert "Final cost" in text_of(ended)


def test_two_gpus_approve_themselves(server):
    ts, _ = ask(server, TOMAS, "2 h100 for 1 hour")
    running = until(server, TOMAS, ts, "Running until")
    assert "auto-gpu-small" in text_of(running)
    server.person(TOMAS).click(running, "Release")


def test_too_many_are_denied_with_the_nearest_request(server):
    mira = server.person(MIRA)
    ts = mira.say(ROOM, "@quartermaster 16 h100 for 3 days, sweep over the new embedder")
    denied = card_with(mira, ROOM, "Policy would deny this", not_before=ts)
    assert "ask-gpu-eng" in text_of(denied)
    mira.click(denied, "Ask for 8 instead")
    again = mira.wait(
        lambda: next(
            (m for m in mira.messages(ROOM) if m["ts"] == denied["ts"] and "Is this what you mean" in text_of(m)), None
        )
    )
    assert "8 × H100" in text_of(again)
    mira.click(again, "Discard")
    until(server, MIRA, again["ts"], "Discarded. Nothing was sent.")


def test_a_doubt_opens_a_filled_form(server):
    mira = server.person(MIRA)
    ts = mira.say(ROOM, "@quartermaster some h100 for 2 hours")
    asked = card_with(mira, ROOM, "not clear", not_before=ts)
    mira.click(asked, "Open form")
    view = mira.wait(mira.modal)
    errors = mira.submit(view, {"gpu_type": "h100-80gb", "gpu_count": "0", "hours": "2"})
    assert errors
    mira.submit(view, {"gpu_type": "h100-80gb", "gpu_count": "1", "hours": "2"})
    card_with(mira, ROOM, "1 × H100 for 2 hours", not_before=ts)


def test_a_denial_carries_its_reason(server):
    ts, name = ask(server, MIRA, "4 h100 for 2 hours to try something")
    ines = server.person(INES)
    ines.click(card_with(ines, ines.dm(), name), "Deny")
    view = ines.wait(ines.modal)
    ines.submit(view, {"reason": "Use the <!channel> idle ones *first*"})
    denied = until(server, MIRA, ts, "Denied by Ines")
    assert "&lt;!channel&gt;" in text_of(denied)


def test_approve_less_waits_for_the_asker(server):
    ts, name = ask(server, MIRA, "8 h100 for 2 hours to try more")
    ines = server.person(INES)
    ines.click(card_with(ines, ines.dm(), name), "Approve less")
    view = ines.wait(ines.modal)
    ines.submit(view, {"gpu_count": "3", "hours": "2", "reason": "three will do"})
    lowered = until(server, MIRA, ts, "approves less")
    server.person(MIRA).click(lowered, "Accept")
    running = until(server, MIRA, ts, "Running until")
    assert "3 × H100" in text_of(running)
    server.person(MIRA).click(running, "Release")
    until(server, MIRA, ts, "Released by Mira")


def whispers(person, words):
    return person.wait(lambda: next((m for m in person.messages(ROOM) if m["ephemeral"] and words in m["text"]), None))


def test_the_wrong_persons_click_is_refused_in_words(server):
    mira, kofi = server.person(MIRA), server.person(KOFI)
    ts = mira.say(ROOM, "@quartermaster 4 h100 for 1 hour to click wrongly")
    read_back = card_with(kofi, ROOM, "to click wrongly", not_before=None)
    read_back = card_with(kofi, ROOM, "qm_confirm", not_before=ts)
    kofi.click(read_back, "Confirm")
    whispers(kofi, "Only the person who asked can confirm")
    mira.click(read_back, "Confirm")
    mira.wait(
        lambda: next((m for m in mira.messages(ROOM) if m["ts"] == read_back["ts"] and "REQ-" in text_of(m)), None)
    )


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("hello there", "I could not read a request"),
        ("release REQ-9999", "I find no request REQ-9999"),
        ("approve REQ-9999", "I find no request REQ-9999"),
        ("help", "What you can do here"),
    ],
)
def test_words_that_ask_for_nothing_get_a_plain_sentence(server, words, answer):
    mira = server.person(MIRA)
    mira.say(ROOM, f"@quartermaster {words}")
    whispers(mira, answer)


def test_home_shows_what_waits_and_what_i_hold(server):
    noor = server.person(NOOR)
    home = noor.wait(noor.home, 20)
    assert "You hold nothing right now" in json.dumps(home)


def test_the_auditor_takes_a_bundle_that_verifies(server, tmp_path):
    odile = server.person(ODILE)
    odile.command("/qm export")
    files = odile.wait(lambda: odile.files(odile.dm()), 20)
    path = tmp_path / "bundle.zip"
    path.write_bytes(odile.download(files[-1]))
    verdict = verify_bundle(read_bundle(path))
    assert verdict.sound
    assert not verdict.anchored
    mira = server.person(MIRA)
    mira.command("/qm export", ROOM)
    whispers(mira, "Only an auditor exports")
