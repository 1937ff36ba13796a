"""A database of claims, set up as the README says: prepared by the command, and the executor given its password."""

from __future__ import annotations

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner

from workers import cli
from workers.scram import make_verifier, new_secret

BACKEND = '\n[backends.warehouse]\nkind = "postgres"\n'


def claims_on(postgres):
    """Make the database with fifty claims, and return how its administrator reaches it."""
    with psycopg.connect(postgres.conninfo(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE warehouse")
    address = make_conninfo(postgres.conninfo(), dbname="warehouse")
    with psycopg.connect(address, autocommit=True) as admin:
        admin.execute("CREATE TABLE claims (claim_id int, amount int, region text, closed_at date)")
        admin.execute("INSERT INTO claims SELECT n, n * 10, 'north', now() FROM generate_series(1, 50) n")
    return address


def prepare_for(home, postgres, administrator):
    """Prepare it for the catalogue in `home`, and return how the executor logs in."""
    done = CliRunner().invoke(cli.app, ["prepare", "warehouse", "--as", administrator], env={"QM_HOME": str(home)})
    assert done.exit_code == 0, done.output
    secret = new_secret()
    with psycopg.connect(administrator, autocommit=True) as admin:
        verifier = sql.Literal(make_verifier(secret).text())
        admin.execute(sql.SQL("ALTER ROLE qm_executor PASSWORD {}").format(verifier))
    return make_conninfo(postgres.conninfo("qm_executor", secret), dbname="warehouse")
