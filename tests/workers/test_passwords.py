"""A password is shown by the desk, entered as its verifier, and set by whoever works: last one wins."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from conftest import INES, MIRA, NOOR

from bot.blocks.card import card
from bot.blocks.words import Voice
from bot.errors import Reason, Refused
from bot.verbs.showing import Password, takes_password
from ledger.nouns import Access, DataForm, Enforcement, Receipt
from ledger.streams.request import Request, Status, Verdict, warned_at
from policies.decide import Policy
from workers.errors import BackendError
from workers.hands import attend
from workers.scram import read_verifier

AT = 'level = 2\nbackend = "postgres:warehouse"\n'


class Database:
    """A backend that keeps verifiers in a list."""

    name, enforcement, simulated = "postgres:warehouse", Enforcement.SELF_ENDING, False

    def __init__(self, inner):
        self._inner, self.verifiers, self.down = inner, [], False

    def ensure(self, grant):
        self._inner.ensure(grant)
        return Receipt(executor=self.name, enforcement=self.enforcement, note="Use it: psql")

    def observe(self, grant):
        return self._inner.observe(grant)

    def revoke(self, grant):
        self._inner.revoke(grant)

    def set_verifier(self, grant, verifier):
        if self.down:
            raise BackendError("down")
        self.verifiers.append(verifier)


@pytest.fixture
def held(world):
    """Mira's access to claims, in a database."""
    files = dict(world.policy.files)
    head, found, tail = files["catalogue.toml"].partition("[datasets.claims_2024]")
    text = head + found + tail.replace("level = 2\n", AT, 1) + '\n[backends.warehouse]\nkind = "postgres"\n'
    world.policy = Policy.of({**files, "catalogue.toml": text})
    world.database = Database(world.executor)
    world.room = replace(world.room, executors={**world.room.executors, "postgres:warehouse": world.database})
    form = DataForm(resource="data:claims_2024", access=Access.READ, duration_s=7200)
    request = world.desk.submit(MIRA, form, purpose="check", said="claims")
    for slack in (INES, NOOR):
        assert isinstance(world.desk.review(slack, request.number, request.form_digest, Verdict.APPROVE), Request)
    assert attend(world.room, request.number) is Status.RUNNING
    return world.now(request)


def test_the_ledger_gets_the_verifier_and_the_backend_the_same_one(world, held):
    shown = world.desk.show_password(MIRA, held.number)
    assert isinstance(shown, Password)
    entered = world.now(held)
    assert (entered.credentials_shown, entered.credentials_set) == (1, 0)
    assert read_verifier(entered.credential)
    assert shown.secret not in repr(shown)
    assert held.number in world.nudged
    attend(world.room, held.number)
    assert world.database.verifiers == [entered.credential]
    assert world.now(held).credentials_set == 1


def test_looking_again_sets_nothing_again(world, held):
    world.desk.show_password(MIRA, held.number)
    attend(world.room, held.number)
    attend(world.room, held.number)
    assert len(world.database.verifiers) == 1


def test_of_two_showings_only_the_last_is_set(world, held):
    first = world.desk.show_password(MIRA, held.number)
    second = world.desk.show_password(MIRA, held.number)
    attend(world.room, held.number)
    assert first.secret != second.secret
    assert world.database.verifiers == [world.now(held).credential]
    assert (world.now(held).credentials_shown, world.now(held).credentials_set) == (2, 2)


def test_a_backend_that_is_down_gets_it_when_it_is_back(world, held):
    world.database.down = True
    world.desk.show_password(MIRA, held.number)
    assert attend(world.room, held.number) is Status.RUNNING
    assert world.now(held).credentials_set == 0
    world.database.down = False
    world.nudged.clear()
    world.clock.tick()
    assert world.nudged == [held.number]
    attend(world.room, held.number)
    assert world.now(held).credentials_set == 1
    world.nudged.clear()
    world.clock.tick()
    assert world.nudged == []


def test_nobody_but_the_holder_is_shown_one(world, held):
    refused = world.desk.show_password(INES, held.number)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.NOT_YOURS
    assert world.now(held).credentials_shown == 0


def test_what_is_over_has_no_password_to_show(world, held):
    world.desk.release(MIRA, held.number)
    refused = world.desk.show_password(MIRA, held.number)
    assert isinstance(refused, Refused)
    assert world.now(held).credentials_shown == 0


@pytest.mark.parametrize(
    ("executor", "enforcement", "takes"),
    [
        ("postgres:warehouse", Enforcement.SELF_ENDING, True),
        ("postgres:warehouse", Enforcement.ENFORCED, False),
        ("memory", Enforcement.SELF_ENDING, False),
    ],
)
def test_only_a_login_of_the_grants_own_has_a_password_button(world, held, executor, enforcement, takes):
    receipt = Receipt(executor=executor, enforcement=enforcement)
    request = replace(held, receipt=receipt)
    assert takes_password(request) is takes
    assert ("Show password" in str(card(request, (), voice_of(world)))) is takes


def voice_of(world):
    return Voice(
        **dict.fromkeys(("name_of", "mention_of", "title_of"), str),
        zone=ZoneInfo("UTC"),
        policy=world.policy,
        now=world.time(),
        warned_at=warned_at,
    )
