"""The route table: all that the endpoint knows of model servers, in one file that executor and keeper write whole.

The file holds the servers' own keys and is readable by its owner alone. Writers take turns at a lock beside it, so that
no change is lost; readers see the table before a change or after it, and never half of one. The lock holds the version
that was written last, so that a table that is gone is told from one that never was.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from workers.durable import write_whole
from workers.endpoint.calls import Bounds, Route, Served
from workers.endpoint.errors import LostTableError, TableError
from workers.endpoint.routes import Share, Upstream

FILE: Final = "routes.json"
"""The table in the folder of served models."""
WHOLE: Final = 100
BETWEEN: Final = ":"
"""What stands between a model and its adapter where callers name both: `fraud-detector:legal-tone`."""
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_PLACE: Final = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server of one version, and the share of the keys that it answers.

    Args:
        url: scheme, host and port, such as `http://127.0.0.1:41231`.
        digest: of its weights, `sha256:` and 64 hex digits.
        version: how people call them.
        served: the name under which the server serves them.
        percent: of the keys, 0 to 100.
        bounds: what one call may ask for.
        embeddings: whether it answers `/v1/embeddings` in place of chat and completions.
        key: what it wants to hear in `Authorization`, empty for nothing.
    """

    url: str
    digest: str
    version: str
    served: str
    percent: int
    bounds: Bounds
    embeddings: bool = False
    key: str = field(default="", repr=False)


Servers = Mapping[str, tuple[Server, ...]]
"""By `model@environment`, those that answer there; their percents are a hundred in all.

Also by `model:adapter@environment`: with nobody where the adapter stands and no server has it now.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The routes in force; `version` is larger by one after each change, 0 where nothing was ever routed."""

    version: int = 0
    routes: Servers = field(default_factory=lambda: MappingProxyType({}))


def read_table(path: Path) -> Table:
    """Return the table in the file; an empty one where none was ever written.

    Raises:
        LostTableError: the file is gone, or is no table; says what is wrong.
        TableError: the file cannot be read now.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        if written := _written(path):
            raise LostTableError(f"{path.name} is gone; version {written} was written last") from None
        return Table()
    except OSError as error:
        raise TableError(f"{path.name} cannot be read: {error.strerror}") from error
    try:
        return parse_table(raw, path.name)
    except TableError as error:
        raise LostTableError(error.detail) from error


def parse_table(raw: bytes, name: str = "the table") -> Table:
    """Return the table that `raw` writes; raises TableError for anything that `table_bytes` would not have written."""
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise TableError(f"{name} is no JSON") from error
    _shape(name, body, {"version": int, "routes": dict})
    if body["version"] < 0:
        raise TableError(f"{name}: version must be a number from 0")
    return checked(
        Table(
            version=body["version"],
            routes={place: _servers(f"{name}: {place}", each) for place, each in body["routes"].items()},
        )
    )


def write_table(path: Path, change: Callable[[Servers], Servers]) -> Table:
    """Put `change` of the routes in the place of those in the file, and return the table that stands then.

    A change that changes nothing writes nothing. While it runs, no other writer reads or writes.

    Raises:
        TableError: the file is lost, or `change` leads to a table that cannot be; the file stands as it was.
        OSError: it could not be written; the file stands as it was.
    """
    with _alone(path) as lock:
        before = read_table(path)
        after = checked(replace(before, routes=dict(change(before.routes))))
        if after != before:
            after = replace(after, version=before.version + 1)
            _put(path, after)
        _note(lock, after.version)
        return after


def write_anew(path: Path, routes: Servers, *, above: int) -> Table:
    """Put these routes in the place of a table that is gone or broken; one that is whole stands, and is returned.

    Its version is larger than `above` and than any that was written, so that nobody takes it for one they have seen.

    Raises:
        TableError: these routes cannot be.
        OSError: it could not be written.
    """
    with _alone(path) as lock:
        with suppress(LostTableError):
            if (found := read_table(path)).version:
                return found
        after = checked(Table(version=max(above, _written(path)) + 1, routes=dict(routes)))
        _put(path, after)
        _note(lock, after.version)
        return after


def _put(path: Path, table: Table) -> None:
    write_whole(path, table_bytes(table), mode=0o600)


def table_bytes(table: Table) -> bytes:
    """Return the file of a table; `parse_table` reads it back."""
    routes = {place: [asdict(server) for server in servers] for place, servers in table.routes.items()}
    return json.dumps({"version": table.version, "routes": routes}, indent=1).encode()


def checked(table: Table) -> Table:
    """Return the table; raises TableError when it routes to what cannot be a server, or not a hundred percent."""
    for place, servers in table.routes.items():
        if not _PLACE.fullmatch(place):
            raise TableError(f"{place} is not written like fraud-detector@production")
        for server in servers:
            _server(place, server)
        away = not servers and BETWEEN in place
        if not away and sum(server.percent for server in servers) != WHOLE:
            raise TableError(f"{place}: the percents of its servers must be {WHOLE} in all")
    return table


def shares(table: Table) -> dict[str, tuple[Share, ...]]:
    """Return what `Routes.swap` takes."""
    return {place: tuple(_share(server) for server in servers) for place, servers in table.routes.items()}


def _share(server: Server) -> Share:
    paths = {Route.EMBEDDINGS} if server.embeddings else {Route.CHAT, Route.COMPLETIONS}
    served = Served(name=server.served, bounds=server.bounds, routes=frozenset(paths))
    upstream = Upstream(url=server.url, version=server.digest, served=served, key=server.key)
    return Share(upstream=upstream, percent=server.percent)


def _server(place: str, server: Server) -> None:
    url = urlsplit(server.url)
    plain = server.url == f"{url.scheme}://{url.netloc}" and "@" not in url.netloc
    if url.scheme not in {"http", "https"} or not url.hostname or not plain:
        raise TableError(f"{place}: url must be scheme, host and port alone, such as http://127.0.0.1:8000")
    if not _DIGEST.fullmatch(server.digest):
        raise TableError(f"{place}: digest must be sha256: and 64 hex digits")
    if not server.version or not server.served:
        raise TableError(f"{place}: version and served must be names")
    if not 0 <= server.percent <= WHOLE:
        raise TableError(f"{place}: percent must be from 0 to {WHOLE}")
    bounds = server.bounds
    if min(bounds.context, bounds.output, bounds.sequences) < 1 or bounds.template < 0:
        raise TableError(f"{place}: bounds must be numbers from 1")


def _servers(place: str, body: Any) -> tuple[Server, ...]:
    if not isinstance(body, list):
        raise TableError(f"{place} must be a list of servers")
    return tuple(_server_in(f"{place}, server {at}", each) for at, each in enumerate(body, 1))


def _server_in(place: str, body: Any) -> Server:
    _shape(place, body, _SERVER)
    bounds = {"template": Bounds(context=1, output=1).template, **body["bounds"]}
    _shape(f"{place}: bounds", bounds, _BOUNDS)
    return Server(**{**body, "bounds": Bounds(**bounds)})


_SERVER: Final = {
    "url": str,
    "digest": str,
    "version": str,
    "served": str,
    "percent": int,
    "bounds": dict,
    "embeddings": bool,
    "key": str,
}
_BOUNDS: Final = {each.name: bool if each.name == "byte_level" else int for each in fields(Bounds)}


def _shape(place: str, body: Any, wanted: Mapping[str, type]) -> None:
    """Check that an object has these fields, each of its type, and no others."""
    if not isinstance(body, dict):
        raise TableError(f"{place} must be an object")
    if set(body) != set(wanted):
        odd = min(set(body) ^ set(wanted))
        raise TableError(f"{place}: {odd} is {'unknown' if odd in body else 'missing'}")
    for name, kind in wanted.items():
        if type(body[name]) is not kind:
            raise TableError(f"{place}: {name} must be {_KINDS[kind]}")


_KINDS: Final = {int: "a whole number", str: "a text", bool: "true or false", dict: "an object"}


@contextmanager
def _alone(path: Path) -> Iterator[int]:
    """Let nobody else change the table meanwhile, and yield the lock's file; the kernel lets go for whoever dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(_lock_of(path), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def _lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _note(lock: int, version: int) -> None:
    """Note the version that stands; versions grow, so that a longer number replaces a shorter one whole.

    The table is written by now: a note that cannot be taken is taken with the next change.
    """
    number = str(version).encode()
    with suppress(OSError):
        if os.pread(lock, len(number) + 1, 0) != number:
            os.pwrite(lock, number, 0)


def _written(path: Path) -> int:
    """Return the version that was written last, 0 where none was."""
    try:
        noted = _lock_of(path).read_bytes()
    except OSError:
        return 0
    return int(noted) if noted.isdigit() else 0
