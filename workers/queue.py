"""The nudge: all that the desk may import of the hands. A message holds a request's number and nothing else.

Each kind of resource has a queue of its own, so that a backend that hangs delays no other. A message in another queue
than its own is carried out all the same: where it lies says nothing of what may be done.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

logger = structlog.get_logger(__name__)

TASK: Final = "quartermaster.attend"
QUEUE: Final = "quartermaster"
"""For what has no queue of its own."""
SCHEMES: Final = ("gpu", "data", "deploy")
"""The kinds of resources: the queue of each is `quartermaster.<scheme>`."""
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
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_time_limit=300,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=True,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"visibility_timeout": 600, "socket_keepalive": True},
        broker_connection_timeout=2,
        **settings,
    )
    return app


def queue_of(resource: str) -> str:
    """Return the queue for what concerns `resource` (`gpu:h100-shared`)."""
    scheme = resource.partition(":")[0]
    return f"{QUEUE}.{scheme}" if scheme in SCHEMES else QUEUE


def nudger(broker_url: str, resource_of: Callable[[int], str] = lambda _: "") -> Callable[[int], None]:
    """Return a function that asks a worker to attend to a request; a broker that is gone is logged, never raised.

    Args:
        resource_of: returns what a request asks for, by its number, and an empty text for one that is unknown.
    """
    app, rests_until = celery_app(broker_url), 0.0

    def nudge(number: int) -> None:
        nonlocal rests_until
        if time.monotonic() < rests_until:
            return
        try:
            app.send_task(TASK, args=[number], queue=queue_of(resource_of(number)), retry=False)
        except (OperationalError, RedisError, OSError) as error:
            rests_until = time.monotonic() + REST_S
            logger.warning("nudge lost; the clock will find it", request=number, error=type(error).__name__)

    return nudge
