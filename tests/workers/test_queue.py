"""What a message may say: a number. Nothing else is heard, and nobody on the broker is obeyed."""

from __future__ import annotations

import pytest
from celery import Celery

from workers.queue import QUEUE, TASK, celery_app, nudger
from workers.tasks import register


@pytest.fixture
def app():
    return celery_app("memory://")


@pytest.mark.parametrize("argument", [0, -1, True, False, "1001", "1001; DROP TABLE entry", 1001.0, None, {}, [1001]])
def test_a_message_that_is_no_number_builds_no_room_and_does_nothing(app, argument):
    register(app, lambda: pytest.fail("the room was asked for"))
    app.tasks[TASK](argument)


def test_the_app_knows_one_task_only(app):
    register(app, lambda: None)
    assert [name for name in app.tasks if not name.startswith("celery.")] == [TASK]


def test_nobody_on_the_broker_is_obeyed_and_nothing_but_json_is_read(app):
    conf = app.conf
    assert conf.worker_enable_remote_control is False
    assert conf.accept_content == ["json"]
    assert conf.task_serializer == "json"


def test_a_message_is_kept_until_it_was_carried_out_and_never_for_longer_than_a_worker_may_take(app):
    conf = app.conf
    assert conf.task_acks_late is True
    assert conf.task_reject_on_worker_lost is True
    assert conf.task_time_limit < conf.broker_transport_options["visibility_timeout"]


def test_a_nudge_is_the_number_alone(monkeypatch):
    sent = []
    monkeypatch.setattr(Celery, "send_task", lambda _app, name, **rest: sent.append((name, rest)))
    nudger("memory://")(1001)
    assert sent == [(TASK, {"args": [1001], "retry": False})]
    assert QUEUE == "quartermaster"


def test_a_broker_that_is_gone_is_no_error():
    nudger("redis+socket:///nowhere/v.sock")(1001)
