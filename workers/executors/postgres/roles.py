"""The role that stands for one grant: found by its mark, made, and given exactly the memberships that were granted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from psycopg import sql
from psycopg.rows import class_row

from ledger.log.canonical import format_time
from ledger.nouns import DataForm, Grant
from workers.errors import BackendError
from workers.executors.postgres import names
from workers.executors.postgres.session import Session, run
from workers.executors.postgres.settings import PostgresSettings, Product

_ROLES = """
SELECT oid::bigint AS id, rolname AS name, shobj_description(oid, 'pg_authid') AS comment, rolcanlogin AS login,
       rolconnlimit AS connections, CASE WHEN isfinite(rolvaliduntil) THEN rolvaliduntil END AS until,
       rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls AS mighty
FROM pg_roles
"""
_MEMBERSHIPS = """
SELECT g.rolname AS role, m.rolname AS member, a.inherit_option AS inherits, a.set_option AS sets,
       a.admin_option AS administers, by.rolname AS grantor
FROM pg_auth_members a JOIN pg_roles g ON g.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
LEFT JOIN pg_roles by ON by.oid = a.grantor
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role as the catalogue has it; `until` is None for one that never ends, `mighty` has an attribute of power."""

    id: int
    name: str
    comment: str | None
    login: bool
    connections: int
    until: datetime | None
    mighty: bool

    @property
    def mark(self) -> names.Mark | None:
        """What its comment says, None when that is not ours."""
        return names.read_mark(self.comment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """That `member` has `role`, and how."""

    role: str
    member: str
    inherits: bool
    sets: bool
    administers: bool
    grantor: str | None

    @property
    def plain(self) -> bool:
        """As grants are made: inherited, and neither to be assumed nor handed on."""
        return self.inherits and not self.sets and not self.administers


def read_role(session: Session, name: str) -> Role | None:
    """Return the role of this name."""
    with session.cursor(row_factory=class_row(Role)) as cursor:
        return cursor.execute(_ROLES + "WHERE rolname = %s", [name]).fetchone()


def grant_roles(session: Session, house: str) -> list[Role]:
    """Return every role that is named or marked as a grant's."""
    with session.cursor(row_factory=class_row(Role)) as cursor:
        query = _ROLES + "WHERE rolname ~ %s OR starts_with(shobj_description(oid, 'pg_authid'), %s) ORDER BY 2"
        return cursor.execute(query, [names.grant_pattern(house), names.mark_start(house)]).fetchall()


def find_role(session: Session, house: str, grant: Grant) -> Role | None:
    """Return the grant's role: by its mark even when renamed, by its name when the mark was taken off."""
    roles = grant_roles(session, house)
    name = names.grant_role(house, grant)
    marked = [role for role in roles if role.mark is not None and role.mark.key == grant.key]
    return next(iter(marked + [role for role in roles if role.name == name and role.mark is None]), None)


def memberships(session: Session) -> list[Membership]:
    """Return every membership of the cluster."""
    with session.cursor(row_factory=class_row(Membership)) as cursor:
        return cursor.execute(_MEMBERSHIPS + "ORDER BY 1, 2").fetchall()


def wanted_roles(settings: PostgresSettings, product: Product, form: DataForm) -> set[str]:
    """Return the product roles that a form asks for.

    Raises:
        BackendError: it names a column that the data set does not have here.
    """
    unknown = sorted(set(form.columns) - set(product.columns))
    if unknown:
        raise BackendError(f"{product.name} has no column {unknown[0]} in this database; ask for one that it has")
    return names.roles_for(settings.house, product.name, form.access, form.columns)


def make_role(session: Session, settings: PostgresSettings, grant: Grant, found: Role | None) -> Role:
    """Make the role or bring it to this generation: its end, its limit and its mark; a login that it has stays.

    Raises:
        BackendError: a role of that name is there and is not ours.
    """
    name = found.name if found is not None else names.grant_role(settings.house, grant)
    if found is None and read_role(session, name) is not None:
        raise BackendError(f"a role {name} is there that no grant of ours explains; drop or rename it")
    if found is None:
        run(session, "CREATE ROLE {} NOLOGIN INHERIT", name)
    mark = names.Mark(house=settings.house, key=grant.key, generation=grant.generation, not_after=_end(grant))
    end, limit = sql.Literal(format_time(mark.not_after)), sql.Literal(settings.connection_limit)
    session.execute(
        sql.SQL("ALTER ROLE {} CONNECTION LIMIT {} VALID UNTIL {}").format(sql.Identifier(name), limit, end)
    )
    session.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(sql.Identifier(name), sql.Literal(mark.text())))
    made = read_role(session, name)
    if made is None:
        raise BackendError(f"the role {name} vanished while it was made; it is tried again")
    return made


def give_exactly(session: Session, settings: PostgresSettings, role: str, wanted: set[str], members: set[str]) -> None:
    """Let `role` be a member of the `wanted` roles and have the `members`, plainly, and nothing else.

    Raises:
        BackendError: somebody else gave it more, which is theirs to take back.
    """
    for held in _around(session, settings, role):
        if held.grantor == settings.executor and not _is_wanted(held, role, wanted, members):
            run(session, "REVOKE {} FROM {}", held.role, held.member)
    for pair in [*((w, role) for w in wanted), *((role, m) for m in members)]:
        run(session, "GRANT {} TO {} WITH INHERIT TRUE, SET FALSE, ADMIN FALSE", *pair)
    left = _around(session, settings, role)
    if any(not _is_wanted(m, role, wanted, members) or not m.plain for m in left):
        raise BackendError(f"somebody else gave {role} more than was granted; take that back by hand")
    if {(m.role, m.member) for m in left} != {*((w, role) for w in wanted), *((role, m) for m in members)}:
        raise BackendError(f"the database did not give {role} what was granted; run prepare again")


def _around(session: Session, settings: PostgresSettings, role: str) -> list[Membership]:
    """Memberships of the role and in it; that the executor administers what it made is not one to count."""
    return [m for m in memberships(session) if role == m.member or (role == m.role and m.member != settings.executor)]


def _is_wanted(membership: Membership, role: str, wanted: Iterable[str], members: Iterable[str]) -> bool:
    return membership.role in wanted if membership.member == role else membership.member in members


def _end(grant: Grant) -> datetime:
    if grant.not_after is None:
        raise BackendError("access to data needs an end")
    return grant.not_after
