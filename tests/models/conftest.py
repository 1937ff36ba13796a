from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.models.serving import MAX_RANK, ModelServer, NoVllmError, adapter, model, running, stand_in, vllm

KEY = "kept-by-the-endpoint"


@dataclass
class Served:
    """A running server that both kinds of tests ask, with the key unless they take it away."""

    server: ModelServer
    client: httpx.Client
    anyone: httpx.Client
    """Without the key."""
    adapter: Path
    too_big: Path

    def post(self, path: str, body: dict[str, Any] | bytes, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(path, content=content, headers={"content-type": "application/json", **headers})

    def chat(self, **body: Any) -> httpx.Response:
        whole = {"model": "tiny", "messages": [{"role": "user", "content": "hello there"}], **body}
        return self.post("/v1/chat/completions", whole)

    def complete(self, **body: Any) -> httpx.Response:
        return self.post("/v1/completions", {"model": "tiny", "prompt": "hello", **body})

    def figures(self) -> dict[str, float]:
        """Return every figure by its name and labels."""
        lines = [line for line in self.client.get("/metrics").text.splitlines() if line.startswith("vllm:")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def moved(self, name: str, before: dict[str, float]) -> float:
        """Return by how much a figure has grown since, over all its labels."""
        return sum(v - before[k] for k, v in self.figures().items() if k.startswith(f"vllm:{name}{{"))


KINDS = ["stand-in", pytest.param("vllm", marks=[pytest.mark.models, pytest.mark.timeout(600)])]


@pytest.fixture(scope="session", params=KINDS)
def kind(request):
    """Ask both; a missing vLLM skips here, and fails in CI."""
    if request.param == "vllm":
        need_vllm()
    return request.param


def need_vllm() -> None:
    try:
        model(1)
    except NoVllmError as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def places(kind, tmp_path_factory):
    """The model and two adapters, of which the second is too big. The stand-in reads of them only the rank."""
    if kind == "vllm":
        return model(1), adapter(3), adapter(4, rank=2 * MAX_RANK)
    folder = tmp_path_factory.mktemp("models")
    for name, rank in (("small", MAX_RANK), ("big", 2 * MAX_RANK)):
        (folder / name).mkdir()
        (folder / name / "adapter_config.json").write_text(json.dumps({"r": rank}))
    return folder / "model", folder / "small", folder / "big"


@pytest.fixture(scope="session")
def served(kind, places, tmp_path_factory):
    """One server for the whole contract."""
    make, slow = (vllm, ()) if kind == "vllm" else (stand_in, ("--token-s", "0.001"))
    log = tmp_path_factory.mktemp("served") / "server.log"
    with (
        running(make(places[0], log, "--api-key", KEY, *slow)) as server,
        httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {KEY}"}, timeout=60) as client,
        httpx.Client(base_url=server.url, timeout=60) as anyone,
    ):
        yield Served(server, client, anyone, places[1], places[2])
