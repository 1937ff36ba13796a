"""The catalogue: resources, owners, classes and prices, from one TOML file read strictly."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ledger.nouns import AdapterForm, DataForm, DeployForm, DoorForm, Form, GpuForm, KeyForm, Lease
from ledger.streams.budget import Span
from ledger.streams.pool import Device
from policies.backends import POSTGRES, SLURM, Database, Partition, TableAt, database, partition, table_at
from policies.errors import PolicyError
from policies.hours import Hours, parse_hours
from policies.serving import VLLM, ModelItem, model_item
from policies.strictly import FILE as _FILE
from policies.strictly import table, take

FILE: Final = _FILE
ENDPOINT: Final = "endpoint"
"""The scheme of keys to models."""
DESK: Final = "desk:audit"
"""What auditors export: the record itself. No team owns it."""
REVERT: Final = "desk:revert"
"""Taking away an access that no grant explains. No team owns it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuType:
    """A type of device; `price_minor` is per GPU-hour, `nvml` a mark in the driver's name for it."""

    name: str
    label: str
    aliases: tuple[str, ...]
    price_minor: int
    gpus_per_node: int
    nvml: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A machine of a pool: its devices of one type."""

    name: str
    gpu_type: str
    gpus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolItem:
    """A pool of devices; `source` says whether they are listed here, found by the driver, or a Slurm cluster's.

    Of a cluster's pool (`slurm`) the devices are Slurm's to count and to hand out: the ledger keeps none for it.
    """

    name: str
    owner: str
    resource_class: str
    aliases: tuple[str, ...]
    source: str
    nodes: tuple[Node, ...]
    slurm: Partition | None = None

    @property
    def types(self) -> tuple[str, ...]:
        """The device types it holds, in order."""
        if self.slurm is not None:
            return tuple(self.slurm.types)
        return tuple(dict.fromkeys(node.gpu_type for node in self.nodes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A data set; `level` is its sensitivity: 0 open, 1 internal, 2 personal, 3 restricted. `at` is where it lives."""

    name: str
    owner: str
    level: int
    columns: tuple[str, ...]
    aliases: tuple[str, ...]
    at: TableAt | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetItem:
    """What a team may spend in each window: device seconds, minor units and tokens, None where that is not limited.

    Seconds and money are reserved in the ledger; tokens are counted by the endpoint, call by call.
    """

    span: Span
    gpu_s: int | None
    cost_minor: int | None
    tokens: int | None = None

    @property
    def reserves(self) -> bool:
        """Whether anything of it is reserved when devices are asked for."""
        return self.gpu_s is not None or self.cost_minor is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Everything that can be asked for."""

    currency: str
    gpu_types: Mapping[str, GpuType]
    pools: Mapping[str, PoolItem]
    datasets: Mapping[str, Dataset]
    models: Mapping[str, ModelItem]
    environments: Mapping[str, tuple[str, ...]]
    budgets: Mapping[str, BudgetItem] = field(default_factory=dict)
    """By team, without prefix; a team that is not here has no limit."""
    databases: Mapping[str, Database] = field(default_factory=dict)
    hours: Hours = field(default_factory=Hours)
    """When approvers work."""

    def price(self, form: Form) -> int:
        """Return the price of the whole window in minor units, rounded up; 0 for what has no price."""
        return self.price_for(form, form.duration_s if isinstance(form, GpuForm) else 0)

    def price_for(self, form: Form, held_s: int) -> int:
        """Return the price of holding the form's devices for `held_s` seconds, minor units, rounded up."""
        if not isinstance(form, GpuForm):
            return 0
        return -(-self.gpu_types[form.gpu_type].price_minor * form.gpus * held_s // 3600)

    def owner(self, resource: str) -> str | None:
        """Return the team that owns a resource, None when the catalogue does not know it."""
        scheme, _, name = resource.partition(":")
        if scheme in {"deploy", ENDPOINT}:
            model, _, environment = name.partition("@")
            known = self.models.get(model) if environment in self.environments else None
            return known.owner if known else None
        items: Mapping[str, PoolItem | Dataset] = self.pools if scheme == "gpu" else self.datasets
        item = items.get(name) if scheme in {"gpu", "data"} else None
        return item.owner if item else None

    def backend(self, resource: str) -> str:
        """Return who makes grants on it true: `slurm:POOL`, `postgres:DATABASE`, `vllm`, else its scheme: this house."""
        scheme, _, name = resource.partition(":")
        pool = self.pools.get(name) if scheme == "gpu" else None
        if pool is not None and pool.slurm is not None:
            return f"{SLURM}:{name}"
        model = self.models.get(name.partition("@")[0]) if scheme == "deploy" else None
        if model is not None and model.serving is not None:
            return VLLM
        held = self.datasets.get(name) if scheme == "data" else None
        return f"{POSTGRES}:{held.at.database}" if held is not None and held.at is not None else scheme

    def resources(self) -> tuple[str, ...]:
        """Return every resource by name: pools, data sets, each model and the keys to it in each environment, the desk."""
        places = [f"{model}@{place}" for model in self.models for place in self.environments]
        deploys = [f"{scheme}:{place}" for scheme in ("deploy", ENDPOINT) for place in places]
        named = [*(f"gpu:{pool}" for pool in self.pools), *(f"data:{name}" for name in self.datasets)]
        return (*named, *deploys, DESK, REVERT)

    def classes(self, resource: str) -> frozenset[str]:
        """Return every class the resource belongs to, itself included: what stock Casbin would call its g2 rows."""
        scheme, _, name = resource.partition(":")
        if resource in {DESK, REVERT}:
            return frozenset({resource, "class:any"})
        if self.owner(resource) is None:
            return frozenset({resource})
        if scheme == "gpu":
            return frozenset({resource, self.pools[name].resource_class, "class:gpu", "class:any"})
        if scheme == "data":
            return frozenset({resource, "class:data", "class:any"})
        keys = {"class:endpoint"} if scheme == ENDPOINT else set()
        return frozenset({resource, f"env:{name.partition('@')[2]}", *keys, "class:any"})

    def pools_of(self, gpu_type: str) -> tuple[str, ...]:
        """Return the pools that hold devices of this type."""
        return tuple(name for name, pool in self.pools.items() if gpu_type in pool.types)

    def devices(self, pool: str) -> tuple[Device, ...]:
        """Return the devices listed for a pool."""
        return tuple(
            Device(id=f"{node.name}:{index}", gpu_type=node.gpu_type, label=f"{node.name}:{index}")
            for node in self.pools[pool].nodes
            for index in range(node.gpus)
        )

    def knows(self, form: Form) -> bool:
        """Whether everything the form names is listed."""
        if isinstance(form, DoorForm):
            return form.resource == REVERT and bool(form.backend and form.finding)
        if self.owner(form.resource) is None or (isinstance(form, Lease) and form.duration_s <= 0):
            return False
        name = form.resource.partition(":")[2]
        if isinstance(form, GpuForm):
            return form.gpus > 0 and form.gpu_type in self.pools[name].types
        if isinstance(form, DataForm):
            return set(form.columns) <= set(self.datasets[name].columns)
        if isinstance(form, KeyForm):
            return form.tokens > 0 and self.models[name.partition("@")[0]].serving is not None
        if isinstance(form, AdapterForm):
            return name == f"{form.model}@{form.environment}" and self.models[form.model].adapts(form)
        if not isinstance(form, DeployForm) or name != f"{form.model}@{form.environment}":
            return False
        return self.models[form.model].has(form.version, form.digest)


def load_catalogue(folder: Path) -> Catalogue:
    """Return the catalogue of a policies folder; raises PolicyError naming the table and key that is wrong."""
    try:
        return parse_catalogue((folder / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PolicyError(FILE, str(folder), "there is none; copy the one that ships with Quartermaster") from error
    except UnicodeDecodeError as error:
        raise PolicyError(FILE, "the file", f"is not UTF-8: {error.reason}") from error


def parse_catalogue(text: str) -> Catalogue:
    """Return the catalogue that a TOML text says; raises PolicyError naming the table and key that is wrong."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(FILE, "the file", f"is not TOML: {error}") from error
    return _catalogue(tree)


def _catalogue(tree: dict[str, Any]) -> Catalogue:
    known = {"currency", "gpu_types", "pools", "datasets", "models", "environments", "budgets", "backends", "hours"}
    if unknown := set(tree) - known:
        raise PolicyError(FILE, "top level", f"unknown: {', '.join(sorted(unknown))}")
    types = {n: GpuType(name=n, **take(f"gpu_types.{n}", b, _GPU, _EMPTY)) for n, b in table(tree, "gpu_types")}
    databases = {name: database(name, body) for name, body in table(tree, "backends")}
    return Catalogue(
        currency=tree.get("currency", "EUR"),
        gpu_types=types,
        budgets={n: _budget(n, b) for n, b in table(tree, "budgets")},
        pools={name: _pool(name, body, types) for name, body in table(tree, "pools")},
        datasets={name: _dataset(name, body, databases) for name, body in table(tree, "datasets")},
        models={name: model_item(name, body) for name, body in table(tree, "models")},
        environments={n: take(f"environments.{n}", b, _ENV, _EMPTY)["aliases"] for n, b in table(tree, "environments")},
        databases=databases,
        hours=parse_hours(tree.get("hours", {})),
    )


_GPU: Final = {"label": str, "aliases": tuple, "price_minor": int, "gpus_per_node": int, "nvml": str}
_POOL: Final = {"owner": str, "class": str, "aliases": tuple, "source": str, "nodes": dict, "slurm": dict}
_DATA: Final = {
    "owner": str,
    "level": int,
    "columns": tuple,
    "aliases": tuple,
    "backend": str,
    "schema": str,
    "table": str,
}
_ENV: Final = {"aliases": tuple}
_EMPTY: Final[Mapping[str, Any]] = {
    "aliases": [],
    "nvml": "",
    "nodes": {},
    "slurm": {},
    "backend": "",
    "schema": "",
    "table": "",
}


def _dataset(name: str, body: Any, databases: Mapping[str, Database]) -> Dataset:
    place = f"datasets.{name}"
    fields = take(place, body, _DATA, _EMPTY)
    at = table_at(place, name, {key: fields.pop(key) for key in ("backend", "schema", "table")}, databases)
    return Dataset(name=name, at=at, **fields)


def _pool(name: str, body: Any, types: Mapping[str, GpuType]) -> PoolItem:
    place = f"pools.{name}"
    fields = take(place, body, _POOL, _EMPTY)
    if fields["source"] not in {"catalogue", "nvml", SLURM}:
        raise PolicyError(FILE, place, 'source must be "catalogue", "nvml" or "slurm"')
    on_slurm = fields["source"] == SLURM
    if on_slurm and fields["nodes"]:
        raise PolicyError(FILE, place, "nodes of a Slurm pool are Slurm's to list; take them out")
    if not on_slurm and fields["slurm"]:
        raise PolicyError(FILE, place, 'the table slurm needs source = "slurm"')
    return PoolItem(
        name=name,
        owner=fields["owner"],
        resource_class=fields["class"],
        aliases=fields["aliases"],
        source=fields["source"],
        nodes=tuple(_node(f"{place}.nodes.{node}", node, item, types) for node, item in fields["nodes"].items()),
        slurm=partition(f"{place}.slurm", fields["slurm"], types) if on_slurm else None,
    )


_AMOUNTS: Final = ("gpu_hours", "cost", "tokens")
_TEAM: Final = re.compile(r"[a-z][a-z0-9-]*")


def _budget(team: str, body: Any) -> BudgetItem:
    """Return the budget of a team: a window, and GPU-hours, cost in whole units or tokens, one of them or more."""
    place = f"budgets.{team}"
    if not _TEAM.fullmatch(team):
        raise PolicyError(FILE, place, "name the team without its prefix, such as budgets.vision")
    optional = {name: int for name in _AMOUNTS if isinstance(body, dict) and name in body}
    if isinstance(body, dict) and (unknown := set(body) - {"window", *_AMOUNTS}):
        raise PolicyError(FILE, place, f"unknown key {min(unknown)}; allowed: window, {', '.join(_AMOUNTS)}")
    if not optional:
        raise PolicyError(
            FILE,
            place,
            f"{', '.join(_AMOUNTS[:-1])} or {_AMOUNTS[-1]} must say how much; without a limit leave the table out",
        )
    taken = take(place, body, {"window": str, **optional}, _EMPTY)
    if taken["window"] not in set(Span):
        raise PolicyError(FILE, f"{place}.window", f"must be one of {', '.join(Span)}")
    gpu_hours, cost = taken.get("gpu_hours"), taken.get("cost")
    return BudgetItem(
        span=Span(taken["window"]),
        gpu_s=None if gpu_hours is None else gpu_hours * 3600,
        cost_minor=None if cost is None else cost * 100,
        tokens=taken.get("tokens"),
    )


def _node(place: str, name: str, body: Any, types: Mapping[str, GpuType]) -> Node:
    taken = take(place, body, {"type": str, "gpus": int}, {})
    if taken["type"] not in types:
        raise PolicyError(FILE, place, f"no gpu type {taken['type']}")
    return Node(name=name, gpu_type=taken["type"], gpus=taken["gpus"])
