"""Taking side doors away for real, each seen gone; what nobody else may lose; and what no machine takes."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest
from psycopg import errors, sql
from services.postgres import postgres_server  # noqa: F401 - a fixture
from services.postgres_site import ROWS, Site, grant_of

from ledger.nouns import Access
from workers.errors import BackendError, StaleGrantError
from workers.executors.base import Holding, Observation, TakesAway
from workers.executors.postgres import PostgresExecutor, prepare

pytestmark = pytest.mark.services

DOORS = {
    "everyone reads the table": ["GRANT SELECT ON claims TO PUBLIC"],
    "everyone reads a column": ["GRANT SELECT (amount) ON claims TO PUBLIC"],
    "everyone reads the view": ["GRANT SELECT ON {views}.claims TO PUBLIC"],
    "the table was given": ["GRANT SELECT, UPDATE, TRUNCATE ON claims TO {who}"],
    "columns were given": ["GRANT SELECT (amount, region), UPDATE (region) ON claims TO {who}"],
    "the leases can be written": ["GRANT UPDATE ON {house}.lease TO {who}"],
    "a right that was handed on": [
        "GRANT SELECT ON claims TO {who} WITH GRANT OPTION",
        "SET ROLE {who}",
        "GRANT SELECT ON public.claims TO {other}",
        "RESET ROLE",
    ],
    "a view of a view": [
        "CREATE VIEW leak AS SELECT amount FROM claims",
        "CREATE VIEW drip AS SELECT amount FROM leak",
        "GRANT SELECT ON drip TO {who}",
    ],
    "a partition": ["CREATE TABLE part () INHERITS (claims)", "GRANT SELECT ON part TO {who}"],
    "the owner of a partition": ["CREATE TABLE part () INHERITS (claims)", "ALTER TABLE part OWNER TO {who}"],
    "the owner of our view": ["ALTER VIEW {views}.claims OWNER TO {who}"],
    "the owner of the leases": ["ALTER TABLE {house}.lease OWNER TO {who}"],
    "a member of a product": ["GRANT {read} TO {who}"],
    "a member who may hand on": [
        "GRANT {read} TO {who} WITH ADMIN OPTION",
        "SET ROLE {who}",
        "GRANT {read} TO {other}",
        "RESET ROLE",
    ],
    "a member of a column": ["GRANT {column} TO {who}"],
    "a member of the keeper": ["GRANT {keeper} TO {who}"],
    "a member of the executor": ["GRANT {executor} TO {who}"],
    "a member of those who read all": ["GRANT pg_read_all_data TO {who}", "GRANT pg_write_all_data TO {who}"],
    "a member of the owner": ["ALTER TABLE claims OWNER TO {other}", "GRANT {other} TO {who}"],
    "the executor reads": ["GRANT {read} TO {executor} WITH INHERIT TRUE, SET TRUE"],
    "the executor keeps": ["GRANT {keeper} TO {executor}"],
    "a column more for a role of ours": ["GRANT SELECT (region) ON {views}.claims TO {column}"],
    "the whole view for a column's role": ["GRANT SELECT ON {views}.claims TO {column}"],
    "a role of ours may hand on": ["GRANT SELECT ON {views}.claims TO {read} WITH GRANT OPTION"],
    "a column's role may hand on": ["GRANT SELECT (amount) ON {views}.claims TO {column} WITH GRANT OPTION"],
    "a role named like a grant's": [
        "CREATE ROLE {house}_7_0badc0de LOGIN",
        "GRANT {read} TO {house}_7_0badc0de",
        "GRANT pg_monitor TO {house}_7_0badc0de",
        "CREATE TABLE theirs ()",
        "ALTER TABLE theirs OWNER TO {house}_7_0badc0de",
        "GRANT SELECT ON claims TO {house}_7_0badc0de",
    ],
    "a grant's mark on a person": [
        "COMMENT ON ROLE {who} IS 'quartermaster {house} key=00 generation=1'",
        "GRANT {read} TO {who}",
    ],
}


@pytest.fixture(scope="module", name="site")
def one_site(postgres):
    """One database for all of them: whatever a test opens it closes."""
    return Site(postgres)


@pytest.fixture
def people(site):
    """Two logins of the database that have nothing to do with us; gone afterwards, with what they had."""
    names = [f"{name}{site.house}" for name in ("mallory", "trudy")]
    for name in names:
        site.admin_sql("CREATE ROLE {} LOGIN", name)
    yield names
    with site.admin() as admin:
        admin.execute("ALTER TABLE claims OWNER TO gov; DROP VIEW IF EXISTS leak CASCADE")
        admin.execute(f"ALTER DATABASE {site.database} OWNER TO gov")
        admin.execute("DROP TABLE IF EXISTS part, theirs, elsewhere")
        admin.execute(f"DROP OWNED BY {', '.join(names)} CASCADE; DROP ROLE {', '.join(names)}")


def open_door(site, people, statements):
    names = {"who": people[0], "other": people[1], "house": site.house, "views": f"{site.house}_data"}
    names |= {"read": f"{site.house}:claims:read", "column": f"{site.house}:claims:read:amount"}
    names |= {"keeper": f"{site.house}:keeper", "executor": site.executor_role}
    plain = {name: sql.SQL(value) if name == "house" else sql.Identifier(value) for name, value in names.items()}
    with site.admin() as admin:
        for statement in statements:
            admin.execute(sql.SQL(statement).format(**plain))


def access_lists(site):
    """Everything that access is made of, to see that nothing else was taken."""
    return site.admin_sql(
        "SELECT c.relname, c.relowner::regrole::text, a::text FROM pg_class c CROSS JOIN LATERAL unnest(c.relacl) a"
        f" WHERE c.relnamespace IN ('public'::regnamespace, '{site.house}'::regnamespace,"
        f" '{site.house}_data'::regnamespace) UNION ALL SELECT attname, attrelid::regclass::text, a::text"
        " FROM pg_attribute CROSS JOIN LATERAL unnest(attacl) a UNION ALL SELECT m.roleid::regrole::text,"
        " m.member::regrole::text, row(m.grantor, admin_option, inherit_option, set_option)::text FROM pg_auth_members m"
        " ORDER BY 1, 2, 3"
    )


@pytest.mark.parametrize("door", DOORS)
def test_a_side_door_is_taken_away_seen_gone_and_nobody_else_loses_anything(site, people, door):
    grant = grant_of()
    site.executor.ensure(grant)
    ours = site.executor.holdings()
    before = set(access_lists(site))
    open_door(site, people, DOORS[door])
    found = [holding for holding in site.executor.holdings() if holding.wrong]
    assert found
    for holding in found:
        site.executor.take_away(holding)
        assert holding not in site.executor.holdings()
        site.executor.take_away(holding)
    assert site.executor.holdings() == ours
    assert before <= set(access_lists(site)) | {each for each in before if each[1] == "gov"}
    site.executor.revoke(grant)
    assert site.executor.observe(grant) is Observation.GONE


def test_what_a_strange_role_made_stays_with_the_estate(site, people):
    open_door(site, people, DOORS["a role named like a grant's"])
    (strange,) = [holding for holding in site.executor.holdings() if holding.what.startswith("member of")]
    for holding in [h for h in site.executor.holdings() if h != strange] + [strange]:
        site.executor.take_away(holding)
    assert site.admin_sql("SELECT tableowner FROM pg_tables WHERE tablename = 'theirs'") == [(f"{site.house}:estate",)]
    assert site.roles() == set()


def test_an_open_session_loses_a_direct_right_with_it(site, people):
    secret = "plain-words"
    site.admin_sql("ALTER ROLE {} PASSWORD " + sql.Literal(secret).as_string(), people[0])
    site.admin_sql("GRANT SELECT ON claims TO {}", people[0])
    with site.connect(people[0], secret) as session:
        assert len(session.execute("SELECT * FROM claims").fetchall()) == ROWS
        site.executor.take_away(site.executor.holdings()[0])
        with pytest.raises(errors.InsufficientPrivilege):
            session.execute("SELECT * FROM claims")


def test_a_grant_that_no_ledger_knows_is_taken_away_with_its_session(site):
    grant = grant_of(Access.WRITE, ("amount",))
    with site.held(grant) as session:
        site.admin_sql("GRANT SELECT (region) ON {}.claims TO {}", f"{site.house}_data", site.role(grant))
        (held,) = [holding for holding in site.executor.holdings() if holding.key == grant.key]
        site.executor.take_away(held)
        with pytest.raises(psycopg.OperationalError):
            site.count(session, "amount")
    assert site.executor.holdings() == ()
    assert site.executor.observe(grant) is Observation.GONE
    with pytest.raises(StaleGrantError):
        site.executor.ensure(grant)


def test_a_role_that_a_broken_revoke_left_is_taken_away(site):
    from workers.executors.postgres.ending import shut
    from workers.executors.postgres.session import opened

    grant = grant_of()
    site.executor.ensure(grant)
    with opened(site.settings) as session:
        shut(session, site.house, site.executor_role, grant)
    site.executor.take_away(site.executor.holdings()[0])
    assert site.executor.holdings() == ()


def test_a_superuser_and_the_databases_owner_are_refused_with_a_sentence(site, people):
    site.admin_sql("ALTER ROLE {} SUPERUSER", people[0])
    site.admin_sql("ALTER DATABASE {} OWNER TO {}", site.database, people[1])
    for name in people:
        site.admin_sql("GRANT {} TO {}", f"{site.house}:claims:read", name)
    before = site.executor.holdings()
    said = []
    for holding in before:
        with pytest.raises(BackendError) as refused:
            site.executor.take_away(holding)
        said.append(refused.value.detail)
    assert "is a superuser" in said[0]
    assert "owns the database" in said[1]
    assert site.executor.holdings() == before


def test_a_grants_role_that_became_a_superuser_is_refused(site):
    grant = grant_of()
    site.executor.ensure(grant)
    site.admin_sql("ALTER ROLE {} SUPERUSER", site.role(grant))
    with pytest.raises(BackendError, match="is a superuser"):
        site.executor.take_away(site.executor.holdings()[0])
    site.admin_sql("ALTER ROLE {} NOSUPERUSER", site.role(grant))
    site.executor.take_away(site.executor.holdings()[0])
    assert site.executor.holdings() == ()


def test_the_functions_refuse_what_is_not_watched_and_whoever_is_not_the_executor(site, people):
    site.admin_sql("CREATE TABLE elsewhere ()")
    site.admin_sql("GRANT SELECT ON elsewhere TO {}", people[0])
    site.admin_sql("GRANT pg_monitor TO {}", people[0])
    calls = [
        f"SELECT {site.house}.take_right('public', 'elsewhere', '', 'SELECT', false, '{people[0]}')",
        f"SELECT {site.house}.take_right('public', 'claims', '', 'SELECT ON claims TO x; --', false, '{people[0]}')",
        f"SELECT {site.house}.take_membership('pg_monitor', '{people[0]}')",
        f"SELECT {site.house}.lock_role('{people[0]}')",
        f"SELECT {site.house}.drop_role('{people[0]}')",
        f"SELECT {site.house}.take_mark('{people[0]}')",
        f"SELECT {site.house}.give_back('public', 'elsewhere')",
    ]
    secret = "plain-words"
    site.admin_sql("ALTER ROLE {} PASSWORD " + sql.Literal(secret).as_string(), people[0])
    site.admin_sql("GRANT USAGE ON SCHEMA {} TO {}", site.house, people[0])
    for who, password in ((site.executor_role, site.password), (people[0], secret)):
        with site.connect(who, password) as session:
            for call in calls:
                with pytest.raises(errors.InsufficientPrivilege):
                    session.execute(call)
    with site.connect(people[0], secret) as session, pytest.raises(errors.InsufficientPrivilege):
        session.execute(f"SELECT {site.house}.take_right('public', 'claims', '', 'SELECT', false, 'PUBLIC')")


def test_a_database_that_was_prepared_before_says_so(site, people):
    site.admin_sql("GRANT SELECT ON claims TO {}", people[0])
    site.admin_sql("DROP FUNCTION {}.take_right", site.house)
    with pytest.raises(BackendError, match="earlier version; run prepare again"):
        site.executor.take_away(site.executor.holdings()[0])
    with site.admin() as admin:
        prepare(admin, site.settings)
    site.executor.take_away(site.executor.holdings()[0])
    assert site.executor.holdings() == ()


def test_a_known_role_is_not_in_danger(site, people):
    site.admin_sql("GRANT SELECT ON claims TO {}", people[0])
    (found,) = site.executor.holdings()
    known = PostgresExecutor(replace(site.settings, known=frozenset({people[0]})))
    known.take_away(found)
    assert site.executor.holdings() == (found,)


def test_what_is_gone_or_was_never_there_is_no_error(site):
    assert isinstance(site.executor, TakesAway)
    site.executor.take_away(Holding(key=None, who="nobody", what="SELECT on public.claims"))
    site.executor.take_away(Holding(key="0" * 32, who="nobody", what="read claims"))
