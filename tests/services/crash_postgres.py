"""PostgreSQL's part of the crash table: its data set, its kills, and what must be so of its roles afterwards."""

from __future__ import annotations

from contextlib import contextmanager

import psycopg
from services import crash_longer, postgres, warehouse

from ledger.nouns import Access, DataForm
from ledger.streams.request import Status
from policies.catalogue import load_catalogue
from workers.backends import postgres_settings
from workers.executors.postgres import PostgresExecutor
from workers.settings import HouseSettings

DATA_SET = """
[datasets.warehouse_claims]
owner = "team:platform"
level = 1
columns = ["claim_id", "amount"]
aliases = ["warehouse claims"]
backend = "postgres:warehouse"
table = "claims"
"""
LEASE = "SELECT role_id, ended FROM qm.lease WHERE key = %s AND generation >= %s"
ROLES = "SELECT oid FROM pg_roles WHERE starts_with(shobj_description(oid, 'pg_authid'), %s)"


class PostgresSite:
    """A database as one more backend of the place."""

    scheme, name = "postgres", "PostgreSQL"
    catalogue = DATA_SET + warehouse.BACKEND
    starts = ("after-dispatched", "before-ensure", "after-ensure")
    ends = ("before-revoke", "after-revoke")
    dies = ("before-ensure", "after-ensure", *ends)
    dies_longer, saves_late = crash_longer.STEPS, False

    def __init__(self, server):
        self.server, self.administrator = server, warehouse.claims_on(server)

    @classmethod
    @contextmanager
    def opened(cls):
        with postgres.running() as server:
            yield cls(server)

    def prepare(self, home):
        dsn = warehouse.prepare_for(home, self.server, self.administrator)
        self.environment = {"QM_POSTGRES_DSN": dsn}
        settings = HouseSettings(home=home, policies=home / "policies", postgres_dsn=dsn, _env_file=None)
        catalogue = load_catalogue(home / "policies")
        self.executor = PostgresExecutor(postgres_settings(settings, catalogue, catalogue.databases["warehouse"]))

    def form(self, seconds):
        return DataForm(resource="data:warehouse_claims", access=Access.READ, duration_s=seconds)

    def victim(self):
        """The process id of the server: its sessions end with it, whatever they were about."""
        return self.server.process.pid

    def restart(self):
        self.server.stop_after_a_crash()
        self.server.start()

    def faults(self, request):
        """Say what is not so: a role too many, one that outlives its request, or a lease that could start again."""
        running = request.status is Status.RUNNING
        with psycopg.connect(self.administrator) as admin:
            roles = admin.execute(ROLES, [f"quartermaster qm key={request.grant_key} "]).fetchall()
            leases = admin.execute(LEASE, [request.grant_key, request.generation]).fetchall()
        if len(roles) != running or leases != [(roles[0][0] if running else leases[0][0], not running)]:
            yield f"{request.status}, with roles {roles} and leases {leases}"
        yield from (f"{each.who}: {each.wrong}" for each in self.executor.holdings() if each.wrong)
