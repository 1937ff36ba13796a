"""A whole deployment onto a real vLLM: loaded, evaluated, switched to, and the next version in its place."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace

import pytest
from conftest import MIRA
from served_world import MODEL, ServedWorld
from serving_site import SERVING

from ledger.nouns import AdapterForm
from ledger.streams.model import short
from ledger.streams.request import Status
from tests.models.conftest import need_vllm
from tests.models.serving import CONTEXT, SMALL, START_S, adapter, model, vllm_python
from workers.executors.processes import living, started_at
from workers.models.registering import register_adapter
from workers.serving.orders import Phase

ARGUMENTS = ("--dtype", "bfloat16", "--enforce-eager", "--max-num-seqs", "8", "--num-gpu-blocks-override", "64")
TONE = "fraud-detector:tone@dev"
CASE = {"id": "greets", "prompt": "hello there", "max_tokens": 8, "checks": [{"within_ms": 60_000}]}


@pytest.fixture
def served(tmp_path, monkeypatch):
    need_vllm()
    for name, value in SMALL.items():
        monkeypatch.setenv(name, value)
    command = f"{vllm_python()} -m vllm.entrypoints.openai.api_server"
    serving = replace(SERVING, context=CONTEXT, arguments=ARGUMENTS, adapters=True)
    made = ServedWorld(tmp_path, ready_s=START_S, command=command, serving=serving, more="adapters = true\n")
    made.site.evaluation(CASE)
    yield made
    made.close()


@pytest.mark.models
@pytest.mark.timeout(600)
def test_two_versions_of_a_real_model_are_deployed_one_after_the_other(served):
    served.register(first=model(1), second=model(2))
    begun = time.monotonic()
    assert_done(served.finish(served.ask("first", "dev"), START_S))
    print(f"the first answered after {time.monotonic() - begun:.0f} s")
    old = said(served)
    begun = time.monotonic()
    assert_done(served.finish(served.ask("second", "dev"), START_S))
    print(f"the second answered after {time.monotonic() - begun:.0f} s")
    assert said(served) != old
    assert_done(served.finish(served.ask("first", "dev", rollback=True), START_S))
    assert said(served) == old
    second = next(order for order in served.site.orders.orders() if order.version == "second")
    served.site.until_phase(second, Phase.KEPT)
    served.site.ahead += 601
    served.site.until(lambda: [server.version for server in served.site.servers()] == ["first"], 60)
    (server,) = served.site.alive()
    assert said(served) == old
    assert server.deaths == 0


@pytest.mark.models
@pytest.mark.timeout(600)
def test_an_adapter_of_a_real_model_is_loaded_found_again_after_a_kill_and_taken_away(served):
    served.register(first=model(1))
    assert_done(served.finish(served.ask("first", "dev"), START_S))
    plain = said(served)
    taken = register_adapter(served.book, served.site.store, MODEL, "tone", adapter(3), actor="os:ops")
    served.read()
    assert_done(served.finish(adapting(served, taken.weights.digest, load=True)))
    tuned = said(served, TONE)
    assert tuned != plain
    (server,) = served.site.alive()
    assert [holding.what for holding in served.executor.holdings()][1:] == [
        f"adapter tone@{short(taken.weights.digest)} on fraud-detector first in dev"
    ]
    assert all(holding.key for holding in served.executor.holdings())
    engines = living("NOBODY=carries", {server.pid: server.since})
    os.kill(server.pid, signal.SIGKILL)
    served.site.until(lambda: not served.site.rows(TONE), START_S)
    assert len(engines) > 1
    served.site.until(lambda: not any(started_at(pid) for pid in engines), START_S)
    served.site.until(lambda: served.site.rows(TONE), START_S)
    assert said(served, TONE) == tuned
    assert_done(served.finish(adapting(served, taken.weights.digest, load=False)))
    served.site.until(lambda: not served.site.rows(TONE))
    assert said(served) == plain


def adapting(served, digest, *, load):
    base = served.book.model(MODEL).resolve("first").digest
    form = AdapterForm(
        resource=f"deploy:{MODEL}@dev",
        model=MODEL,
        environment="dev",
        adapter="tone",
        digest=digest,
        base=base,
        load=load,
    )
    return served.desk.submit(MIRA, form, purpose="", said="")


def assert_done(request):
    assert request.status is Status.DONE, request.why


def said(served, place="fraud-detector@dev"):
    (row,) = served.site.rows(place)
    return served.site.ask(row, "hello there")["choices"][0]["message"]["content"]
