"""Side doors: access to a table, a view or the leases that no grant explains, and how each is closed.

Read from the access lists and memberships themselves. What cannot be seen: superusers, copies of data, functions that
read with their owner's rights, and access through another database or a foreign table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from psycopg import sql
from psycopg.rows import class_row

from workers.executors.base import Holding
from workers.executors.postgres import names
from workers.executors.postgres.roles import Membership, Role
from workers.executors.postgres.session import Session
from workers.executors.postgres.settings import PostgresSettings
from workers.executors.postgres.watched import Right, expected, product_roles, relations, watched_roles

DIRECT: Final = "A direct right that no grant of ours explains."
MEMBER: Final = "A membership that no grant of ours explains."
OWNER: Final = "It belongs to somebody who was not meant to own it."
STRANGE: Final = "No grant of ours explains this role."
EVERYONE: Final = "PUBLIC"

_RIGHTS: Final = """
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
_OWNED: Final = """
SELECT r.schema, r.name, o.rolname, o.rolsuper OR r.relowner = r.meant AS meant
FROM relation r JOIN pg_roles o ON o.oid = r.relowner ORDER BY 3, 1, 2
"""

Call = tuple[str, tuple[str | bool, ...]]
"""One of the functions of `closing.py`, and what it is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """An access that should not be, and the calls that take it away, in order; each commits by itself."""

    holding: Holding
    closing: tuple[Call, ...]


def side_doors(
    session: Session, settings: PostgresSettings, grants: set[str], members: list[Membership]
) -> Iterator[Door]:
    """Yield direct rights, memberships and owners that neither a grant, nor `prepare`, nor the settings explain.

    Args:
        grants: names of the roles that stand for grants; what they hold is compared elsewhere.
        members: every membership of the cluster.
    """
    query = relations(settings)
    with session.cursor(row_factory=class_row(Right)) as cursor:
        rights = cursor.execute(query + sql.SQL(_RIGHTS)).fetchall()
    owned = [(str(s), str(t), str(who), bool(meant)) for s, t, who, meant in session.execute(query + sql.SQL(_OWNED))]
    yield from _direct(settings, rights)
    yield from _owners(settings, owned)
    watched = watched_roles(settings) | {who for _, _, who, _ in owned}
    for held in members:
        if held.role in watched and held.member not in grants:
            yield from _member(settings, held)


def strange_role(settings: PostgresSettings, role: Role, members: list[Membership]) -> Door:
    """Return the door that a role is which poses as a grant's: one that is named so goes, another loses its mark."""
    has = sorted({m.role for m in members if m.member == role.name})
    what = f"member of {', '.join(has) or 'nothing'}"
    closing: tuple[Call, ...] = (("lock_role", (role.name,)), ("drop_role", (role.name,)))
    if not names.is_grant_role(settings.house, role.name):
        reaching = [each for each in has if each in watched_roles(settings)]
        closing = (*(("take_membership", (each, role.name)) for each in reaching), ("take_mark", (role.name,)))
    return Door(holding=Holding(key=None, who=role.name, what=what, wrong=STRANGE), closing=closing)


def _direct(settings: PostgresSettings, rights: list[Right]) -> Iterator[Door]:
    meant = set(expected(settings))
    strange = [r for r in rights if r not in meant and r.who not in settings.known]
    strange.sort(key=lambda r: (r.who, r.schema, r.table, r.right, r.column))
    for (who, schema, table), group in groupby(strange, key=lambda r: (r.who, r.schema, r.table)):
        entries = list(group)
        said = ", ".join(dict.fromkeys(f"{r.right} ({r.column})" if r.column else r.right for r in entries))
        yield Door(
            holding=Holding(key=None, who=who, what=f"{said} on {schema}.{table}", wrong=DIRECT),
            # Of a right that `prepare` gave, only that it may be handed on is too much.
            closing=tuple(_take_right(r, option_alone=replace(r, grantable=False) in meant) for r in entries),
        )


def _take_right(right: Right, *, option_alone: bool) -> Call:
    return "take_right", (right.schema, right.table, right.column, right.right, option_alone, right.who)


def _owners(settings: PostgresSettings, owned: list[tuple[str, str, str, bool]]) -> Iterator[Door]:
    for schema, table, who, meant in owned:
        if not meant and who not in settings.known:
            holding = Holding(key=None, who=who, what=f"owner of {schema}.{table}", wrong=OWNER)
            yield Door(holding=holding, closing=(("give_back", (schema, table)),))


def _member(settings: PostgresSettings, held: Membership) -> Iterator[Door]:
    if held.member in settings.known or (held.member == settings.executor and _is_our_own(settings, held)):
        return
    holding = Holding(key=None, who=held.member, what=f"member of {held.role}", wrong=MEMBER)
    yield Door(holding=holding, closing=(("take_membership", (held.role, held.member)),))


def _is_our_own(settings: PostgresSettings, held: Membership) -> bool:
    """Whether the executor has what `prepare` gave it: it hands product roles out and does not use them itself."""
    if held.role in product_roles(settings):
        return held.administers and not held.inherits and not held.sets
    return held.role == names.estate_role(settings.house)
