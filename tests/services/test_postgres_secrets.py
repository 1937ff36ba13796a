"""The password of a grant: shown once, never sent. And people who have an account of their own."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import psycopg
import pytest
from psycopg import errors
from services.postgres import postgres_server  # noqa: F401 - a fixture
from services.postgres_site import ROWS, Site, grant_of, later, prepared_site  # noqa: F401 - a fixture

from ledger.nouns import Access, Enforcement
from workers.errors import BackendError, StaleGrantError
from workers.executors.base import Observation
from workers.executors.postgres import PostgresExecutor
from workers.scram import make_verifier, new_secret

pytestmark = pytest.mark.services
PERSON = "user:" + "b" * 32


def everything_the_server_has(site):
    """Every row of every catalogue table and of the activity view, as text."""
    with site.admin() as admin:
        tables = admin.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r'"
        )
        names = [*(name for (name,) in tables.fetchall()), "pg_stat_activity"]
        return "\n".join(
            str(row) for name in names for row in admin.execute(f"SELECT t::text FROM pg_catalog.{name} AS t").fetchall()
        ) + str(admin.execute(f"SELECT * FROM {site.house}.lease").fetchall())  # fmt: skip


def test_a_grant_lets_nobody_log_in_before_its_password_is_shown(site):
    grant = grant_of()
    site.executor.ensure(grant)
    with pytest.raises(psycopg.OperationalError):
        site.connect(site.role(grant), new_secret())
    assert site.admin_sql(
        "SELECT rolcanlogin, rolpassword FROM pg_authid WHERE rolname = '" + site.role(grant) + "'"
    ) == [(False, None)]


def test_the_plaintext_reaches_no_log_no_catalogue_and_no_activity(site):
    grant = grant_of()
    site.executor.ensure(grant)
    secret = site.password_for(grant)
    with site.connect(site.role(grant), secret) as session:
        assert site.count(session) == ROWS
        stored = everything_the_server_has(site)
    log = site.server.log.read_text()
    verifier = site.admin_sql("SELECT rolpassword FROM pg_authid WHERE rolname = '" + site.role(grant) + "'")[0][0]
    # The search would find it: the verifier, which did travel, stands in both.
    assert verifier in log
    assert verifier in stored
    for text in (log, stored):
        assert secret not in text
        assert secret.encode().hex() not in text


def test_showing_again_rotates_and_ends_the_sessions_of_the_old_password(site):
    grant = grant_of()
    site.executor.ensure(grant)
    old = site.password_for(grant)
    with site.connect(site.role(grant), old) as session:
        new = site.password_for(grant)
        with pytest.raises(psycopg.OperationalError):
            site.count(session)
    with pytest.raises(psycopg.OperationalError):
        site.connect(site.role(grant), old)
    with site.connect(site.role(grant), new) as session:
        assert site.count(session) == ROWS
    assert site.wrong() == []


def test_the_same_verifier_again_cuts_nobody(site):
    grant, secret = grant_of(), new_secret()
    verifier = make_verifier(secret).text()
    site.executor.ensure(grant)
    site.executor.set_verifier(grant, verifier)
    with site.connect(site.role(grant), secret) as session:
        site.executor.set_verifier(grant, verifier)
        assert site.count(session) == ROWS


def test_a_password_in_place_of_a_verifier_never_leaves(site):
    grant, secret = grant_of(), "correct horse battery " + new_secret()
    site.executor.ensure(grant)
    with pytest.raises(BackendError) as refused:
        site.executor.set_verifier(grant, secret)
    assert secret not in str(refused.value)
    assert secret not in site.server.log.read_text()


@pytest.mark.parametrize("generation", [1, 3])
def test_a_verifier_for_another_generation_is_refused(site, generation):
    second = later(grant_of(), 2)
    site.executor.ensure(second)
    with pytest.raises(StaleGrantError):
        site.executor.set_verifier(replace(second, generation=generation), make_verifier("x").text())
    assert site.admin_sql("SELECT rolcanlogin FROM pg_roles WHERE rolname = '" + site.role(second) + "'") == [(False,)]


def test_a_verifier_for_what_is_over_or_never_was_is_refused(site):
    over, ended, unknown = grant_of(seconds=0.5), grant_of(), grant_of()
    site.executor.ensure(over)
    site.executor.ensure(ended)
    site.executor.revoke(ended)
    time.sleep(0.6)
    for grant in (over, ended, unknown):
        with pytest.raises(StaleGrantError):
            site.executor.set_verifier(grant, make_verifier("x").text())


def test_a_grant_that_is_given_anew_after_its_end_needs_a_new_password(site):
    grant = grant_of()
    site.executor.ensure(grant)
    secret = site.password_for(grant)
    site.executor.revoke(grant)
    site.executor.ensure(later(grant, 2))
    with pytest.raises(psycopg.OperationalError):
        site.connect(site.role(grant), secret)
    assert site.wrong() == []


def test_the_executors_own_password_is_in_no_message(site):
    assert site.password not in repr(site.settings)
    wrong = PostgresExecutor(replace(site.settings, conninfo=site.address(site.executor_role, "not-it-42")))
    with pytest.raises(BackendError) as refused:
        wrong.ensure(grant_of())
    assert "not-it-42" not in f"{refused.value}{refused.value.__cause__}"


@pytest.fixture
def own(postgres):
    """A site where a person has an account, and how they reach it."""
    name = f"ada_{time.monotonic_ns()}"
    site = Site(postgres, accounts={PERSON: name})
    site.secret, site.name = site.account(name), name
    return site


def own_grant(access=Access.READ, columns=(), **rest):
    return grant_of(access, columns, subject=PERSON, **rest)


def test_a_person_with_an_account_uses_it_and_no_login_is_made(own):
    grant = own_grant()
    receipt = own.executor.ensure(grant)
    assert receipt.enforcement is Enforcement.ENFORCED
    assert receipt.note.startswith(f"Use {own.view} with your own account: psql ")
    assert receipt.note.endswith(f'user={own.name}"')
    with own.connect(own.name, own.secret) as session:
        assert own.count(session) == ROWS
        with pytest.raises(errors.InsufficientPrivilege):
            session.execute(psycopg.sql.SQL("SET ROLE {}").format(psycopg.sql.Identifier(own.role(grant))))
        own.executor.revoke(grant)
        with pytest.raises(errors.InsufficientPrivilege):
            own.count(session)
        assert session.execute("SELECT 1").fetchone() == (1,), "the person's own session goes on"
    assert own.executor.observe(grant) is Observation.GONE


def test_a_site_with_accounts_declares_no_more_than_enforced(own):
    assert own.executor.enforcement is Enforcement.ENFORCED


def test_an_own_account_is_ended_by_the_database_too(own):
    own.executor.ensure(own_grant(seconds=1.5))
    with own.connect(own.name, own.secret) as session:
        assert own.count(session) == ROWS
        time.sleep(1.6)
        assert own.count(session) == 0


def test_two_grants_to_one_account_do_not_cut_each_other(own):
    one, two = own_grant(), own_grant(Access.WRITE, request=1043)
    own.executor.ensure(one)
    own.executor.ensure(two)
    with own.connect(own.name, own.secret) as session:
        own.executor.revoke(two)
        assert own.count(session) == ROWS
        with pytest.raises(errors.InsufficientPrivilege):
            session.execute(f"UPDATE {own.view} SET amount = 1")
    assert own.executor.observe(two) is Observation.GONE
    assert own.executor.observe(one) is Observation.HELD


def test_a_statement_that_an_account_still_runs_keeps_its_grant_from_being_called_gone(own):
    grant = own_grant()
    own.executor.ensure(grant)
    with own.connect(own.name, own.secret) as session:
        reader = threading.Thread(target=lambda: session.execute(f"SELECT pg_sleep(1.5) FROM {own.view} LIMIT 1"))
        reader.start()
        time.sleep(0.4)
        own.executor.revoke(grant)
        assert own.executor.observe(grant) is Observation.HELD
        reader.join(timeout=10)
    assert own.executor.observe(grant) is Observation.GONE


def test_an_account_gets_no_password_of_ours(own):
    grant = own_grant()
    own.executor.ensure(grant)
    with pytest.raises(BackendError, match="account of the person's own"):
        own.executor.set_verifier(grant, make_verifier("x").text())


def test_an_account_that_is_missing_or_a_superuser_is_refused(own):
    for name, words in (("nobody_here", "no role"), ("gov", "superuser")):
        executor = PostgresExecutor(replace(own.settings, accounts={PERSON: name}))
        with pytest.raises(BackendError, match=words):
            executor.ensure(own_grant())
    assert own.roles() == set()


def test_a_mapping_that_changes_moves_the_grant_with_its_next_generation(own):
    grant = own_grant()
    PostgresExecutor(replace(own.settings, accounts={})).ensure(grant)
    own.password_for(grant)
    own.executor.ensure(later(grant, 2))
    assert own.wrong() == []
    with own.connect(own.name, own.secret) as session:
        assert own.count(session) == ROWS
    assert own.executor.holdings()[0].what == "read claims"


def test_somebody_who_may_act_as_the_person_gets_nothing(own):
    """The rows look at who logged in, not at whom that login poses as."""
    friend = f"friend_{own.name}"
    secret = own.account(friend)
    own.admin_sql("GRANT {} TO {} WITH INHERIT TRUE, SET TRUE", own.name, friend)
    own.executor.ensure(own_grant())
    with own.connect(friend, secret) as session:
        assert own.count(session) == 0
        session.execute(psycopg.sql.SQL("SET ROLE {}").format(psycopg.sql.Identifier(own.name)))
        assert own.count(session) == 0
