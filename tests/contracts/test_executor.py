"""The suite of `executor.py` over the executors that need no service; `tests/services/` plays it on the real ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from conftest import Hand
from contracts.executor import Backend, ExecutorContract, QueueContract
from serving_site import SERVING

from ledger.nouns import DeployForm, KeyForm
from workers.endpoint import table
from workers.endpoint.counters import Counters
from workers.endpoint.keytable import KeyTable
from workers.executors.base import Pending
from workers.executors.endpoint_keys import EndpointKeys
from workers.executors.gpu_pool import GpuPoolExecutor
from workers.executors.memory import MemoryExecutor, Mood
from workers.executors.vllm import VllmExecutor
from workers.serving.orders import LIVE, ROUTES, Orders, Phase
from workers.serving.servers import Server, Servers


class MemoryBackend(Backend):
    def __init__(self, folder):
        self.path = folder / "memory.sqlite3"

    def executor(self, clock):
        return MemoryExecutor(self.path, clock=clock)

    def trace(self, key):
        return self.executor(Hand()).effects(key)

    def breaks(self):
        return self._behaves(Mood.DARK)

    def fills(self):
        return self._behaves(Mood.FULL)

    def _behaves(self, mood):
        self.executor(Hand()).behave(mood)
        return lambda: self.executor(Hand()).behave(Mood.READY)


class GpuPoolBackend(Backend):
    def __init__(self, folder):
        self.folder = folder / "leases"

    def executor(self, clock):
        return GpuPoolExecutor(self.folder, clock=clock, grace_s=0.2)

    def trace(self, key):
        path = self.folder / f"{key}.lease"
        return (path.stat().st_ino, path.stat().st_mtime_ns) if path.exists() else None

    def breaks(self):
        aside = self.folder.rename(self.folder.with_name("unmounted"))
        return lambda: aside.rename(self.folder)


class Prompt(VllmExecutor):
    """Beside a keeper that has everything ready at once."""

    def __init__(self, folder, clock):
        super().__init__(folder, {"fraud-detector": SERVING}.get, clock=clock)
        self.folder = folder

    def ensure(self, grant):
        said = super().ensure(grant)
        return super().ensure(grant) if isinstance(said, Pending) and self.keeps() else said

    def keeps(self):
        orders = Orders(self.folder)
        for order in orders.orders():
            state = orders.state(order)
            if order.wanted and state.phase in LIVE:
                server = Server(line=order.line, number=0, order=order.key, version=order.version, serving=order.serving,
                                served="m", mark="m", key="k", port=9, ready=True)  # fmt: skip
                Servers(self.folder, ()).note(server)
                orders.note(replace(state, phase=Phase.READY))
        return True


class VllmBackend(Backend):
    resource = "deploy:fraud-detector@production"

    def __init__(self, folder):
        self.folder = folder / "models"

    def form(self, duration_s):
        return DeployForm(
            resource=self.resource, model="fraud-detector", version="3.2.1", environment="production",
            digest="sha256:" + "a" * 64,
        )  # fmt: skip

    def devices(self, name):
        return ()

    def executor(self, clock):
        return Prompt(self.folder, clock)

    def trace(self, key):
        order = Orders(self.folder).order(key)
        moved = (order.put, order.wanted) if order is not None and order.put else None
        return moved, table.read_table(self.folder / ROUTES).routes

    def breaks(self):
        aside = self.folder.rename(self.folder.with_name("unmounted"))
        return lambda: aside.rename(self.folder)


class KeysBackend(Backend):
    resource = "endpoint:fraud-detector@production"

    def __init__(self, folder):
        self.path = folder / "models" / "keys.sqlite3"
        self.path.parent.mkdir()

    def form(self, duration_s):
        return KeyForm(resource=self.resource, tokens=1_000_000, duration_s=duration_s)

    def devices(self, name):
        return ()

    def executor(self, clock):
        def counters():
            return Counters(self.path.with_name("tokens.sqlite3"))

        return EndpointKeys(KeyTable(self.path), counters, "http://127.0.0.1:8440", lambda _: "vision", clock=clock)

    def trace(self, key):
        row = KeyTable(self.path).of_grant(key) if self.path.exists() else None
        return row if row is not None and row.held else None

    def breaks(self):
        aside = self.path.parent.rename(self.path.parent.with_name("unmounted"))
        self.path.mkdir(parents=True)

        def repair():
            self.path.rmdir()
            self.path.parent.rmdir()
            aside.rename(self.path.parent)

        return repair


class TestVllm(ExecutorContract):
    @pytest.fixture
    def backend(self, tmp_path):
        return VllmBackend(tmp_path)


class TestMemory(ExecutorContract, QueueContract):
    @pytest.fixture
    def backend(self, tmp_path):
        return MemoryBackend(tmp_path)


class TestGpuPool(ExecutorContract):
    @pytest.fixture
    def backend(self, tmp_path):
        return GpuPoolBackend(tmp_path)


class TestEndpointKeys(ExecutorContract):
    @pytest.fixture
    def backend(self, tmp_path):
        return KeysBackend(tmp_path)
