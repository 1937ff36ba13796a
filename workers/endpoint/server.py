"""The address itself: whoever has a key, a model and tokens left is passed on, and every token is counted.

Paths are matched exactly and sent to constant addresses. A call is reserved before it is sent, and settled by what the
server said of it, however it ended: a caller who leaves in the middle, a stream that is cut and a server that dies cost
what was made until then. Answers are passed on as they come.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import orjson
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route as Path
from starlette.types import Receive, Scope, Send

from workers.endpoint.calls import BODY, Call, Route, read
from workers.endpoint.counters import Counters
from workers.endpoint.errors import CallError
from workers.endpoint.events import events
from workers.endpoint.holders import Holder, Keys
from workers.endpoint.metering import Meter
from workers.endpoint.outcomes import Hearing, Outcomes
from workers.endpoint.routes import AWAY, Routes, Upstream

logger = structlog.get_logger(__name__)

CONNECT_S: Final = 2.0
SILENT_S: Final = 300.0
"""How long a server may say nothing before the call counts as failed."""
LONGEST_ANSWER: Final = 64 * 2**20
"""Bytes of an answer in one piece."""
_TOLD: Final = frozenset({400, 413, 422})
"""Statuses by which a server says that a call is wrong; others say that the server, or how it is set up, is."""
_DONE: Final = b"data: [DONE]\n\n"
_FAILED: Final = "The model's server failed in the middle of this call; try again."


@dataclass(slots=True)
class Flight:
    """One call from its reservation to its settlement.

    Args:
        sent: whether the server may have begun with it.
        refused: whether the server said that it did not do it.
    """

    call: Call
    holder: Holder
    upstream: Upstream
    meter: Meter = field(init=False)
    hearing: Hearing = field(init=False)
    sent: bool = False
    refused: bool = False

    def __post_init__(self) -> None:
        self.meter, self.hearing = Meter(self.call), Hearing(self.call)

    @property
    def place(self) -> str:
        """What it was routed by, such as `fraud-detector@production`."""
        return self.holder.place(self.call.model)

    def hear(self, piece: dict[str, Any]) -> None:
        """Take note of an answer, or of a piece of one."""
        self.meter.hear(piece)
        self.hearing.hear(piece)

    @property
    def budgets(self) -> tuple[str, ...]:
        """The names of the budgets that it takes from."""
        return tuple(budget.name for budget in self.holder.budgets)


class Endpoint:
    """What stands between callers and servers.

    Args:
        clock: the time, for the hour that a call is counted in.
        outcomes: counts what became of calls.
        most_bytes: of a body.
    """

    def __init__(
        self,
        keys: Keys,
        routes: Routes,
        counters: Counters,
        clock: Callable[[], datetime],
        *,
        outcomes: Outcomes | None = None,
        most_bytes: int = BODY,
        silent_s: float = SILENT_S,
    ) -> None:
        self._keys, self._routes, self._counters, self._clock = keys, routes, counters, clock
        self._most_bytes, self._silent_s, self._outcomes = most_bytes, silent_s, outcomes
        self._client: aiohttp.ClientSession | None = None

    def app(self) -> Starlette:
        """Return the ASGI application."""
        paths = [Path(route.value, self._take, methods=["POST"]) for route in Route]
        paths.append(Path("/v1/models", self._models, methods=["GET"]))
        answers: Mapping[Any, Any] = {CallError: _refuse, HTTPException: _no_such, Exception: _fault}
        app = Starlette(routes=paths, exception_handlers=answers, lifespan=self._life)
        app.router.redirect_slashes = False
        return app

    @asynccontextmanager
    async def _life(self, _app: Starlette) -> AsyncIterator[None]:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=self._silent_s)
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as client:
            self._client = client
            yield

    async def _models(self, request: Request) -> Response:
        holder = self._holder(request)
        served = ((place.partition("@")[0], place) for place in self._routes.models())
        names = sorted(name for name, place in served if holder.may_ask(name) and holder.place(name) == place)
        return _json(
            {"object": "list", "data": [{"id": n, "object": "model", "owned_by": "quartermaster"} for n in names]}
        )

    async def _take(self, request: Request) -> Response:
        """Answer one call."""
        path = Route(request.url.path)
        if request.scope.get("raw_path", path.encode()) != path.encode():
            raise CallError(404, "not_found", "There is no such path here.")
        holder = self._holder(request)
        raw = await _body(request, self._most_bytes)
        chosen: list[Upstream] = []
        call = read(path, raw, lambda model: self._served(holder, model, chosen), most_bytes=self._most_bytes)
        flight = Flight(call, holder, chosen[0])
        self._reserve(flight)
        return await self._pass_on(flight)

    def _holder(self, request: Request) -> Holder:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise CallError(401, "no_key", "Send your key as Authorization: Bearer KEY; ask for one in Slack.")
        return self._keys.holder(token.strip())

    def _served(self, holder: Holder, model: str, chosen: list[Upstream]) -> Any:
        if not holder.may_ask(model):
            known = ", ".join(sorted(holder.models))
            raise CallError(403, "model_not_allowed", f"This key is for {known} alone.", "model")
        chosen.append(self._routes.choose(holder.place(model), holder.key))
        return chosen[0].served

    def _reserve(self, flight: Flight) -> None:
        short = self._counters.reserve(flight.budgets, flight.call.most)
        if short is None:
            return
        title = next(budget.title for budget in flight.holder.budgets if budget.name == short.name)
        why = f"{title} has {short.left:,} tokens left, and this call can need {flight.call.most:,}."
        raise CallError(429, "insufficient_quota", f"{why} Lower max_tokens, or ask for more in Slack.")

    def _settle(self, flight: Flight) -> None:
        """Charge what was used; nothing where the server never began."""
        most = flight.call.most
        if self._outcomes is not None:
            at = self._clock().timestamp()
            self._outcomes.note(flight.place, flight.upstream.version, flight.hearing, at)
        if not flight.sent or flight.refused:
            self._counters.give_back(flight.budgets, most)
            return
        used = flight.meter.tokens()
        holder, model = flight.holder.key, flight.call.model
        self._counters.settle(flight.budgets, most, used, key=holder, model=model, at=self._clock())

    async def _pass_on(self, flight: Flight) -> Response:
        """Send the call, and settle it when its answer is over, whatever becomes of either side."""
        async with AsyncExitStack() as stack:
            stack.callback(self._settle, flight)
            stack.enter_context(self._routes.fly(flight.upstream))
            with _heard(flight):
                answer = await self._send(flight)
                stack.callback(answer.close)
                if not flight.call.stream or answer.status != HTTPStatus.OK:
                    return await _whole(flight, answer)
            return _Stream(_pieces(flight, answer), _headers(flight), stack.pop_all())

    async def _send(self, flight: Flight) -> aiohttp.ClientResponse:
        assert self._client is not None, "served outside its lifespan"
        upstream = flight.upstream
        headers = {"content-type": "application/json"}
        if upstream.key:
            headers["authorization"] = f"Bearer {upstream.key}"
        data, url = orjson.dumps(flight.call.body), upstream.url + flight.call.route.value
        flight.sent = True
        try:
            answer = await self._client.post(url, data=data, headers=headers, allow_redirects=False)
        except aiohttp.ClientConnectorError as error:
            flight.sent = False
            raise CallError(503, "server_away", AWAY) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise CallError(502, "server_failed", _FAILED) from error
        refused = answer.status == HTTPStatus.SERVICE_UNAVAILABLE
        flight.refused = refused or HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
        return answer


@contextmanager
def _heard(flight: Flight) -> Iterator[None]:
    """Note whether a call that is not answered was refused by its server, or failed."""
    try:
        yield
    except CallError as error:
        flight.hearing.refused = error.status in _TOLD
        flight.hearing.failed = error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        raise


class _Stream(StreamingResponse):
    """A stream that settles its call when it is over, also where its caller left before the first piece."""

    def __init__(self, pieces: AsyncIterator[bytes], headers: Mapping[str, str], ending: AsyncExitStack) -> None:
        super().__init__(pieces, headers=headers, media_type="text/event-stream")
        self._ending = ending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._ending:
            await super().__call__(scope, receive, send)


async def _body(request: Request, most: int) -> bytes:
    """Read a body, and not more of it than may be."""
    parts, size = [], 0
    try:
        async for part in request.stream():
            parts.append(part)
            size += len(part)
            if size > most:
                raise CallError(413, "body_too_long", f"The body is too long; at most {most:,} bytes are passed on.")
    except ClientDisconnect as error:
        raise CallError(400, "invalid_json", "The body ended early.") from error
    return b"".join(parts)


async def _whole(flight: Flight, answer: aiohttp.ClientResponse) -> Response:
    """Pass on an answer in one piece, or say in our words that there is none."""
    try:
        body = orjson.loads(await _read(answer.content))
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise CallError(502, "server_failed", _FAILED) from error
    if answer.status == HTTPStatus.OK and isinstance(body, dict):
        flight.hear(body)
        return _json(_renamed(flight, body), headers=_headers(flight))
    if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
        raise CallError(503, "server_away", AWAY)
    if answer.status in _TOLD:
        raise CallError(answer.status, "refused_by_server", _said(flight, body))
    logger.warning("a server did not do what it was asked", model=flight.call.model, status=answer.status)
    raise CallError(502, "server_failed", _FAILED)


async def _read(content: aiohttp.StreamReader) -> bytes:
    held = bytearray()
    async for part in content.iter_any():
        held += part
        if len(held) > LONGEST_ANSWER:
            raise ValueError("an answer without an end")
    return bytes(held)


def _said(flight: Flight, body: Any) -> str:
    """What the server says against a call, with the caller's name for the model."""
    match body:
        case {"error": {"message": str(message)}}:
            return message.replace(flight.upstream.served.name, flight.call.model)[:2000]
    return "The model's server refused this call."


async def _pieces(flight: Flight, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Pass a stream on, piece by piece; what ends it early is said in the stream, as its status was sent long ago."""
    try:
        async for data in events(answer.content):
            if data == b"[DONE]":
                yield _DONE
                return
            piece = _object(data)
            flight.hear(piece)
            told = _told(flight, piece)
            if told is not None:
                yield b"data: " + orjson.dumps(told) + b"\n\n"
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        logger.warning("a stream was cut", model=flight.call.model, error=type(error).__name__)
    flight.hearing.failed = True
    yield _error(_FAILED)


def _object(data: bytes) -> dict[str, Any]:
    piece = orjson.loads(data)
    if not isinstance(piece, dict):
        raise ValueError("an event that is no object")  # noqa: TRY004 to its reader as bad as no JSON
    return piece


def _told(flight: Flight, piece: dict[str, Any]) -> dict[str, Any] | None:
    """Return a piece as its caller asked for it: usage only at the end, and only for who wanted it; None for nothing."""
    if "error" in piece:
        flight.hearing.failed = True
        return CallError(502, "server_failed", _FAILED).body()
    last = not piece.get("choices")
    if last and not flight.call.usage:
        return None
    told = _renamed(flight, piece)
    if not last:
        told.pop("usage", None)
    return told


def _renamed(flight: Flight, body: dict[str, Any]) -> dict[str, Any]:
    """The caller's name for the model, in place of the version's."""
    return body | {"model": flight.call.model} if "model" in body else body


def _headers(flight: Flight) -> dict[str, str]:
    return {"x-quartermaster-version": flight.upstream.version}


def _json(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, headers, "application/json")


def _error(message: str) -> bytes:
    return b"data: " + orjson.dumps(CallError(502, "server_failed", message).body()) + b"\n\n"


async def _refuse(_request: Request, error: CallError) -> Response:
    return _json(error.body(), error.status)


async def _no_such(_request: Request, error: HTTPException) -> Response:
    paths = ", ".join([*Route, "/v1/models"])
    return _json(
        CallError(error.status_code, "not_found", f"There is no such path here; {paths} are.").body(), error.status_code
    )


async def _fault(_request: Request, error: Exception) -> Response:
    logger.error("a call failed in the endpoint", error=type(error).__name__)
    return _json(
        CallError(500, "endpoint_failed", "The endpoint failed; whoever runs it finds why in its log.").body(), 500
    )
