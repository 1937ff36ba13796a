"""A key is looked up at every call, ends by itself, and is known to the table by its SHA-256 alone."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import replace
from datetime import timedelta

import pytest
from conftest import Hand

from ledger.nouns import Access, DataForm, Grant, KeyForm
from ledger.streams.budget import Span
from workers.apikeys import is_key, is_verifier, new_key, verifier_of
from workers.endpoint.counters import Counters
from workers.endpoint.errors import CallError
from workers.endpoint.keys import TableKeys
from workers.endpoint.keytable import KeyTable, TeamTokens
from workers.errors import BackendError, StaleGrantError
from workers.executors.endpoint_keys import EndpointKeys


class Desk:
    """Grants of keys, and the endpoint's look at them."""

    def __init__(self, folder):
        self.time, self.path, self.teams = Hand(), folder / "keys.sqlite3", ()
        self.tokens = folder / "tokens.sqlite3"
        self.table, self.counters = KeyTable(self.path), Counters(self.tokens)
        self.executor = EndpointKeys(
            self.table,
            lambda: Counters(self.tokens),
            "https://models.example.com/",
            lambda _: "vision",
            teams=lambda: self.teams,
            clock=self.time,
        )
        self.keys = TableKeys(self.table, self.counters, self.time)

    def grant(self, key="a" * 32, hours=24, tokens=1000, **rest):
        form = KeyForm(resource="endpoint:fraud-detector@production", tokens=tokens, duration_s=hours * 3600)
        end = self.time() + timedelta(hours=hours)
        fields = {"request": 1001, "key": key, "subject": "user:" + "0" * 32, "form": form, "generation": 1}
        return Grant(**{**fields, "not_after": end, **rest})

    def shown(self, grant):
        key = new_key()
        self.executor.set_verifier(grant, verifier_of(key))
        return key

    def refusal(self, key):
        with pytest.raises(CallError) as refused:
            self.keys.holder(key)
        return refused.value.status, refused.value.code


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path)
    yield made
    made.counters.close()
    made.table.close()


@pytest.fixture
def held(desk):
    grant = desk.grant()
    desk.executor.ensure(grant)
    return grant


def test_a_key_is_random_and_its_verifier_is_no_key():
    one, other = new_key(), new_key()
    assert one != other
    assert re.fullmatch(r"qm-[A-Za-z0-9_-]{43}", one)
    assert is_key(one)
    assert not is_key(verifier_of(one))
    assert is_verifier(verifier_of(one))
    assert not is_verifier(one)


def test_whoever_has_the_key_holds_the_grant(desk, held):
    holder = desk.keys.holder(desk.shown(held))
    assert (holder.key, holder.models, holder.environment) == ("1001", {"fraud-detector"}, "production")
    assert holder.place("fraud-detector") == "fraud-detector@production"
    assert [budget.name for budget in holder.budgets] == [f"key:{held.key}"]
    assert desk.counters.left(f"key:{held.key}") == 1000


@pytest.mark.parametrize("text", ["", "qm-", "qm-" + "a" * 43, "x" * 5000, "qm-" + "é" * 43, "' OR 1=1 --"])
def test_an_unknown_key_is_refused(desk, held, text):
    desk.shown(held)
    assert desk.refusal(text) == (401, "unknown_key")


def test_a_verifier_is_no_key(desk, held):
    assert desk.refusal(verifier_of(desk.shown(held))) == (401, "unknown_key")


def test_before_a_key_is_shown_there_is_none(desk, held):
    assert desk.refusal(new_key()) == (401, "unknown_key")


def test_showing_anew_revokes_the_key_before(desk, held):
    first, second = desk.shown(held), desk.shown(held)
    assert desk.refusal(first) == (401, "unknown_key")
    assert desk.keys.holder(second).key == "1001"


def test_a_revoked_key_is_refused_at_the_next_call(desk, held):
    key = desk.shown(held)
    desk.executor.revoke(held)
    assert desk.refusal(key) == (401, "unknown_key")


def test_a_key_ends_by_itself_when_its_time_is_over(desk, held):
    key = desk.shown(held)
    desk.time.now = held.not_after - timedelta(microseconds=1)
    assert desk.keys.holder(key)
    desk.time.now = held.not_after
    assert desk.refusal(key) == (401, "key_over")


def test_an_extension_keeps_the_key_and_adds_no_tokens(desk, held):
    key = desk.shown(held)
    desk.counters.reserve([f"key:{held.key}"], 400)
    longer = replace(held, generation=2, not_after=held.not_after + timedelta(hours=24))
    desk.executor.ensure(longer)
    desk.time.now = held.not_after
    assert desk.keys.holder(key).key == "1001"
    assert desk.counters.left(f"key:{held.key}") == 600


def test_what_is_granted_anew_after_its_end_needs_a_new_key(desk, held):
    key = desk.shown(held)
    desk.executor.revoke(held)
    desk.executor.ensure(replace(held, generation=2))
    assert desk.refusal(key) == (401, "unknown_key")


def test_a_key_in_place_of_its_verifier_never_arrives(desk, held):
    key = new_key()
    with pytest.raises(BackendError) as refused:
        desk.executor.set_verifier(held, key)
    assert key not in str(refused.value)
    assert key.encode() not in desk.path.read_bytes()


@pytest.mark.parametrize("generation", [0, 2])
def test_a_verifier_for_another_generation_is_refused(desk, held, generation):
    with pytest.raises(StaleGrantError):
        desk.executor.set_verifier(replace(held, generation=generation), verifier_of(new_key()))


def test_a_verifier_for_what_is_over_or_never_was_is_refused(desk, held):
    other = desk.grant(key="b" * 32)
    desk.executor.revoke(held)
    for grant in (held, other):
        with pytest.raises(StaleGrantError):
            desk.executor.set_verifier(grant, verifier_of(new_key()))


def test_a_verifier_after_the_end_is_refused(desk, held):
    desk.time.now = held.not_after
    with pytest.raises(StaleGrantError):
        desk.executor.set_verifier(held, verifier_of(new_key()))


def test_the_verifier_of_somebody_elses_key_is_refused(desk, held):
    key = desk.shown(held)
    other = desk.grant(key="b" * 32, request=1002)
    desk.executor.ensure(other)
    with pytest.raises(BackendError):
        desk.executor.set_verifier(other, verifier_of(key))
    assert desk.keys.holder(key).key == "1001"


def test_only_a_key_form_becomes_a_key(desk):
    form = DataForm(resource="data:claims", access=Access.READ, duration_s=3600)
    with pytest.raises(BackendError, match="data:claims is no key"):
        desk.executor.ensure(desk.grant(form=form))


def test_a_team_with_tokens_pays_out_of_the_window_of_the_call(desk):
    desk.teams = (TeamTokens(team="vision", span=Span.MONTH, tokens=5000),)
    grant = desk.grant(hours=24 * 30)
    desk.executor.ensure(grant)
    key = desk.shown(grant)
    own = f"key:{grant.key}"
    assert [each.name for each in desk.keys.holder(key).budgets] == [own, "team:vision@2026-11"]
    desk.counters.reserve(["team:vision@2026-11"], 5000)
    desk.time.pass_time(days=10)
    assert [each.name for each in desk.keys.holder(key).budgets] == [own, "team:vision@2026-12"]
    assert desk.counters.left("team:vision@2026-11") == 0
    assert desk.counters.left("team:vision@2026-12") == 5000


def test_a_changed_limit_of_a_team_counts_from_the_next_call_on(desk):
    desk.teams = (TeamTokens(team="vision", span=Span.MONTH, tokens=5000),)
    grant = desk.grant()
    desk.executor.ensure(grant)
    key = desk.shown(grant)
    desk.keys.holder(key)
    desk.table.set_teams([TeamTokens(team="vision", span=Span.MONTH, tokens=100)])
    desk.keys.holder(key)
    assert desk.counters.left("team:vision@2026-11") == 100
    desk.table.set_teams([])
    assert len(desk.keys.holder(key).budgets) == 1


def test_keys_that_cannot_be_looked_up_are_no_open_door(desk, held):
    key = desk.shown(held)
    aside = desk.path.rename(desk.path.with_name("aside"))
    assert desk.refusal(key) == (503, "keys_away")
    desk.path.write_bytes(b"not a database, and longer than its header" * 9)
    assert desk.refusal(key) == (503, "keys_away")
    aside.rename(desk.path)
    assert desk.keys.holder(key).key == "1001"


def test_a_row_that_no_grant_explains_is_listed_as_a_side_door(desk, held):
    desk.shown(held)
    with sqlite3.connect(desk.path) as tx:
        tx.execute(
            "INSERT INTO key VALUES ('forged', 1, 1, 7, 'm', 'dev', '', '2099-01-01T00:00:00.000000Z', ?)", ("f" * 64,)
        )
    tx.close()
    found = {each.key: each for each in desk.executor.holdings()}
    assert set(found) == {held.key, "forged"}
    desk.executor.take_away(found["forged"])
    assert [each.key for each in desk.executor.holdings()] == [held.key]


def test_notes_of_what_is_over_are_forgotten_and_what_stands_is_not(desk, held):
    other = desk.grant(key="b" * 32)
    desk.executor.ensure(other)
    desk.executor.revoke(other)
    assert desk.executor.forget(lambda _: True) == 1
    assert desk.table.of_grant(other.key) is None
    assert desk.table.of_grant(held.key) is not None


def test_nobody_else_can_read_the_table(desk, held):
    assert desk.path.stat().st_mode & 0o777 == 0o600
