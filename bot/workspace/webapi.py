"""Slack's Web API: who calls, with what arguments, and the answer, in the order in which Slack checks them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from starlette.datastructures import UploadFile
from starlette.responses import JSONResponse, Response

from bot.workspace.chat_methods import CHAT
from bot.workspace.errors import SlackError
from bot.workspace.file_methods import FILES
from bot.workspace.people_methods import PEOPLE
from bot.workspace.room_methods import ROOMS
from bot.workspace.view_methods import VIEWS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from bot.workspace.core import Core
    from bot.workspace.model import Json

RETRY_AFTER_SECONDS: Final = 1
FAULT_PAUSE: Final = 0.01
_AS_JSON: Final = frozenset({"blocks", "attachments", "view", "metadata", "files"})


def _connect(core: Core, arguments: Json) -> Json:  # noqa: ARG001 - every method takes both
    host = core.base_url.removeprefix("http://")
    return {"url": f"ws://{host}/link/?ticket={core.hub.ticket()}&app_id={core.identity.app_id}"}


BOT_METHODS: Final[Mapping[str, Callable[[Core, Json], Json]]] = {**CHAT, **ROOMS, **PEOPLE, **VIEWS, **FILES}
APP_METHODS: Final[Mapping[str, Callable[[Core, Json], Json]]] = {"apps.connections.open": _connect}


async def handle(core: Core, request: Request) -> Response:
    """Return Slack's answer to one call, or the fault that was planned for it."""
    name = request.path_params["method"]
    fault = core.faults.take(name)
    if fault == "ratelimited":
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        return JSONResponse({"ok": False, "error": "ratelimited"}, status_code=429, headers=headers)
    if fault == "error":
        return JSONResponse({"ok": False, "error": "internal_error"}, status_code=500)
    body = await _answer(core, name, request)
    if fault == "lost":
        await _hang_up(request)
    return JSONResponse(body)


async def _hang_up(request: Request) -> None:
    """The caller's connection is closed; what was done stays done."""
    request.scope["workspace.transport"].close()
    await asyncio.sleep(FAULT_PAUSE)


async def _answer(core: Core, name: str, request: Request) -> Json:
    try:
        arguments = await _arguments(request)
        token = _token(request, arguments)
        if name == "api.test":
            return _api_test(arguments)
        method = _method(core, name, token)
        core.faults.saw(name, arguments)
        return {"ok": True} | method(core, _opened(arguments))
    except SlackError as error:
        return {"ok": False, "error": error.code} | error.extra


def _api_test(arguments: Json) -> Json:
    if "error" in arguments:
        return {"ok": False, "error": arguments["error"], "args": arguments}
    return {"ok": True, "args": arguments}


def _method(core: Core, name: str, token: str) -> Callable[[Core, Json], Json]:
    if name not in BOT_METHODS and name not in APP_METHODS:
        raise SlackError("unknown_method")
    if not token:
        raise SlackError("not_authed")
    if token == core.identity.app_token:
        if name == "auth.test":
            return lambda core, _: {"app_name": core.state.bot.name, "app_id": core.identity.app_id}
        table = APP_METHODS
    elif token == core.identity.bot_token:
        table = BOT_METHODS
    else:
        raise SlackError("invalid_auth")
    if name not in table:
        raise SlackError("not_allowed_token_type")
    return table[name]


def _token(request: Request, arguments: Json) -> str:
    """Return the bearer token, or that of a form body; taken out of the arguments."""
    in_body = arguments.pop("token", "")
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return "" if _content_type(request) == "application/json" else str(in_body)


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _arguments(request: Request) -> Json:
    query = {name: value for name, value in request.query_params.items() if name != "token"}
    kind = _content_type(request)
    if request.method == "GET" or not kind:
        return query
    if kind == "application/json":
        return query | _json_object(await request.body())
    if kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        form = await request.form()
        return query | {name: value for name, value in form.items() if not isinstance(value, UploadFile)}
    raise SlackError("invalid_post_type")


def _json_object(raw: bytes) -> Json:
    try:
        body = json.loads(raw or b"{}")
    except ValueError as error:
        raise SlackError("invalid_json") from error
    if not isinstance(body, dict):
        raise SlackError("json_not_object")
    return body


def _opened(arguments: Json) -> Json:
    """Return the arguments with those that a form carries as JSON text taken out of it."""
    return {name: _decoded(name, value) if name in _AS_JSON else value for name, value in arguments.items()}


def _decoded(name: str, value: Any) -> Any:
    if not isinstance(value, str) or not value:
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise SlackError("invalid_blocks_format" if name == "blocks" else "invalid_arguments") from error
