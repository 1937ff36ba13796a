"""A prepared database of its own for each test: one table of claims, the executor's login, a house of its own name."""

from __future__ import annotations

import itertools
import secrets
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ledger.nouns import Access, DataForm, Grant
from workers.executors.postgres import PostgresExecutor, PostgresSettings, Product, prepare
from workers.scram import make_verifier, new_secret

COLUMNS = ("claim_id", "amount", "region")
ROWS = 50
_numbers = itertools.count(1)


def grant_of(access=Access.READ, columns=(), *, key=None, seconds=3600.0, generation=1, resource="data:claims", **rest):
    """A grant that ends `seconds` from now."""
    form = DataForm(resource=resource, access=access, duration_s=3600, columns=tuple(columns))
    return Grant(
        request=rest.pop("request", 1042),
        key=key or secrets.token_hex(16),
        subject=rest.pop("subject", "user:" + "a" * 32),
        form=rest.pop("form", form),
        generation=generation,
        not_after=datetime.now(UTC) + timedelta(seconds=seconds),
        **rest,
    )


def later(grant, generation, seconds=7200.0, **form):
    """The same grant in a later generation, perhaps with another form."""
    end = datetime.now(UTC) + timedelta(seconds=seconds)
    return replace(grant, generation=generation, not_after=end, form=replace(grant.form, **form))


class Site:
    """What the tests of the executor share."""

    def __init__(self, server, **settings):
        number = next(_numbers)
        self.server, self.house, self.database = server, f"h{number}", f"db{number}"
        self.admin_sql("CREATE DATABASE {} STRATEGY FILE_COPY", self.database, dbname="postgres")
        self.executor_role, self.password = f"exec{number}", secrets.token_hex(16)
        with self.admin() as admin:
            admin.execute("CREATE TABLE claims (claim_id int PRIMARY KEY, amount int, region text)")
            admin.execute("INSERT INTO claims SELECT n, n * 10, 'north' FROM generate_series(1, %s) n", [ROWS])
            self.settings = PostgresSettings(
                conninfo=self.address(self.executor_role, self.password),
                products=(Product(name="claims", table="claims", columns=COLUMNS),),
                executor=self.executor_role,
                house=self.house,
                **settings,
            )
            prepare(admin, self.settings)
        verifier = make_verifier(self.password).text()
        self.admin_sql("ALTER ROLE {} PASSWORD " + sql.Literal(verifier).as_string(), self.executor_role)
        self.executor = PostgresExecutor(self.settings)

    def address(self, user, password):
        return make_conninfo(self.server.conninfo(user, password), dbname=self.database)

    def admin(self, dbname=None):
        return psycopg.connect(self.server.conninfo(), dbname=dbname or self.database, autocommit=True)

    def admin_sql(self, template, *identifiers, dbname=None):
        with self.admin(dbname) as admin:
            cursor = admin.execute(sql.SQL(template).format(*map(sql.Identifier, identifiers)))
            return cursor.fetchall() if cursor.description else []

    @property
    def view(self):
        return f"{self.house}_data.claims"

    def role(self, grant):
        return f"{self.house}_{grant.request}_{grant.key[:8]}"

    def roles(self):
        """Names of all grant roles."""
        rows = self.admin_sql("SELECT rolname FROM pg_roles")
        return {name for (name,) in rows if name.startswith(f"{self.house}_")}

    def password_for(self, grant):
        """Show the password: set its verifier, return the secret."""
        secret = new_secret()
        self.executor.set_verifier(grant, make_verifier(secret).text())
        return secret

    def connect(self, user, secret):
        return psycopg.connect(self.address(user, secret), autocommit=True)

    @contextmanager
    def held(self, grant):
        """A granted login with an open session."""
        self.executor.ensure(grant)
        with self.connect(self.role(grant), self.password_for(grant)) as session:
            yield session

    def account(self, name):
        """A person's own database account and how to reach it."""
        secret = secrets.token_hex(8)
        self.admin_sql("CREATE ROLE {} LOGIN PASSWORD " + sql.Literal(secret).as_string(), name)
        return secret

    def count(self, session, what="claim_id"):
        return len(session.execute(f"SELECT {what} FROM {self.view}").fetchall())

    def wrong(self):
        """(who, what, wrong) of every holding that is not as granted."""
        return [(h.who, h.what, h.wrong) for h in self.executor.holdings() if h.wrong]


@pytest.fixture(name="site")
def prepared_site(postgres):
    site = Site(postgres)
    yield site
    site.admin_sql("DROP DATABASE {} WITH (FORCE)", site.database, dbname="postgres")
