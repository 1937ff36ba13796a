"""An endpoint on a real port, in front of a server whose behaviour a prompt chooses."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from datetime import UTC, datetime

import httpx
import orjson
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from workers.endpoint.calls import Bounds, Served
from workers.endpoint.counters import Counters
from workers.endpoint.errors import CallError
from workers.endpoint.holders import Budget, Holder
from workers.endpoint.outcomes import Outcomes
from workers.endpoint.routes import Routes, Share, Upstream
from workers.endpoint.server import Endpoint

AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
BOUNDS = Bounds(context=1000, output=100, sequences=4, template=10)
BUDGETS = (Budget(name="key:1", title="This key"), Budget(name="team:vision", title="Vision"))


class Running:
    """An ASGI application on a port of its own, in a thread of its own."""

    def __init__(self, app):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self.socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        config = uvicorn.Config(app, loop="asyncio", log_config=None, access_log=False, timeout_graceful_shutdown=1)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=lambda: asyncio.run(self.server.serve([self.socket])), daemon=True)
        self.thread.start()
        until(lambda: self.server.started)

    def stop(self):
        self.server.should_exit = True
        self.thread.join(20)
        self.socket.close()


class Scripted:
    """A server that does what the last word of a prompt says, and notes what it was sent."""

    def __init__(self):
        self.heard, self.headers, self.left = [], [], 0
        self.hold, self.began = threading.Event(), threading.Event()
        self.running = Running(Starlette(routes=[Route("/{path:path}", self.answer, methods=["GET", "POST"])]))
        self.url = self.running.url

    async def answer(self, request):
        body = await request.json()
        self.heard.append((request.url.path, body))
        self.headers.append(request.headers)
        word = _words(body).split()[-1]
        if word.isdigit():
            return JSONResponse({"error": {"message": f"no {body['model']} for this"}}, int(word))
        if word == "garbage":
            return Response(b"<html>", 200)
        if word == "redirect":
            return RedirectResponse("http://127.0.0.1:9/")
        if body.get("stream"):
            return StreamingResponse(self.stream(body, word), media_type="text/event-stream")
        await self.held(word)
        choices = [{"index": at, "message": {"role": "assistant", "content": "hi"}} for at in range(body.get("n", 1))]
        return JSONResponse({"model": body["model"], "choices": choices, "usage": _usage(5, 3 * len(choices))})

    async def held(self, word):
        if word == "wait":
            await asyncio.to_thread(self.hold.wait)

    async def stream(self, body, word):
        try:
            for made in (1, 2, 3):
                choice = {"index": 0, "delta": {"content": f"w{made}"}}
                yield _event({"model": body["model"], "choices": [choice], "usage": _usage(5, made)})
                self.began.set()
                if word == "cut" and made == 2:
                    raise RuntimeError("dies in the middle")
                if word == "lies" and made == 2:
                    yield b"data: {\n\n"
                    return
                if word == "fails" and made == 2:
                    yield _event({"error": {"message": "CUDA out of memory at 0x7f", "type": "X", "code": 500}})
                    return
                await self.held(word)
            yield _event({"model": body["model"], "choices": [], "usage": _usage(5, 3)})
            yield b"data: [DONE]\n\n"
        except asyncio.CancelledError:
            self.left += 1
            raise


def _words(body):
    return body["messages"][-1]["content"] if "messages" in body else str(body.get("prompt") or body.get("input"))


def _usage(prompt, made):
    return {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made}


def _event(body):
    return b"data: " + orjson.dumps(body) + b"\n\n"


class OneKey:
    """A key that can be revoked."""

    def __init__(self):
        self.revoked = False

    def holder(self, token):
        if token != "qm-right" or self.revoked:
            raise CallError(401, "key_ended", "This key is over; ask for another one in Slack.")
        return Holder(key="1", models=frozenset({"churn"}), budgets=BUDGETS)


class Site:
    """All of it, and a caller."""

    def __init__(self, home):
        self.upstream, self.keys, self.routes = Scripted(), OneKey(), Routes()
        self.counters = Counters(home / "tokens.sqlite3")
        self.counters.allow("key:1", 1000)
        self.counters.allow("team:vision", 5000)
        self.served = self.at(self.upstream.url)
        self.routes.swap({"churn": (Share(upstream=self.served, percent=100),)})
        self.outcomes = Outcomes(home / "outcomes.sqlite3")
        endpoint = Endpoint(self.keys, self.routes, self.counters, lambda: AT, outcomes=self.outcomes, silent_s=2)
        self.endpoint = Running(endpoint)
        self.http = httpx.Client(base_url=self.endpoint.url, headers={"authorization": "Bearer qm-right"}, timeout=20)

    def at(self, url, version="sha256:ab"):
        return Upstream(url=url, version=version, served=Served(name=f"churn@{version}", bounds=BOUNDS), key="internal")

    def chat(self, words, **body):
        messages = [{"role": "user", "content": words}]
        return self.http.post("/v1/chat/completions", json={"model": "churn", "messages": messages, **body})

    def used(self):
        return 1000 - self.counters.left("key:1")

    def settled(self, tokens):
        until(lambda: self.used() == tokens, lambda: f"{self.used()} are used, not {tokens}")

    def close(self):
        self.upstream.hold.set()
        self.http.close()
        self.endpoint.stop()
        self.upstream.running.stop()
        self.counters.close()


def until(true, why=lambda: "", seconds=10):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, why()
        time.sleep(0.01)


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    yield made
    made.close()
