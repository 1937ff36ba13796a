"""The address itself: whoever has a key, a model and tokens left is passed on, and every token is counted.

Paths are matched exactly and sent to constant addresses. A call is reserved before it is sent, and settled by what the
server said of it, however it ended: a caller who leaves in the middle, a stream that is cut and a server that dies cost
what was made until then. Answers are passed on as they come.

Calls go through no framework's layers, as each of them would handle every piece of every stream.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any, Final

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from workers.endpoint.calls import BODY, Route, read
from workers.endpoint.counters import Counters
from workers.endpoint.errors import CallError
from workers.endpoint.holders import Holder, Keys
from workers.endpoint.outcomes import Outcomes
from workers.endpoint.passing import Flight, Passage, as_json
from workers.endpoint.routes import Routes, Upstream

logger = structlog.get_logger(__name__)

SILENT_S: Final = 300.0
"""How long a server may say nothing before the call counts as failed."""
MODELS: Final = "/v1/models"
_Answer = Callable[[Request], Awaitable[Response]]


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
        self._most_bytes, self._outcomes = most_bytes, outcomes
        self._passage = Passage(silent_s=silent_s)
        self._beside = Router(lifespan=self._life)
        self._paths: dict[str, tuple[str, _Answer]] = {route.value: ("POST", self._take) for route in Route}
        self._paths[MODELS] = ("GET", self._models)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, as an ASGI application."""
        if scope["type"] != "http":
            await self._beside(scope, receive, send)
            return
        answer = await self._answer(Request(scope, receive))
        await answer(scope, receive, send)

    @asynccontextmanager
    async def _life(self, _app: Any) -> AsyncIterator[None]:
        async with self._passage.open():
            yield

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._found(request)(request)
        except CallError as error:
            return as_json(error.body(), error.status)
        except Exception as error:  # noqa: BLE001 whoever calls reads a sentence, and the log has the kind alone
            return _fault(error)

    def _found(self, request: Request) -> _Answer:
        """Return what answers a path, as it stands and no other spelling of it."""
        path = request.scope["path"]
        method, answer = self._paths.get(path, ("", self._take))
        if not method or request.scope.get("raw_path", path.encode()) != path.encode():
            raise _no_such(404)
        if request.method != method:
            raise _no_such(405)
        return answer

    async def _models(self, request: Request) -> Response:
        holder = self._holder(request)
        served = ((place.partition("@")[0], place) for place in self._routes.models())
        names = sorted(name for name, place in served if holder.may_ask(name) and holder.place(name) == place)
        return as_json(
            {"object": "list", "data": [{"id": n, "object": "model", "owned_by": "quartermaster"} for n in names]}
        )

    async def _take(self, request: Request) -> Response:
        """Answer one call."""
        holder = self._holder(request)
        raw = await _body(request, self._most_bytes)
        chosen: list[Upstream] = []
        call = read(
            Route(request.scope["path"]),
            raw,
            lambda model: self._served(holder, model, chosen),
            most_bytes=self._most_bytes,
        )
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

    async def _pass_on(self, flight: Flight) -> Response:
        """Send the call, and settle it when its answer is over, whatever becomes of either side."""
        async with AsyncExitStack() as ending:
            ending.callback(self._settle, flight)
            ending.enter_context(self._routes.fly(flight.upstream))
            return await self._passage.take(flight, ending)

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


def _no_such(status: int) -> CallError:
    paths = ", ".join([*Route, MODELS])
    return CallError(status, "not_found", f"There is no such path here; {paths} are.")


def _fault(error: Exception) -> Response:
    logger.error("a call failed in the endpoint", error=type(error).__name__)
    said = CallError(500, "endpoint_failed", "The endpoint failed; whoever runs it finds why in its log.")
    return as_json(said.body(), said.status)
