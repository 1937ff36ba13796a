"""What a message may say: a number. Nothing else is heard, and nobody on the broker is obeyed."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from celery import Celery
from kombu.exceptions import OperationalError

from workers.queue import ANSWER, QUESTIONS, QUEUE, REST_S, SCHEMES, TASK, asker, celery_app, nudger, queue_of
from workers.tasks import register


@pytest.fixture
def app():
    return celery_app("memory://")


@pytest.mark.parametrize("argument", [0, -1, True, False, "1001", "1001; DROP TABLE entry", 1001.0, None, {}, [1001]])
def test_a_message_that_is_no_number_builds_no_room_and_does_nothing(app, argument):
    register(app, lambda: pytest.fail("the room was asked for"), lambda: pytest.fail("nobody asked"))
    app.tasks[TASK](argument)
    app.tasks[ANSWER](argument)


def test_the_app_knows_two_tasks_only(app):
    register(app, lambda: None, lambda: None)
    assert [name for name in app.tasks if not name.startswith("celery.")] == [TASK, ANSWER]


def test_nobody_on_the_broker_is_obeyed_and_nothing_but_json_is_read(app):
    conf = app.conf
    assert conf.worker_enable_remote_control is False
    assert conf.accept_content == ["json"]
    assert conf.task_serializer == "json"


def test_a_message_is_gone_once_it_is_taken_so_that_none_is_handed_out_for_ever(app):
    named = {QUEUE, QUESTIONS, *(f"{QUEUE}.{scheme}" for scheme in SCHEMES)}
    assert {queue.name for queue in app.conf.task_queues} == named
    assert all(queue.no_ack for queue in app.conf.task_queues)


def test_a_nudge_is_the_number_alone(monkeypatch):
    sent = []
    monkeypatch.setattr(Celery, "send_task", lambda _app, name, **rest: sent.append((name, rest)))
    nudger("memory://")(1001)
    assert sent == [(TASK, {"args": [1001], "queue": QUEUE, "retry": False})]
    assert QUEUE == "quartermaster"


def test_a_question_goes_to_a_queue_of_its_own(monkeypatch):
    sent = []
    monkeypatch.setattr(Celery, "send_task", lambda _app, name, **rest: sent.append((name, rest)))
    asker("memory://")(1001)
    assert sent == [(ANSWER, {"args": [1001], "queue": QUESTIONS, "retry": False})]


def test_a_broker_that_is_gone_is_no_error():
    nudger("redis+socket:///nowhere/v.sock")(1001)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_kind_of_resource_has_a_queue_of_its_own(monkeypatch, scheme):
    sent = []
    monkeypatch.setattr(Celery, "send_task", lambda _app, _name, **rest: sent.append(rest["queue"]))
    nudger("memory://", lambda _: f"{scheme}:whatever")(1001)
    assert sent == [f"quartermaster.{scheme}"]


@pytest.mark.parametrize("resource", ["", "desk:audit", "quartermaster", "gpu.evil:x"])
def test_what_has_no_queue_of_its_own_goes_to_the_common_one(resource):
    assert queue_of(resource) == QUEUE


def test_whoever_nudges_does_not_wait_for_a_broker_that_was_gone_a_moment_ago(monkeypatch):
    tried = []

    def gone(*_args, **_rest):
        tried.append(1)
        raise OperationalError

    monkeypatch.setattr(Celery, "send_task", gone)
    now = [100.0]
    monkeypatch.setattr("workers.queue.time.monotonic", lambda: now[0])
    nudge = nudger("memory://")
    for _ in range(5):
        nudge(1001)
    assert len(tried) == 1
    now[0] += REST_S
    nudge(1001)
    assert len(tried) == 2


def test_whoever_is_at_a_message_for_too_long_dies_of_it(tmp_path):
    """In a process of its own, with a limit of a second."""
    script = "import time; from workers import tasks; from workers.queue import TASK, celery_app; tasks.LIMIT_S = 1; "
    script += "tasks.attend = lambda *_: time.sleep(60); app = celery_app('memory://'); tasks.register(app, lambda: None, lambda: None); "
    script += "app.tasks[TASK](1001)"
    assert subprocess.run([sys.executable, "-c", script], timeout=30, check=False).returncode == -signal.SIGALRM
