"""Entries to bodies and back: typed, tagged, versioned, and exact.

A body holds only canonical values. Times become RFC 3339 strings, tuples become lists, nested values become objects,
a `Personal` becomes `{"sealed": "<64 hex>"}` with its salt and value handed over beside the body.
"""

from __future__ import annotations

import dataclasses
import hashlib
import secrets
import types
import typing
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, ClassVar, TypeVar

from ledger.errors import MalformedError
from ledger.log.canonical import canonical, commitment, format_time, parse_time
from ledger.log.store import Draft, Sealed, Stored
from ledger.nouns import AdapterForm, DataForm, DeployForm, ExplainForm, Form, GpuForm, KeyForm, Personal, RevertForm

E = TypeVar("E", bound="Entry")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that happened; subclasses are frozen, tagged with `kind` and versioned with `v`."""

    kind: ClassVar[str]
    v: ClassVar[int] = 1


FORM_TAGS: dict[str, type[Form]] = {
    "gpu": GpuForm,
    "data": DataForm,
    "key": KeyForm,
    "deploy": DeployForm,
    "adapter": AdapterForm,
    "revert": RevertForm,
    "explain": ExplainForm,
}
_TAG_OF_FORM = {cls: tag for tag, cls in FORM_TAGS.items()}


def draft(entry: Entry, *, actor: str, entry_id: str | None = None) -> Draft:
    """Return `entry` as a draft for the log, personal values sealed with fresh salts."""
    sealed: list[Sealed] = []
    body = _fields_out(entry, "", sealed)
    return Draft(
        id=entry_id or secrets.token_hex(16), kind=entry.kind, v=entry.v, actor=actor, body=body, sealed=tuple(sealed)
    )


def entry_of(stored: Stored, registry: dict[tuple[str, int], type[E]]) -> E:
    """Return the entry that `stored` holds.

    Raises:
        MalformedError: its kind and version are unknown, or its body is not what encoding would have produced.
    """
    cls = registry.get((stored.kind, stored.v))
    if cls is None:
        raise MalformedError(f"unknown kind {stored.kind} v{stored.v}")
    try:
        return typing.cast("E", _object_in(cls, stored.body, "", stored.sealed))
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedError(f"{stored.kind}: {error}") from error


def registry_of(*classes: type[E]) -> dict[tuple[str, int], type[E]]:
    """Return the lookup of entry classes by kind and version."""
    return {(cls.kind, cls.v): cls for cls in classes}


def form_body(form: Form) -> dict[str, Any]:
    """Return `form` as a canonical object, tagged with its kind."""
    return typing.cast("dict[str, Any]", _out(form, "", []))


def form_of(body: dict[str, Any]) -> Form:
    """Return the form that `body` holds; raises MalformedError when it is not one."""
    try:
        return typing.cast("Form", _in(Form, body, "", {}))
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedError(f"form: {error}") from error


def digest(form: Form) -> str:
    """Return the form's digest: SHA-256 of its canonical bytes, 64 hex digits. This is what approvers approve."""
    return hashlib.sha256(canonical(form_body(form))).hexdigest()


def _fields_out(value: Any, path: str, sealed: list[Sealed]) -> dict[str, Any]:
    """Every field but those that were added later and say nothing."""
    cls: Any = type(value)
    added = _added(cls)
    said = [name for name in _names(cls) if name not in added or getattr(value, name) != added[name]]
    return {name: _out(getattr(value, name), _join(path, name), sealed) for name in said}


def _out(value: Any, path: str, sealed: list[Sealed]) -> Any:
    if isinstance(value, Personal):
        return _seal(value, path, sealed)
    if type(value) in _TAG_OF_FORM:
        return {"form": _TAG_OF_FORM[type(value)], **_fields_out(value, path, sealed)}
    if dataclasses.is_dataclass(value):
        return _fields_out(value, path, sealed)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, tuple):
        return [_out(item, _join(path, str(index)), sealed) for index, item in enumerate(value)]
    return value


def _seal(value: Personal, path: str, sealed: list[Sealed]) -> dict[str, str]:
    if value.value is None:
        raise ValueError("an erased value cannot be entered again")
    salt = secrets.token_bytes(16)
    sealed.append(Sealed(field=path, salt=salt, value=value.value))
    return {"sealed": commitment(salt, value.value)}


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


@cache
def _hints(cls: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(cls)


@cache
def _names(cls: type[Any]) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(cls))


@cache
def _added(cls: type[Any]) -> dict[str, Any]:
    """The fields of a class that were added later, each with the value that says nothing."""
    return {f.name: f.default for f in dataclasses.fields(cls) if f.metadata.get("added")}


def _object_in(cls: Any, body: Any, path: str, sealed: typing.Mapping[str, Sealed]) -> Any:
    if not isinstance(body, dict) or not _fits(cls, body):
        raise ValueError(f"{path or cls.__name__}: fields differ")
    hints = _hints(cls)
    said = (name for name in _names(cls) if name in body)
    return cls(**{name: _in(hints[name], body[name], _join(path, name), sealed) for name in said})


def _fits(cls: Any, body: dict[str, Any]) -> bool:
    """Whether a body has the fields of `cls`, of those that were added later the ones that say something."""
    added = _added(cls)
    silent = {name for name in added if name not in body}
    return body.keys() | silent == set(_names(cls)) and all(body[name] != added[name] for name in added.keys() - silent)


def _in(hint: Any, value: Any, path: str, sealed: typing.Mapping[str, Sealed]) -> Any:
    if hint == Form:
        cls = FORM_TAGS[value["form"]]
        return _object_in(cls, {k: v for k, v in value.items() if k != "form"}, path, sealed)
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return _union_in(hint, value, path, sealed)
    if origin is tuple:
        item = typing.get_args(hint)[0]
        if not isinstance(value, list):
            raise TypeError(f"{path}: expected a list")
        return tuple(_in(item, each, _join(path, str(i)), sealed) for i, each in enumerate(value))
    return _scalar_in(hint, value, path, sealed)


def _union_in(hint: Any, value: Any, path: str, sealed: typing.Mapping[str, Sealed]) -> Any:
    members = typing.get_args(hint)
    if value is None and type(None) in members:
        return None
    rest = [member for member in members if member is not type(None)]
    if len(rest) == 1:
        return _in(rest[0], value, path, sealed)
    if type(value) in rest:
        return value
    raise TypeError(f"{path}: {type(value).__name__} does not fit")


def _scalar_in(hint: Any, value: Any, path: str, sealed: typing.Mapping[str, Sealed]) -> Any:
    if hint is Personal:
        held = sealed.get(path)
        if set(value) != {"sealed"}:
            raise ValueError(f"{path}: not a commitment")
        return Personal(None if held is None else held.value)
    if dataclasses.is_dataclass(hint):
        return _object_in(typing.cast("type[Any]", hint), value, path, sealed)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    if hint is datetime:
        return parse_time(value)
    if type(value) is not hint:
        raise TypeError(f"{path}: expected {hint.__name__}, got {type(value).__name__}")
    return value
