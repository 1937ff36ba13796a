"""One call on its way: sent to the server that was chosen, its answer passed on as it comes, and every token heard."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import orjson
import structlog
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from workers.endpoint.calls import Call
from workers.endpoint.errors import CallError
from workers.endpoint.events import events
from workers.endpoint.holders import Holder
from workers.endpoint.metering import Meter
from workers.endpoint.outcomes import Hearing
from workers.endpoint.routes import AWAY, Upstream

logger = structlog.get_logger(__name__)

CONNECT_S: Final = 2.0
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


class Passage:
    """The way to the servers.

    Args:
        silent_s: how long a server may say nothing before the call counts as failed.
    """

    def __init__(self, *, silent_s: float) -> None:
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=silent_s)
        self._client: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Keep connections to servers until the end."""
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30)
        async with aiohttp.ClientSession(connector=connector, timeout=self._timeout, auto_decompress=False) as client:
            self._client = client
            yield

    async def take(self, flight: Flight, ending: AsyncExitStack) -> Response:
        """Send a call, and return its answer.

        Args:
            ending: what must happen when the answer is over; a stream takes it along, as it is over later.

        Raises:
            CallError: there is no answer; says why, without the server's own words about itself.
        """
        with _heard(flight):
            answer = await self._send(flight)
            ending.callback(answer.close)
            if not flight.call.stream or answer.status != HTTPStatus.OK:
                return await _whole(flight, answer)
        return _Stream(_pieces(flight, answer), _headers(flight), ending.pop_all())

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


async def _whole(flight: Flight, answer: aiohttp.ClientResponse) -> Response:
    """Pass on an answer in one piece, or say in our words that there is none."""
    try:
        body = orjson.loads(await _read(answer.content))
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise CallError(502, "server_failed", _FAILED) from error
    if answer.status == HTTPStatus.OK and isinstance(body, dict):
        flight.hear(body)
        return as_json(_renamed(flight, body), headers=_headers(flight))
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


def as_json(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer in one piece."""
    return Response(orjson.dumps(body), status, headers, "application/json")


def _error(message: str) -> bytes:
    return b"data: " + orjson.dumps(CallError(502, "server_failed", message).body()) + b"\n\n"
