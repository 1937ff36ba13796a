"""The parts of the keeper by themselves: command lines, reasons, beats, files."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from endpoint_site import until
from serving_site import SERVING, ServingSite

from workers.errors import BackendError
from workers.executors.processes import booted_at, started_at
from workers.serving import draining
from workers.serving.deaths import why_it_ended
from workers.serving.launch import command, environment, launcher
from workers.serving.orders import Line, Phase, State
from workers.serving.servers import Server, Servers


def test_a_server_is_bound_to_the_loopback_loads_safetensors_and_keeps_its_key_out_of_the_command(tmp_path):
    line = command(launcher(""), tmp_path, "m@ab", 1234, SERVING)
    assert line[1:3] == ["-m", "vllm.entrypoints.openai.api_server"]
    for name, value in (("--host", "127.0.0.1"), ("--port", "1234"), ("--load-format", "safetensors")):
        assert line[line.index(name) + 1] == value
    assert "--api-key" not in line
    assert "--trust-remote-code" not in line
    variables = environment(
        "secret", "mark", SERVING, {"PATH": "/bin", "QM_POSTGRES_DSN": "x", "SLACK_BOT_TOKEN": "y", "PGPASSWORD": "z"}
    )
    assert (variables["VLLM_API_KEY"], variables["HF_HUB_OFFLINE"], variables["PATH"]) == ("secret", "1", "/bin")
    assert not {"QM_POSTGRES_DSN", "SLACK_BOT_TOKEN", "PGPASSWORD", "VLLM_ALLOW_RUNTIME_LORA_UPDATING"} & set(variables)


@pytest.mark.parametrize(
    ("status", "tail", "words"),
    [
        (1, "torch.OutOfMemoryError: CUDA out of memory. Tried", "ran out of memory"),
        (-9, "", "killed by the system"),
        (137, "", "killed by the system"),
        (1, "OSError: [Errno 98] Address already in use", "port of its server was taken"),
        (3, "secret prompt", "exit code 3"),
        (-11, "", "signal 11"),
        (None, "", "ended by itself."),
    ],
)
def test_why_a_server_ended_is_one_of_a_few_sentences(status, tail, words):
    said = why_it_ended(status, tail)
    assert words in said
    assert "secret" not in said


def test_only_living_endpoints_are_waited_for(tmp_path):
    now = time.time()
    for name, version, age in (("1", 7, 0), ("2", 6, 60)):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({"version": version}))
        os.utime(path, (now - age, now - age))
    known = draining.endpoints(tmp_path)
    assert draining.seen_by_all(known, 7, now)
    assert not draining.seen_by_all(known, 8, now)
    (tmp_path / "3.json").write_text("{")
    assert not draining.seen_by_all(draining.endpoints(tmp_path), 1, now)


def test_orders_and_states_are_read_back_as_they_were_written(site):
    order = site.order()
    assert site.orders.order(order.key) == order
    noted = State(key=order.key, attempt=1, done=3)
    site.orders.note(noted)
    assert site.orders.state(order) == noted
    again = site.order(attempt=2)
    assert site.orders.state(again) == State(
        key=order.key, attempt=2
    )  # what was seen of an earlier start does not count


def test_a_file_that_is_no_order_is_an_error_and_not_a_missing_order(site):
    order = site.order()
    (site.folder / "orders" / f"{order.key}.json").write_text("{}")
    with pytest.raises(BackendError, match="is not what was written"):
        site.orders.order(order.key)


def test_the_notes_of_servers_are_for_their_owner_alone(site: ServingSite):
    site.until_phase(site.order(), Phase.READY)
    (file,) = (site.folder / "servers").glob("*.json")
    (server,) = site.servers()
    assert file.stat().st_mode & 0o077 == 0
    assert server.key not in repr(server)
    assert server.key.encode() not in Path(f"/proc/{server.pid}/cmdline").read_bytes()


ENGINE = """#!/bin/sh
env -i sleep 600 &
echo $! > {note}
wait
"""


@pytest.fixture
def leader(tmp_path):
    """A server whose engine carries no mark, as one that wrote its title over its environment."""
    program, note = tmp_path / "server", tmp_path / "engine"
    program.write_text(ENGINE.format(note=note))
    program.chmod(0o700)
    servers = Servers(tmp_path, (str(program),))
    line = Line(model="m", environment="dev", digest="sha256:" + "a" * 64)
    fresh = Server(line=line, number=0, order="k", version="1", serving=SERVING, served="m", mark="", key="")
    server = servers.start(fresh, tmp_path, time.time())
    until(lambda: note.exists() and note.read_text().strip())
    engine = int(note.read_text())
    until(lambda: Path(f"/proc/{engine}/comm").read_text() == "sleep\n")  # before, it has the mark of its parent
    yield servers, server, engine
    servers.stop(server, grace_s=0.0)


def test_an_engine_without_a_mark_is_ended_with_its_server_that_was_killed(leader):
    servers, server, engine = leader
    os.kill(server.pid, signal.SIGKILL)
    until(lambda: not servers.runs(server))
    assert started_at(engine)
    assert servers.stop(server, grace_s=0.0)
    assert not started_at(engine)


def test_a_note_from_before_the_machine_was_started_ends_nobody(leader):
    servers, server, engine = leader
    os.kill(server.pid, signal.SIGKILL)
    until(lambda: not servers.runs(server))
    assert servers.stop(replace(server, begun=booted_at() - 1), grace_s=0.0)
    assert started_at(engine)
    assert servers.stop(server, grace_s=0.0)
