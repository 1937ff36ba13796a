"""The names a sentence may use: what the grammar is given at run time, whatever file it was read from.

Built from a catalogue with plain constructors::

    Vocabulary(
        gpu_types=(GpuName(name="h100-80gb", aliases=("h100",), gpus_per_node=8),),
        datasets=(DatasetName(name="claims_2024", aliases=("claims 2024",), columns=("amount",)),),
        models=(ModelName(name="fraud-detector", versions=("3.2.1",), latest="3.2.1"),),
        environments=(Name(name="production", aliases=("prod",)),),
    )

Everything is frozen and hashable: the index the grammar builds from a vocabulary is kept for as long as it is equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A name people may say, and other ways of saying it."""

    name: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuName(Name):
    """A type of device; a "node" of it means `gpus_per_node` devices."""

    gpus_per_node: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetName(Name):
    """A data set and its columns."""

    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelName(Name):
    """A model, its versions as they are written, and which of them "latest" means."""

    versions: tuple[str, ...] = ()
    latest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserName(Name):
    """A person: `id` is what a mention carries and what a reading names them by."""

    id: str
    team: str | None = None


STRATEGIES = (
    Name(name="rolling", aliases=("rolling update",)),
    Name(name="canary", aliases=("canaries",)),
    Name(name="blue-green", aliases=("blue/green", "blue green", "bluegreen")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conventions:
    """What vague words for time mean here; hours of a `unit` are in `hours_per`."""

    workday_start: time = time(9)
    workday_end: time = time(17)
    morning: time = time(9)
    noon: time = time(12)
    afternoon: time = time(13)
    evening: time = time(18)
    night: time = time(20)
    night_ends: time = time(8)
    half_day_hours: int = 12
    hours_per: tuple[tuple[str, int], ...] = (
        ("day", 24),
        ("week", 168),
        ("fortnight", 336),
        ("month", 720),
        ("quarter", 2160),
        ("year", 8760),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """Every name the grammar may resolve; anything else that is said stays unresolved."""

    gpu_types: tuple[GpuName, ...] = ()
    pools: tuple[Name, ...] = ()
    datasets: tuple[DatasetName, ...] = ()
    models: tuple[ModelName, ...] = ()
    environments: tuple[Name, ...] = ()
    strategies: tuple[Name, ...] = STRATEGIES
    teams: tuple[Name, ...] = ()
    projects: tuple[Name, ...] = ()
    users: tuple[UserName, ...] = ()
    conventions: Conventions = field(default_factory=Conventions)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Return the vocabulary of a catalogue in JSON: lists of `{name, aliases, ...}` and `conventions`."""
        return cls(
            gpu_types=tuple(
                GpuName(**_named(item), gpus_per_node=int(item.get("gpus_per_node", 8)))
                for item in _items(raw, "gpu_types")
            ),
            pools=tuple(Name(**_named(item)) for item in _items(raw, "pools")),
            datasets=tuple(
                DatasetName(**_named(item), columns=tuple(item.get("columns", ()))) for item in _items(raw, "datasets")
            ),
            models=tuple(
                ModelName(**_named(item), versions=tuple(item.get("versions", ())), latest=item.get("latest"))
                for item in _items(raw, "models")
            ),
            environments=tuple(Name(**_named(item)) for item in _items(raw, "environments")),
            strategies=tuple(Name(**_named(item)) for item in _items(raw, "strategies")) or STRATEGIES,
            teams=tuple(Name(**_named(item)) for item in _items(raw, "teams")),
            projects=tuple(Name(**_named(item)) for item in _items(raw, "projects")),
            users=tuple(
                UserName(**_named(item), id=str(item["id"]), team=item.get("team")) for item in _items(raw, "users")
            ),
            conventions=_conventions(raw.get("conventions", {})),
        )


def _items(raw: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    return [item if isinstance(item, Mapping) else {"name": item} for item in raw.get(key, ())]


def _named(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": str(item["name"]), "aliases": tuple(item.get("aliases", ()))}


def _conventions(raw: Mapping[str, Any]) -> Conventions:
    clocks = ("workday_start", "workday_end", "morning", "noon", "afternoon", "evening", "night")
    known: dict[str, Any] = {key: time.fromisoformat(raw[key]) for key in clocks if key in raw}
    if "half_day_hours" in raw:
        known["half_day_hours"] = int(raw["half_day_hours"])
    if "hours" in raw:
        known["hours_per"] = tuple((unit, int(hours)) for unit, hours in raw["hours"].items())
    return Conventions(**known)
