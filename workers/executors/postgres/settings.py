"""What the PostgreSQL executor must be told: where the database is, what it holds, who has an account of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from workers.errors import SettingsError

_HOUSE: Final = re.compile(r"[a-z][a-z0-9]{0,7}")
_DATA_SET: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_LONGEST: Final = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A data set, and the table of the database that it is.

    Args:
        name: the data set's name in the catalogue.
        table: the table, or view, that holds it.
        schema: where that table is.
        columns: what may be reached at all, as the catalogue names them; one or more.
    """

    name: str
    table: str
    columns: tuple[str, ...]
    schema: str = "public"

    def __post_init__(self) -> None:
        """Refuse what a name in the database could not say.

        Raises:
            SettingsError: a name is empty, too long, or not a data set's.
        """
        if not _DATA_SET.fullmatch(self.name):
            raise SettingsError("a data set's name is lower case letters, digits and . _ -")
        if not self.columns or len(set(self.columns)) != len(self.columns):
            raise SettingsError(f"{self.name}: name its columns, each once")
        for name in (self.table, self.schema, *self.columns):
            if not 1 <= len(name.encode()) <= _LONGEST or "\0" in name:
                raise SettingsError(f"{self.name}: a name of 1 to {_LONGEST} bytes is needed for table and columns")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSettings:
    """One database, its data sets, and how grants on them are made.

    Args:
        conninfo: how the executor logs in (libpq); a secret, never shown.
        products: the data sets that live here.
        accounts: subject -> database role of people who have an account of their own; everyone else gets a login.
        known: roles whose direct access is expected (the application's own, administrators): not a side door.
        executor: the role that `conninfo` logs in as; `prepare` makes it.
        house: begins every name of ours in the database; two installations on one cluster need two.
        connection_limit: sessions that one grant's login may have at once.
        connect_timeout: for a server that does not answer; whole seconds.
        lock_timeout: for a catalogue that someone else holds locked.
        statement_timeout: for any one statement.
    """

    conninfo: str = field(repr=False)
    products: tuple[Product, ...]
    accounts: Mapping[str, str] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    executor: str = "qm_executor"
    house: str = "qm"
    connection_limit: int = 2
    connect_timeout: timedelta = timedelta(seconds=5)
    lock_timeout: timedelta = timedelta(seconds=5)
    statement_timeout: timedelta = timedelta(seconds=20)

    def __post_init__(self) -> None:
        """Refuse to start when in doubt.

        Raises:
            SettingsError: a value cannot be meant; the address itself is never repeated.
        """
        if not _HOUSE.fullmatch(self.house):
            raise SettingsError("house is a letter and up to seven letters or digits, all lower case")
        if self.connection_limit < 1:
            raise SettingsError("connection_limit is 1 or more")
        if len({product.name for product in self.products}) != len(self.products):
            raise SettingsError("a data set stands twice among the products")
        try:
            conninfo_to_dict(self.conninfo)
        except psycopg.Error:
            raise SettingsError("conninfo is not what libpq reads") from None

    def product(self, name: str) -> Product | None:
        """Return the data set `name`, None when it does not live here."""
        return next((product for product in self.products if product.name == name), None)
