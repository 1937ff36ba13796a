"""An adapter as people see it: read back with its digests, refused in words, and what came of it on the asker's card."""

from __future__ import annotations

import json

import pytest
from bot_stage import ROOM, card_with, whisper
from conftest import MIRA, RULES
from models_stage import OLD, STREAM, append, deploy
from served_world import LISTED, SERVED

from ledger.nouns import Enforcement, Receipt
from ledger.streams.model import Adapted, AdapterRegistered, Registered
from ledger.streams.request import Dispatched, Done
from policies.catalogue import FILE
from policies.decide import Policy
from policies.inforce import adopt

TONE = "sha256:" + "c" * 64
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


def test_an_adapter_is_read_back_with_both_digests_and_nothing_to_edit(adapters):
    mira = adapters.server.person(MIRA)
    said = mira.say(ROOM, "@quartermaster load adapter legal-tone on fraud-detector in dev")
    card = json.dumps(card_with(mira, ROOM, "Load adapter legal-tone on fraud-detector in dev", after=said))
    assert "cccccccccccc" in card
    assert "aaaaaaaaaaaa" in card
    assert "qm_confirm" in card
    assert "qm_edit" not in card


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
