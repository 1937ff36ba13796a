"""What the catalogue says of the backends: which partition a pool is, which table a data set is. Never a secret.

How to reach them (addresses, passwords) stands in the settings of the hands; see README, Connecting Slurm and
Connecting PostgreSQL.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from policies.errors import PolicyError
from policies.strictly import FILE, take

SLURM: Final = "slurm"
POSTGRES: Final = "postgres"
_SLURM_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", re.ASCII)
_HOUSE: Final = re.compile(r"[a-z][a-z0-9]{0,7}", re.ASCII)
_DATABASE: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """Where a pool's allocations go on the cluster.

    Args:
        types: Slurm's name of each GPU type of the pool, by the catalogue's.
        account: Slurm's accounting account of whoever has none of their own; empty for each user's default.
        gpus_per_node: devices of one node; more than that are asked for as whole nodes.
        prefix: of job names; two installations that share a cluster need two.
    """

    partition: str
    types: Mapping[str, str]
    account: str
    gpus_per_node: int
    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A PostgreSQL database in which data sets live.

    Args:
        house: begins every name of ours in it; two installations on one cluster need two.
        executor: the role that the hands log in as.
        known: roles whose direct access is expected, and no side door.
        connection_limit: sessions that one grant may have at once.
    """

    name: str
    house: str
    executor: str
    known: tuple[str, ...]
    connection_limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TableAt:
    """The table that a data set is."""

    database: str
    schema: str
    table: str


def partition(place: str, body: Any, gpu_types: Collection[str]) -> Partition:
    """Return a pool's partition; raises PolicyError for what Slurm could misread."""
    fields = {"partition": str, "types": dict, "account": str, "gpus_per_node": int, "prefix": str}
    taken = take(place, body, fields, {"account": "", "gpus_per_node": 8, "prefix": "qm"})
    types = taken["types"]
    if not types:
        raise PolicyError(FILE, place, 'types is empty; write it like { h100-80gb = "h100" }')
    for name in types:
        if name not in gpu_types:
            raise PolicyError(FILE, f"{place}.types", f"no gpu type {name}")
    for name in (taken["partition"], taken["prefix"], *types.values(), *filter(None, [taken["account"]])):
        if type(name) is not str or not _SLURM_NAME.fullmatch(name):
            raise PolicyError(FILE, place, f"{name!r} must be letters, digits, dots, dashes and underscores")
    if taken["gpus_per_node"] < 1:
        raise PolicyError(FILE, place, "gpus_per_node must be 1 or more")
    return Partition(**taken)


def database(name: str, body: Any) -> Database:
    """Return one of `[backends]`; raises PolicyError for what PostgreSQL or a service file could misread."""
    place = f"backends.{name}"
    fields = {"kind": str, "house": str, "executor": str, "known": tuple, "connection_limit": int}
    taken = take(place, body, fields, {"house": "qm", "executor": "qm_executor", "known": [], "connection_limit": 2})
    if taken.pop("kind") != POSTGRES:
        raise PolicyError(FILE, place, 'kind must be "postgres"')
    if not _DATABASE.fullmatch(name):
        raise PolicyError(FILE, place, "a backend's name is a letter, then letters, digits, - and _, all lower case")
    if not _HOUSE.fullmatch(taken["house"]):
        raise PolicyError(FILE, place, "house is a letter and up to seven letters or digits, all lower case")
    if taken["connection_limit"] < 1 or not taken["executor"]:
        raise PolicyError(FILE, place, "connection_limit must be 1 or more, and executor a role")
    return Database(name=name, **taken)


def table_at(place: str, name: str, keys: Mapping[str, str], databases: Mapping[str, Database]) -> TableAt | None:
    """Return where a data set lives, None when no backend is named; its table is called like it unless said."""
    if not keys["backend"]:
        if keys["schema"] or keys["table"]:
            raise PolicyError(FILE, place, 'schema and table need backend = "postgres:NAME"')
        return None
    kind, _, where = keys["backend"].partition(":")
    if kind != POSTGRES or where not in databases:
        there = ", ".join(f'"{POSTGRES}:{each}"' for each in databases) or "none; add one under [backends]"
        raise PolicyError(FILE, place, f"no backend {keys['backend']!r}. There are: {there}")
    return TableAt(database=where, schema=keys["schema"] or "public", table=keys["table"] or name)
