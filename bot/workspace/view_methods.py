"""The methods `views.*`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from bot.workspace import shapes
from bot.workspace.blockkit import check_view
from bot.workspace.errors import SlackError
from bot.workspace.modals import change, new_view

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bot.workspace.core import Core
    from bot.workspace.model import Json, View

LARGEST: Final = 250_000


def checked_view(view: Any, kind: str) -> Json:
    """Return `view`, which Slack would take as a `kind`.

    Raises:
        SlackError: `invalid_arguments` with what is wrong and where, or `view_too_large`.
    """
    wrong = check_view(view)
    if not wrong and view["type"] != kind:
        wrong = [f"must be of type {kind} [json-pointer:/view/type]"]
    if wrong:
        messages = [f"[ERROR] {sentence}" for sentence in wrong]
        raise SlackError("invalid_arguments", response_metadata={"messages": messages})
    if len(json.dumps(view)) > LARGEST:
        raise SlackError("view_too_large")
    checked: Json = view
    return checked


def _tell_page(core: Core, kind: str, user: str) -> None:
    core.stream.push([user], {"type": kind})


def _open(core: Core, arguments: Json) -> Json:
    body = checked_view(arguments.get("view"), "modal")
    user = core.triggers.take(_trigger(arguments))
    view = core.modals.open(user, body)
    _tell_page(core, "modal", user)
    return {"view": shapes.view(core, view)}


def _push(core: Core, arguments: Json) -> Json:
    body = checked_view(arguments.get("view"), "modal")
    user = core.triggers.take(_trigger(arguments))
    view = core.modals.push(user, body)
    _tell_page(core, "modal", user)
    return {"view": shapes.view(core, view)}


def _trigger(arguments: Json) -> str:
    trigger = str(arguments.get("trigger_id") or arguments.get("interactivity_pointer") or "")
    if not trigger:
        raise SlackError(
            "invalid_arguments", response_metadata={"messages": ["[ERROR] missing required field: trigger_id"]}
        )
    return trigger


def _update(core: Core, arguments: Json) -> Json:
    body = checked_view(arguments.get("view"), "modal")
    view_id, external_id = str(arguments.get("view_id") or ""), str(arguments.get("external_id") or "")
    view = core.modals.find(view_id=view_id, external_id=external_id)
    if view is None:
        raise SlackError("not_found")
    _same_hash(view, arguments)
    change(view, body)
    _tell_page(core, "modal", view.user)
    return {"view": shapes.view(core, view)}


def _same_hash(view: View, arguments: Json) -> None:
    if arguments.get("hash") and arguments["hash"] != view.hash:
        raise SlackError("hash_conflict")


def _publish(core: Core, arguments: Json) -> Json:
    body = checked_view(arguments.get("view"), "home")
    user = str(arguments.get("user_id") or "")
    if user not in core.state.people:
        raise SlackError("user_not_found")
    view = core.state.homes.get(user)
    if view is None:
        view = new_view(user, body)
    else:
        _same_hash(view, arguments)
        change(view, body)
    core.state.keep_home(view)
    _tell_page(core, "home", user)
    return {"view": shapes.view(core, view)}


VIEWS: Final[Mapping[str, Callable[[Core, Json], Json]]] = {
    "views.open": _open,
    "views.push": _push,
    "views.update": _update,
    "views.publish": _publish,
}
