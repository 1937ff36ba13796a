"""A home with model servers: the stand-in in place of vLLM, a keeper that ticks when told, and an executor."""

from __future__ import annotations

import json
import struct
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx

from ledger.streams.model import Share
from policies.serving import Serving
from workers.endpoint import table
from workers.models.weights import WeightStore
from workers.serving.drift import Outcomes
from workers.serving.keeper import Place
from workers.serving.launch import launcher
from workers.serving.open import open_keeper
from workers.serving.orders import ROUTES, Line, Order, Orders, Phase, Strategy
from workers.serving.servers import Servers, free_port, noted

STANDIN = f"{sys.executable} -m workers.standin"
ROOT = Path(__file__).parents[1]
SERVING = Serving(
    context=512,
    output=64,
    sequences=4,
    byte_level=True,
    embeddings=False,
    gpus=1,
    arguments=(),
    keep_s=600,
    adapters=False,
)


SERVING_LINE = Line(model="fraud-detector", environment="production", digest="sha256:" + "a" * 64)


def tensors(seed):
    """Return the bytes of a safetensors file that differ by `seed`."""
    body = f"weights of {seed}".encode()
    head = json.dumps({"a": {"dtype": "U8", "shape": [len(body)], "data_offsets": [0, len(body)]}}).encode()
    return struct.pack("<Q", len(head)) + head + body


def weights(folder, seed):
    """Return a folder with a version that the store takes in."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(tensors(seed))
    (folder / "config.json").write_text('{"model_type": "llama"}')
    return folder


class Noted:
    """The ledger's part for a keeper alone: what it would have entered."""

    def __init__(self):
        self.evaluations, self.ways_back, self.answers = [], [], {}
        self.fails, self.tries = None, 0
        self.lost, self.found = [], []

    def evaluated(self, order, result):
        if self.fails:
            self.tries += 1
            raise self.fails
        if (order.key, result) not in self.evaluations:
            self.evaluations.append((order.key, result))

    def adapter_lost(self, line, adapter, expected, seen):
        if self.fails:
            raise self.fails
        self.lost.append((line.place, adapter, expected, seen))

    def adapter_back(self, line, adapter, seen):
        self.found.append((line.place, adapter, seen))

    def must_pass(self, order):
        return False

    def routed(self, order):
        return self.answers.get(order.line.place, ())

    def back(self, order, shares, why):
        self.answers[order.line.place] = tuple(shares)
        self.ways_back.append((order.key, tuple(shares), why))


class ServingSite:
    """One home; `close` ends whatever runs in it."""

    def __init__(self, home, *, ready_s=30.0, record=None, alone_on=None):
        self.home, self.folder, self.cases = home, home / "models", home / "evaluations"
        self.cases.mkdir(parents=True)
        self.store = WeightStore(self.folder / "weights")
        self.orders, self.record, self.nudged = Orders(self.folder), record or Noted(), []
        self.nudge, self.alone_on = self.nudged.append, alone_on or _alone
        self.ready_s, self.ahead, self.port, self.command = ready_s, 0.0, free_port, STANDIN
        self.outcomes, self.watching = lambda *_: Outcomes(), None
        self.keepers = []
        self.keeper = self.new_keeper()

    def new_keeper(self):
        """A keeper that starts anew, as after `kill -9`: it knows what the files say, and no child is its own."""
        place = Place(
            folder=self.folder,
            evaluations=self.cases,
            record=self.record,
            nudge=lambda number: self.nudge(number),  # noqa: PLW0108 a test may change it
            alone_on=self.alone_on,
            ready_s=self.ready_s,
            outcomes=lambda *about: self.outcomes(*about),  # noqa: PLW0108 a test may change it
            watching=self.watching,
            clock=lambda: time.time() + self.ahead,
        )
        self.keeper = open_keeper(place, launcher(self.command), port=lambda: self.port())  # noqa: PLW0108 a test may change it
        self.keepers.append(self.keeper)
        return self.keeper

    def version(self, name, model="fraud-detector"):
        """Take a version in and return its digest."""
        return self.store.take_in(weights(self.home / "sources" / model / name, name)).digest

    def line(self, name, environment="production"):
        return Line(model="fraud-detector", environment=environment, digest=self.version(name))

    def order(self, name="3.2.0", key="a", *, digest="", **rest):
        """Order a version as the executor would."""
        line = Line(model="fraud-detector", environment="production", digest=digest or self.version(name))
        made = Order(
            **{
                "key": key * 32,
                "generation": 1,
                "attempt": 1,
                "request": 1001,
                "line": line,
                "version": name,
                "serving": SERVING,
                "replicas": 1,
                "strategy": Strategy.BLUE_GREEN,
                "percent": 100,
                "at": time.time() + self.ahead,
                **rest,
            }
        )
        self.orders.put(made)
        return made

    def evaluation(self, *cases, model="fraud-detector"):
        self.cases.joinpath(f"{model}.jsonl").write_text("\n".join(json.dumps(case) for case in cases))

    def phase(self, order):
        return self.orders.state(order).phase

    def why(self, order):
        return self.orders.state(order).why

    def servers(self):
        return noted(self.folder)

    def alive(self):
        """The servers whose first process lives."""
        known = Servers(self.folder, ())
        return [server for server in self.servers() if known.runs(server)]

    def table(self):
        return table.read_table(self.folder / ROUTES)

    def rows(self, place="fraud-detector@production"):
        return self.table().routes.get(place, ())

    def until(self, true, seconds=30):
        """Tick until something is true, and return it."""
        deadline = time.monotonic() + seconds
        while not (found := true()):
            assert time.monotonic() < deadline, (self.servers(), [self.orders.state(o) for o in self.orders.orders()])
            self.keeper.tick()
            time.sleep(0.02)
        return found

    def until_phase(self, order, *phases, seconds=30):
        self.until(lambda: self.phase(order) in phases, seconds)
        assert self.phase(order) is phases[0], (self.phase(order), self.why(order))

    def replaced(self):
        """Let 3.2.1 take all calls of 3.2.0, which is kept for it; return the order of each as it stands then."""
        old = self.serve("3.2.0")
        new = self.serve("3.2.1", "b")
        self.until_phase(old, Phase.KEPT)
        return old, new

    def serve(self, version, key="a"):
        """Deploy a version and move the calls to it; return its order."""
        order = self.order(version, key)
        self.until_phase(order, Phase.READY)
        order = self.switch(order)
        self.until_phase(order, Phase.SERVING)
        return order

    def switch(self, order, *, percent=100):
        """Move the calls to an order, as the executor would; servers of other versions keep the rest."""
        from workers.serving.shares import next_shares, shares_of, spread
        from workers.serving.view import ready_at

        now = shares_of(self.rows())
        put = next_shares(replace(order, percent=percent), now)
        self.orders.put(order := replace(order, before=now, put=put, switched=True))
        ready = ready_at(self.servers(), order.line.place)
        table.write_table(
            self.folder / ROUTES,
            lambda routes: {**routes, order.line.place: spread(put, ready, routes.get(order.line.place, ()))},
        )
        self.record.answers[order.line.place] = put
        return order

    def ask(self, row, words="hi"):
        """Ask a server of the route table and return what it says."""
        body = {
            "model": row.served,
            "messages": [{"role": "user", "content": words}],
            "max_tokens": 8,
            "temperature": 0,
        }
        headers = {"authorization": f"Bearer {row.key}"}
        answer = httpx.post(f"{row.url}/v1/chat/completions", json=body, headers=headers, timeout=20)
        answer.raise_for_status()
        return answer.json()

    def close(self):
        known = Servers(self.folder, ())
        for server in self.servers():
            known.stop(server, grace_s=0.0)
        for keeper in self.keepers:
            keeper.end_all()


def share(order, percent=100):
    return Share(version=order.version, digest=order.line.digest, percent=percent)


@contextmanager
def _alone(_what):
    yield
