"""What the governed endpoint adds to a call: the same server called directly and through it, each round one of both.

Caller, endpoint and server are processes of their own that share the machine's cores, as they did where the figures to
reach were measured.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route as At

from ledger.book import utc_now
from ledger.streams.budget import Span
from workers.apikeys import verifier_of
from workers.endpoint.calls import Bounds, Route, Served
from workers.endpoint.counters import Counters
from workers.endpoint.keys import TableKeys, key_budget
from workers.endpoint.keytable import KeyRow, KeyTable, TeamTokens
from workers.endpoint.outcomes import Outcomes
from workers.endpoint.process import server_of
from workers.endpoint.routes import Routes, Share, Upstream
from workers.endpoint.server import Endpoint
from workers.endpoint.settings import EndpointSettings

KEY = "qm-" + "k" * 43
STREAMS = 8
SLICE_S = 1.0
PIECES = 20
CALL = {"model": "m", "messages": [{"role": "user", "content": "hello " * 50}], "max_tokens": 20}
_Way = Callable[[aiohttp.ClientSession, str], Awaitable[list[float]]]
USAGE = {"prompt_tokens": 60, "completion_tokens": 20, "total_tokens": 80}


def rows(folder: Path) -> list[tuple[str, str, str]]:
    """Return what is added to a call and to first tokens, milliseconds at the median."""
    context = multiprocessing.get_context("spawn")
    sockets = [_listen() for _ in range(2)]
    server, endpoint = (f"http://127.0.0.1:{each.getsockname()[1]}" for each in sockets)
    running = [
        context.Process(target=_serve_model, args=(sockets[0],), daemon=True),
        context.Process(target=_serve_endpoint, args=(sockets[1], folder, server), daemon=True),
    ]
    for each in running:
        each.start()
    try:
        added = asyncio.run(_measure(server, endpoint))
    finally:
        for each in running:
            each.terminate()
            each.join(10)
    return [(f"endpoint: ms added to {what}, p50", f"{taken:.2f}", reach) for (what, reach), taken in added.items()]


async def _measure(server: str, endpoint: str) -> dict[tuple[str, str], float]:
    """Return what the endpoint adds in each way of calling, by its name and what to reach."""
    ways = {
        ("a call", "<= 3"): (_one, 300),
        (f"the first token, {STREAMS} streams at work", "<= 3"): (_at_work, 10),
        (f"the first token, {STREAMS} streams begun at once", "-"): (_at_once, 40),
    }
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {KEY}"}) as client:
        for url in (server, endpoint):
            await _ready(client, url)
        return {named: await _added(client, server, endpoint, way, times) for named, (way, times) in ways.items()}


async def _added(client: aiohttp.ClientSession, server: str, endpoint: str, way: _Way, times: int) -> float:
    """Call both in turn, so that what else the machine does meets both."""
    taken = {url: list[float]() for url in (server, endpoint)}
    for _ in range(times):
        for url, seconds in taken.items():
            seconds.extend(await way(client, url))
    return 1000 * (statistics.median(taken[endpoint]) - statistics.median(taken[server]))


async def _one(client: aiohttp.ClientSession, url: str) -> list[float]:
    return [await _call(client, url)]


async def _at_once(client: aiohttp.ClientSession, url: str) -> list[float]:
    """All begin at one moment: each waits for what the others' calls take, in all three processes on two cores."""
    return await asyncio.gather(*(_first(client, url) for _ in range(STREAMS)))


async def _at_work(client: aiohttp.ClientSession, url: str) -> list[float]:
    """As callers come: where one stream has ended the next begins, at its own time."""
    until, taken = time.monotonic() + SLICE_S, list[float]()

    async def caller() -> None:
        while time.monotonic() < until:
            taken.append(await _first(client, url))

    await asyncio.gather(*(caller() for _ in range(STREAMS)))
    return taken


async def _ready(client: aiohttp.ClientSession, url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            await _call(client, url)
        except aiohttp.ClientError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)
        else:
            return


async def _call(client: aiohttp.ClientSession, url: str) -> float:
    began = time.perf_counter()
    async with client.post(url + Route.CHAT, data=orjson.dumps(CALL)) as answer:
        answer.raise_for_status()
        await answer.read()
    return time.perf_counter() - began


async def _first(client: aiohttp.ClientSession, url: str) -> float:
    began = time.perf_counter()
    async with client.post(url + Route.CHAT, data=orjson.dumps({**CALL, "stream": True})) as answer:
        answer.raise_for_status()
        await answer.content.readany()
        taken = time.perf_counter() - began
        await answer.read()
    return taken


def _listen() -> socket.socket:
    """A socket that says it is TCP's: asyncio sets TCP_NODELAY on no other, and each answer would wait 40 ms."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


def _run(listener: socket.socket, server: uvicorn.Server) -> None:
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(server.serve([listener]))


def _serve_model(listener: socket.socket) -> None:
    async def answer(request):  # type: ignore[no-untyped-def]
        body = orjson.loads(await request.body())
        if body.get("stream"):
            return StreamingResponse(_pieces(), media_type="text/event-stream")
        return JSONResponse({"model": "m", "choices": [{"index": 0, "message": {"content": "hi"}}], "usage": USAGE})

    app = Starlette(routes=[At(Route.CHAT, answer, methods=["POST"])])
    _run(listener, uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)))


async def _pieces():  # type: ignore[no-untyped-def]
    for made in range(PIECES):
        piece = {
            "model": "m",
            "choices": [{"index": 0, "delta": {"content": "word"}}],
            "usage": {**USAGE, "completion_tokens": made},
        }
        yield b"data: " + orjson.dumps(piece) + b"\n\n"
        await asyncio.sleep(0.002)
    yield b"data: [DONE]\n\n"


def _key(table: KeyTable) -> None:
    """Grant the caller's key, with a budget of its own and one of its team."""
    table.prepare()
    table.set_teams([TeamTokens(team="vision", span=Span.MONTH, tokens=10**9)])
    row = KeyRow(
        grant_key="a" * 32,
        generation=1,
        held=True,
        request=1,
        model="m",
        environment="dev",
        team="vision",
        not_after=datetime.max.replace(tzinfo=UTC),
        verifier=verifier_of(KEY),
    )
    with table.changing() as change:
        change.put(row)


def _serve_endpoint(listener: socket.socket, folder: Path, server: str) -> None:
    """The endpoint as it is run: keys looked up, budgets kept and outcomes counted in their files."""
    counters, routes, table = Counters(folder / "tokens.sqlite3"), Routes(), KeyTable(folder / "keys.sqlite3")
    _key(table)
    counters.allow(key_budget("a" * 32), 10**9)
    served = Served(name="m", bounds=Bounds(context=4096, output=512))
    routes.swap({"m@dev": (Share(upstream=Upstream(url=server, version="v", served=served), percent=100),)})
    keys, outcomes = TableKeys(table, counters, utc_now), Outcomes(folder / "outcomes.sqlite3")
    _run(listener, server_of(Endpoint(keys, routes, counters, utc_now, outcomes=outcomes), EndpointSettings()))
