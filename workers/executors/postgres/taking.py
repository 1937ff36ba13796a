"""Taking away what no grant explains: through functions of the administrator's, and never from who is above us."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import errors, sql

from workers.errors import BackendError
from workers.executors.base import Holding
from workers.executors.postgres import names
from workers.executors.postgres.doors import Door
from workers.executors.postgres.session import Session
from workers.executors.postgres.survey import Survey

_ABOVE = """
SELECT rolsuper, oid = (SELECT datdba FROM pg_database WHERE datname = current_database())
FROM pg_roles WHERE rolname = %s
"""


def refuse_untouchable(session: Session, holding: Holding) -> None:
    """Refuse what would take nothing away: a superuser needs no right, the database's owner can give it back.

    Raises:
        BackendError: the sentence says who has to do it.
    """
    row = session.execute(_ABOVE, [holding.who]).fetchone()
    if row is None:
        return
    if row[0]:
        raise BackendError(f"{holding.who} is a superuser and needs no right; take that attribute off by hand first")
    if row[1]:
        raise BackendError(f"{holding.who} owns the database; whoever administers the server must decide that")


def doors_of(seen: Survey, holding: Holding) -> list[Door]:
    """Return the doors that a holding is; of a grant's role those too that would keep it from being dropped."""
    if holding.key is not None:
        roles = {each.who for each in seen.grants if each.key == holding.key}
        return [door for door in seen.doors if door.holding.who in roles]
    return [door for door in seen.doors if _same(door.holding, holding)]


def close_doors(session: Session, house: str, doors: Iterable[Door]) -> None:
    """Call what closes each of them; every call commits by itself, and what is gone already is no error.

    Raises:
        BackendError: whoever prepared the database may not take it away either.
    """
    for door in doors:
        for function, arguments in door.closing:
            try:
                _call(session, house, function, arguments)
            except errors.InsufficientPrivilege as error:
                raise _by_hand(door) from error


def refuse_open(doors: Iterable[Door], now: Survey) -> None:
    """Refuse to call closed what is still there: a REVOKE of what somebody else granted only warns.

    Raises:
        BackendError: one of the doors stands open.
    """
    for door in doors:
        if any(_same(door.holding, each.holding) for each in now.doors):
            raise _by_hand(door)


def _by_hand(door: Door) -> BackendError:
    who = f"{door.holding.who}: {door.holding.what}"
    return BackendError(f"whoever prepared the database may not take this away ({who}); do it by hand, as who gave it")


def _call(session: Session, house: str, function: str, arguments: tuple[str | bool, ...]) -> None:
    called = sql.Identifier(names.lease_schema(house), function)
    values = sql.SQL(", ").join(map(sql.Literal, arguments))
    session.execute(sql.SQL("SELECT {}({})").format(called, values))


def _same(one: Holding, other: Holding) -> bool:
    return (one.key, one.who, one.what) == (other.key, other.who, other.what)
