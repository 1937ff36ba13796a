"""The `/ui` API: what the page, and tests in the place of people, ask and do."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from bot.workspace import acting, courier, pageshapes, submitting
from bot.workspace.errors import PageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.routing import BaseRoute
    from starlette.websockets import WebSocket

    from bot.workspace.core import Core
    from bot.workspace.model import Json

NOT_OPEN: Final = "Open the page with the address that the workspace printed at its start."


def routes(core: Core) -> list[BaseRoute]:
    """Return the routes below `/ui`, each behind the page's token."""

    def get(path: str, answer: Callable[[Core, str, Request], Json]) -> Route:
        async def endpoint(request: Request) -> Response:
            return await _guarded(core, request, lambda: _read(core, request, answer))

        return Route(path, endpoint, methods=["GET"])

    def post(path: str, answer: Callable[[Core, str, Json], Awaitable[Json]]) -> Route:
        async def endpoint(request: Request) -> Response:
            return await _guarded(core, request, lambda: _write(core, request, answer))

        return Route(path, endpoint, methods=["POST"])

    async def boot(request: Request) -> Response:
        return await _guarded(core, request, lambda: _boot(core))

    async def stream(socket: WebSocket) -> None:
        await _stream(core, socket)

    async def file(request: Request) -> Response:
        return await _guarded(core, request, lambda: _download(core, request))

    return [
        Route("/ui/boot", boot),
        get("/ui/state", lambda core, user, _: pageshapes.state(core, user)),
        get("/ui/messages", _messages),
        get("/ui/home", _home),
        get("/ui/modal", lambda core, user, _: pageshapes.view(core.modals.top(user))),
        post("/ui/say", _say),
        post("/ui/command", _command),
        post("/ui/act", acting.act),
        post("/ui/submit", _submit),
        post("/ui/close", _close),
        post("/ui/read", _mark_read),
        Route("/ui/file/{file_id}/{name}", file),
        WebSocketRoute("/ui/stream", stream),
    ]


async def _guarded(core: Core, request: Request, answer: Callable[[], Awaitable[Response]]) -> Response:
    token = request.headers.get("x-workspace-token") or request.query_params.get("token", "")
    if not is_page(core, token):
        return JSONResponse({"error": NOT_OPEN}, status_code=403)
    try:
        return await answer()
    except PageError as error:
        return JSONResponse({"ok": False, "error": error.message}, status_code=error.status)


def is_page(core: Core, token: str) -> bool:
    """Tell whether `token` is the one of this start."""
    return secrets.compare_digest(token.encode(), core.page_token.encode())


def _person(core: Core, user: Any) -> str:
    if not any(person.id == user for person in core.state.present()):
        raise PageError("Nobody here can act as that person.", 403)
    return str(user)


async def _read(core: Core, request: Request, answer: Callable[[Core, str, Request], Json]) -> Response:
    user = _person(core, request.query_params.get("as"))
    return JSONResponse(answer(core, user, request))


async def _write(core: Core, request: Request, answer: Callable[[Core, str, Json], Awaitable[Json]]) -> Response:
    try:
        body = await request.json()
    except ValueError as error:
        raise PageError("The body is no JSON.") from error
    if not isinstance(body, dict):
        raise PageError("The body is no JSON object.")
    return JSONResponse(await answer(core, _person(core, body.get("as")), body))


async def _boot(core: Core) -> Response:
    return JSONResponse(pageshapes.boot(core, core.state.clock()))


def _messages(core: Core, user: str, request: Request) -> Json:
    room = acting.room_for(core, user, request.query_params.get("channel", ""))
    return pageshapes.messages(core, user, room, request.query_params.get("thread", ""))


def _home(core: Core, user: str, request: Request) -> Json:
    if request.query_params.get("quiet") != "1":
        courier.home_opened(core, user)
    return pageshapes.view(core.state.homes.get(user))


async def _say(core: Core, user: str, body: Json) -> Json:
    room = acting.room_for(core, user, str(body.get("channel")))
    ts = acting.say(core, user, room, str(body.get("text") or ""), str(body.get("thread_ts") or ""))
    return {"ok": True, "ts": ts}


async def _command(core: Core, user: str, body: Json) -> Json:
    room = acting.room_for(core, user, str(body.get("channel")))
    return await acting.command(core, user, room, str(body.get("text") or ""))


async def _submit(core: Core, user: str, body: Json) -> Json:
    return await submitting.submit(core, user, str(body.get("view_id")), body.get("values") or {})


async def _close(core: Core, user: str, body: Json) -> Json:
    return await submitting.close(core, user, str(body.get("view_id")))


async def _mark_read(core: Core, user: str, body: Json) -> Json:
    room = acting.room_for(core, user, str(body.get("channel")))
    core.state.mark_read(user, room.id)
    core.stream.push(None, {"type": "unread", "channel": room.id, "people": [user]})
    return {"ok": True}


async def _download(core: Core, request: Request) -> Response:
    user = _person(core, request.query_params.get("as"))
    file = core.state.files.get(request.path_params["file_id"])
    content = core.state.store.bytes_of(file.id) if file and core.state.may_see(user, file) else None
    if file is None or content is None:
        raise PageError("No such file.", 404)
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name)}"}
    return Response(content, media_type="application/octet-stream", headers=headers)


async def _stream(core: Core, socket: WebSocket) -> None:
    user = socket.query_params.get("as", "")
    allowed = is_page(core, socket.query_params.get("token", ""))
    if not allowed or not any(person.id == user for person in core.state.present()):
        await socket.close(code=1008)
        return
    await core.stream.serve(socket, user)
