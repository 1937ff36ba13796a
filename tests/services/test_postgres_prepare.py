"""`quartermaster data prepare`: what it prints is enough, run by the owner on a fresh server, and twice is once."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo
from services.house import rules_with
from services.postgres import postgres_server  # noqa: F401 - a fixture
from services.postgres_site import grant_of
from typer.testing import CliRunner

from ledger.nouns import Access
from policies.catalogue import load_catalogue
from workers import cli
from workers.backends import postgres_settings
from workers.errors import BackendError
from workers.executors.base import Observation
from workers.executors.postgres import PostgresExecutor
from workers.scram import make_verifier, new_secret
from workers.settings import HouseSettings

pytestmark = pytest.mark.services
DATA_SET = '[datasets.claims_2024]\nowner = "team:platform"\nlevel = 2\n'
AT = '[datasets.claims_2024]\nowner = "team:platform"\nlevel = 2\nbackend = "postgres:warehouse"\ntable = "claims"\n'
BACKEND = '\n[backends.warehouse]\nkind = "postgres"\nknown = ["lena"]\n'
STATE = """
SELECT 'role', rolname, rolcanlogin::text || rolsuper || rolcreaterole FROM pg_roles
UNION ALL SELECT 'member', roleid::regrole::text, row(member::regrole, admin_option, inherit_option, set_option)::text
FROM pg_auth_members
UNION ALL SELECT 'relation', oid::regclass::text, row(relowner::regrole, relacl, reloptions, oid)::text FROM pg_class
WHERE relnamespace::regnamespace::text IN ('qm', 'qm_data', 'public')
UNION ALL SELECT 'column', attrelid::regclass || '.' || attname, attacl::text FROM pg_attribute WHERE attacl IS NOT NULL
UNION ALL SELECT 'schema', nspname, row(nspowner::regrole, nspacl)::text FROM pg_namespace WHERE nspname !~ '^pg_'
UNION ALL SELECT 'view', viewname, definition FROM pg_views WHERE schemaname = 'qm_data'
UNION ALL SELECT 'function', oid::regprocedure::text, row(proowner::regrole, proacl, prosrc)::text FROM pg_proc
WHERE pronamespace::regnamespace::text = 'qm' ORDER BY 1, 2, 3
"""


class Owner:
    """A fresh database that belongs to Lena, who may make roles and is no superuser."""

    def __init__(self, server, home):
        self.server, self.home = server, home
        rules_with(home, replace=[(DATA_SET, AT)], add=BACKEND)
        with psycopg.connect(server.conninfo(), autocommit=True) as admin:
            admin.execute("CREATE ROLE lena LOGIN CREATEROLE PASSWORD 'lenas-own'")
            admin.execute("CREATE DATABASE warehouse OWNER lena")
        self.address = make_conninfo(server.conninfo("lena", "lenas-own"), dbname="warehouse")
        self.run("CREATE TABLE claims (claim_id int, amount int, region text, closed_at date)")
        self.run("INSERT INTO claims SELECT n, n, 'north', now() FROM generate_series(1, 5) n")

    def run(self, statements):
        with psycopg.connect(self.address, autocommit=True) as session:
            cursor = session.execute(statements)
            return cursor.fetchall() if cursor.description else []

    def prepared(self, *arguments):
        return CliRunner().invoke(cli.app, ["prepare", *arguments])

    def executor(self):
        secret = new_secret()
        self.run("ALTER ROLE qm_executor PASSWORD " + sql.Literal(make_verifier(secret).text()).as_string())
        dsn = make_conninfo(self.server.conninfo("qm_executor", secret), dbname="warehouse")
        settings = HouseSettings(home=self.home, policies=self.home / "policies", postgres_dsn=dsn, _env_file=None)
        catalogue = load_catalogue(self.home / "policies")
        return PostgresExecutor(postgres_settings(settings, catalogue, catalogue.databases["warehouse"]))


@pytest.fixture(scope="module")
def owner(postgres, tmp_path_factory):
    home = tmp_path_factory.mktemp("prepare") / "home"
    owner = Owner(postgres, home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QM_HOME", str(home))
        patch.delenv("QM_POSTGRES_ADMIN_DSN", raising=False)
        yield owner


@pytest.fixture(scope="module")
def script(owner):
    """What it prints, run once."""
    printed = owner.prepared("warehouse")
    assert printed.exit_code == 0, printed.output
    owner.run(printed.stdout)
    return printed.stdout


def test_it_prints_sql_and_nothing_else_and_no_secret(script):
    lines = [line for line in script.splitlines() if line]
    assert (lines[0], lines[-1]) == ("BEGIN;", "COMMIT;")
    assert 'GRANT "qm:claims_2024:read" TO "qm_executor" WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;' in lines
    assert "PASSWORD" not in script.replace("NOLOGIN PASSWORD NULL", "")


def test_what_it_prints_is_all_that_the_executor_needs(owner, script):
    executor = owner.executor()
    assert executor.holdings() == ()
    one, other = grant_of(resource="data:claims_2024"), grant_of(Access.WRITE, ("amount",), resource="data:claims_2024")
    for grant in (one, other):
        executor.ensure(grant)
    assert [holding.wrong for holding in executor.holdings()] == ["", ""]
    owner.run("GRANT SELECT ON claims TO PUBLIC")
    for holding in executor.holdings():
        executor.take_away(holding)
    assert executor.holdings() == ()
    assert {executor.observe(grant) for grant in (one, other)} == {Observation.GONE}
    assert owner.run("SELECT count(*) FROM claims") == [(5,)]


def test_it_gives_the_executor_no_more_than_it_needs(owner, script):
    owner.executor()
    secret = new_secret()
    owner.run("ALTER ROLE qm_executor PASSWORD " + sql.Literal(make_verifier(secret).text()).as_string())
    address = make_conninfo(owner.server.conninfo("qm_executor", secret), dbname="warehouse")
    refused = (
        "SELECT * FROM public.claims",
        "SELECT * FROM qm_data.claims_2024",
        "SET ROLE lena",
        'SET ROLE "qm:keeper"',
        'SET ROLE "qm:claims_2024:read"',
        "DELETE FROM qm.lease",
        "CREATE TABLE qm.mine ()",
        "GRANT lena TO qm_executor",
        "CREATE DATABASE mine",
    )
    with psycopg.connect(address, autocommit=True) as session:
        for statement in refused:
            with pytest.raises(errors.InsufficientPrivilege):
                session.execute(statement)


def test_run_twice_by_either_way_it_changes_nothing(owner, script):
    before = owner.run(STATE)
    owner.run(script)
    assert owner.run(STATE) == before
    done = owner.prepared("warehouse", "--as", owner.address)
    assert done.exit_code == 0, done.output
    assert "warehouse is prepared for 1 data sets." in done.output
    assert owner.run(STATE) == before


def test_half_a_script_does_nothing(owner, postgres):
    with psycopg.connect(postgres.conninfo(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE bare OWNER lena")
    printed = owner.prepared("warehouse").stdout
    bare = make_conninfo(owner.address, dbname="bare")
    with psycopg.connect(bare, autocommit=True) as session:
        with pytest.raises(errors.UndefinedTable):
            session.execute(printed)
        session.execute("ROLLBACK")
        assert session.execute("SELECT to_regnamespace('qm')").fetchone() == (None,)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lake"], "the catalogue has no backend lake. There are: warehouse"),
        (["warehouse", "--as", "host=/nowhere dbname=warehouse"], "the administrator's login did not work"),
    ],
)
def test_what_cannot_be_meant_is_said_plainly(owner, arguments, words):
    done = owner.prepared(*arguments)
    assert done.exit_code != 0
    assert words in str(done.exception)


def test_what_the_owner_may_not_take_away_either_is_said_and_not_called_gone(owner, script, postgres):
    executor = owner.executor()
    admin_address = make_conninfo(postgres.conninfo(), dbname="warehouse")
    with psycopg.connect(admin_address, autocommit=True) as admin:
        admin.execute("GRANT SELECT ON qm_data.claims_2024 TO PUBLIC")
        (found,) = executor.holdings()
        with pytest.raises(BackendError, match=r"PUBLIC: SELECT on qm_data\.claims_2024\); do it by hand"):
            executor.take_away(found)
        admin.execute("REVOKE SELECT ON qm_data.claims_2024 FROM PUBLIC")
    assert executor.holdings() == ()
