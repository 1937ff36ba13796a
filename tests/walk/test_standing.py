"""What a person waits for and holds: counted as entries are written, and always what the requests themselves say."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import replace

import pytest
from conftest import INES, MIRA

from ledger.book import open_sqlite
from ledger.streams.request import Status
from ledger.views import differs
from policies.decide import Policy
from policies.facts import facts_of
from workers.hands import attend


def facts(world, request, **rest):
    found = facts_of(world.book, request.beneficiary, **rest)
    return found["open_requests"], found["held_gpus"]


def test_a_request_counts_as_waiting_then_as_its_gpus_until_it_is_over(world):
    request = world.ask(gpus=4)
    assert facts(world, request) == (1, 0)
    lower = replace(request.form, gpus=3)
    world.desk.approve_less(INES, request.number, request.form_digest, lower, "enough")
    assert facts(world, request) == (1, 0)
    world.desk.accept(MIRA, request.number, world.now(request).form_digest)
    assert facts(world, request) == (0, 3)
    attend(world.room, request.number)
    assert facts(world, request) == (0, 3)
    world.desk.release(MIRA, request.number)
    attend(world.room, request.number)
    assert facts(world, request) == (0, 0)


def test_one_request_can_be_left_out_of_the_count(world):
    first, second = world.approved(gpus=4), world.ask(gpus=4)
    assert facts(world, first) == (1, 4)
    assert facts(world, first, except_for=first.number) == (1, 0)
    assert facts(world, first, except_for=second.number) == (0, 4)


def test_somebody_who_never_asked_holds_nothing(world):
    assert world.book.requests.standing("user:nobody") == (0, 0)


def test_what_needs_another_vote_at_dispatch_waits_again(world, rules):
    request = world.approved(gpus=4)
    text = (rules / "policy.csv").read_text()
    more = text.replace("gpus>2,     allow, owner-lead:1", "gpus>2,     allow, owner-lead:1 budget:1")
    assert more != text
    (rules / "policy.csv").write_text(more)
    world.policy = Policy.load(rules)
    attend(world.room, request.number)
    assert facts(world, request) == (1, 0)
    assert not differs(world.book.store)


@pytest.mark.parametrize("damage", ["DROP TABLE standing", "DELETE FROM standing", "DROP TABLE request_index"])
def test_read_models_of_an_earlier_version_are_made_anew_from_the_entries(tmp_path, world, damage):
    path = tmp_path / "other.sqlite3"
    book = open_sqlite(path, clock=world.time)
    world.book.store.close()
    asked = _copied(world, book)
    book.store.close()
    with sqlite3.connect(path) as tx:
        tx.execute(damage)
        tx.execute("PRAGMA user_version = 7")
    tx.close()
    again = open_sqlite(path, clock=world.time)
    assert not differs(again.store)
    assert again.requests.standing(asked).waiting == 1
    again.store.close()


def _copied(world, book):
    world.book = world.desk.book = book
    return world.ask().asker


def test_read_models_that_are_as_they_should_be_are_left_alone(tmp_path):
    path = tmp_path / "l.sqlite3"
    open_sqlite(path).store.close()
    with sqlite3.connect(path) as tx:
        tx.execute("INSERT INTO standing VALUES ('user:x', 3, 4)")
    tx.close()
    again = open_sqlite(path)
    assert again.requests.standing("user:x") == (3, 4)
    again.store.close()


def test_open_requests_are_found_by_how_far_they_are_and_by_what_they_are_for(world):
    world.policy = Policy.of({**world.policy.files, "policy.csv": _unlimited(world.policy.files["policy.csv"])})
    first, queued = world.running(gpus=8), [world.running(gpus=8) for _ in range(2)]
    waiting = world.ask(gpus=4)
    assert [world.now(each).status for each in queued] == [Status.RUNNING, Status.QUEUED]
    held = [first.number, queued[0].number]
    requests = world.book.requests
    assert requests.open() == [*held, queued[1].number, waiting.number]
    assert (requests.open(stage="held"), requests.open(stage="waiting")) == (held, [waiting.number])
    assert requests.open(stage="approved") == [queued[1].number]
    assert requests.open(resource="gpu:h100-shared", stage="held") == held
    assert requests.open(resource="gpu:other") == []
    assert (requests.in_line("gpu:h100-shared"), requests.in_line("gpu:other")) == (1, 0)


def _unlimited(text):
    return re.sub(r"(held_gpus|open_requests)<=\d+", r"\1<=1000", text)
