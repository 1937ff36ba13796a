"""The nudge: all that the desk may import of the hands. A message holds a request's number and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

logger = structlog.get_logger(__name__)

TASK: Final = "quartermaster.attend"
QUEUE: Final = "quartermaster"


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


def nudger(broker_url: str) -> Callable[[int], None]:
    """Return a function that asks a worker to attend to a request; a broker that is gone is logged, never raised."""
    app = celery_app(broker_url)

    def nudge(number: int) -> None:
        try:
            app.send_task(TASK, args=[number], retry=False)
        except (OperationalError, RedisError, OSError) as error:
            logger.warning("nudge lost; the clock will find it", request=number, error=type(error).__name__)

    return nudge
