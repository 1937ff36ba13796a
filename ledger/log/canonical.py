"""Canonical bytes: one value, one encoding. RFC 8785 under restrictions that make it simple.

Allowed are objects with ASCII keys, lists, strings, booleans, null and integers below 2^53 in size. Floats are not:
under these restrictions orjson with sorted keys gives the bytes of RFC 8785; outside them it does not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from ledger.errors import MalformedError, NotCanonicalError
from ledger.log.store import Draft

WIDEST: Final = 2**53
_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
_FIRST_YEAR: Final = 1000
_ENVELOPE: Final = frozenset({"v", "id", "kind", "at", "actor", "stream", "version", "body"})


def canonical(value: Any) -> bytes:
    """Return the canonical bytes of `value`; raises NotCanonicalError when it holds what an entry may not."""
    _guard(value)
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (TypeError, ValueError) as error:  # lone surrogates
        raise NotCanonicalError(str(error)) from error


def parse(data: bytes) -> Any:
    """Return the value behind canonical bytes; raises MalformedError unless formatting it gives `data` again."""
    try:
        value = orjson.loads(data)
    except ValueError as error:
        raise MalformedError("not JSON") from error
    try:
        again = canonical(value)
    except NotCanonicalError as error:
        raise MalformedError(error.detail) from error
    if again != data:
        raise MalformedError("not in canonical form")
    return value


def _guard(value: Any) -> None:
    kind = type(value)
    if value is None or kind is str or kind is bool:
        return
    if kind is int:
        if not -WIDEST < value < WIDEST:
            raise NotCanonicalError(f"integer {value} is too wide")
    elif kind is dict:
        for key, item in value.items():
            if type(key) is not str or not key.isascii():
                raise NotCanonicalError(f"key {key!r} is not ASCII text")
            _guard(item)
    elif kind is list:
        for item in value:
            _guard(item)
    else:
        raise NotCanonicalError(f"{kind.__name__} is not allowed")


def format_time(moment: datetime) -> str:
    """Return an aware time as RFC 3339 in UTC, `Z`, with six digits of a second."""
    if moment.utcoffset() is None:
        raise NotCanonicalError("a time without zone")
    return moment.astimezone(UTC).strftime(_TIME) if moment.year >= _FIRST_YEAR else _refuse_year(moment)


def _refuse_year(moment: datetime) -> str:
    raise NotCanonicalError(f"year {moment.year}")


def parse_time(text: str) -> datetime:
    """Return the time that `format_time` wrote as `text`; anything else raises MalformedError."""
    try:
        moment = datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except (TypeError, ValueError) as error:
        raise MalformedError(f"not a time: {text!r}") from error
    if format_time(moment) != text:
        raise MalformedError(f"not a time: {text!r}")
    return moment


def commitment(salt: bytes, value: str) -> str:
    """Return SHA-256(salt || UTF-8 of value), 64 hex digits: what a leaf holds of a personal value."""
    return hashlib.sha256(salt + value.encode()).hexdigest()


def entry_bytes(draft: Draft, stream: str, version: int, at: datetime) -> bytes:
    """Return the bytes of an entry in its place: what its leaf hashes."""
    return canonical(
        {
            "v": draft.v,
            "id": draft.id,
            "kind": draft.kind,
            "at": format_time(at),
            "actor": draft.actor,
            "stream": stream,
            "version": version,
            "body": dict(draft.body),
        }
    )


def parse_entry(data: bytes) -> Mapping[str, Any]:
    """Return the envelope of an entry; raises MalformedError when it is not one."""
    value = parse(data)
    if not isinstance(value, dict) or set(value) != _ENVELOPE or not isinstance(value["body"], dict):
        raise MalformedError("not an entry")
    parse_time(value["at"])
    for name, kind in (("v", int), ("version", int), ("id", str), ("kind", str), ("actor", str), ("stream", str)):
        if type(value[name]) is not kind:
            raise MalformedError(f"{name} is not {kind.__name__}")
    return value
