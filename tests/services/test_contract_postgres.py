"""The suite of every executor over a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest
from conftest import Hand
from contracts.executor import Backend, ExecutorContract
from psycopg.conninfo import make_conninfo
from services.postgres import postgres_server  # noqa: F401 - a fixture
from services.postgres_site import Site

from ledger.nouns import Access, DataForm
from workers.executors.postgres import PostgresExecutor

pytestmark = pytest.mark.services


class PostgresBackend(Backend):
    """A prepared database; its clock begins at the present, because the server has one of its own."""

    resource = "data:claims"

    def __init__(self, site):
        self.settings, self.database = site.settings, site.database
        self.server, self.admin = site.server.conninfo(), make_conninfo(site.server.conninfo(), dbname=site.database)

    def clock(self):
        return Hand(datetime.now(UTC))

    def form(self, duration_s):
        return DataForm(resource=self.resource, access=Access.READ, duration_s=duration_s)

    def executor(self, clock):
        return PostgresExecutor(self.settings, clock=clock)

    def trace(self, key):
        """The role, its memberships and the lease of a key; that a start was barred is no effect."""
        query = f"""
            SELECT l.generation, l.not_after, l.ended, r.oid, r.rolvaliduntil,
                   ARRAY(SELECT (m.oid, m.roleid, m.xmin)::text FROM pg_auth_members m WHERE m.member = r.oid)
            FROM {self.settings.house}.lease l LEFT JOIN pg_roles r ON r.oid = l.role_id WHERE l.key = %s AND l.role_id <> 0
        """
        with psycopg.connect(self.admin) as session:
            return session.execute(query, [key]).fetchall()

    def breaks(self):
        self._let_in(False)
        return lambda: self._let_in(True)

    def clear(self):
        """Let everybody in again, and take away what a test left."""
        self._let_in(True)
        executor = self.executor(self.clock())
        for held in executor.holdings():
            executor.take_away(held)

    def _let_in(self, allowed):
        with psycopg.connect(self.server, autocommit=True) as session:
            session.execute(f"ALTER DATABASE {self.database} ALLOW_CONNECTIONS {allowed}")


@pytest.fixture(scope="module", name="prepared")
def one_site(postgres):
    return Site(postgres)


class TestPostgres(ExecutorContract):
    @pytest.fixture
    def backend(self, prepared):
        backend = PostgresBackend(prepared)
        yield backend
        backend.clear()
