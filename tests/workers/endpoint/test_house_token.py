"""The hands ask with what was granted to a person: known by a secret of the house, and by no key of anybody."""

from __future__ import annotations

import stat
from datetime import timedelta

import pytest
from conftest import Hand

from ledger.nouns import Grant, KeyForm
from workers.apikeys import granted, house_secret, house_token, is_key
from workers.endpoint.counters import Counters
from workers.endpoint.errors import CallError
from workers.endpoint.keys import TableKeys
from workers.endpoint.keytable import KeyTable
from workers.executors.endpoint_keys import EndpointKeys

SECRET, OTHER = "5" * 64, "6" * 64
GRANT = "a" * 32


class House:
    """One grant of a key that was never shown, and the endpoint's look at it."""

    def __init__(self, folder):
        self.time, self.table = Hand(), KeyTable(folder / "keys.sqlite3")
        self.counters = Counters(folder / "tokens.sqlite3")
        opened = lambda: Counters(folder / "tokens.sqlite3")  # noqa: E731
        self.executor = EndpointKeys(self.table, opened, "https://models.example.com", lambda _: "", clock=self.time)
        form = KeyForm(resource="endpoint:fraud-detector@production", tokens=1000, duration_s=86400)
        rest = {"request": 1001, "subject": "user:" + "0" * 32, "generation": 1}
        self.grant = Grant(key=GRANT, form=form, not_after=self.time() + timedelta(hours=24), **rest)
        self.executor.ensure(self.grant)

    def keys(self, secret):
        return TableKeys(self.table, self.counters, self.time, secret=secret)


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    yield made
    made.counters.close()


@pytest.fixture
def keys(house):
    return house.keys(SECRET)


def code(keys, token):
    with pytest.raises(CallError) as refused:
        keys.holder(token)
    return refused.value.code


def test_whoever_knows_the_secret_asks_with_what_was_granted_and_pays_from_its_budget(keys):
    holder = keys.holder(house_token(SECRET, GRANT))
    assert (holder.key, holder.models) == ("1001", frozenset({"fraud-detector"}))
    assert [budget.name for budget in holder.budgets] == [f"key:{GRANT}"]


@pytest.mark.parametrize(
    "token",
    [
        house_token(OTHER, GRANT),
        house_token(SECRET, "b" * 32),
        house_token(SECRET, ""),
        house_token("", GRANT),
        f"{house_token(SECRET, GRANT)}\n",
        GRANT,
    ],
    ids=["another secret", "another grant", "no grant", "no secret", "more", "the grant alone"],
)
def test_nobody_else_does(keys, token):
    assert code(keys, token) == "unknown_key"


def test_what_is_over_or_was_taken_back_is_asked_with_no_more(keys, house):
    house.time.pass_time(hours=25)
    assert code(keys, house_token(SECRET, GRANT)) == "key_over"
    house.executor.revoke(house.grant)
    assert code(keys, house_token(SECRET, GRANT)) == "unknown_key"


def test_without_a_secret_nobody_is_believed(house):
    assert code(house.keys(""), house_token("0" * 64, GRANT)) == "unknown_key"
    assert granted(house_token("0" * 64, GRANT), "") is None


def test_the_secret_is_made_once_and_read_by_its_owner_alone(tmp_path):
    path = tmp_path / "models" / "house.secret"
    secret = house_secret(path)
    assert house_secret(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["house.secret"]
    assert not is_key(house_token(secret, GRANT))
