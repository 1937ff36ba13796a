"""Canonical bytes: one value, one encoding. RFC 8785 under restrictions that make it simple.

Allowed are objects with ASCII keys, lists, strings, booleans, null and integers below 2^53 in size. Floats are not:
under these restrictions orjson with sorted keys gives the bytes of RFC 8785; outside them it does not.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import orjson

from ledger.errors import MalformedError, NotCanonicalError
from ledger.log.store import Draft

WIDEST: Final = 2**53
DEEPEST: Final = 64
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_ENVELOPE: Final = ("actor", "at", "body", "id", "kind", "stream", "v", "version")
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
        _guard(value, DEEPEST, keys=not data.isascii())  # formatting again refuses an escape in a key
        again = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except NotCanonicalError as error:
        raise MalformedError(error.detail) from error
    if again != data:
        raise MalformedError("not in canonical form")
    return value


def _guard(value: Any, deeper: int, *, keys: bool = True) -> None:
    """Return only if `value` and all within may stand in an entry; scalars are looked at in place: it is the hot path."""
    if type(value) is dict:
        for key in value if keys else ():
            if type(key) is not str or not key.isascii():
                raise NotCanonicalError(f"key {key!r} is not ASCII text")
        inner: Iterable[Any] = value.values()
    elif type(value) is list:
        inner = value
    else:
        inner, deeper = (value,), DEEPEST
    for item in inner:
        kind = type(item)
        if kind is str or kind is bool or item is None or (kind is int and -WIDEST < item < WIDEST):
            continue
        if kind is not dict and kind is not list:
            what = f"integer of {item.bit_length()} bits" if kind is int else kind.__name__
            raise NotCanonicalError(f"{what} is not allowed")
        if deeper == 1:
            raise NotCanonicalError("nested too deeply")
        _guard(item, deeper - 1, keys=keys)


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
    if type(text) is not str or not _TIME.fullmatch(text):
        raise MalformedError(f"not a time: {text!r}")
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise MalformedError(f"not a time: {text!r}") from error


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


def around(draft: Draft, stream: str) -> tuple[bytes, bytes]:
    """Return an entry's bytes before and behind its time, but for its version and the last brace.

    So all that needs no place is done before the lock. The keys are in order: `actor`, `at`, ..., `version`.
    """
    if type(draft.id) is not str or not _ID.fullmatch(draft.id) or type(draft.v) is not int or not 0 < draft.v < WIDEST:
        raise NotCanonicalError(f"id {draft.id!r}, v {draft.v!r}")
    if not (type(draft.kind) is type(draft.actor) is type(stream) is str):
        raise NotCanonicalError("kind, actor and stream are text")
    body = draft.body if type(draft.body) is dict else dict(draft.body)
    _guard(body, DEEPEST - 1)  # the entry around it is one level
    rest = {"body": body, "id": draft.id, "kind": draft.kind, "stream": stream, "v": draft.v}
    try:
        return _front(draft.actor), b'",%b,"version":' % orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)[1:-1]
    except (TypeError, ValueError) as error:  # lone surrogates
        raise NotCanonicalError(str(error)) from error


@lru_cache(maxsize=1024)
def _front(actor: str) -> bytes:
    return b'{"actor":%b,"at":"' % orjson.dumps(actor)


def entry_bytes(draft: Draft, stream: str, version: int, at: datetime) -> bytes:
    """Return the bytes of an entry in its place: what its leaf hashes."""
    front, back = around(draft, stream)
    return b"%b%b%b%d}" % (front, format_time(at).encode(), back, version)


def parse_entry(data: bytes) -> dict[str, Any]:
    """Return the envelope of an entry; raises MalformedError when it is not one."""
    value = parse(data)
    if type(value) is not dict or tuple(value) != _ENVELOPE or type(value["body"]) is not dict:  # sorted by now
        raise MalformedError("not an entry")
    v, version = value["v"], value["version"]
    if type(v) is not int or type(version) is not int or v < 1 or version < 1:
        raise MalformedError("v and version are numbers from 1")
    if not (type(value["kind"]) is type(value["actor"]) is type(value["stream"]) is type(value["id"]) is str):
        raise MalformedError("kind, actor, stream and id are text")
    if not _ID.fullmatch(value["id"]):
        raise MalformedError("id is not 32 hex digits")
    parse_time(value["at"])
    return value
