"""The routes: those that a deployment and the endpoint use, and those that vLLM leaves open beside them."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
from collections.abc import AsyncIterator
from typing import Any, Final, TypeVar

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from workers.standin.answers import DONE, Reply, tokens_in
from workers.standin.asking import (
    AdapterName,
    AdapterPlace,
    Call,
    Chat,
    Completion,
    RefusedError,
    UnreadableError,
    check,
    parse,
)
from workers.standin.figures import Figures
from workers.standin.settings import Behaviour, Serving
from workers.standin.shelf import Shelf
from workers.standin.words import answer

_Shape = TypeVar("_Shape", bound=BaseModel)
VERSION: Final = "0.32.0"
DEAD: Final = "EngineCore encountered an issue. See stack trace (above) for the root cause."
_TOKENS_BEFORE_DEATH: Final = 3
_DEAD_S: Final = 4.0
"""A vLLM whose engine died answers 503 for some seconds more, then ends."""


class StandIn:
    """One server: what it serves, and whether its engine lives."""

    def __init__(self, serving: Serving) -> None:
        self.serving = serving
        self.shelf = Shelf(serving)
        self.figures = Figures(serving.names[0])
        self.healthy = serving.behaviour is not Behaviour.UNHEALTHY

    def app(self) -> ASGIApp:
        """Return the application with every route."""
        post, get = ["POST"], ["GET"]
        routes = [
            Route("/health", self.health, methods=get),
            Route("/ping", self.health, methods=["GET", "POST"]),
            Route("/version", self.version, methods=get),
            Route("/metrics", self.metrics, methods=get),
            Route("/v1/models", self.models, methods=get),
            Route("/v1/chat/completions", self.chat, methods=post),
            Route("/v1/completions", self.completions, methods=post),
            Route("/invocations", self.invocations, methods=post),
        ]
        if self.serving.adapters:
            routes += [
                Route("/v1/load_lora_adapter", self.load, methods=post),
                Route("/v1/unload_lora_adapter", self.unload, methods=post),
                Route("/adapters", self.register, methods=post),
                Route("/adapters/{name}", self.unregister, methods=["DELETE"]),
            ]
        faults = {RefusedError: _refused, UnreadableError: _unreadable, HTTPException: _not_there}
        app = Starlette(routes=[_only(route) for route in routes], exception_handlers=faults)  # type: ignore[arg-type]
        return _Guarded(app, self.serving.key) if self.serving.key else app

    async def health(self, _: Request) -> Response:
        """200 while the engine lives; both have an empty body."""
        return Response(status_code=200 if self.healthy else 503)

    async def version(self, _: Request) -> Response:
        """The version of vLLM that it stands in for."""
        return JSONResponse({"version": VERSION})

    async def metrics(self, _: Request) -> Response:
        """The figures as text."""
        return Response(self.figures.text(), media_type="text/plain; version=1.0.0; charset=utf-8")

    async def models(self, _: Request) -> Response:
        """What is served."""
        return JSONResponse(self.shelf.listing())

    async def chat(self, request: Request) -> Response:
        """Answer a conversation."""
        return await self._answer(await _read(request, Chat))

    async def completions(self, request: Request) -> Response:
        """Go on with a text."""
        return await self._answer(await _read(request, Completion))

    async def invocations(self, request: Request) -> Response:
        """Either of both, without a key: vLLM's side door."""
        try:
            call: Call = await _read(request, Chat)
        except RefusedError:
            call = await _read(request, Completion)
        return await self._answer(call)

    async def load(self, request: Request) -> Response:
        """Load an adapter."""
        return PlainTextResponse(self.shelf.load(await _read(request, AdapterPlace)))

    async def unload(self, request: Request) -> Response:
        """Unload an adapter."""
        return PlainTextResponse(self.shelf.unload((await _read(request, AdapterName)).lora_name))

    async def register(self, request: Request) -> Response:
        """Load an adapter without a key: another side door."""
        asked = json.loads(await request.body())
        self.shelf.load(AdapterPlace(lora_name=asked["name"], lora_path=asked["src"]))
        return PlainTextResponse(f"Adapter {asked['name']} registered")

    async def unregister(self, request: Request) -> Response:
        """Unload an adapter without a key."""
        name = request.path_params["name"]
        self.shelf.unload(name)
        return PlainTextResponse(f"Adapter {name} unregistered")

    async def _answer(self, call: Call) -> Response:
        prompts = check(call, self.serving.context)
        served = self.shelf.find(call.model)
        if not self.healthy:
            raise RefusedError(DEAD, kind="InternalServerError", status=500)
        answers = [
            answer(served.weights, prompt, call, number=number, context=self.serving.context)
            for prompt in prompts
            for number in range(call.n)
        ]
        reply = Reply(call=call, model=served.name, prompts=prompts, answers=answers)
        self.figures.read(reply)
        if call.stream:
            return StreamingResponse(self._stream(reply), media_type="text/event-stream")
        with self.figures.running(len(answers)):
            await asyncio.sleep(self.serving.token_s * max(len(one.pieces) for one in answers))
        self.figures.wrote(sum(len(one.pieces) for one in answers))
        self.figures.answered(reply)
        return JSONResponse(reply.whole())

    async def _stream(self, reply: Reply) -> AsyncIterator[str]:
        with self.figures.running(len(reply.answers)):
            for number, chunk in enumerate(reply.chunks()):
                if number >= _TOKENS_BEFORE_DEATH and self.serving.behaviour is Behaviour.KILLED:
                    os.kill(os.getpid(), signal.SIGKILL)
                if number >= _TOKENS_BEFORE_DEATH and self.serving.behaviour is Behaviour.ENGINE_DIES:
                    self._die()
                if not self.healthy:
                    yield _event(RefusedError(DEAD, kind="InternalServerError", status=500).body)
                    yield f"data: {DONE}\n\n"
                    return
                self.figures.wrote(tokens_in(chunk))
                yield _event(chunk)
                await asyncio.sleep(self.serving.token_s)
        self.figures.answered(reply)
        yield f"data: {DONE}\n\n"

    def _die(self) -> None:
        """Answer nothing from now on, and end a little later."""
        if self.healthy:
            self.healthy = False
            asyncio.get_running_loop().call_later(_DEAD_S, os.kill, os.getpid(), signal.SIGTERM)


class _Guarded:
    """Asks for the key where vLLM does: at every path that begins with one of two words, and nowhere else."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app, self._key = app, key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(("/v1", "/inference")) and not self._knows(scope):
            await JSONResponse({"error": "Unauthorized"}, 401)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _knows(self, scope: Scope) -> bool:
        given = dict(scope["headers"]).get(b"authorization", b"")
        scheme, _, key = given.partition(b" ")
        return scheme.lower() == b"bearer" and secrets.compare_digest(key, self._key.encode())


async def _read(request: Request, shape: type[_Shape]) -> _Shape:
    return parse(shape, await request.body(), request.headers.get("content-type", ""))


def _event(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body, separators=(',', ':'))}\n\n"


def _only(route: Route) -> Route:
    """Starlette answers HEAD wherever it answers GET; vLLM does not."""
    if route.methods:
        route.methods.discard("HEAD")
    return route


async def _refused(_: Request, error: RefusedError) -> Response:
    return JSONResponse(error.body, error.status)


async def _unreadable(_: Request, __: Exception) -> Response:
    return JSONResponse({"detail": "There was an error parsing the body"}, 400)


async def _not_there(_: Request, error: HTTPException) -> Response:
    return JSONResponse({"detail": error.detail}, error.status_code)
