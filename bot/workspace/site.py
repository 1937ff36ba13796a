"""The whole site as one ASGI application: Web API, Socket Mode, files, answers, the page and its API."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute

from bot.workspace import answers, file_methods, pageapi, webapi
from bot.workspace.errors import SlackError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
    from starlette.websockets import WebSocket

    from bot.workspace.core import Core

LINK: Final = "/link/"
_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
PAGE: Final = Path(__file__).parent / "page"
# Not every browser takes 'self' to mean the page's own WebSocket too, so its addresses are named.
_POLICY: Final = (
    "default-src 'self'; connect-src 'self' ws://127.0.0.1:{port} ws://localhost:{port}; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


def site(core: Core, port: int) -> ASGIApp:
    """Return the application that answers on `port` of this machine, and to nobody who calls it otherwise."""

    async def api(request: Request) -> Response:
        return await webapi.handle(core, request)

    async def link(socket: WebSocket) -> None:
        await core.hub.serve(socket)

    async def upload(request: Request) -> Response:
        return await _upload(core, request)

    async def answer(request: Request) -> Response:
        return await _answer(core, request)

    async def private(request: Request) -> Response:
        return _private_file(core, request)

    return Guard(
        Starlette(
            routes=[
                Route("/api/{method}", api, methods=["GET", "POST"]),
                WebSocketRoute(LINK, link),
                Route("/upload/v1/{file_id}", upload, methods=["POST", "PUT"]),
                Route("/actions/{team}/{secret}", answer, methods=["POST"]),
                Route("/files/{file_id}/{name}", private),
                *pageapi.routes(core),
                Route("/archives/{room}/{message}", _permalink),
                Route("/", _page),
                Route("/page/{path:path}", _page),
            ]
        ),
        port,
    )


class Guard:
    """Lets in only what names this machine and port, so that no web page elsewhere can speak for a person."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._policy = (b"content-security-policy", _POLICY.format(port=port).encode())
        self._hosts = {f"{name}:{port}" for name in _NAMES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse with 403."""
        if scope["type"] in ("http", "websocket") and not self._is_local(scope):
            await self._refuse(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS, self._policy]
            await send(message)

        await self._app(scope, receive, send_guarded)

    def _is_local(self, scope: Scope) -> bool:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        origin = headers.get(b"origin", "")
        # slack_sdk's own WebSocket client names no port; its address carries a ticket that is good once.
        known = self._hosts.union(_NAMES) if scope["path"] == LINK else self._hosts
        return headers.get(b"host") in known and (not origin or origin.removeprefix("http://") in self._hosts)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await JSONResponse({"error": "This workspace answers on this machine only."}, 403)(scope, receive, send)


async def _upload(core: Core, request: Request) -> Response:
    try:
        content = await _uploaded_bytes(request)
        file_methods.uploaded(core, request.path_params["file_id"], content)
    except SlackError as error:
        return PlainTextResponse(error.code, status_code=400)
    return PlainTextResponse(f"OK - {len(content)}")


async def _uploaded_bytes(request: Request) -> bytes:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await request.body()
    form = await request.form()
    for value in form.values():
        if not isinstance(value, str):
            return await value.read()
    return b""


async def _answer(core: Core, request: Request) -> Response:
    """Do what a response_url is for; what Slack would not take is refused with its code."""
    try:
        body = await request.json()
        if not isinstance(body, dict):
            return JSONResponse({"ok": False, "error": "invalid_payload"}, 400)
        answers.answer(core, core.hooks.take(request.path_params["secret"]), body)
    except ValueError:
        return JSONResponse({"ok": False, "error": "invalid_payload"}, 400)
    except SlackError as error:
        status = 404 if error.code.endswith("_url") else 400
        return JSONResponse({"ok": False, "error": error.code} | error.extra, status)
    return JSONResponse({"ok": True})


def _private_file(core: Core, request: Request) -> Response:
    """Return a file to the app, which shows its token, as from `url_private`."""
    file = core.state.files.get(request.path_params["file_id"])
    content = core.state.store.bytes_of(file.id) if file else None
    if request.headers.get("authorization") != f"Bearer {core.identity.bot_token}":
        return JSONResponse({"ok": False, "error": "not_authed"}, 403)
    if content is None:
        return JSONResponse({"ok": False, "error": "file_not_found"}, 404)
    return Response(content, media_type="application/octet-stream")


async def _permalink(request: Request) -> Response:
    room, message = request.path_params["room"], request.path_params["message"]
    return RedirectResponse(f"/#channel={room}&message={message}")


async def _page(request: Request) -> Response:
    """Return a file of the page, and none from anywhere else."""
    path = (PAGE / (request.path_params.get("path") or "index.html")).resolve()
    if not path.is_relative_to(PAGE.resolve()) or not path.is_file():
        return PlainTextResponse("Not found.", status_code=404)
    return FileResponse(path)
