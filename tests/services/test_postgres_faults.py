"""Data grants while things break: the server down or killed, connections lost, the catalogue locked, workers racing."""

from __future__ import annotations

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from services.postgres import postgres_server  # noqa: F401 - a fixture
from services.postgres_site import ROWS, grant_of, later, prepared_site  # noqa: F401 - a fixture

from ledger.nouns import Access
from workers.errors import BackendError, StaleGrantError
from workers.executors.base import Observation
from workers.executors.postgres import PostgresExecutor, ending, executor

pytestmark = pytest.mark.services


class LostError(Exception):
    """Raised when the test pulls the plug."""


def cut(monkeypatch, site, module, name, *, before):
    """Kill our own session at the server just before or after `module.name`, as a network that goes away would."""
    real = getattr(module, name)

    def kill(session):
        with site.admin() as admin:
            admin.execute("SELECT pg_terminate_backend(%s, 2000)", [session.info.backend_pid])

    def broken(session, *arguments, **rest):
        if before:
            kill(session)
        done = real(session, *arguments, **rest)
        kill(session)
        return done

    monkeypatch.setattr(module, name, broken)


@pytest.fixture
def down(site):
    site.server.stop()
    yield site
    site.server.start()


def test_a_server_that_is_down_is_said_so_and_nothing_is_concluded(down):
    grant = grant_of()
    for call in (down.executor.ensure, down.executor.revoke):
        with pytest.raises(BackendError, match="does not answer") as refused:
            call(grant)
        assert down.password not in str(refused.value)
    with pytest.raises(BackendError):
        down.executor.holdings()
    assert down.executor.observe(grant) is Observation.UNKNOWN


def test_a_killed_server_keeps_grants_logins_and_endings(site):
    held, over = grant_of(Access.WRITE), grant_of(request=1043)
    for grant in (held, over):
        site.executor.ensure(grant)
    secret = site.password_for(held)
    site.executor.revoke(over)
    site.server.stop(signal.SIGKILL)
    site.server.start()
    with site.connect(site.role(held), secret) as session:
        assert site.count(session) == ROWS
    with pytest.raises(StaleGrantError):
        site.executor.ensure(over)
    assert site.wrong() == []


@pytest.mark.parametrize("step", ["make_role", "give_exactly", "write_lease"])
def test_a_server_killed_during_ensure_leaves_nothing_and_the_next_try_converges(site, monkeypatch, step):
    grant, real = grant_of(), getattr(executor, step)

    def killed(session, *arguments, **rest):
        done = real(session, *arguments, **rest)
        site.server.stop(signal.SIGKILL)
        return done

    with monkeypatch.context() as patch:
        patch.setattr(executor, step, killed)
        with pytest.raises(BackendError, match="does not answer"):
            site.executor.ensure(grant)
    assert site.executor.observe(grant) is Observation.UNKNOWN
    site.server.start()
    assert site.executor.observe(grant) is Observation.GONE
    site.executor.ensure(grant)
    assert site.wrong() == []
    assert site.executor.observe(grant) is Observation.HELD


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("step", ["shut", "terminate", "erase"])
def test_a_connection_lost_in_the_middle_of_revoke_leaves_less_and_the_next_try_ends_it(
    site, monkeypatch, step, before
):
    grant = grant_of()
    site.executor.ensure(grant)
    secret = site.password_for(grant)
    with monkeypatch.context() as patch:
        cut(patch, site, ending, step, before=before)
        try:
            site.executor.revoke(grant)
        except BackendError as lost:
            assert "does not answer" in lost.detail
    gone = step == "erase" and not before
    assert site.executor.observe(grant) is (Observation.GONE if gone else Observation.HELD)
    if (step, before) != ("shut", True):
        with pytest.raises(psycopg.OperationalError):
            site.connect(site.role(grant), secret)
        with pytest.raises(StaleGrantError):
            site.executor.ensure(grant)
    site.executor.revoke(grant)
    assert site.executor.observe(grant) is Observation.GONE
    assert site.executor.holdings() == ()


def test_a_locked_catalogue_is_waited_for_shortly_and_said_so(site):
    quick = PostgresExecutor(replace(site.settings, lock_timeout=timedelta(seconds=0.3)))
    grant = grant_of()
    with site.admin() as admin, admin.transaction():
        admin.execute("LOCK TABLE pg_auth_members IN EXCLUSIVE MODE")
        started = time.monotonic()
        with pytest.raises(BackendError, match="locked"):
            quick.ensure(grant)
        assert time.monotonic() - started < 5
    assert site.roles() == set()
    quick.ensure(grant)
    assert site.wrong() == []


def test_a_locked_catalogue_during_revoke_is_said_so_and_the_grant_is_not_called_gone(site):
    quick = PostgresExecutor(replace(site.settings, lock_timeout=timedelta(seconds=0.3)))
    grant = grant_of()
    quick.ensure(grant)
    with site.admin() as admin, admin.transaction():
        admin.execute("LOCK TABLE pg_auth_members IN EXCLUSIVE MODE")
        with pytest.raises(BackendError, match="locked"):
            quick.revoke(grant)
        assert quick.observe(grant) is Observation.HELD
    quick.revoke(grant)
    assert quick.observe(grant) is Observation.GONE


def test_a_statement_that_takes_too_long_is_given_up(site):
    quick = PostgresExecutor(
        replace(site.settings, lock_timeout=timedelta(seconds=30), statement_timeout=timedelta(seconds=0.3))
    )
    with site.admin() as admin, admin.transaction():
        admin.execute("LOCK TABLE pg_auth_members IN EXCLUSIVE MODE")
        with pytest.raises(BackendError, match="too long"):
            quick.ensure(grant_of())


def test_workers_that_race_make_one_role(site):
    grant = grant_of()
    with ThreadPoolExecutor(6) as pool:
        receipts = list(pool.map(lambda _: site.executor.ensure(grant), range(6)))
    assert len(set(receipts)) == 1
    assert site.roles() == {site.role(grant)}
    assert site.wrong() == []


def test_many_grants_on_one_data_set_at_once_are_all_made_and_all_ended(site):
    grants = [grant_of(request=n) for n in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(site.executor.ensure, grants))
        assert len(site.executor.holdings()) == len(grants)
        assert site.wrong() == []
        list(pool.map(site.executor.revoke, grants))
    assert site.executor.holdings() == ()


def test_an_ensure_that_races_its_revoke_never_outlives_it(site):
    for _ in range(8):
        grant = grant_of()
        starts = threading.Thread(target=lambda g=grant: _quietly(site, g))
        starts.start()
        site.executor.revoke(grant)
        starts.join()
        # Whoever was first: when both are over, the revoke holds.
        assert site.executor.observe(grant) is Observation.GONE


def _quietly(site, grant):
    try:
        site.executor.ensure(grant)
    except StaleGrantError:
        return


def test_a_role_that_others_gave_more_is_not_called_granted(site):
    grant = grant_of()
    site.executor.ensure(grant)
    site.admin_sql("GRANT pg_read_all_data TO {}", site.role(grant))
    with pytest.raises(BackendError, match="more than was granted"):
        site.executor.ensure(later(grant, 2))


def test_a_product_role_that_is_missing_is_said_so(site):
    site.admin_sql("DROP OWNED BY {}", f"{site.house}:claims:read")
    site.admin_sql("DROP ROLE {}", f"{site.house}:claims:read")
    with pytest.raises(BackendError, match="run prepare"):
        site.executor.ensure(grant_of())


def test_an_executor_that_lost_a_right_is_told_to_prepare(site):
    site.admin_sql("REVOKE {} FROM {}", f"{site.house}:claims:read", site.executor_role)
    with pytest.raises(BackendError, match="prepare again"):
        site.executor.ensure(grant_of())
    assert site.roles() == set()


def test_a_session_that_will_not_end_is_not_called_ended(site, monkeypatch):
    grant = grant_of()
    with site.held(grant):
        with monkeypatch.context() as patch:
            patch.setattr(ending, "WAIT_MS", 1)
            patch.setattr(ending, "sessions_of", lambda *_: [0])
            with pytest.raises(BackendError, match="did not end"):
                site.executor.revoke(grant)
        assert site.executor.observe(grant) is Observation.HELD


def test_a_crash_of_ours_in_the_middle_of_ensure_leaves_nothing(site, monkeypatch):
    grant = grant_of()
    with monkeypatch.context() as patch:
        patch.setattr(executor, "write_lease", lambda *_, **__: (_ for _ in ()).throw(LostError))
        with pytest.raises(LostError):
            site.executor.ensure(grant)
    assert site.executor.observe(grant) is Observation.GONE
    assert site.roles() == set()
