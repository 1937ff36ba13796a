"""How servers begin and end: the stand-in's bad days, and that nothing of a real one is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import httpx
import pytest

from tests.models.conftest import need_vllm
from tests.models.serving import (
    MAKER,
    ModelServer,
    NotReadyError,
    model,
    running,
    stand_in,
    vllm,
    vllm_python,
    wait_for,
)
from workers.standin.settings import BEHAVIOUR, Behaviour, read

ENDLESS = {"prompt": "hi", "max_tokens": 900, "ignore_eos": True, "stream": True}
ENGINE = "VLLM::EngineCore"


def make(folder, *arguments: str) -> str:
    """Make a model or an adapter and return its digest."""
    command = [vllm_python(), MAKER, folder, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def stream(server) -> list[str]:
    """Return the lines of an answer that does not end by itself, up to its end."""
    with httpx.stream("POST", f"{server.url}/v1/completions", json=ENDLESS, timeout=60, verify=False) as answer:
        return [line for line in answer.iter_lines() if line]


def engine(server) -> int | None:
    return next((pid for pid, name in server.family().items() if name.startswith(ENGINE)), None)


def assert_the_engine_died(server, lines: list[str]) -> None:
    """The contract of a dead engine: an error inside the 200, then 503, then the end of the process."""
    *_, error, done = lines
    assert done == "data: [DONE]"
    fault = json.loads(error.removeprefix("data: "))["error"]
    assert (fault["type"], fault["code"]) == ("InternalServerError", 500)
    assert fault["message"].startswith("EngineCore encountered an issue.")
    assert server.health() == 503
    after = httpx.post(f"{server.url}/v1/completions", json={"prompt": "hi"}, verify=False)
    assert (after.status_code, after.json()["error"]["type"]) == (500, "InternalServerError")
    wait_for(lambda: server.process.poll() is not None)


def test_an_engine_that_dies_in_a_stream_says_so_in_it(tmp_path):
    with running(stand_in(tmp_path, tmp_path / "log", "--behaviour", Behaviour.ENGINE_DIES)) as server:
        assert_the_engine_died(server, stream(server))


@pytest.mark.models
@pytest.mark.timeout(600)
def test_a_real_engine_that_dies_in_a_stream_says_so_in_it(tmp_path):
    need_vllm()
    with running(vllm(model(1), tmp_path / "log")) as server:
        with httpx.stream("POST", f"{server.url}/v1/completions", json=ENDLESS, timeout=60, verify=False) as answer:
            lines = answer.iter_lines()
            said = [next(lines)]
            os.kill(engine(server), signal.SIGKILL)
            said += [line for line in lines if line]
        assert_the_engine_died(server, said)


@pytest.mark.models
@pytest.mark.timeout(600)
def test_what_a_killed_server_leaves_behind_is_ended_too(tmp_path):
    need_vllm()
    server = vllm(model(2), tmp_path / "log")
    server.begin()
    try:
        orphan = wait_for(lambda: engine(server), 300)
        server.process.kill()
        server.process.wait()
        assert orphan in server.family()
    finally:
        server.stop()
    assert not server.family()


def test_children_that_outlive_their_server_are_ended(tmp_path):
    server = ModelServer(["sh", "-c", "sleep 300 & sleep 300"], tmp_path / "log")
    server.begin()
    wait_for(lambda: len(server.family()) == 3)
    server.stop()
    assert not server.family()


@pytest.mark.models
def test_a_seed_makes_the_same_model_again_and_another_seed_another(tmp_path):
    need_vllm()
    digests = [make(tmp_path / name, *rest) for name, *rest in (("a", "5"), ("b", "5"), ("c", "6"))]
    adapters = [make(tmp_path / name, "5", "--rank", "8") for name in ("d", "e")]
    assert digests[0] == digests[1] != digests[2]
    assert adapters[0] == adapters[1]


def test_a_stand_in_that_has_no_memory_ends_and_says_so(tmp_path):
    server = stand_in(tmp_path, tmp_path / "log", "--behaviour", Behaviour.OUT_OF_MEMORY)
    with pytest.raises(NotReadyError, match=r"ended with 1: .*CUDA out of memory"):
        server.start()


@pytest.mark.parametrize("behaviour, health", [(Behaviour.NEVER_READY, None), (Behaviour.UNHEALTHY, 503)])
def test_a_stand_in_that_never_gets_well_is_given_up_and_ended(tmp_path, behaviour, health):
    server = stand_in(tmp_path, tmp_path / "log", "--behaviour", behaviour)
    server.begin()
    try:
        with pytest.raises(NotReadyError, match="not ready after 3 s"):
            server.wait_until_ready(3)
        assert server.health() == health
    finally:
        server.stop()
    assert not server.family()


def test_a_stand_in_can_take_its_time(tmp_path):
    begun = time.monotonic()
    with running(stand_in(tmp_path, tmp_path / "log", "--start-s", "1.5", "--token-s", "0.05")) as server:
        assert time.monotonic() - begun > 1.5
        begun = time.monotonic()
        answer = httpx.post(f"{server.url}/v1/completions", json={"prompt": "hi", "max_tokens": 10}, verify=False)
        assert answer.status_code == 200
        assert time.monotonic() - begun > 0.5


def test_a_stand_in_that_is_killed_cuts_its_stream(tmp_path):
    with (
        running(stand_in(tmp_path, tmp_path / "log", "--behaviour", Behaviour.KILLED)) as server,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        stream(server)


def test_two_versions_write_other_words(tmp_path):
    said = []
    for version in ("one", "two"):
        with running(stand_in(tmp_path / version, tmp_path / "log")) as server:
            body = {"prompt": "hi", "max_tokens": 8, "temperature": 0}
            said.append(
                httpx.post(f"{server.url}/v1/completions", json=body, verify=False).json()["choices"][0]["text"]
            )
    assert said[0] != said[1]


def test_adapters_are_loaded_only_where_vllm_would(tmp_path):
    """Both the flag and the variable are needed; without them the paths are not there."""
    flags = ["--model", "m", "--enable-lora"]
    assert read(flags, {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True"}).adapters
    assert not read(flags, {}).adapters
    assert not read(["--model", "m"], {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True"}).adapters


def test_the_stand_in_takes_vllms_flags_and_a_behaviour_from_outside():
    flags = ["--model", "m", "--dtype", "bfloat16", "--gpu-memory-utilization", "0.9", "--enforce-eager"]
    serving = read(flags, {BEHAVIOUR: "unhealthy"})
    assert (serving.names, serving.behaviour) == (("m",), Behaviour.UNHEALTHY)


def test_the_stand_in_takes_its_key_from_the_variable_as_vllm_does():
    flags = ["--model", "m"]
    assert read(flags, {"VLLM_API_KEY": "secret"}).key == "secret"
    assert read([*flags, "--api-key", "flag"], {"VLLM_API_KEY": "secret"}).key == "flag"
    assert read(flags, {"VLLM_API_KEY": ""}).key is None
