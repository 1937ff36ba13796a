"""Canonical bytes: one value, one encoding. RFC 8785 under restrictions that make it simple.

Allowed are objects with ASCII keys, lists, strings, booleans, null and integers below 2^53 in size. Floats are not:
under these restrictions orjson with sorted keys gives the bytes of RFC 8785; outside them it does not.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import orjson

from ledger.errors import MalformedError, NotCanonicalError
from ledger.log.store import Draft

WIDEST: Final = 2**53
DEEPEST: Final = 64
_TIME_LENGTH: Final = len("2026-01-01T00:00:00.000000Z")
_ENVELOPE: Final = frozenset({"v", "id", "kind", "at", "actor", "stream", "version", "body"})
_KINDS: Final = (("v", int), ("version", int), ("id", str), ("kind", str), ("actor", str), ("stream", str))
_ID: Final = re.compile("[0-9a-f]{32}")


def canonical(value: Any) -> bytes:
    """Return the canonical bytes of `value`; raises NotCanonicalError when it holds what an entry may not."""
    _guard(value, DEEPEST)
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


def _guard(value: Any, deeper: int) -> None:
    """Return only if `value` and all within may stand in an entry. Scalars are looked at in place: it is the hot path."""
    kind = type(value)
    if kind is dict:
        for key in value:
            if type(key) is not str or not key.isascii():
                raise NotCanonicalError(f"key {key!r} is not ASCII text")
        inner = value.values()
    elif kind is list:
        inner = value
    else:
        inner, deeper = (value,), DEEPEST + 1
    if deeper == 0:
        raise NotCanonicalError("nested too deeply")
    for item in inner:
        kind = type(item)
        if kind is str or kind is bool or item is None:
            continue
        if kind is int:
            if not -WIDEST < item < WIDEST:
                raise NotCanonicalError(f"integer of {item.bit_length()} bits is too wide")
        elif kind is dict or kind is list:
            _guard(item, deeper - 1)
        else:
            raise NotCanonicalError(f"{kind.__name__} is not allowed")


def format_time(moment: datetime) -> str:
    """Return an aware time as RFC 3339 in UTC, `Z`, with six digits of a second."""
    if moment.utcoffset() is None:
        raise NotCanonicalError("a time without zone")
    try:
        return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
    except OverflowError as error:
        raise NotCanonicalError("a time outside the years 1 to 9999") from error


def parse_time(text: str) -> datetime:
    """Return the time that `format_time` wrote as `text`; anything else raises MalformedError."""
    if type(text) is not str or len(text) != _TIME_LENGTH or text[-1] != "Z":
        raise MalformedError(f"not a time: {text!r}")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise MalformedError(f"not a time: {text!r}") from error
    if format_time(moment) != text:
        raise MalformedError(f"not a time: {text!r}")
    return moment


def commitment(salt: bytes, value: str) -> str:
    """Return SHA-256(salt || UTF-8 of value), 64 hex digits: what a leaf holds of a personal value."""
    try:
        return hashlib.sha256(salt + value.encode()).hexdigest()
    except UnicodeEncodeError as error:
        raise NotCanonicalError("a personal value is not Unicode text") from error


def at_path(body: Any, path: str) -> Any:
    """Return what stands at a dotted path in a body (list items by index), None when nothing does."""
    for step in path.split("."):
        if isinstance(body, list):
            body = body[int(step)] if step.isdecimal() and step.isascii() and int(step) < len(body) else None
        else:
            body = body.get(step) if isinstance(body, dict) else None
    return body


class Around(NamedTuple):
    """An entry's bytes before and after its time, but for its version: what can be done before the lock."""

    front: bytes
    back: bytes

    def at(self, when: bytes, version: int) -> bytes:
        """Return the entry's bytes in its place; `when` is a formatted time."""
        return b'%b"%b"%b%d}' % (self.front, when, self.back, version)


def around(draft: Draft, stream: str) -> Around:
    """Return the bytes of an entry around its time and version: `actor`, `at`, ..., `version` is the order of keys."""
    _check_envelope(draft, stream)
    body = draft.body if type(draft.body) is dict else dict(draft.body)
    _guard(body, DEEPEST)
    rest = {"body": body, "id": draft.id, "kind": draft.kind, "stream": stream, "v": draft.v}
    try:
        front, back = orjson.dumps(draft.actor), orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)
    except (TypeError, ValueError) as error:  # lone surrogates
        raise NotCanonicalError(str(error)) from error
    return Around(b'{"actor":%b,"at":' % front, b',%b,"version":' % back[1:-1])


def _check_envelope(draft: Draft, stream: str) -> None:
    for name in (draft.kind, draft.actor, stream):
        if type(name) is not str:
            raise NotCanonicalError(f"{name!r} is not text")
    if type(draft.id) is not str or not is_id(draft.id) or type(draft.v) is not int or not 0 < draft.v < WIDEST:
        raise NotCanonicalError(f"id {draft.id!r}, v {draft.v!r}")


def entry_bytes(draft: Draft, stream: str, version: int, at: datetime) -> bytes:
    """Return the bytes of an entry in its place: what its leaf hashes."""
    return around(draft, stream).at(format_time(at).encode(), version)


def parse_entry(data: bytes) -> dict[str, Any]:
    """Return the envelope of an entry; raises MalformedError when it is not one."""
    value = parse(data)
    if not isinstance(value, dict) or value.keys() != _ENVELOPE or type(value["body"]) is not dict:
        raise MalformedError("not an entry")
    parse_time(value["at"])
    for name, kind in _KINDS:
        if type(value[name]) is not kind:
            raise MalformedError(f"{name} is not {kind.__name__}")
    if value["version"] < 1 or value["v"] < 1 or not is_id(value["id"]):
        raise MalformedError("not an entry: id, v or version")
    return value


def is_id(text: str) -> bool:
    """Whether `text` is 32 lower-case hex digits."""
    return _ID.fullmatch(text) is not None
