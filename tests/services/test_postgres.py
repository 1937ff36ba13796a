"""Data grants on a real PostgreSQL: what a holder can do, when it ends, and that nothing is left."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import errors
from services.postgres import postgres_server  # noqa: F401 - a fixture
from services.postgres_site import COLUMNS, ROWS, Site, grant_of, later, prepared_site  # noqa: F401 - a fixture

from ledger.nouns import Access, Enforcement, GpuForm
from workers.errors import BackendError, StaleGrantError
from workers.executors.base import Observation
from workers.executors.postgres import PostgresExecutor, Product, prepare, script

pytestmark = pytest.mark.services


def test_a_read_grant_reads_and_changes_nothing(site):
    grant = grant_of()
    with site.held(grant) as session:
        assert site.count(session) == ROWS
        for statement in ("UPDATE {} SET amount = 0", "DELETE FROM {}", "INSERT INTO {} VALUES (99, 1, 'x')"):
            with pytest.raises(errors.InsufficientPrivilege):
                session.execute(statement.format(site.view))
    assert site.executor.observe(grant) is Observation.HELD


def test_nobody_reaches_the_table_behind_the_view(site):
    with site.held(grant_of(Access.WRITE)) as session, pytest.raises(errors.InsufficientPrivilege):
        session.execute("SELECT * FROM public.claims")


def test_a_write_grant_reads_adds_changes_and_deletes(site):
    with site.held(grant_of(Access.WRITE)) as session:
        session.execute(f"INSERT INTO {site.view} VALUES (99, 1, 'x')")
        assert session.execute(f"UPDATE {site.view} SET amount = 5").rowcount == ROWS + 1
        assert session.execute(f"DELETE FROM {site.view} WHERE claim_id = 99").rowcount == 1
    assert site.admin_sql("SELECT count(*), max(amount) FROM claims") == [(ROWS, 5)]


def test_a_grant_on_columns_shows_those_columns_alone(site):
    with site.held(grant_of(columns=("claim_id", "amount"))) as session:
        assert site.count(session, "claim_id, amount") == ROWS
        for columns in ("region", "*"):
            with pytest.raises(errors.InsufficientPrivilege):
                site.count(session, columns)


def test_a_write_grant_on_a_column_changes_that_column_alone(site):
    with site.held(grant_of(Access.WRITE, columns=("amount",))) as session:
        assert session.execute(f"UPDATE {site.view} SET amount = 5").rowcount == ROWS
        for statement in ("UPDATE {} SET region = 'x'", "DELETE FROM {}"):
            with pytest.raises(errors.InsufficientPrivilege):
                session.execute(statement.format(site.view))


def test_ensure_again_changes_nothing_and_keeps_the_login(site):
    grant = grant_of()
    with site.held(grant) as session:
        before = site.executor.holdings()
        site.executor.ensure(grant)
        assert site.executor.holdings() == before
        assert site.count(session) == ROWS
    assert len(site.roles()) == 1


def test_the_receipt_names_login_and_view_and_says_self_ending(site):
    grant = grant_of()
    receipt = site.executor.ensure(grant)
    assert (receipt.executor, receipt.enforcement, receipt.simulated) == ("postgres", Enforcement.SELF_ENDING, False)
    assert receipt.note.startswith(f"Use {site.view} with the login of this grant: psql ")
    assert receipt.note.endswith(f'dbname={site.database} user={site.role(grant)}"')
    assert site.executor.enforcement is Enforcement.SELF_ENDING


def test_revoke_ends_open_sessions_and_leaves_nothing(site):
    grant = grant_of()
    with site.held(grant) as session:
        site.executor.revoke(grant)
        with pytest.raises(psycopg.OperationalError):
            site.count(session)
    assert site.executor.observe(grant) is Observation.GONE
    assert site.roles() == set()
    assert site.executor.holdings() == ()


def test_revoke_stops_a_statement_that_is_running(site):
    grant, ended = grant_of(), []
    with site.held(grant) as session:

        def read():
            try:
                session.execute(f"SELECT pg_sleep(60) FROM {site.view}")
            except psycopg.OperationalError:
                ended.append(time.monotonic())

        reader = threading.Thread(target=read)
        reader.start()
        time.sleep(0.3)
        site.executor.revoke(grant)
        reader.join(timeout=10)
    assert ended


def test_shutting_alone_takes_access_from_an_open_session(site):
    """Steps two and three may fail: the first commit has already closed the rows."""
    from workers.executors.postgres.ending import shut
    from workers.executors.postgres.session import opened

    grant = grant_of()
    with site.held(grant) as session, opened(site.settings) as ours:
        shut(ours, site.house, site.executor_role, grant)
        with pytest.raises(errors.InsufficientPrivilege):
            site.count(session)


def test_revoke_of_what_never_was_is_quiet_and_remembered(site):
    grant = grant_of()
    assert site.executor.observe(grant) is Observation.GONE
    site.executor.revoke(grant)
    site.executor.revoke(grant)
    with pytest.raises(StaleGrantError):
        site.executor.ensure(grant)
    assert site.roles() == set()


def test_after_a_revoke_nothing_of_that_generation_or_before_starts(site):
    second = later(grant_of(), 2)
    site.executor.ensure(second)
    site.executor.revoke(second)
    for generation in (1, 2):
        with pytest.raises(StaleGrantError):
            site.executor.ensure(replace(second, generation=generation))
    site.executor.ensure(replace(second, generation=3))
    assert site.executor.observe(second) is Observation.HELD


def test_a_late_revoke_of_an_earlier_generation_does_not_cut_the_later(site):
    first = grant_of()
    second = later(first, 2)
    with site.held(second) as session:
        site.executor.revoke(first)
        assert site.count(session) == ROWS
    assert site.executor.observe(second) is Observation.HELD
    assert site.wrong() == []


def test_an_older_generation_is_refused(site):
    first = grant_of()
    site.executor.ensure(later(first, 2))
    with pytest.raises(StaleGrantError):
        site.executor.ensure(first)
    assert site.wrong() == []


def test_an_older_generation_is_refused_by_the_mark_when_the_lease_is_lost(site):
    first = grant_of()
    site.executor.ensure(later(first, 2))
    site.admin_sql("DELETE FROM {}.lease", site.house)
    with pytest.raises(StaleGrantError):
        site.executor.ensure(first)


def test_what_is_over_is_refused_by_either_clock(site):
    with pytest.raises(StaleGrantError):
        site.executor.ensure(grant_of(seconds=-1))
    behind = PostgresExecutor(site.settings, clock=lambda: grant_of(seconds=-3600).not_after)
    with pytest.raises(StaleGrantError):
        behind.ensure(grant_of(seconds=-1))
    assert site.roles() == set()


def test_an_extension_moves_the_end_for_an_open_session(site):
    grant = grant_of(seconds=2)
    with site.held(grant) as session:
        site.executor.ensure(later(grant, 2))
        time.sleep(2.1)
        assert site.count(session) == ROWS
    assert site.wrong() == []


def test_a_sooner_end_is_the_roles_and_the_rows_end_then_with_our_side_stopped(site):
    grant = grant_of(seconds=600)
    with site.held(grant) as session:
        sooner = replace(later(grant, 2), not_after=grant.not_after - timedelta(seconds=597))
        site.executor.ensure(sooner)
        (ends,) = site.admin_sql("SELECT rolvaliduntil FROM pg_roles WHERE rolname = '" + site.role(grant) + "'")
        assert ends == (sooner.not_after,)
        assert site.wrong() == []
        assert site.count(session) == ROWS
        site.executor = None
        time.sleep(max(0, (sooner.not_after - datetime.now(UTC)).total_seconds()) + 0.1)
        assert site.count(session) == 0


def test_approving_less_takes_the_rest_from_an_open_session(site):
    grant = grant_of(Access.WRITE)
    with site.held(grant) as session:
        site.executor.ensure(later(grant, 2, access=Access.READ, columns=("amount",)))
        assert site.count(session, "amount") == ROWS
        with pytest.raises(errors.InsufficientPrivilege):
            site.count(session, "region")
        with pytest.raises(errors.InsufficientPrivilege):
            session.execute(f"UPDATE {site.view} SET amount = 1")
    assert site.wrong() == []


def test_overlapping_grants_never_cut_each_other(site):
    one, two = grant_of(), grant_of(Access.WRITE, request=1043)
    with site.held(one), site.held(two) as session:
        site.executor.revoke(one)
        assert session.execute(f"UPDATE {site.view} SET amount = 1").rowcount == ROWS
    assert site.executor.observe(one) is Observation.GONE
    assert site.executor.observe(two) is Observation.HELD


def test_the_database_ends_an_open_session_with_our_side_stopped(site):
    """Nothing of ours runs after the login: no executor, no clock. The rows go by themselves, for reading and writing."""
    with site.held(grant_of(Access.WRITE, seconds=2)) as session, site.held(grant_of(seconds=2)) as reader:
        site.executor = None
        reader.execute("BEGIN")
        reader.execute(f"DECLARE opened NO SCROLL CURSOR FOR SELECT claim_id FROM {site.view}")
        assert len(reader.execute("FETCH 10 FROM opened").fetchall()) == 10
        assert site.count(session) == ROWS
        time.sleep(2.1)
        assert reader.execute("FETCH 10 FROM opened").fetchall() == []
        assert site.count(session) == 0
        assert session.execute(f"UPDATE {site.view} SET amount = 0").rowcount == 0
        assert session.execute(f"DELETE FROM {site.view}").rowcount == 0
        with pytest.raises(errors.WithCheckOptionViolation):
            session.execute(f"INSERT INTO {site.view} VALUES (99, 1, 'x')")
    assert site.admin_sql("SELECT count(*), min(amount) FROM claims") == [(ROWS, 10)]


def test_the_database_refuses_a_new_login_after_the_end(site):
    grant = grant_of(seconds=1.5)
    site.executor.ensure(grant)
    secret = site.password_for(grant)
    site.connect(site.role(grant), secret).close()
    time.sleep(1.6)
    with pytest.raises(psycopg.OperationalError):
        site.connect(site.role(grant), secret)


def test_a_function_of_the_holder_sees_no_row_before_the_condition_did(site):
    """Without security_barrier the planner would run the cheap function first, also after the end."""
    with site.held(grant_of(seconds=2)) as session:
        session.execute(
            "CREATE FUNCTION pg_temp.peek(int) RETURNS boolean LANGUAGE plpgsql COST 0.0000001"
            " AS $$BEGIN RAISE EXCEPTION 'saw %', $1; END$$"
        )
        time.sleep(2.1)
        assert session.execute(f"SELECT claim_id FROM {site.view} WHERE pg_temp.peek(claim_id)").fetchall() == []


def test_no_more_sessions_than_allowed(site):
    grant = grant_of()
    site.executor.ensure(grant)
    secret = site.password_for(grant)
    with (
        site.connect(site.role(grant), secret),
        site.connect(site.role(grant), secret),
        pytest.raises(psycopg.OperationalError, match="too many connections"),
    ):
        site.connect(site.role(grant), secret)


def test_what_a_holder_made_stays_with_the_estate(site):
    grant = grant_of(Access.WRITE)
    site.admin_sql("CREATE SCHEMA scratch")
    site.admin_sql("GRANT USAGE, CREATE ON SCHEMA scratch TO {}", f"{site.house}:claims:write")
    with site.held(grant) as session:
        session.execute(f"CREATE TABLE scratch.mine AS SELECT * FROM {site.view}")
        site.executor.revoke(grant)
    assert site.admin_sql("SELECT count(*) FROM scratch.mine") == [(ROWS,)]
    owners = site.admin_sql("SELECT tableowner FROM pg_tables WHERE tablename = 'mine'")
    assert owners == [(f"{site.house}:estate",)]


def test_memberships_that_others_gave_go_with_the_role(site):
    grant = grant_of()
    site.executor.ensure(grant)
    site.admin_sql("GRANT pg_read_all_data TO {}", site.role(grant))
    site.executor.revoke(grant)
    assert site.executor.observe(grant) is Observation.GONE


def test_a_right_that_others_gave_keeps_the_role_from_being_called_gone(site):
    grant = grant_of()
    site.admin_sql("GRANT USAGE ON SCHEMA public TO PUBLIC")
    with site.held(grant) as session:
        site.admin_sql("GRANT SELECT ON claims TO {}", site.role(grant))
        with pytest.raises(BackendError, match="others gave"):
            site.executor.revoke(grant)
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT * FROM public.claims")
    assert site.executor.observe(grant) is Observation.HELD
    site.admin_sql("REVOKE SELECT ON claims FROM {}", site.role(grant))
    site.executor.revoke(grant)
    assert site.executor.observe(grant) is Observation.GONE


def test_a_role_that_owns_things_in_another_database_is_shut_and_not_called_gone(site):
    grant = grant_of()
    site.executor.ensure(grant)
    secret = site.password_for(grant)
    other = f"{site.database}_other"
    site.admin_sql("CREATE DATABASE {}", other)
    with site.admin(other) as admin:
        admin.execute(f"CREATE TABLE hangs (); ALTER TABLE hangs OWNER TO {site.role(grant)}")
    with pytest.raises(BackendError, match="another database"):
        site.executor.revoke(grant)
    with pytest.raises(psycopg.OperationalError):
        site.connect(site.role(grant), secret)
    assert site.executor.observe(grant) is Observation.HELD
    with site.admin(other) as admin:
        admin.execute("DROP TABLE hangs")
    site.executor.revoke(grant)
    assert site.executor.observe(grant) is Observation.GONE


def test_a_renamed_role_is_found_by_its_mark(site):
    grant = grant_of()
    site.executor.ensure(grant)
    site.admin_sql("ALTER ROLE {} RENAME TO {}", site.role(grant), f"innocent{site.house}")
    assert site.executor.observe(grant) is Observation.HELD
    site.executor.revoke(grant)
    assert site.executor.observe(grant) is Observation.GONE


def test_a_role_without_its_mark_is_still_ours_to_end(site):
    grant = grant_of()
    site.executor.ensure(grant)
    site.admin_sql("COMMENT ON ROLE {} IS NULL", site.role(grant))
    assert site.executor.observe(grant) is Observation.HELD
    site.executor.revoke(grant)
    assert site.roles() == set()


def test_a_strangers_role_of_the_same_name_is_refused_and_left_alone(site):
    grant = grant_of()
    site.admin_sql("CREATE ROLE {}", site.role(grant))
    site.admin_sql("COMMENT ON ROLE {} IS " + f"'quartermaster {site.house} key={'0' * 32} generation=1 not_after=2026-11-24T09:00:00.000000Z'",
                   site.role(grant))  # fmt: skip
    with pytest.raises(BackendError, match="no grant of ours explains"):
        site.executor.ensure(grant)
    site.executor.revoke(grant)
    assert site.roles() == {site.role(grant)}


@pytest.mark.parametrize(
    ("grant", "words"),
    [
        (grant_of(resource="data:elsewhere"), "no data set elsewhere"),
        (grant_of(resource='data:claims"; DROP TABLE claims; --'), "no data set"),
        (grant_of(columns=("salary",)), "no column salary"),
        (grant_of(columns=('amount"; DROP TABLE claims; --',)), "no column"),
        (grant_of(form=GpuForm(resource="gpu:claims", gpu_type="h100", gpus=1, duration_s=60)), "no data set"),
    ],
)
def test_what_the_database_does_not_have_is_refused_in_plain_words(site, grant, words):
    with pytest.raises(BackendError) as refused:
        site.executor.ensure(grant)
    assert words in refused.value.detail
    assert site.roles() == set()
    assert site.admin_sql("SELECT count(*) FROM claims") == [(ROWS,)]


def test_a_grant_on_a_data_set_that_left_the_catalogue_still_ends(site):
    grant = grant_of()
    site.executor.ensure(grant)
    without = PostgresExecutor(replace(site.settings, products=()))
    without.revoke(grant)
    assert without.observe(grant) is Observation.GONE


def test_odd_names_are_names_and_nothing_else(postgres):
    odd = "a\"; DROP TABLE claims; -- ' $$ %s {} " + "é" * 10
    site = Site(postgres)
    with site.admin() as admin:
        admin.execute(
            psycopg.sql.SQL("CREATE TABLE {} ({} int, {} int)").format(
                *map(psycopg.sql.Identifier, (odd, odd, "b:read"))
            )
        )
        product = Product(name="odd-set.1", table=odd, columns=(odd, "b:read"))
        settings = replace(site.settings, products=(*site.settings.products, product))
        prepare(admin, settings)
        prepare(admin, settings)
        assert odd.replace('"', '""') in script(settings)
    executor = PostgresExecutor(settings)
    grant = grant_of(resource="data:odd-set.1", columns=(odd,))
    executor.ensure(grant)
    assert [h.wrong for h in executor.holdings()] == [""]
    executor.revoke(grant)
    assert executor.observe(grant) is Observation.GONE
    assert site.admin_sql("SELECT count(*) FROM claims") == [(ROWS,)]


def test_prepare_is_safe_to_repeat_and_takes_a_new_column(site):
    grant = grant_of()
    with site.held(grant) as session, site.admin() as admin:
        prepare(admin, site.settings)
        assert site.count(session) == ROWS
        admin.execute("ALTER TABLE claims ADD COLUMN closed_at date")
        product = Product(name="claims", table="claims", columns=(*COLUMNS, "closed_at"))
        prepare(admin, replace(site.settings, products=(product,)))
        assert site.count(session, "closed_at") == ROWS


def test_prepare_names_a_table_that_is_not_there(site):
    product = Product(name="ghost", table="ghost", columns=("a",))
    with site.admin() as admin, pytest.raises(BackendError, match="does not exist"):
        prepare(admin, replace(site.settings, products=(product,)))


def test_the_script_is_what_prepare_runs(site):
    with site.admin() as admin:
        admin.execute(script(site.settings))
    site.executor.ensure(grant_of())
    assert site.wrong() == []


def test_a_superuser_is_refused_as_executor(site):
    mighty = PostgresExecutor(replace(site.settings, conninfo=site.address("gov", site.server.password)))
    with pytest.raises(BackendError, match="superuser"):
        mighty.ensure(grant_of())
    assert mighty.observe(grant_of()) is Observation.UNKNOWN


def test_an_executor_without_createrole_is_refused(site):
    site.admin_sql("ALTER ROLE {} NOCREATEROLE", site.executor_role)
    with pytest.raises(BackendError, match="CREATEROLE"):
        site.executor.ensure(grant_of())


def test_the_executor_itself_reads_no_row(site):
    site.executor.ensure(grant_of())
    with site.connect(site.executor_role, site.password) as session:
        for relation in ("public.claims", site.view):
            with pytest.raises(errors.InsufficientPrivilege):
                session.execute(f"SELECT * FROM {relation}")


def test_a_database_that_was_never_prepared_is_said_so(site):
    site.admin_sql("DROP SCHEMA {} CASCADE", site.house)
    with pytest.raises(BackendError, match="run prepare"):
        site.executor.ensure(grant_of())
    with pytest.raises(BackendError, match="run prepare"):
        site.executor.revoke(grant_of())
    assert site.executor.observe(grant_of()) is Observation.UNKNOWN
