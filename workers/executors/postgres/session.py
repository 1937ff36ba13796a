"""Sessions with the database: short waits, a fixed search path, no superuser, and one plain sentence a fault."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final, LiteralString

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict

from workers.errors import BackendError
from workers.executors.postgres.settings import PostgresSettings

Session = psycopg.Connection[tuple[object, ...]]
OLDEST: Final = 160000
"""Before 16 a role with CREATEROLE could make itself a member of any role: no executor should be that."""

_SENTENCES: Final[Mapping[type[psycopg.Error], str]] = MappingProxyType(
    {
        errors.LockNotAvailable: "another session keeps what is needed locked; it is tried again",
        errors.QueryCanceled: "the database took too long; it is tried again",
        errors.InsufficientPrivilege: "the executor's role lacks a right in the database; run prepare again",
        errors.UndefinedFunction: "the database was prepared by an earlier version; run prepare again",
        errors.UndefinedTable: "the database is not prepared; run prepare",
        errors.InvalidSchemaName: "the database is not prepared; run prepare",
        errors.UndefinedObject: "the database lacks a role that prepare makes; run prepare",
        errors.DependentObjectsStillExist: "rights that others gave, or objects in another database, hang on the role",
        errors.ReadOnlySqlTransaction: "the database is read only, perhaps a standby; the primary is needed",
        errors.TooManyConnections: "the database has no connection left; it is tried again",
    }
)


@contextmanager
def opened(settings: PostgresSettings) -> Iterator[Session]:
    """Log in as the executor for one piece of work; every statement commits by itself unless in a transaction.

    Raises:
        BackendError: the database does not answer, refused, or lets the executor do more than it should.
    """
    if wrong := fault(settings):
        raise BackendError(wrong)
    try:
        with _connect(settings) as session:
            _check_fit(session)
            yield session
    except psycopg.Error as error:
        raise BackendError(sentence(error)) from error


def fault(settings: PostgresSettings) -> str:
    """Return which setting keeps the executor out, empty when none does; libpq would only say: no password."""
    named = str(conninfo_to_dict(settings.conninfo).get("passfile") or "")
    if not named:
        return ""
    try:
        Path(named).open("rb").close()
    except OSError as error:
        return f"its password file cannot be read ({error.strerror}): mend passfile, or the file's owner and mode"
    return ""


def run(session: Session, template: LiteralString, *identifiers: str) -> None:
    """Execute `template` with each `{}` a quoted identifier: no name, however odd, is ever read as SQL."""
    session.execute(sql.SQL(template).format(*map(sql.Identifier, identifiers)))


def sentence(error: psycopg.Error) -> str:
    """Return what happened in words of our own: the database's may hold names and values."""
    for kind, words in _SENTENCES.items():
        if isinstance(error, kind):
            return words
    if error.sqlstate is None or error.sqlstate.startswith(("08", "57P")):
        return "the database does not answer, or refuses the executor's login; it is tried again"
    return f"the database refused with SQLSTATE {error.sqlstate}"


def _connect(settings: PostgresSettings) -> Session:
    timeouts = f"-c lock_timeout={_ms(settings.lock_timeout)} -c statement_timeout={_ms(settings.statement_timeout)}"
    return psycopg.connect(
        settings.conninfo,
        autocommit=True,
        connect_timeout=max(2, int(settings.connect_timeout.total_seconds())),
        # Nothing that a holder of a write grant makes may ever be found in place of what we mean.
        options=f"-c search_path=pg_catalog {timeouts}",
        keepalives_idle=10,
        tcp_user_timeout=_ms(settings.statement_timeout),
        application_name="quartermaster",
    )


def _check_fit(session: Session) -> None:
    if session.info.server_version < OLDEST:
        raise BackendError("PostgreSQL 16 or later is needed")
    row = session.execute("SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = session_user").fetchone()
    if row is None or row[0]:
        raise BackendError("the executor's role is a superuser; give it CREATEROLE alone")
    if not row[1]:
        raise BackendError("the executor's role lacks CREATEROLE; run prepare again")


def _ms(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
