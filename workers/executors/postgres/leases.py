"""The lease table: what was granted, which generation, and that it is over. It outlives the roles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import sql
from psycopg.rows import class_row

from ledger.nouns import Access, DataForm, Grant
from workers.executors.postgres.prepare import leases_table
from workers.executors.postgres.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A row of the table.

    Args:
        role_id: the grant role's oid, 0 when there never was one; finds its sessions after it was dropped.
        who: the login that the rows are shown to: the grant's role, or a person's own account.
        columns: empty means all of them.
        ended: taken back; rows of an ended lease are the memory that keeps a late start out.
        verifier: SHA-256 of the verifier last set, in hex; empty when none was.
    """

    key: str
    request: int
    generation: int
    data_set: str
    access: str
    columns: list[str]
    role_id: int
    who: str
    own_account: bool
    not_after: datetime
    ended: bool
    verifier: str


def read_lease(session: Session, house: str, key: str) -> Lease | None:
    """Return the lease of a key, None when it was never heard of."""
    rows = _select(session, house, sql.SQL("WHERE key = %s"), [key])
    return rows[0] if rows else None


def read_leases(session: Session, house: str) -> dict[str, Lease]:
    """Return every lease by key, ended ones too."""
    return {lease.key: lease for lease in _select(session, house, sql.SQL(""), [])}


def write_lease(session: Session, house: str, grant: Grant, *, role_id: int, who: str, own: bool) -> None:
    """Note what is granted now; a verifier that was set stays noted."""
    form = _form(grant)
    # One statement, so that there is no moment at which the old end and the new generation stand together.
    session.execute(
        sql.SQL(
            "INSERT INTO {} AS held VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, false, '')"
            " ON CONFLICT (key) DO UPDATE SET generation = excluded.generation, data_set = excluded.data_set,"
            " access = excluded.access, columns = excluded.columns, role_id = excluded.role_id, who = excluded.who,"
            " own_account = excluded.own_account, not_after = excluded.not_after, ended = false,"
            " verifier = CASE WHEN held.role_id = excluded.role_id THEN held.verifier ELSE '' END"
        ).format(leases_table(house)),
        [
            *(grant.key, grant.request, grant.generation, form.resource.partition(":")[2], form.access.value),
            *(list(form.columns), role_id, who, own, grant.not_after),
        ],
    )


def end_lease(session: Session, house: str, grant: Grant, who: str) -> None:
    """Note that the key is over up to this generation, known before or not; its rows vanish with the commit."""
    form = _form(grant)
    session.execute(
        sql.SQL(
            "INSERT INTO {} AS held VALUES (%s, %s, %s, %s, %s, %s, 0, %s, false, clock_timestamp(), true, '')"
            " ON CONFLICT (key) DO UPDATE SET generation = greatest(held.generation, excluded.generation),"
            " not_after = least(held.not_after, excluded.not_after), ended = true, verifier = ''"
        ).format(leases_table(house)),
        [
            *(grant.key, grant.request, grant.generation, form.resource.partition(":")[2], form.access.value),
            *(list(form.columns), who),
        ],
    )


def grant_of(lease: Lease) -> Grant:
    """Return the grant that a lease remembers, to end it when the ledger knows of none; whose it was is not told."""
    form = DataForm(
        resource=f"data:{lease.data_set}", access=Access(lease.access), duration_s=0, columns=tuple(lease.columns)
    )
    return Grant(
        request=lease.request,
        key=lease.key,
        subject="",
        form=form,
        generation=lease.generation,
        not_after=lease.not_after,
    )


def note_verifier(session: Session, house: str, key: str, digest: str) -> None:
    """Note which verifier stands, by digest."""
    session.execute(sql.SQL("UPDATE {} SET verifier = %s WHERE key = %s").format(leases_table(house)), [digest, key])


def _form(grant: Grant) -> DataForm:
    """The form of a data grant; of anything else a placeholder, so that an ending never fails on what it ends."""
    if isinstance(grant.form, DataForm):
        return grant.form
    return DataForm(resource=grant.form.resource, access=Access.READ, duration_s=0)


def _select(session: Session, house: str, where: sql.SQL, values: list[Any]) -> list[Lease]:
    query = sql.SQL("SELECT * FROM {} {}").format(leases_table(house), where)
    with session.cursor(row_factory=class_row(Lease)) as cursor:
        return cursor.execute(query, values).fetchall()
