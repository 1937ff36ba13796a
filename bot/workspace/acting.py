"""What people do in the workspace, and what the app is told of it: speak, command, click, submit, close."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bot.workspace import answers, posting, shapes
from bot.workspace.blockkit import elements_of, options_of
from bot.workspace.errors import PageError, SlackError
from bot.workspace.hub import NotAckedError
from bot.workspace.mention import encode
from bot.workspace.model import Message

if TYPE_CHECKING:
    from bot.workspace.core import Core
    from bot.workspace.model import Json, Room, View

NO_ANSWER: Final = "The app did not answer in 3 seconds. Try again."
GONE: Final = "That is not there any more."
_CHOSEN: Final = (
    "selected_option",
    "selected_options",
    "selected_user",
    "selected_users",
    "selected_channel",
    "selected_conversation",
    "selected_date",
    "selected_time",
    "selected_date_time",
)


def failed(sentence: str) -> Json:
    """Return the page's answer for what did not work."""
    return {"ok": False, "error": sentence}


def room_for(core: Core, user: str, room_id: str) -> Room:
    """Return a conversation of `user`.

    Raises:
        PageError: there is none, or the person is not in it.
    """
    room = core.state.rooms.get(room_id)
    if room is None or user not in room.members:
        raise PageError("No such conversation.", 404)
    return room


def say(core: Core, user: str, room: Room, text: str, thread_ts: str) -> str:
    """`user` has said `text`; return its time stamp."""
    if not text.strip():
        raise PageError("There is nothing to say.")
    try:
        root = posting.thread_root(core, room, thread_ts)
    except SlackError as error:
        raise PageError(GONE, 404) from error
    message = Message(
        ts=core.state.stamps.next(),
        channel=room.id,
        user=user,
        text=encode(text, core.handles()),
        thread_ts=root,
    )
    posting.publish(core, message, room)
    core.state.mark_read(user, room.id)
    return message.ts


def interaction(core: Core, kind: str, user: str) -> Json:
    """Return what every interaction of `user` carries."""
    identity = core.identity
    handle = core.state.people[user].handle
    return {
        "type": kind,
        "user": {"id": user, "username": handle, "name": handle, "team_id": identity.team_id},
        "api_app_id": identity.app_id,
        "token": "local",
        "team": {"id": identity.team_id, "domain": core.domain},
        "enterprise": None,
        "is_enterprise_install": False,
    }


def _hook(core: Core, secret: str) -> str:
    return f"{core.base_url}/actions/{core.identity.team_id}/{secret}"


def _known(core: Core, name: str) -> bool:
    return not core.commands or any(command.usage.split()[0] == name for command in core.commands)


async def command(core: Core, user: str, room: Room, typed: str) -> Json:
    """The app got a slash command, and what it acknowledged with is shown."""
    name, _, text = typed.strip().partition(" ")
    if not name.startswith("/") or not _known(core, name):
        return failed(f"{name} is not a valid command.")
    secret = core.hooks.issue(room.id, user)
    payload = {
        "token": "local",
        "team_id": core.identity.team_id,
        "team_domain": core.domain,
        "channel_id": room.id,
        "channel_name": room.name,
        "user_id": user,
        "user_name": core.state.people[user].handle,
        "command": name,
        "text": encode(text.strip(), core.handles(), labelled=True),
        "api_app_id": core.identity.app_id,
        "is_enterprise_install": "false",
        "response_url": _hook(core, secret),
        "trigger_id": core.triggers.issue(user),
    }
    try:
        answer = await core.hub.ask("slash_commands", payload)
        if answer.get("text") or answer.get("blocks"):
            answers.answer(core, core.hooks.take(secret), answer)
    except NotAckedError:
        return failed(NO_ANSWER)
    except SlackError as error:
        return failed(f"The app's answer was refused: {error.code}.")
    return {"ok": True}


def shown(core: Core, user: str, view_id: str) -> View | None:
    """Return the modal or App Home with this id on the screen of `user`, or None."""
    home = core.state.homes.get(user)
    if home is not None and home.id == view_id:
        return home
    view = core.modals.find(view_id=view_id)
    return view if view is not None and view.user == user else None


async def act(core: Core, user: str, done: Json) -> Json:
    """The app was told of a click or choice, in a message, modal or App Home."""
    values = done.get("values") or {}
    if done.get("view_id"):
        view = shown(core, user, str(done["view_id"]))
        place, blocks = (_in_view(core, view, values), view.blocks) if view else ({}, [])
    else:
        place, blocks = _in_message(core, user, done, values)
    element = _element(blocks, done)
    if element is None:
        return failed(GONE)
    entry = _action(core, element, done)
    _remember(place, entry)
    payload = interaction(core, "block_actions", user) | place | {"actions": [entry]}
    payload["trigger_id"] = core.triggers.issue(user)
    try:
        await core.hub.ask("interactive", payload)
    except NotAckedError:
        return failed(NO_ANSWER)
    return {"ok": True}


def _in_view(core: Core, view: View, values: Json) -> Json:
    return {"container": {"type": "view", "view_id": view.id}, "view": shapes.view(core, view, values)}


def _in_message(core: Core, user: str, done: Json, values: Json) -> tuple[Json, list[Json]]:
    room = room_for(core, user, str(done.get("channel") or ""))
    ts = str(done.get("ts") or "")
    whisper = core.state.ephemerals[room.id].get(ts)
    message = whisper if whisper is not None and whisper.viewer == user else core.state.find(room.id, ts)
    if message is None:
        return {}, []
    container: Json = {"type": "message", "message_ts": ts, "channel_id": room.id, "is_ephemeral": bool(message.viewer)}
    if message.thread_ts:
        container["thread_ts"] = message.thread_ts
    secret = core.hooks.issue(
        room.id, user, message_ts=ts, thread_ts=message.thread_ts, is_ephemeral=bool(message.viewer)
    )
    place: Json = {
        "container": container,
        "channel": {"id": room.id, "name": room.name},
        "state": {"values": shapes.state_values(message.blocks, values)},
        "response_url": _hook(core, secret),
    }
    return place | ({} if message.viewer else {"message": shapes.message(core, message)}), message.blocks


def _element(blocks: list[Json], done: Json) -> Json | None:
    for block in blocks:
        for element in elements_of(block):
            if element.get("action_id") == done.get("action_id") and block["block_id"] == done.get("block_id"):
                return element | {"block_id": block["block_id"]}
    return None


def _action(core: Core, element: Json, done: Json) -> Json:
    """Return one entry of `actions`; a button's value is the one the app gave it, whatever the page says."""
    shared = {
        name: element[name]
        for name in ("type", "block_id", "action_id", "text", "style", "value", "placeholder")
        if name in element
    }
    entry: Json = shared | {"action_ts": core.state.stamps.next()}
    if element["type"] == "button":
        return entry
    if "value" in done:
        entry["value"] = done["value"]
    for name in _CHOSEN:
        if name in done:
            entry[name] = chosen(element, done[name])
    return entry


def chosen(element: Json, given: Any) -> Any:
    """Return the element's own option for one named by value or sent whole; a list of them one by one.

    Raises:
        PageError: the menu has no such option.
    """
    options = {option["value"]: option for option in options_of(element)}
    if not options or given is None:
        return given
    if isinstance(given, list):
        return [chosen(element, each) for each in given]
    value = given.get("value") if isinstance(given, dict) else given
    if value not in options:
        raise PageError("No such option.")
    return options[value]


def _remember(place: Json, entry: Json) -> None:
    """The state that goes along shows the choice just made."""
    state = place.get("state") or place["view"]["state"]
    known = state["values"].get(entry["block_id"], {}).get(entry["action_id"])
    if known is not None:
        known |= {name: entry[name] for name in (*_CHOSEN, "value") if name in entry}
