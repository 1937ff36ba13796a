"""The desk over HTTP: the same Bolt app behind one route of our own.

Bolt's own ASGI adapter polls on the event loop and acknowledges too late under load. Here each call of Slack is
dispatched on a thread; Bolt checks signature and time stamp, and what it acknowledges is kept before.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

import uvicorn
from anyio import CapacityLimiter, to_thread
from slack_bolt import App, BoltRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot.errors import SettingsError

THREADS: Final = 64
"""How many calls of Slack are dispatched at once; more wait their turn."""
LARGEST: Final = 1 << 20
"""Bytes of a call; Slack's own are far smaller."""
_START_S: Final = 10.0


def http_app(bolt: App) -> Starlette:
    """Return the ASGI app that answers Slack at `/slack/events` and a load balancer at `/health`."""
    limiter: list[CapacityLimiter] = []  # made on first use, inside the loop that it belongs to

    async def slack(request: Request) -> Response:
        body = await _read(request)
        if body is None:
            return PlainTextResponse("too large", status_code=413)
        if not limiter:
            limiter.append(CapacityLimiter(THREADS))
        asked = BoltRequest(body=body, query=request.url.query, headers=dict(request.headers))
        answer = await to_thread.run_sync(partial(bolt.dispatch, asked), limiter=limiter[0])
        return Response(answer.body, status_code=answer.status, headers=answer.first_headers())

    async def health(request: Request) -> Response:
        del request
        return PlainTextResponse("ok")

    return Starlette(routes=[Route("/slack/events", slack, methods=["POST"]), Route("/health", health)])


async def _read(request: Request) -> str | None:
    """Return the call's body, None when it is larger than Slack's can be."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST:
            return None
        parts.append(part)
    return b"".join(parts).decode(errors="replace")


@contextmanager
def serving(bolt: App, host: str, port: int) -> Iterator[int]:
    """Answer Slack on `host`:`port` (0 takes a free one) from a thread, and yield the port.

    Raises:
        SettingsError: the port cannot be had.
    """
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        raise SettingsError(f"port {port} of {host} cannot be had: {error.strerror}; choose another") from error
    server = uvicorn.Server(uvicorn.Config(http_app(bolt), log_config=None, access_log=False, lifespan="off"))
    thread = threading.Thread(target=partial(server.run, sockets=[listener]), name="http", daemon=True)
    thread.start()
    try:
        _await_start(server, thread)
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(_START_S)
        listener.close()


def _await_start(server: uvicorn.Server, thread: threading.Thread) -> None:
    until = time.monotonic() + _START_S
    while not server.started:
        if time.monotonic() > until or not thread.is_alive():
            raise SettingsError("the HTTP server did not start")
        time.sleep(0.01)
