"""JSON of a stranger, read strictly: types as they stand, nothing unknown, no number that is none, no depth without end."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from workers.endpoint.errors import CallError, bad

DEEPEST: Final = 32
"""Levels of a body; a schema that asks for more is refused."""
Check = Callable[[str, Any], Any]
"""Takes a field's name and value, returns what is passed on, raises CallError."""


def parse(raw: bytes, *, most_bytes: int) -> dict[str, Any]:
    """Return the object in a body.

    Of a key that stands twice the last one counts, here and for the server: it is sent what was built from this.

    Raises:
        CallError: 413 when it is longer than `most_bytes`, 400 when it is no JSON object, or is nested too deep.
    """
    if len(raw) > most_bytes:
        raise CallError(413, "body_too_long", f"The body has {len(raw):,} bytes; at most {most_bytes:,} are passed on.")
    try:
        body = orjson.loads(raw)
    except ValueError as error:
        raise CallError(400, "invalid_json", "The body is no JSON.") from error
    if not isinstance(body, dict):
        raise CallError(400, "invalid_json", "The body is no JSON object.")
    if _deeper(body, DEEPEST):
        raise CallError(400, "invalid_json", f"The body is nested more than {DEEPEST} levels deep.")
    return body


def rebuild(body: Mapping[str, Any], allowed: Mapping[str, Check], dropped: frozenset[str]) -> dict[str, Any]:
    """Return a new object of the allowed fields, each checked; null is as good as not there.

    Raises:
        CallError: a field is not known, or not as its check wants it.
    """
    for name in body:
        if name not in allowed and name not in dropped:
            raise CallError(
                400, "unknown_field", f"{name[:80]} is not passed on by this endpoint; leave it out.", name[:80]
            )
    return {name: allowed[name](name, value) for name, value in body.items() if name in allowed and value is not None}


def whole(least: int, most: int) -> Check:
    """An integer, and no text or truth value that a lenient server would take for one."""

    def check(name: str, value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise bad(name, f"must be a whole number from {least} to {most}")
        return value

    return check


def number(least: float, most: float) -> Check:
    """A finite number."""

    def check(name: str, value: Any) -> float:
        if type(value) not in {int, float} or not math.isfinite(value) or not least <= value <= most:
            raise bad(name, f"must be a number from {least:g} to {most:g}")
        return float(value)

    return check


def truth(name: str, value: Any) -> bool:
    """True or false."""
    if type(value) is not bool:
        raise bad(name, "must be true or false")
    return value


def text(most: int) -> Check:
    """A text of at most so many characters."""

    def check(name: str, value: Any) -> str:
        if type(value) is not str or len(value) > most:
            raise bad(name, f"must be a text of at most {most:,} characters")
        return value

    return check


def one_of(*values: str) -> Check:
    """One of these texts."""

    def check(name: str, value: Any) -> str:
        if type(value) is not str or value not in values:
            raise bad(name, f"must be one of {', '.join(values)}")
        return value

    return check


def _deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(_deeper(each, levels - 1) for each in inner if isinstance(each, (dict, list)))
