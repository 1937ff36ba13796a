"""The nudge: all that the desk may import of the hands. A message holds a request's number and nothing else.

One task attends to the request, another answers what was asked with the key that it granted.

Each kind of resource has a queue of its own, so that a backend that hangs delays no other. A message in another queue
than its own is carried out all the same: where it lies says nothing of what may be done.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from celery import Celery
from kombu.entity import Exchange, Queue
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

logger = structlog.get_logger(__name__)

TASK: Final = "quartermaster.attend"
ANSWER: Final = "quartermaster.answer"
QUEUE: Final = "quartermaster"
"""For what has no queue of its own."""
SCHEMES: Final = ("gpu", "data", "deploy")
"""The kinds of resources: the queue of each is `quartermaster.<scheme>`."""
QUESTIONS: Final = f"{QUEUE}.question"
"""For questions to models, which take as long as an answer does."""
LIMIT_S: Final = 300
"""How long a worker may be at one message; then it dies, and whoever comes next counts that."""
REST_S: Final = 2.0
"""How long nothing is sent after a message was lost: a broker that is gone must not hold up whoever nudges."""


def celery_app(broker_url: str, **settings: Any) -> Celery:
    """Return a Celery app on `broker_url` that speaks JSON, keeps no results and obeys no remote control."""
    app = Celery("quartermaster", broker=broker_url, set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_default_queue=QUEUE,
        # The ledger is the outbox: a message is gone once it is taken, and whoever dies with one is found by the clock.
        # Acknowledged messages were seen to stop a worker for good when the broker died before it could acknowledge.
        task_queues=[_queue(name) for name in (QUEUE, *(queue_of(f"{scheme}:") for scheme in SCHEMES), QUESTIONS)],
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        # Whoever loses the broker ends and is started anew (shifts.py), rather than mending what it held half of.
        broker_connection_retry=False,
        broker_transport_options={"socket_keepalive": True},
        broker_connection_timeout=2,
        **settings,
    )
    return app


def queue_of(resource: str) -> str:
    """Return the queue for what concerns `resource` (`gpu:h100-shared`)."""
    scheme = resource.partition(":")[0]
    return f"{QUEUE}.{scheme}" if scheme in SCHEMES else QUEUE


def _queue(name: str) -> Queue:
    return Queue(name, Exchange(name, type="direct"), routing_key=name, no_ack=True)


def nudger(broker_url: str, resource_of: Callable[[int], str] = lambda _: "") -> Callable[[int], None]:
    """Return a function that asks a worker to attend to a request; a broker that is gone is logged, never raised.

    Args:
        resource_of: returns what a request asks for, by its number, and an empty text for one that is unknown.
    """
    return _sender(broker_url, TASK, lambda number: queue_of(resource_of(number)))


def asker(broker_url: str) -> Callable[[int], None]:
    """Return a function that asks a worker to answer what was asked with a key, by the number of its request."""
    return _sender(broker_url, ANSWER, lambda _: QUESTIONS)


def _sender(broker_url: str, task: str, queue: Callable[[int], str]) -> Callable[[int], None]:
    app, rests_until = celery_app(broker_url), 0.0

    def nudge(number: int) -> None:
        nonlocal rests_until
        if time.monotonic() < rests_until:
            return
        try:
            app.send_task(task, args=[number], queue=queue(number), retry=False)
        except (OperationalError, RedisError, OSError) as error:
            rests_until = time.monotonic() + REST_S
            logger.warning("nudge lost; the clock will find it", request=number, error=type(error).__name__)

    return nudge
