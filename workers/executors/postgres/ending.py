"""Taking a grant back, in three steps that each commit, so that a crash leaves less and never more.

1. *Shut*: the lease is over, the memberships are gone, nobody can log in. Open sessions lose access with this commit.
2. *Terminate*: the login's sessions end, and with them whatever statement was still running.
3. *Erase*: what the holder made goes to the estate role, everything else that hangs on the role goes, then the role.
"""

from __future__ import annotations

from typing import Final

from psycopg import sql

from ledger.nouns import Grant
from workers.errors import BackendError
from workers.executors.postgres import names
from workers.executors.postgres.leases import Lease, end_lease, read_lease
from workers.executors.postgres.prepare import leases_table
from workers.executors.postgres.roles import Role, find_role, memberships
from workers.executors.postgres.session import Session, run

WAIT_MS: Final = 5000
"""How long a session may take to end after it was told to."""
_SESSIONS: Final = """
SELECT pid FROM pg_stat_activity
WHERE usesysid = %s::oid AND NOT EXISTS (SELECT FROM pg_roles WHERE oid = %s::oid AND rolname <> %s)
"""
_READING: Final = """
SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE a.usename = %s AND n.nspname = %s AND c.relname = %s AND l.granted
"""


def shut(session: Session, house: str, executor: str, grant: Grant) -> Role | None:
    """End the lease, and whatever its role could do; return the role when there is one.

    A later generation is left as it stands: whoever was told of an older one cannot cut it.
    """
    with session.transaction():
        role = find_role(session, house, grant)
        if generation_of(read_lease(session, house, grant.key), role) > grant.generation:
            return None
        end_lease(session, house, grant, names.grant_role(house, grant))
        if role is None:
            return None
        _lock_out(session, executor, role.name)
    return role


def generation_of(lease: Lease | None, role: Role | None) -> int:
    """Return the latest generation that the database knows of a key: the lease's, or the mark's when that was lost."""
    return max(lease.generation if lease else 0, role.mark.generation if role and role.mark else 0)


def _lock_out(session: Session, executor: str, role: str) -> None:
    run(session, "ALTER ROLE {} NOLOGIN PASSWORD NULL", role)
    # What somebody else gave is not ours to revoke; it goes with the role, two steps on.
    for held in memberships(session):
        if held.grantor == executor and role in {held.member, held.role}:
            run(session, "REVOKE {} FROM {}", held.role, held.member)
    # Only a member may end its sessions and dispose of what it owns. By now the role can do nothing more.
    run(session, "GRANT {} TO {} WITH INHERIT TRUE, SET FALSE", role, executor)


def end_old_sessions(session: Session, executor: str, role: Role) -> None:
    """End the sessions of a login that goes on, because its password is another now."""
    run(session, "GRANT {} TO {} WITH INHERIT TRUE, SET FALSE", role.name, executor)
    try:
        terminate(session, role)
    finally:
        run(session, "REVOKE {} FROM {}", role.name, executor)


def terminate(session: Session, role: Role) -> None:
    """End the sessions of the role.

    Raises:
        BackendError: one would not end in time.
    """
    for pid in sessions_of(session, role.id, role.name):
        session.execute("SELECT pg_terminate_backend(%s, %s)", [pid, WAIT_MS])
    if sessions_of(session, role.id, role.name):
        raise BackendError(f"a session of {role.name} did not end; it is tried again")


def erase(session: Session, house: str, role: Role) -> None:
    """Drop the role; what it made stays, in the hands of the estate role."""
    with session.transaction():
        # The order matters: DROP OWNED first would drop the tables that a write grant made.
        run(session, "REASSIGN OWNED BY {} TO {}", role.name, names.estate_role(house))
        run(session, "DROP OWNED BY {}", role.name)
        run(session, "DROP ROLE {}", role.name)


def sessions_of(session: Session, role_id: int, name: str) -> list[object]:
    """Return process ids of the sessions of a role, dropped or not, unless its oid is another role's by now."""
    return [row[0] for row in session.execute(_SESSIONS, [role_id, role_id, name])]


def left_of(session: Session, house: str, grant: Grant) -> str:
    """Return in words what of a grant is left in the database, empty when nothing is."""
    role = find_role(session, house, grant)
    if role is not None:
        return f"the role {role.name}"
    lease = read_lease(session, house, grant.key)
    if lease is None:
        return ""
    if sessions_of(session, lease.role_id, names.grant_role(house, grant)):
        return "a session"
    return "a statement that was running" if lease.own_account and _still_reads(session, house, lease) else ""


def _still_reads(session: Session, house: str, lease: Lease) -> bool:
    """Whether a person's own sessions, which are not ours to end, still run a statement on the data set."""
    others = session.execute(
        sql.SQL("SELECT count(*) FROM {} WHERE who = %s AND data_set = %s AND NOT ended").format(leases_table(house)),
        [lease.who, lease.data_set],
    ).fetchone()
    locks = session.execute(_READING, [lease.who, names.view_schema(house), lease.data_set]).fetchone()
    return bool(locks and locks[0]) and not (others and others[0])
