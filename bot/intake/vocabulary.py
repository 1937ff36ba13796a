"""The names a reader may recognise, with their aliases: given at run time, never built in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A name and the other words for it; `extra` holds versions, columns or gpus_per_node."""

    name: str
    aliases: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    latest: str = ""
    per_node: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """Every name by kind."""

    gpu_types: tuple[Item, ...] = ()
    pools: tuple[Item, ...] = ()
    datasets: tuple[Item, ...] = ()
    models: tuple[Item, ...] = ()
    environments: tuple[Item, ...] = ()
    strategies: tuple[Item, ...] = ()

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Vocabulary:
        """Return the vocabulary of a catalogue given as JSON."""
        kinds = ("gpu_types", "pools", "datasets", "models", "environments", "strategies")
        return cls(**{kind: tuple(_item(each) for each in tree.get(kind, ())) for kind in kinds})


def _item(body: Mapping[str, Any]) -> Item:
    return Item(
        name=body["name"],
        aliases=tuple(body.get("aliases", ())),
        extra=tuple(body.get("versions", body.get("columns", ()))),
        latest=body.get("latest", ""),
        per_node=body.get("gpus_per_node", 0),
    )
