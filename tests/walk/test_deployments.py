"""A deployment from the sentence to the server: evaluated, switched to, rolled back, and what goes wrong on the way."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from datetime import timedelta

import pytest
from conftest import KOFI, kinds
from served_world import MODEL, ServedWorld

from ledger.audit import verify_store
from ledger.streams.halt import EVERYTHING
from ledger.streams.request import Status
from workers.errors import OccupiedError
from workers.serving.orders import Phase
from workers.standin.settings import BEHAVIOUR, Behaviour

PASSES = {"id": "a", "prompt": "hi", "checks": [{"lacks": "\x01"}]}
FAILS = {"id": "b", "prompt": "hi", "checks": [{"contains": "\x01"}]}


@pytest.fixture
def served(tmp_path):
    made = ServedWorld(tmp_path)
    made.site.evaluation(PASSES)
    made.register("3.2.0", "3.2.1")
    yield made
    assert verify_store(made.book.store).sound
    made.close()


def test_a_version_is_evaluated_in_dev_and_answers_in_production_once_people_agreed(served):
    assert served.deploy("3.2.0", "dev").status is Status.DONE
    request = served.deploy("3.2.0")
    assert request.status is Status.DONE, request.why
    assert request.receipt.note == "fraud-detector 3.2.0 answers in production."
    assert served.answering() == served.routed() == [("3.2.0", 100)]
    assert served.book.model(MODEL).routing("production").request == request.number
    (row,) = served.site.rows()
    assert served.site.ask(row)["choices"]
    assert [row.percent for row in served.site.rows("fraud-detector@dev")] == [100]


def test_routed_and_done_are_one_append(served):
    request = served.deploy("3.2.0", "dev")
    entries = list(served.book.store.scan())
    (done,) = [e.seq for e in entries if e.kind == "request.done"]
    (routed,) = [e.seq for e in entries if e.kind == "model.routed"]
    assert abs(done - routed) == 1
    assert kinds(served.world, request)[-2:] == ["queued", "done"]


def test_what_answered_before_answers_again_by_one_request(served):
    served.deploy("3.2.0", "dev")
    served.deploy("3.2.1", "dev")
    assert served.answering("dev") == [("3.2.1", 100)]
    before = {server.pid for server in served.site.alive()}
    request = served.deploy("3.2.0", "dev", rollback=True)
    assert request.status is Status.DONE, request.why
    assert served.answering("dev") == served.routed("dev") == [("3.2.0", 100)]
    assert {server.pid for server in served.site.alive()} == before  # it was kept ready: nothing had to be started


def test_a_canary_takes_its_part_and_its_promotion_reuses_its_server(served):
    served.deploy("3.2.0", "dev")
    canary = served.deploy("3.2.1", "dev", strategy="canary", canary_percent=10)
    assert canary.status is Status.DONE, canary.why
    assert served.answering("dev") == served.routed("dev") == [("3.2.0", 90), ("3.2.1", 10)]
    assert "answers 10 % of the calls in dev" in canary.receipt.note
    before = {server.pid for server in served.site.alive()}
    promoted = served.deploy("3.2.1", "dev")
    assert promoted.status is Status.DONE, promoted.why
    assert served.answering("dev") == served.routed("dev") == [("3.2.1", 100)]
    assert {server.pid for server in served.site.alive()} == before


def test_a_canary_beside_nothing_is_refused_in_words(served):
    request = served.deploy("3.2.0", "dev", strategy="canary", canary_percent=10)
    assert request.status is Status.FAILED
    assert request.why == "Nothing answers in dev yet that a canary could stand beside. Deploy it in full."
    assert not served.site.orders.orders()[0].wanted


def test_an_evaluation_that_fails_leaves_what_answers_and_says_why(served):
    served.deploy("3.2.0", "dev")
    served.site.evaluation(PASSES, FAILS)
    request = served.deploy("3.2.1", "dev")
    assert request.status is Status.FAILED
    assert request.why.startswith("1 of 2 cases of its evaluation failed. (1) b: ")
    assert served.answering("dev") == served.routed("dev") == [("3.2.0", 100)]
    assert not served.book.model(MODEL).passed(request.form.digest)
    served.site.until(lambda: len(served.site.servers()) == 1)


def test_a_server_without_memory_fails_in_words_and_leaves_what_answers(served, monkeypatch):
    served.deploy("3.2.0", "dev")
    monkeypatch.setenv(BEHAVIOUR, Behaviour.OUT_OF_MEMORY)
    request = served.deploy("3.2.1", "dev")
    assert request.status is Status.FAILED
    assert "ran out of memory" in request.why
    assert served.answering("dev") == served.routed("dev") == [("3.2.0", 100)]


def test_replicas_roll_out_one_by_one_and_the_ledger_says_every_step(served):
    served.deploy("3.2.0", "dev", replicas=2)
    assert len(served.site.alive()) == 2
    most = 0

    def over():
        nonlocal most
        most = max(most, len(served.site.alive()))
        return served.now(request).final

    request = served.ask("3.2.1", "dev", replicas=2, strategy="rolling")
    served.attend(request.number)
    served.site.until(over, 60)
    assert served.now(request).status is Status.DONE, served.now(request).why
    assert most == 3
    routings = served.book.model(MODEL).in_environment("dev")
    assert [[(s.version, s.percent) for s in r.shares] for r in routings] == [
        [("3.2.0", 100)],
        [("3.2.0", 50), ("3.2.1", 50)],
        [("3.2.1", 100)],
    ]
    served.site.until(lambda: [s.version for s in served.site.servers()] == ["3.2.1", "3.2.1"])


def test_a_version_that_dies_after_the_switch_gives_way_and_that_is_entered(served, monkeypatch):
    served.deploy("3.2.0", "dev")
    request = served.deploy("3.2.1", "dev")
    monkeypatch.setenv(BEHAVIOUR, Behaviour.OUT_OF_MEMORY)
    (server,) = [each for each in served.site.alive() if each.version == "3.2.1"]
    os.killpg(server.pid, signal.SIGKILL)
    served.site.until(lambda: served.answering("dev") == [("3.2.0", 100)])
    routing = served.book.model(MODEL).routing("dev")
    assert (routing.request, "ran out of memory" in routing.why) == (None, True)
    served.site.until(lambda: served.routed("dev") == [("3.2.0", 100)])
    assert served.now(request).status is Status.DONE
    assert served.site.ask(served.site.rows("fraud-detector@dev")[0])["choices"]


def test_without_a_keeper_it_waits_and_says_so_and_fails_in_the_end(served):
    request = served.ask("3.2.0", "dev")
    served.attend(request.number)
    waiting = served.now(request)
    assert waiting.status is Status.STARTING
    assert "`quartermaster keeper`" in waiting.queued.why
    served.time.pass_time(seconds=31)
    served.attend(request.number)
    assert served.now(request).status is Status.FAILED
    assert "Nobody started the keeper" in served.now(request).why


def test_nothing_is_switched_during_a_halt(served):
    request = served.ask("3.2.0", "dev")
    served.attend(request.number)
    served.site.nudge = lambda _: None
    order = served.site.orders.orders()[0]
    served.site.until_phase(order, Phase.READY)
    served.desk.halt(KOFI, EVERYTHING, "storage incident")
    served.attend(request.number)
    assert served.now(request).status is Status.STARTING
    assert served.routed("dev") == []


def test_a_switch_that_the_law_refuses_is_taken_back(served, monkeypatch):
    served.deploy("3.2.0", "dev")
    request = served.ask("3.2.1", "dev")
    monkeypatch.setattr("workers.serving.record.Record.must_pass", lambda *_: False)
    served.site.cases.joinpath("fraud-detector.jsonl").unlink()
    request = served.finish(request)
    assert request.status is Status.FAILED
    assert request.why == "The ledger's law does not let it stand. It was taken back, and what answered before answers."
    assert served.answering("dev") == served.routed("dev") == [("3.2.0", 100)]


def test_a_version_without_cases_is_refused_where_earlier_ones_had_some(served):
    served.deploy("3.2.0", "dev")
    served.site.cases.joinpath("fraud-detector.jsonl").unlink()
    request = served.deploy("3.2.1", "dev")
    assert request.status is Status.FAILED
    assert "evaluations/fraud-detector.jsonl is missing" in request.why


def test_two_people_who_deploy_at_once_take_turns_and_the_last_one_answers(served):
    first, second = served.ask("3.2.0", "dev"), served.ask("3.2.1", "dev", slack="U08RAVI")
    served.attend(first.number)
    served.attend(second.number)
    served.site.until(lambda: served.now(first).final and served.now(second).final, 60)
    assert {served.now(first).status, served.now(second).status} == {Status.DONE}
    assert served.answering("dev") == served.routed("dev")


def test_the_version_before_is_ended_after_its_time(served):
    served.deploy("3.2.0", "dev")
    served.deploy("3.2.1", "dev")
    served.site.until(lambda: served.site.phase(served.site.orders.orders()[0]) is Phase.KEPT)
    served.site.ahead += timedelta(seconds=601).total_seconds()
    served.site.until(lambda: [server.version for server in served.site.servers()] == ["3.2.1"])


def test_two_deployments_of_one_model_never_switch_at_the_same_time(served):
    first, second = served.ask("3.2.0", "dev"), served.ask("3.2.1", "dev", slack="U08RAVI")
    assert first.beneficiary != second.beneficiary
    with (
        served.room.alone_with(first),
        pytest.raises(OccupiedError),
        replace(served.room, patience_s=0.1).alone_with(second),
    ):
        pass
