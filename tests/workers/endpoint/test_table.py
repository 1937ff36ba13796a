"""The route table: whole, strict, and changed by one writer at a time."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from workers.endpoint.calls import Bounds, Route
from workers.endpoint.errors import LostTableError, TableError
from workers.endpoint.routes import Routes
from workers.endpoint.table import (
    Server,
    Table,
    parse_table,
    read_table,
    shares,
    table_bytes,
    write_anew,
    write_table,
)

ROOT = Path(__file__).parents[3]
PLACE = "fraud-detector@production"
SERVER = Server(
    url="http://127.0.0.1:41231",
    digest="sha256:" + "ab" * 32,
    version="3.2.1",
    served="fraud-detector@abababababab",
    percent=100,
    bounds=Bounds(context=8192, output=1024),
    key="the server's own",
)


def body(**changes):
    tree = json.loads(table_bytes(Table(version=7, routes={PLACE: (SERVER,)})))
    tree["routes"][PLACE][0].update(changes)
    return json.dumps(tree).encode()


def test_a_table_that_was_never_written_routes_nothing(tmp_path):
    assert read_table(tmp_path / "routes.json") == Table()


def test_what_was_written_is_read_and_the_version_counts_changes(tmp_path):
    path = tmp_path / "models" / "routes.json"
    assert write_table(path, lambda _: {PLACE: (SERVER,)}) == Table(version=1, routes={PLACE: (SERVER,)})
    second = replace(SERVER, url="https://gpu-04.internal:8000", percent=10)
    write_table(path, lambda routes: {**routes, PLACE: (replace(SERVER, percent=90), second)})
    assert read_table(path) == Table(version=2, routes={PLACE: (replace(SERVER, percent=90), second)})


def test_what_changes_nothing_is_no_new_version(tmp_path):
    path = tmp_path / "routes.json"
    first = write_table(path, lambda _: {PLACE: (SERVER,)})
    before = path.stat().st_mtime_ns
    assert write_table(path, dict) == first
    assert path.stat().st_mtime_ns == before


def test_nobody_else_can_read_the_servers_keys(tmp_path):
    path = tmp_path / "routes.json"
    write_table(path, lambda _: {PLACE: (SERVER,)})
    assert path.stat().st_mode & 0o777 == 0o600
    assert SERVER.key not in repr(SERVER)


def test_a_file_by_hand_may_leave_the_template_out():
    tree = json.loads(body())
    del tree["routes"][PLACE][0]["bounds"]["template"]
    assert parse_table(json.dumps(tree).encode()).routes[PLACE] == (SERVER,)


def test_it_becomes_the_routes_of_the_endpoint():
    routes = Routes()
    routes.swap(shares(Table(routes={PLACE: (SERVER,), "embedder@dev": (replace(SERVER, embeddings=True),)})))
    chosen = routes.choose(PLACE, "a key")
    assert (chosen.url, chosen.version, chosen.key) == (SERVER.url, SERVER.digest, SERVER.key)
    assert chosen.served.routes == {Route.CHAT, Route.COMPLETIONS}
    assert routes.choose("embedder@dev", "a key").served.routes == {Route.EMBEDDINGS}


def test_an_adapter_may_be_without_a_server_and_a_model_may_not(tmp_path):
    path, tone = tmp_path / "routes.json", "fraud-detector:legal-tone@production"
    write_table(path, lambda _: {PLACE: (SERVER,), tone: ()})
    assert read_table(path).routes[tone] == ()
    with pytest.raises(TableError, match="100 in all"):
        write_table(path, lambda routes: {**routes, PLACE: ()})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"percent": 99}, "100 in all"),
        ({"percent": "100"}, "percent must be a whole number"),
        ({"percent": True}, "percent must be a whole number"),
        ({"percent": -1}, "percent must be from 0 to 100"),
        ({"url": "http://127.0.0.1:8000/v1"}, "url must be scheme, host and port"),
        ({"url": "file:///etc/passwd"}, "url must be scheme, host and port"),
        ({"url": "http://user:secret@127.0.0.1:8000"}, "url must be scheme, host and port"),
        ({"digest": "sha256:AB"}, "digest must be sha256:"),
        ({"served": ""}, "version and served must be names"),
        ({"bounds": {"context": 0, "output": 1, "sequences": 1, "byte_level": True}}, "bounds must be numbers from 1"),
        ({"bounds": {"context": 10}}, "missing"),
        ({"colour": "blue"}, "colour is unknown"),
    ],
)
def test_a_table_that_cannot_be_is_refused_in_words(changes, says):
    with pytest.raises(TableError, match=says):
        parse_table(body(**changes))


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{}", b'{"version": 1, "routes": {"nowhere": []}}', b"\xff\xfe", body()[:-9]]
)
def test_a_broken_file_is_an_error_and_never_an_empty_table(raw, tmp_path):
    path = tmp_path / "routes.json"
    path.write_bytes(raw)
    with pytest.raises(TableError, match=r"table|routes\.json"):
        read_table(path)
    with pytest.raises(TableError):
        write_table(path, lambda _: {PLACE: (SERVER,)})
    assert path.read_bytes() == raw


def test_a_change_that_cannot_be_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "routes.json"
    write_table(path, lambda _: {PLACE: (SERVER,)})
    before = path.read_bytes()
    with pytest.raises(TableError, match="100 in all"):
        write_table(path, lambda _: {PLACE: (replace(SERVER, percent=50),)})
    assert path.read_bytes() == before


@pytest.mark.parametrize("lost", [Path.unlink, lambda path: path.write_bytes(b"{")])
def test_a_table_that_is_lost_is_told_from_one_that_never_was_and_written_anew_on_purpose_alone(tmp_path, lost):
    path = tmp_path / "routes.json"
    for percent in (90, 80):
        other = replace(SERVER, percent=100 - percent)
        write_table(path, lambda _: {PLACE: (replace(SERVER, percent=percent), other)})  # noqa: B023 called at once
    lost(path)
    with pytest.raises(LostTableError):
        read_table(path)
    with pytest.raises(LostTableError):
        write_table(path, lambda routes: {**routes, PLACE: (SERVER,)})
    assert write_anew(path, {PLACE: (SERVER,)}, above=0) == Table(version=3, routes={PLACE: (SERVER,)})
    assert write_anew(path, {}, above=0) == read_table(path)
    assert read_table(path).routes == {PLACE: (SERVER,)}


def test_a_table_that_is_lost_with_its_lock_is_newer_than_what_was_seen_of_it(tmp_path):
    path = tmp_path / "routes.json"
    assert write_anew(path, {PLACE: (SERVER,)}, above=41).version == 42
    assert write_table(path, lambda _: {}).version == 43


def test_a_version_that_was_not_noted_is_noted_with_the_next_look(tmp_path):
    path = tmp_path / "routes.json"
    write_table(path, lambda _: {PLACE: (SERVER,)})
    path.with_name("routes.json.lock").write_bytes(b"")
    write_table(path, dict)
    path.unlink()
    with pytest.raises(LostTableError, match="version 1 was written last"):
        read_table(path)


CHILD = """
import sys
sys.path[:0] = sys.argv[3:]
from pathlib import Path
from dataclasses import replace
from workers.endpoint.table import write_table
for n in range(20):
    write_table(Path(sys.argv[1]), lambda routes: {**routes, f"{sys.argv[2]}-{n}@dev": next(iter(routes.values()))})
"""


def test_writers_in_several_processes_lose_no_change(tmp_path):
    path = tmp_path / "routes.json"
    write_table(path, lambda _: {PLACE: (SERVER,)})
    children = [subprocess.Popen([sys.executable, "-c", CHILD, str(path), name, str(ROOT)]) for name in "abc"]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    table = read_table(path)
    assert (table.version, len(table.routes)) == (61, 61)
