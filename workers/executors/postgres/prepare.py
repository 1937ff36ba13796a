"""What an administrator sets up once, and again after the catalogue changed: roles, views, leases. Safe to repeat.

Nobody reads a table of the administrator's: they read a view whose rows are there only while a lease of the login that
asks runs. The row condition compares the clock with the lease's end *row by row* (the sub-select runs once a statement,
the volatile clock every time), so that the database ends even a cursor that was open before. `security_barrier` keeps
a holder's own functions from seeing rows before the condition did; the check option makes INSERT obey it too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, LiteralString

import psycopg
from psycopg import sql

from ledger.nouns import Access
from workers.errors import BackendError
from workers.executors.postgres import names
from workers.executors.postgres.closing import functions
from workers.executors.postgres.session import OLDEST, Session, sentence
from workers.executors.postgres.settings import PostgresSettings, Product
from workers.executors.postgres.watched import RIGHTS

_LEASES: Final = """CREATE TABLE IF NOT EXISTS {leases} (
    key text PRIMARY KEY CHECK (key ~ '^[0-9a-f]{{32}}$'),
    request bigint NOT NULL,
    generation integer NOT NULL,
    data_set text NOT NULL,
    access text NOT NULL,
    columns text[] NOT NULL,
    role_id oid NOT NULL,
    who name NOT NULL,
    own_account boolean NOT NULL,
    not_after timestamptz NOT NULL,
    ended boolean NOT NULL,
    verifier text NOT NULL
)"""
_VIEW: Final = """CREATE OR REPLACE VIEW {view} WITH (security_barrier = true) AS
SELECT {columns} FROM {table} AS held
WHERE pg_catalog.clock_timestamp() < (
    SELECT max(lease.not_after) FROM {leases} AS lease
    WHERE lease.who = session_user AND lease.data_set = {data_set} AND NOT lease.ended)
WITH LOCAL CHECK OPTION"""


def prepare(administrator: Session, settings: PostgresSettings) -> None:
    """Make or mend everything that the executor needs, in one transaction; repeating it changes nothing.

    Args:
        administrator: a session of a superuser, or of a role with CREATEROLE that owns the database and the tables.

    Raises:
        BackendError: a table or column is missing, or the administrator lacks a right.
    """
    if administrator.info.server_version < OLDEST:
        raise BackendError("PostgreSQL 16 or later is needed")
    try:
        with administrator.transaction():
            for statement in statements(settings):
                administrator.execute(statement)
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise BackendError("a table or column of a data set does not exist; see the program log") from error
    except psycopg.Error as error:
        raise BackendError(sentence(error)) from error


def script(settings: PostgresSettings) -> str:
    """Return the same as SQL, for an administrator who reads before running: all of it or nothing is done."""
    lines = ("BEGIN", *(statement.as_string() for statement in statements(settings)), "COMMIT")
    return "".join(f"{line};\n" for line in lines)


def statements(settings: PostgresSettings) -> Iterator[sql.Composed]:
    """Yield every statement of the set-up, in order."""
    house = settings.house
    keeper, estate, executor = names.keeper_role(house), names.estate_role(house), settings.executor
    schema = sql.Identifier(names.lease_schema(house))
    yield from (_role(keeper), _role(estate), _role(executor, "LOGIN CREATEROLE"))
    # Whoever is no superuser must be a member of the keeper to give it anything; only for this transaction.
    yield _sql("GRANT {} TO CURRENT_USER WITH INHERIT TRUE, SET TRUE", keeper)
    # As the heir of what holders leave behind, the executor needs the heir's rights; they are none.
    yield _sql("GRANT {} TO {} WITH INHERIT TRUE, SET FALSE, ADMIN FALSE", estate, executor)
    yield sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema)
    yield _sql("CREATE SCHEMA IF NOT EXISTS {}", names.view_schema(house))
    yield _sql("GRANT USAGE ON SCHEMA {} TO {}", names.lease_schema(house), executor)
    for each in (names.lease_schema(house), names.view_schema(house)):
        yield _sql("GRANT USAGE, CREATE ON SCHEMA {} TO {}", each, keeper)
    yield sql.SQL(_LEASES).format(leases=leases_table(house))
    yield sql.SQL("CREATE INDEX IF NOT EXISTS lease_who ON {} (who, data_set) WHERE NOT ended").format(
        leases_table(house)
    )
    yield sql.SQL("ALTER TABLE {} OWNER TO {}").format(leases_table(house), sql.Identifier(keeper))
    # No DELETE: the leases remember which generations are over.
    yield sql.SQL("GRANT SELECT, INSERT, UPDATE ON {} TO {}").format(leases_table(house), sql.Identifier(executor))
    for product in settings.products:
        yield from _product(settings, product)
    yield from functions(settings)
    yield _sql("REVOKE {} FROM CURRENT_USER", keeper)


def leases_table(house: str) -> sql.Identifier:
    """Return the table that remembers every grant and what became of it."""
    return sql.Identifier(names.lease_schema(house), "lease")


def view_of(house: str, data_set: str) -> sql.Identifier:
    """Return the view through which a data set is used."""
    return sql.Identifier(names.view_schema(house), data_set)


def _product(settings: PostgresSettings, product: Product) -> Iterator[sql.Composed]:
    house, keeper = settings.house, sql.Identifier(names.keeper_role(settings.house))
    table, view = sql.Identifier(product.schema, product.table), view_of(house, product.name)
    yield sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(sql.Identifier(product.schema), keeper)
    yield sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO {}").format(table, keeper)
    yield sql.SQL(_VIEW).format(
        view=view,
        columns=_columns(product.columns),
        table=table,
        leases=leases_table(house),
        data_set=sql.Literal(product.name),
    )
    yield sql.SQL("ALTER VIEW {} OWNER TO {}").format(view, keeper)
    for access in Access:
        yield from _whole(settings, product, access)
        for column in product.columns:
            yield from _column(settings, product, access, column)


def _whole(settings: PostgresSettings, product: Product, access: Access) -> Iterator[sql.Composed]:
    role = names.product_role(settings.house, product.name, access)
    rights = [*RIGHTS[access], *(["DELETE"] if access is Access.WRITE else [])]
    yield from _member_role(settings, role)
    yield sql.SQL("GRANT {} ON {} TO {}").format(
        sql.SQL(", ").join(map(sql.SQL, rights)), view_of(settings.house, product.name), sql.Identifier(role)
    )


def _column(settings: PostgresSettings, product: Product, access: Access, column: str) -> Iterator[sql.Composed]:
    role = names.column_role(settings.house, product.name, access, column)
    rights = [sql.SQL("{} ({})").format(sql.SQL(right), sql.Identifier(column)) for right in RIGHTS[access]]
    yield from _member_role(settings, role)
    yield sql.SQL("GRANT {} ON {} TO {}").format(
        sql.SQL(", ").join(rights), view_of(settings.house, product.name), sql.Identifier(role)
    )


def _member_role(settings: PostgresSettings, role: str) -> Iterator[sql.Composed]:
    """A role that the executor may hand out and not use itself."""
    yield _role(role)
    yield _sql("GRANT {} TO {} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE", role, settings.executor)
    yield _sql("GRANT USAGE ON SCHEMA {} TO {}", names.view_schema(settings.house), role)


def _role(name: str, attributes: str = "NOLOGIN") -> sql.Composed:
    """Create a role unless it is there; a whole block as one quoted literal, so that no name can end it."""
    make = f"CREATE ROLE {sql.Identifier(name).as_string()} {attributes}"
    test = f"NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {sql.Literal(name).as_string()})"
    return sql.SQL("DO {}").format(sql.Literal(f"BEGIN IF {test} THEN {make}; END IF; END"))


def _columns(columns: tuple[str, ...]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier("held", column) for column in columns)


def _sql(template: LiteralString, *identifiers: str) -> sql.Composed:
    return sql.SQL(template).format(*map(sql.Identifier, identifiers))
