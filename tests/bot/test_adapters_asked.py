"""An adapter as people see it: read back with its digests, refused in words, and what came of it on the asker's card."""

from __future__ import annotations

import json
import re

import pytest
from bot_stage import ROOM, card_with, message_at, text_of, whisper
from conftest import INES, MIRA, RULES
from deployed import Deployed
from models_stage import OLD, STREAM, append, deploy
from served_world import LISTED, SERVED

from ledger.nouns import Enforcement, Receipt
from ledger.streams.model import Adapted, AdapterRegistered, Registered
from ledger.streams.request import Dispatched, Done, Status
from policies.catalogue import FILE
from policies.decide import Policy
from policies.inforce import adopt

TONE, BRIEF = ("sha256:" + letter * 64 for letter in "cd")
NOTE = "legal-tone answers in dev as fraud-detector:legal-tone."


@pytest.fixture
def adapters(stage):
    """Version 1 answers in dev, and an adapter for it is registered."""
    folder, book = stage.house.home / "policies", stage.house.book
    (folder / FILE).write_text((RULES / FILE).read_text().replace(LISTED, "") + SERVED + "adapters = true\n")
    adopt(book, Policy.load(folder), actor="os:me", why="adapters are allowed")
    book.append(append(stage, STREAM, Registered(version="1", digest=OLD, size=1)))
    book.append(append(stage, STREAM, AdapterRegistered(adapter="legal-tone", digest=TONE, size=1)))
    deploy(stage, "1", OLD)
    return stage


def test_an_adapter_is_read_back_with_both_digests_and_can_be_edited(adapters):
    mira = adapters.server.person(MIRA)
    said = mira.say(ROOM, "@quartermaster load adapter legal-tone on fraud-detector in dev")
    card = json.dumps(card_with(mira, ROOM, "Load adapter legal-tone on fraud-detector in dev", after=said))
    assert "cccccccccccc" in card
    assert "aaaaaaaaaaaa" in card
    assert "qm_confirm" in card
    assert "qm_edit" in card


def test_help_names_adapters_in_sentences_that_are_read_as_they_stand(adapters):
    mira = adapters.server.person(MIRA)
    mira.command("/qm help", ROOM)
    said = text_of(whisper(mira, ROOM, "What you can do here"))
    load, unload = re.findall(r"`(@quartermaster (?:un)?load adapter [^`]*)`", said)
    mira.say(ROOM, load)
    assert card_with(mira, ROOM, "Load adapter legal-tone on fraud-detector in dev")
    mira.say(ROOM, unload)
    assert whisper(mira, ROOM, "legal-tone is not loaded on fraud-detector in dev.")


def test_who_may_not_ask_for_an_adapter_is_not_told_how(adapters):
    rules = adapters.house.home / "policies" / "policy.csv"
    rules.write_text("".join(row for row in rules.read_text().splitlines(True) if not row.startswith("p, ask-adapt")))
    adopt(adapters.house.book, Policy.load(rules.parent), actor="os:me", why="adapters are not for everybody")
    mira = adapters.server.person(MIRA)
    mira.command("/qm help", ROOM)
    said = text_of(whisper(mira, ROOM, "What you can do here"))
    assert "4 h100" in said
    assert "load adapter" not in said


def test_where_there_is_nothing_to_load_help_does_not_speak_of_it(stage, mira):
    mira.command("/qm help", ROOM)
    assert "load adapter" not in text_of(whisper(mira, ROOM, "What you can do here"))


def edited(person, message, values):
    """Edit a card, enter `values`, and return what the form says against them, or the card that it became."""
    person.click(message, "Edit")
    return person.submit(person.wait(person.modal), values)


def test_an_adapter_is_edited_in_a_form_that_knows_what_was_said(adapters):
    mira = adapters.server.person(MIRA)
    adapters.house.book.append(append(adapters, STREAM, AdapterRegistered(adapter="brief", digest=BRIEF, size=1)))
    message = adapters.read_back(mira, "load adapter legal-tone on fraud-detector in dev")
    edited(mira, message, {"adapter": "brief", "purpose": "shorter answers"})
    card = mira.wait(lambda: m if "brief" in text_of(m := message_at(mira, ROOM, message["ts"])) else None)
    assert "Load adapter brief on fraud-detector in dev" in text_of(card)
    assert "dddddddddddd" in text_of(card)
    assert "shorter answers" in text_of(card)


def test_what_cannot_be_loaded_is_said_beside_the_field(adapters):
    mira = adapters.server.person(MIRA)
    message = adapters.read_back(mira, "load adapter legal-tone on fraud-detector in dev")
    errors = edited(mira, message, {"adapter": "tone"})
    assert "No adapter tone of fraud-detector is registered. There are: legal-tone." in json.dumps(errors)


def test_a_waiting_adapter_is_edited_into_another_request(adapters):
    mira = adapters.server.person(MIRA)
    desk = adapters.front.desk
    Deployed(adapters.house.book, asker=desk.subject(MIRA), lead=desk.subject(INES)).deploy("1", "staging")
    before = adapters.house.book.requests.last()
    message = adapters.read_back(mira, "load adapter legal-tone on fraud-detector in staging")
    mira.click(message, "Confirm")
    number = mira.wait(lambda: n if (n := adapters.house.book.requests.last()) > before else None)
    card = mira.wait(lambda: m if f"REQ-{number}" in text_of(m := message_at(mira, ROOM, message["ts"])) else None)
    edited(mira, card, {"environment": "dev"})
    again = card_with(mira, ROOM, "Load adapter legal-tone on fraud-detector in dev")
    mira.click(again, "Confirm")
    mira.wait(lambda: adapters.house.book.request(number).status is Status.REPLACED)
    assert adapters.house.book.request(adapters.house.book.requests.last()).form.environment == "dev"


def test_an_adapter_that_is_not_known_is_answered_in_words(adapters):
    mira = adapters.server.person(MIRA)
    mira.say(ROOM, "@quartermaster load adapter tone on fraud-detector in dev")
    assert whisper(mira, ROOM, "No adapter tone of fraud-detector is registered. There are: legal-tone.")


def test_what_came_of_it_stands_on_the_card_of_whoever_asked(adapters):
    mira, book = adapters.server.person(MIRA), adapters.house.book
    _, number = adapters.asked(mira, "load adapter legal-tone on fraud-detector in dev")
    request, stream = book.request(number), f"request:{number}"
    rest = {"grant_key": "1" * 32, "not_after": None, "executor": "vllm", "devices": ()}
    book.append(append(adapters, stream, Dispatched(generation=1, form_digest=request.form_digest, **rest)))
    where = {"environment": "dev", "adapter": "legal-tone", "digest": TONE, "base": OLD}
    done = Done(generation=1, receipt=Receipt(executor="vllm", enforcement=Enforcement.ENFORCED, note=NOTE))
    adapted = append(adapters, STREAM, Adapted(loaded=True, request=number, **where))
    book.append(adapted, append(adapters, stream, done))
    assert card_with(mira, ROOM, NOTE)
