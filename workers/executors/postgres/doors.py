"""Side doors: access to a table, a view or the leases that no grant explains.

Read from the access lists and memberships themselves. What cannot be seen: superusers, copies of data, functions that
read with their owner's rights, and access through another database or a foreign table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from psycopg.rows import class_row

from ledger.nouns import Access
from workers.executors.base import Holding
from workers.executors.postgres import names
from workers.executors.postgres.prepare import RIGHTS
from workers.executors.postgres.roles import Membership
from workers.executors.postgres.session import Session
from workers.executors.postgres.settings import PostgresSettings, Product

DIRECT: Final = "A direct right that no grant of ours explains."
MEMBER: Final = "A membership that no grant of ours explains."
EVERYONE: Final = "PUBLIC"
READS_ALL: Final = frozenset({"pg_read_all_data", "pg_write_all_data"})

_WATCHED: Final = """
WITH RECURSIVE watched(id, spreads) AS (
    SELECT c.oid, w.spreads FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN unnest(%s::text[], %s::text[], %s::boolean[]) AS w(schema, name, spreads)
      ON n.nspname = w.schema AND c.relname = w.name
  UNION
    SELECT more.id, true FROM watched CROSS JOIN LATERAL (
        SELECT rule.ev_class FROM pg_depend d JOIN pg_rewrite rule ON rule.oid = d.objid
        WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = watched.id
      UNION ALL
        SELECT inhrelid FROM pg_inherits WHERE inhparent = watched.id
    ) AS more(id) WHERE watched.spreads
), relation AS (
    SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relowner, c.relacl
    FROM watched JOIN pg_class c ON c.oid = watched.id JOIN pg_namespace n ON n.oid = c.relnamespace
)
"""
_RIGHTS: Final = (
    _WATCHED
    + """
SELECT r.schema, r.name AS table, '' AS column, a.privilege_type AS right, a.is_grantable AS grantable,
       coalesce(g.rolname, 'PUBLIC') AS who
FROM relation r CROSS JOIN LATERAL aclexplode(r.relacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
WHERE a.grantee <> r.relowner
UNION ALL
SELECT r.schema, r.name, t.attname, a.privilege_type, a.is_grantable, coalesce(g.rolname, 'PUBLIC')
FROM relation r JOIN pg_attribute t ON t.attrelid = r.oid AND NOT t.attisdropped
CROSS JOIN LATERAL aclexplode(t.attacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
WHERE a.grantee <> r.relowner
"""
)
_OWNERS: Final = _WATCHED + "SELECT DISTINCT o.rolname FROM relation r JOIN pg_roles o ON o.oid = r.relowner"  # noqa: S608 - constants


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """One entry of an access list; `column` is empty for the whole table, `who` is PUBLIC for everyone."""

    schema: str
    table: str
    column: str
    right: str
    grantable: bool
    who: str


def side_doors(
    session: Session, settings: PostgresSettings, grants: set[str], members: list[Membership]
) -> Iterator[Holding]:
    """Return direct rights and memberships that neither a grant, nor `prepare`, nor the settings explain.

    Args:
        grants: names of the roles that stand for grants; what they hold is compared elsewhere.
        members: every membership of the cluster.
    """
    relations = _relations(settings)
    # Whoever reads a table or a view passes its rows on; our views read the leases, and pass none of them on.
    spreads = [schema != names.lease_schema(settings.house) for schema, _ in relations]
    watched = [[schema for schema, _ in relations], [table for _, table in relations], spreads]
    with session.cursor(row_factory=class_row(Right)) as cursor:
        rights = cursor.execute(_RIGHTS, watched).fetchall()
    owners = {str(row[0]) for row in session.execute(_OWNERS, watched)}
    return iter([*_direct(settings, rights), *_members(settings, owners, grants, members)])


def _direct(settings: PostgresSettings, rights: list[Right]) -> Iterator[Holding]:
    expected = set(_expected(settings))
    strange = [r for r in rights if r not in expected and r.who not in settings.known]
    strange.sort(key=lambda r: (r.who, r.schema, r.table, r.right, r.column))
    for (who, schema, table), entries in groupby(strange, key=lambda r: (r.who, r.schema, r.table)):
        said = ", ".join(dict.fromkeys(f"{r.right} ({r.column})" if r.column else r.right for r in entries))
        yield Holding(key=None, who=who, what=f"{said} on {schema}.{table}", wrong=DIRECT)


def _members(
    settings: PostgresSettings, owners: set[str], grants: set[str], members: list[Membership]
) -> Iterator[Holding]:
    product_roles = {role for product in settings.products for role in _product_roles(settings, product)}
    own = {names.keeper_role(settings.house), names.estate_role(settings.house), settings.executor}
    watched = product_roles | own | READS_ALL | owners
    for held in members:
        if held.role not in watched or held.member in grants or held.member in settings.known:
            continue
        if held.member == settings.executor and _is_our_own(settings, held, product_roles):
            continue
        yield Holding(key=None, who=held.member, what=f"member of {held.role}", wrong=MEMBER)


def _is_our_own(settings: PostgresSettings, held: Membership, product_roles: set[str]) -> bool:
    """Whether the executor has what `prepare` gave it: it hands product roles out and does not use them itself."""
    if held.role in product_roles:
        return held.administers and not held.inherits and not held.sets
    return held.role == names.estate_role(settings.house)


def _relations(settings: PostgresSettings) -> list[tuple[str, str]]:
    house = settings.house
    tables = [(product.schema, product.table) for product in settings.products]
    views = [(names.view_schema(house), product.name) for product in settings.products]
    return [*tables, *views, (names.lease_schema(house), "lease")]


def _product_roles(settings: PostgresSettings, product: Product) -> Iterator[str]:
    for access in Access:
        yield names.product_role(settings.house, product.name, access)
        for column in product.columns:
            yield names.column_role(settings.house, product.name, access, column)


def _expected(settings: PostgresSettings) -> Iterator[Right]:
    """Yield every entry that `prepare` makes."""
    for right in ("SELECT", "INSERT", "UPDATE"):
        yield _right(names.lease_schema(settings.house), "lease", "", right, settings.executor)
    for product in settings.products:
        for right in ("SELECT", "INSERT", "UPDATE", "DELETE"):
            yield _right(product.schema, product.table, "", right, names.keeper_role(settings.house))
        for access in Access:
            yield from _expected_of(settings, product, access)


def _expected_of(settings: PostgresSettings, product: Product, access: Access) -> Iterator[Right]:
    view, house = (names.view_schema(settings.house), product.name), settings.house
    whole = names.product_role(house, product.name, access)
    for right in (*RIGHTS[access], *(["DELETE"] if access is Access.WRITE else [])):
        yield _right(*view, "", right, whole)
    for column in product.columns:
        for right in RIGHTS[access]:
            yield _right(*view, column, right, names.column_role(house, product.name, access, column))


def _right(schema: str, table: str, column: str, right: str, who: str) -> Right:
    return Right(schema=schema, table=table, column=column, right=right, grantable=False, who=who)
