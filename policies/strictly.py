"""TOML tables read strictly: an unknown key, a missing one or one of another type is a fault with its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from policies.errors import PolicyError

FILE: Final = "catalogue.toml"


def table(tree: Mapping[str, Any], name: str) -> list[tuple[str, Any]]:
    """Return the items of a table, none when it is not there; raises PolicyError when it is something else."""
    found = tree.get(name, {})
    if not isinstance(found, dict):
        raise PolicyError(FILE, name, "must be a table")
    return list(found.items())


def take(place: str, body: Any, fields: Mapping[str, type[Any]], empty: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of one item, each of its type; lists of texts become tuples.

    Args:
        place: where it stands, such as `pools.h100-shared`.
        fields: the type of each key; `tuple` is a list of texts, `int` a number from 0.
        empty: what a key is that is not there; other keys must be.

    Raises:
        PolicyError: a key is unknown, missing or of another type.
    """
    if not isinstance(body, dict):
        raise PolicyError(FILE, place, "must be a table")
    if unknown := set(body) - set(fields):
        raise PolicyError(FILE, place, f"unknown key {min(unknown)}; allowed: {', '.join(fields)}")
    return {name: _value(place, name, kind, body.get(name, empty.get(name))) for name, kind in fields.items()}


def _value(place: str, name: str, kind: type[Any], value: Any) -> Any:
    if value is None:
        raise PolicyError(FILE, place, f"{name} is missing")
    if kind is tuple:
        if not isinstance(value, list) or not all(type(item) is str for item in value):
            raise PolicyError(FILE, place, f"{name} must be a list of texts")
        return tuple(value)
    if type(value) is not kind or (kind is int and value < 0):
        raise PolicyError(FILE, place, f"{name} must be {'a number from 0' if kind is int else kind.__name__}")
    if name == "owner" and not value.startswith("team:"):
        raise PolicyError(FILE, place, "owner must be a team, such as team:platform")
    return value
