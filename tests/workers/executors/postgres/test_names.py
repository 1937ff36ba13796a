"""Names in the database, the mark of a grant's role, and settings that cannot be meant."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import errors

from ledger.nouns import Access, DataForm, Grant
from workers.errors import SettingsError
from workers.executors.postgres import PostgresSettings, Product, names, script
from workers.executors.postgres.session import sentence

END = datetime(2026, 11, 24, 12, tzinfo=UTC)
KEY = "0f3a9c21" + "5" * 24
MARK = names.Mark(house="qm", key=KEY, generation=2, not_after=END)
PRODUCT = Product(name="claims", table="claims", columns=("amount",))
SETTINGS = PostgresSettings(conninfo="host=db user=qm_executor password=hush", products=(PRODUCT,))


def test_a_grants_role_is_named_after_its_request_and_key():
    form = DataForm(resource="data:claims", access=Access.READ, duration_s=60)
    grant = Grant(request=1042, key=KEY, subject="user:x", form=form, generation=1, not_after=END)
    assert names.grant_role("qm", grant) == "qm_1042_0f3a9c21"
    assert re.search(names.grant_pattern("qm"), "qm_1042_0f3a9c21")


@pytest.mark.parametrize(
    "name", ["qm:claims:read", "qm_executor", "qm_1_0F3A9C21", "qm2_1042_0f3a9c21", "xqm_1_0f3a9c21"]
)
def test_no_other_role_looks_like_a_grants(name):
    assert not re.search(names.grant_pattern("qm"), name)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=63))
def test_role_names_fit_whatever_the_column_is_called(column):
    name = names.column_role("qm", "claims_2024", Access.WRITE, column)
    assert len(name.encode()) <= names.LONGEST


def test_long_names_that_begin_alike_stay_apart():
    made = {names.column_role("qm", "claims", Access.READ, "c" * 60 + str(n)) for n in range(20)}
    assert len(made) == 20


def test_a_product_and_its_columns_never_share_a_role():
    made = [names.product_role("qm", d, a) for d in ("a", "a.read") for a in Access]
    made += [names.column_role("qm", d, a, c) for d in ("a", "a.read") for a in Access for c in ("read", "read:x", "x")]
    assert len(set(made)) == len(made)


def test_a_mark_pins_its_text_and_reads_back():
    text = f"quartermaster qm key={KEY} generation=2 not_after=2026-11-24T12:00:00.000000Z"
    assert MARK.text() == text
    assert names.read_mark(text) == MARK


@pytest.mark.parametrize(
    "comment",
    [None, "", "sales", MARK.text() + " ", MARK.text().replace("=2 ", "=02 "), MARK.text().replace("12:00", "25:00"),
     MARK.text().replace(KEY, KEY[:-1]), MARK.text().replace("quartermaster", "Quartermaster")],
)  # fmt: skip
def test_any_other_comment_is_no_mark(comment):
    assert names.read_mark(comment) is None


@pytest.mark.parametrize(
    "change",
    [
        {"house": "Qm"}, {"house": ""}, {"house": "toolonghouse"}, {"house": "q_m"}, {"connection_limit": 0},
        {"products": (PRODUCT, PRODUCT)}, {"conninfo": "host=db password=hush nonsense"},
    ],
)  # fmt: skip
def test_settings_that_cannot_be_meant_are_refused_without_repeating_the_address(change):
    with pytest.raises(SettingsError) as refused:
        replace(SETTINGS, **change)
    assert "hush" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    "change",
    [{"name": "a:b"}, {"name": ""}, {"name": "Claims"}, {"columns": ()}, {"columns": ("a", "a")}, {"columns": ("",)},
     {"table": "t" * 64}, {"table": "a\0b"}, {"schema": ""}, {"columns": ("é" * 32,)}],
)  # fmt: skip
def test_a_product_that_the_database_could_not_name_is_refused(change):
    with pytest.raises(SettingsError):
        replace(PRODUCT, **change)


def test_no_secret_is_in_the_repr_of_the_settings():
    assert "hush" not in repr(SETTINGS)


def test_the_script_holds_no_secret_and_gives_no_superuser():
    text = script(SETTINGS)
    assert "hush" not in text
    assert 'CREATE ROLE "qm_executor" LOGIN CREATEROLE' in text
    assert not re.search(r"(?<!NO)SUPERUSER", text)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errors.LockNotAvailable("secret"), "locked"),
        (errors.QueryCanceled("secret"), "too long"),
        (errors.AdminShutdown("secret"), "does not answer"),
        (errors.CannotConnectNow("secret"), "does not answer"),
        (errors.ReadOnlySqlTransaction("secret"), "read only"),
        (errors.DivisionByZero("secret"), "SQLSTATE 22012"),
        (psycopg.OperationalError("secret"), "does not answer"),
    ],
)  # fmt: skip
def test_faults_become_sentences_of_our_own(error, words):
    assert words in sentence(error)
    assert "secret" not in sentence(error)
