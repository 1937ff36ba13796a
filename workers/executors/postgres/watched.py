"""Which relations and roles lead to the data sets, and what `prepare` made of them: everything else is a side door.

Written into the query that looks for doors and into the functions that close them, so that what may be taken away is
exactly what is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from psycopg import sql

from ledger.nouns import Access
from workers.executors.postgres import names
from workers.executors.postgres.settings import PostgresSettings, Product

RIGHTS: Final = {Access.READ: ("SELECT",), Access.WRITE: ("SELECT", "INSERT", "UPDATE")}
"""What can be granted on single columns; the role of a whole product adds DELETE to writing."""
READS_ALL: Final = frozenset({"pg_read_all_data", "pg_write_all_data"})

_RELATIONS: Final = """
WITH RECURSIVE watched(id, spreads) AS (
    SELECT c.oid, w.spreads FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN unnest({schemas}::text[], {tables}::text[], {spreads}::boolean[]) AS w(schema, name, spreads)
      ON n.nspname = w.schema AND c.relname = w.name
  UNION
    SELECT more.id, true FROM watched CROSS JOIN LATERAL (
        SELECT rule.ev_class FROM pg_depend d JOIN pg_rewrite rule ON rule.oid = d.objid
        WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = watched.id
      UNION ALL
        SELECT inhrelid FROM pg_inherits WHERE inhparent = watched.id
    ) AS more(id) WHERE watched.spreads
), relation AS (
    SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relowner, c.relacl, meant.id AS meant
    FROM watched JOIN pg_class c ON c.oid = watched.id JOIN pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (SELECT CASE WHEN n.nspname IN ({own_schema}, {view_schema})
        THEN (SELECT k.oid FROM pg_roles k WHERE k.rolname = {keeper})
        ELSE coalesce((SELECT parent.relowner FROM pg_inherits i JOIN pg_class parent ON parent.oid = i.inhparent
                       WHERE i.inhrelid = c.oid ORDER BY i.inhseqno LIMIT 1), c.relowner) END) AS meant(id)
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """One entry of an access list; `column` is empty for the whole table, `who` is PUBLIC for everyone."""

    schema: str
    table: str
    column: str
    right: str
    grantable: bool
    who: str


def relations(settings: PostgresSettings) -> sql.Composed:
    """Return the start of a query: `relation` is everything that shows rows, with who owns it and who is meant to.

    Whoever reads a table or a view passes its rows on; our views read the leases, and pass none of them on.
    """
    house = settings.house
    views, leases = names.view_schema(house), names.lease_schema(house)
    tables = [(product.schema, product.table, True) for product in settings.products]
    tables += [(views, product.name, True) for product in settings.products]
    tables.append((leases, "lease", False))
    schemas, called, spreads = (list(column) for column in zip(*tables, strict=True))
    return sql.SQL(_RELATIONS).format(
        schemas=sql.Literal(schemas),
        tables=sql.Literal(called),
        spreads=sql.Literal(spreads),
        own_schema=sql.Literal(leases),
        view_schema=sql.Literal(views),
        keeper=sql.Literal(names.keeper_role(house)),
    )


def product_roles(settings: PostgresSettings) -> set[str]:
    """Return the roles that grants are members of."""
    return {role for product in settings.products for role in _roles(settings, product)}


def watched_roles(settings: PostgresSettings) -> set[str]:
    """Return the roles whose members reach the data, besides the owners of the relations."""
    own = {names.keeper_role(settings.house), names.estate_role(settings.house), settings.executor}
    return product_roles(settings) | own | READS_ALL


def expected(settings: PostgresSettings) -> Iterator[Right]:
    """Yield every entry of an access list that `prepare` makes."""
    for right in ("SELECT", "INSERT", "UPDATE"):
        yield _right(names.lease_schema(settings.house), "lease", "", right, settings.executor)
    for product in settings.products:
        for right in ("SELECT", "INSERT", "UPDATE", "DELETE"):
            yield _right(product.schema, product.table, "", right, names.keeper_role(settings.house))
        for access in Access:
            yield from _expected(settings, product, access)


def _expected(settings: PostgresSettings, product: Product, access: Access) -> Iterator[Right]:
    view, house = (names.view_schema(settings.house), product.name), settings.house
    whole = names.product_role(house, product.name, access)
    for right in (*RIGHTS[access], *(["DELETE"] if access is Access.WRITE else [])):
        yield _right(*view, "", right, whole)
    for column in product.columns:
        for right in RIGHTS[access]:
            yield _right(*view, column, right, names.column_role(house, product.name, access, column))


def _roles(settings: PostgresSettings, product: Product) -> Iterator[str]:
    for access in Access:
        yield names.product_role(settings.house, product.name, access)
        for column in product.columns:
            yield names.column_role(settings.house, product.name, access, column)


def _right(schema: str, table: str, column: str, right: str, who: str) -> Right:
    return Right(schema=schema, table=table, column=column, right=right, grantable=False, who=who)
