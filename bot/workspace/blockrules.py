"""The pieces that Block Kit's tables are made of: each checks one value and says what is wrong, and where.

A check takes the value, its JSON pointer, and a `Findings` to add to. Lengths count characters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Findings:
    """What was found wrong so far, in Slack's form: a sentence and a JSON pointer."""

    errors: list[str] = field(default_factory=list)

    def add(self, sentence: str, path: str) -> None:
        """One more thing is wrong, at `path`."""
        self.errors.append(f"{sentence} [json-pointer:{path}]")


Check = Callable[[Any, str, Findings], None]


@dataclass(frozen=True, slots=True)
class Field:
    """One property of a block, element or object."""

    check: Check
    required: bool = False


def need(check: Check) -> Field:
    """Return a property that must be there."""
    return Field(check, required=True)


def may(check: Check) -> Field:
    """Return a property that can be there."""
    return Field(check)


def string(most: int, least: int = 0) -> Check:
    """Return a check for strings of `least` to `most` characters."""

    def check(value: Any, path: str, found: Findings) -> None:
        if not isinstance(value, str):
            found.add("must be a string", path)
        elif len(value) > most:
            found.add(f"must be less than {most + 1} characters", path)
        elif len(value) < least:
            found.add(f"must be more than {least - 1} characters", path)

    return check


def one_of(*values: str) -> Check:
    """Return a check for a closed set of strings."""

    def check(value: Any, path: str, found: Findings) -> None:
        if value not in values:
            found.add("value must be one of " + ", ".join(values), path)

    return check


def boolean(value: Any, path: str, found: Findings) -> None:
    """Check for true or false."""
    if not isinstance(value, bool):
        found.add("must be a boolean", path)


def integer(value: Any, path: str, found: Findings) -> None:
    """Check for a whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        found.add("must be an integer", path)


def anything(value: Any, path: str, found: Findings) -> None:
    """Accept what Slack's clients write themselves and apps seldom do."""


def shape(fields: Mapping[str, Field]) -> Check:
    """Return a check for objects with these properties and no others."""

    def check(value: Any, path: str, found: Findings) -> None:
        if not isinstance(value, dict):
            found.add("must be an object", path)
            return
        for name, rule in fields.items():
            if value.get(name) is not None:
                rule.check(value[name], f"{path}/{name}", found)
            elif rule.required:
                found.add(f"missing required field: {name}", path)
        for name in value.keys() - fields.keys():
            found.add(f"invalid additional property: {name}", path)

    return check


def text(most: int, *, plain: bool = False) -> Check:
    """Return a check for text objects of 1 to `most` characters."""

    def check(value: Any, path: str, found: Findings) -> None:
        kinds = ("plain_text",) if plain else ("plain_text", "mrkdwn")
        extra = {"verbatim": may(boolean)} if isinstance(value, dict) and value.get("type") == "mrkdwn" else {}
        properties = {"type": need(one_of(*kinds)), "text": need(string(most, 1)), "emoji": may(boolean), **extra}
        shape(properties)(value, path, found)

    return check


def listing(item: Check, most: int, least: int = 1) -> Check:
    """Return a check for arrays of `least` to `most` items."""

    def check(value: Any, path: str, found: Findings) -> None:
        if not isinstance(value, list):
            found.add("must be an array", path)
            return
        if len(value) > most:
            found.add(f"no more than {most} items allowed", path)
        if len(value) < least:
            found.add(f"no fewer than {least} items allowed", path)
        for index, each in enumerate(value[:most]):
            item(each, f"{path}/{index}", found)

    return check


def typed(table: Mapping[str, Mapping[str, Field]], kinds: tuple[str, ...], noun: str) -> Check:
    """Return a check that looks the object's `type` up in `table`; a type outside `kinds` is refused."""

    def check(value: Any, path: str, found: Findings) -> None:
        kind = value.get("type") if isinstance(value, dict) else None
        if kind not in kinds:
            found.add(f"unsupported {noun} type: {kind}", path)
            return
        shape({"type": need(anything), **table[str(kind)]})(value, path, found)

    return check
