"""Switching under load, and what is killed in the middle: nothing that was asked is lost, and nothing goes on by accident."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from dataclasses import replace

import httpx
import pytest
from endpoint_house import Child, House
from endpoint_site import until
from served_world import MODEL, ServedWorld
from serving_site import SERVING, STANDIN, ServingSite

from ledger.audit import verify_store
from ledger.streams.request import Status
from workers.serving.orders import Phase

pytestmark = pytest.mark.models
AT_ONCE = 100
TOKENS = 40
GONE_BROKER = "redis://127.0.0.1:9/0"


class Callers:
    """Long streams through the endpoint, on a thread of their own."""

    def __init__(self, url, key):
        self.url, self.headers, self.began, self.heard = url, {"authorization": f"Bearer {key}"}, 0, []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()), daemon=True)
        self._thread.start()

    def join(self):
        self._thread.join(90)
        assert not self._thread.is_alive()
        return self.heard

    async def _all(self):
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=self.url, timeout=60, limits=limits, headers=self.headers) as client:
            self.heard = await asyncio.gather(*(self._one(client) for _ in range(AT_ONCE)), return_exceptions=True)

    async def _one(self, client):
        body = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "max_tokens": TOKENS, "stream": True}
        lines = []
        more = {"stream_options": {"include_usage": True}}
        async with client.stream("POST", "/v1/chat/completions", json=body | more) as answer:
            async for line in answer.aiter_lines():
                self.began += not lines
                lines += [line] if line else []
            return answer.status_code, answer.headers.get("x-quartermaster-version"), lines


def whole(heard, digest):
    """Assert that every stream came from one version, to its last token."""
    assert [each[:2] for each in heard] == [(200, digest)] * AT_ONCE
    for _, _, lines in heard:
        *told, usage, done = lines
        pieces = [json.loads(line.removeprefix("data: "))["choices"][0]["delta"] for line in told]
        assert done == "data: [DONE]"
        made = json.loads(usage.removeprefix("data: "))["usage"]["completion_tokens"]
        assert sum(bool(piece.get("content")) for piece in pieces) == made > 1


def test_two_hundred_streams_are_whole_while_the_version_behind_them_is_switched_and_ended(tmp_path):
    house, site = House(tmp_path), ServingSite(tmp_path)
    site.command = f"{STANDIN} --token-s 0.1"
    site.new_keeper()
    try:
        now = replace(SERVING, keep_s=0)
        old = site.order("3.2.0", serving=now)
        site.until_phase(old, Phase.READY)
        old = site.switch(old)
        endpoint = house.endpoint()
        key = house.key(house.grant(tokens=1_000_000))
        new = site.order("3.2.1", "b", serving=now)
        site.until_phase(new, Phase.READY)
        first = Callers(endpoint.url, key)
        until(lambda: first.began == AT_ONCE, seconds=60)
        new = site.switch(new)
        assert not first.heard  # all of them are in the middle
        until(lambda: json.loads(endpoint.beat.read_text())["version"] == site.table().version)
        second = Callers(endpoint.url, key)
        site.until(lambda: second.began == AT_ONCE, 60)
        site.until(lambda: old.line not in {server.line for server in site.servers()}, 60)
        whole(first.join(), old.line.digest)
        whole(second.join(), new.line.digest)
        assert [server.line for server in site.alive()] == [new.line]
    finally:
        house.close()
        site.close()


@pytest.fixture
def served(tmp_path):
    """A served world whose keeper is a process of its own: `keeper()` starts one."""
    made = ServedWorld(tmp_path)
    made.register("3.2.0", "3.2.1")
    made.children = []
    settings = {
        **os.environ,
        "QM_HOME": str(tmp_path),
        "QM_POLICIES": str(tmp_path),
        "QM_BROKER_URL": GONE_BROKER,
        "QM_VLLM_COMMAND": STANDIN,
    }

    def keeper(*flags):
        made.children.append(Child(["bot.cli", "keeper", *flags], tmp_path, "keeper", env=settings))
        return made.children[-1]

    made.keeper = keeper
    yield made
    for child in made.children:
        child.kill()
    assert verify_store(made.book.store).sound
    made.close()


def reached(served, request, *phases):
    """Attend now and then until an order's phase is reached, as clock and nudges would."""

    def there():
        served.attend(request.number)
        order = next((each for each in served.site.orders.orders() if each.request == request.number), None)
        return order is not None and served.site.phase(order) in phases

    until(there, seconds=40)


@pytest.mark.parametrize("phase", [Phase.LOADING, Phase.STARTING, Phase.READY])
def test_a_keeper_that_is_killed_goes_on_where_it_was(served, phase):
    request = served.ask("3.2.0", "dev")
    child = served.keeper()
    served.attend(request.number)
    order = served.site.orders.orders()[0]
    until(lambda: served.site.phase(order) is phase or phase is Phase.LOADING, seconds=40)
    child.kill()
    served.keeper()
    reached(served, request, Phase.SERVING)
    assert served.now(request).status is Status.DONE
    assert len(served.site.alive()) == 1
    assert served.site.alive()[0].deaths == 0


def test_a_keeper_and_its_server_that_are_killed_together_are_there_again(served):
    request = served.ask("3.2.0", "dev")
    child = served.keeper()
    reached(served, request, Phase.SERVING)
    (server,) = served.site.alive()
    child.kill()
    os.killpg(server.pid, signal.SIGKILL)
    served.keeper()
    until(lambda: [each for each in served.site.alive() if each.ready and each.pid != server.pid], seconds=40)
    until(lambda: [row.url for row in served.site.rows("fraud-detector@dev")] == [s.url for s in served.site.alive()])
    assert served.site.ask(served.site.rows("fraud-detector@dev")[0])["choices"]


def test_servers_outlive_a_keeper_that_is_told_to_stop_unless_it_ends_them(served):
    request = served.ask("3.2.0", "dev")
    child = served.keeper()
    reached(served, request, Phase.SERVING)
    assert child.stop() == 0
    assert len(served.site.alive()) == 1
    child = served.keeper("--end-servers")
    beat = served.site.folder / "keeper.json"
    until(lambda: json.loads(beat.read_text())["pid"] == child.process.pid, seconds=40)
    assert child.stop() == 0
    assert served.site.alive() == []


def test_a_second_keeper_of_a_home_is_told_so(served):
    served.keeper()
    beat = served.site.folder / "keeper.json"
    until(beat.exists, seconds=40)
    second = served.keeper()
    assert second.process.wait(40) == 1
    assert "a keeper runs already for this home" in second.said()
