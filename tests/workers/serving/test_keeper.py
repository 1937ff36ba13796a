"""The keeper with real processes: the stand-in starts, answers, fares badly and ends as a vLLM would."""

from __future__ import annotations

import os
import signal
import socket
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from serving_site import SERVING, share

from ledger.errors import ReadOnlyError
from workers.serving import evaluating
from workers.serving.orders import Phase
from workers.serving.servers import Servers
from workers.standin.settings import BEHAVIOUR, Behaviour


def test_a_version_is_started_from_checked_weights_and_is_ready(site):
    order = site.order()
    site.until_phase(order, Phase.READY, Phase.FAILED)
    (server,) = site.alive()
    assert server.ready
    assert server.served == f"fraud-detector@{order.line.digest.removeprefix('sha256:')[:12]}"
    assert site.nudged
    assert site.rows() == ()


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (Behaviour.OUT_OF_MEMORY, "ran out of memory"),
        (Behaviour.NEVER_READY, "not healthy within 2 seconds"),
        (Behaviour.UNHEALTHY, "not healthy within 2 seconds"),
    ],
)
def test_a_version_that_does_not_get_well_fails_in_words_and_is_ended(site, monkeypatch, behaviour, words):
    monkeypatch.setenv(BEHAVIOUR, behaviour)
    if behaviour is not Behaviour.OUT_OF_MEMORY:
        site.ready_s = 2.0
        site.new_keeper()
    order = site.order()
    site.until_phase(order, Phase.FAILED, Phase.READY)
    assert words in site.why(order)
    site.until(lambda: not site.servers())


def test_weights_that_were_changed_in_the_store_are_not_started(site):
    order = site.order()
    (file,) = site.folder.joinpath("weights").rglob("model.safetensors")
    file.parent.chmod(0o755)
    file.chmod(0o644)
    file.write_bytes(file.read_bytes().replace(b"weights of", b"WEIGHTS of"))
    site.until_phase(order, Phase.FAILED, Phase.READY)
    assert site.why(order).startswith("Its weights cannot be used:")
    assert not site.servers()


def test_weights_that_are_missing_fail_in_words(site):
    order = site.order(digest="sha256:" + "0" * 64)
    site.until_phase(order, Phase.FAILED, Phase.READY)
    assert "is not in the store; take it in again" in site.why(order)


def test_an_evaluation_that_fails_shows_the_first_three_failures_and_ends_the_server(site):
    site.evaluation(*({"id": f"c{n}", "prompt": "hi", "checks": [{"contains": "\x01"}]} for n in range(5)))
    order = site.order()
    site.until_phase(order, Phase.FAILED, Phase.READY)
    assert site.why(order).startswith("5 of 5 cases of its evaluation failed. (1) c0: ")
    assert "(3) c2: " in site.why(order)
    assert "c3" not in site.why(order)
    ((_, result),) = site.record.evaluations
    assert (result.cases, result.failed) == (5, 5)
    site.until(lambda: not site.servers())


def test_a_version_without_cases_is_asked_for_one_token_before_it_is_ready(site, monkeypatch):
    asked = []
    monkeypatch.setattr(evaluating, "answers", lambda *_, **rest: asked.append(rest) or len(asked) > 1)
    silent = site.order()
    site.until_phase(silent, Phase.FAILED, Phase.READY)
    assert site.why(silent) == "Its server is healthy and does not answer."
    site.until_phase(site.order("3.2.1", "b"), Phase.READY, Phase.FAILED)
    assert asked == [{"embeddings": False}] * 2


def test_an_evaluation_that_passes_is_entered_once_before_the_version_is_ready(site):
    site.evaluation({"id": "a", "prompt": "hi", "checks": [{"lacks": "\x01"}]})
    order = site.order()
    site.until_phase(order, Phase.READY, Phase.FAILED)
    ((key, result),) = site.record.evaluations
    assert (key, result.cases, result.failed) == (order.key, 1, 0)
    assert site.orders.state(order).result == result


def test_what_cannot_be_entered_is_not_ready_until_it_is(site):
    site.evaluation({"id": "a", "prompt": "hi", "checks": [{"lacks": "\x01"}]})
    site.record.fails = ReadOnlyError("disk full")
    order = site.order()
    site.until(lambda: site.record.tries == 3)
    assert site.phase(order) is Phase.EVALUATING
    site.record.fails = None
    site.until_phase(order, Phase.READY, Phase.FAILED)


def test_cases_that_cannot_be_read_fail_in_words(site):
    site.cases.joinpath("fraud-detector.jsonl").write_text("{")
    order = site.order()
    site.until_phase(order, Phase.FAILED, Phase.READY)
    assert "Its evaluation cannot be used: line 1 is no JSON." in site.why(order)


def test_a_port_that_was_taken_in_the_meantime_is_another_port_next_time(site):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = iter([taken.getsockname()[1]])
        free = site.port
        site.port = lambda: next(ports, None) or free()
        order = site.order()
        site.until_phase(order, Phase.READY, Phase.FAILED)
        (server,) = site.servers()
        assert server.port != taken.getsockname()[1]
        assert server.deaths == 1


def test_a_server_that_is_killed_is_started_again_and_routed_to_again(site):
    order = site.order()
    site.until_phase(order, Phase.READY)
    order = site.switch(order)
    site.until_phase(order, Phase.SERVING)
    (before,) = site.alive()
    os.killpg(before.pid, signal.SIGKILL)
    site.until(lambda: [s for s in site.alive() if s.ready and s.pid != before.pid])
    site.until(lambda: [row.url for row in site.rows()] == [server.url for server in site.alive()])
    assert site.ask(site.rows()[0])["choices"]
    assert site.phase(order) is Phase.SERVING


def test_a_new_keeper_finds_the_servers_of_the_one_before(site):
    order = site.order()
    site.until_phase(order, Phase.READY)
    order = site.switch(order)
    (before,) = site.alive()
    site.new_keeper()
    for _ in range(3):
        site.keeper.tick()
    assert [(s.pid, s.port) for s in site.alive()] == [(before.pid, before.port)]
    assert [row.url for row in site.rows()] == [before.url]


def test_a_server_whose_process_was_never_noted_is_found_by_its_mark(site):
    order = site.order()
    site.until_phase(order, Phase.READY)
    (before,) = site.alive()
    Servers(site.folder, ()).note(replace(before, pid=0, since=""))
    site.new_keeper()
    site.until(site.alive)
    assert [server.pid for server in site.alive()] == [before.pid]


def test_the_version_before_is_kept_ready_and_then_ended(site):
    old, new = site.replaced()
    assert len(site.alive()) == 2
    site.ahead += 601
    site.until_phase(old, Phase.OVER)
    site.until(lambda: len(site.servers()) == 1)
    assert [server.line for server in site.alive()] == [new.line]
    assert [row.digest for row in site.rows()] == [new.line.digest]


def test_a_version_that_keeps_dying_after_the_switch_gives_way_to_the_one_before(site, monkeypatch):
    old = site.order("3.2.0")
    site.until_phase(old, Phase.READY)
    old = site.switch(old)
    site.until_phase(old, Phase.SERVING)
    new = site.order("3.2.1", "b")
    site.until_phase(new, Phase.READY)
    new = site.switch(new)
    site.until_phase(new, Phase.SERVING)
    monkeypatch.setenv(BEHAVIOUR, Behaviour.OUT_OF_MEMORY)
    (server,) = [each for each in site.alive() if each.line == new.line]
    os.killpg(server.pid, signal.SIGKILL)
    site.until_phase(new, Phase.FAILED)
    assert [row.digest for row in site.rows()] == [old.line.digest]
    assert site.record.ways_back == [(new.key, (share(old),), site.why(new))]
    assert "ran out of memory" in site.why(new)
    site.until_phase(old, Phase.SERVING)
    site.until(lambda: len(site.servers()) == 1)
    assert site.ask(site.rows()[0])["choices"]


def test_an_order_that_is_taken_back_ends_its_servers(site):
    order = site.order()
    site.until_phase(order, Phase.READY)
    site.orders.put(replace(order, wanted=False))
    site.until(lambda: not site.servers())
    assert site.phase(order) is Phase.OVER


def test_a_server_is_not_ended_before_every_living_endpoint_has_seen_a_table_without_it(site):
    old = site.order("3.2.0", serving=replace(SERVING, keep_s=0))
    site.until_phase(old, Phase.READY)
    old = site.switch(old)
    site.until_phase(old, Phase.SERVING)
    beat = site.folder / "endpoints" / "1.json"
    beat.parent.mkdir()
    beat.write_text('{"version": 1}')
    new = site.order("3.2.1", "b")
    site.until_phase(new, Phase.READY)
    site.switch(new)
    site.until_phase(old, Phase.OVER)
    for _ in range(10):
        beat.touch()
        site.keeper.tick()
    assert len(site.alive()) == 2
    beat.write_text(f'{{"version": {site.table().version}}}')
    site.until(lambda: len(site.servers()) == 1)


def test_whoever_answers_at_a_servers_port_is_not_taken_for_it(site, monkeypatch):
    class Impostor(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"data": [{"id": "another"}]}')

        def log_message(self, *_):
            pass

    monkeypatch.setenv(BEHAVIOUR, Behaviour.NEVER_READY)
    with ThreadingHTTPServer(("127.0.0.1", 0), Impostor) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        site.port = lambda: other.server_port
        order = site.order()
        site.until_phase(order, Phase.STARTING)
        for _ in range(5):
            site.keeper.tick()
        assert [server.ready for server in site.servers()] == [False]
        assert site.phase(order) is Phase.STARTING
        other.shutdown()
