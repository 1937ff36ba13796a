"""The methods `chat.*` and `reactions.add`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bot.workspace import posting, shapes
from bot.workspace.errors import SlackError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bot.workspace.core import Core
    from bot.workspace.model import Json, Message, Room

_EMOJI: Final = re.compile(r"[a-z0-9_+'\-]+(::skin-tone-[2-6])?")


def addressee(core: Core, arguments: Json) -> Room:
    """Return where a new message goes: a conversation by id or `#name`, or a person's direct messages by user id.

    Raises:
        SlackError: as for `target`.
    """
    named = str(arguments.get("channel") or "")
    person = core.state.people.get(named)
    if person is not None and not person.is_bot:
        return core.state.direct(named, core.bot)
    room = core.state.room_named(named)
    return target(core, {"channel": room.id if room else named})


def target(core: Core, arguments: Json) -> Room:
    """Return the conversation with the id `channel`.

    Raises:
        SlackError: `channel_not_found`: none, or private and without the app; `not_in_channel`.
    """
    room = core.state.room(str(arguments.get("channel") or ""))
    if core.bot in room.members:
        return room
    raise SlackError("channel_not_found" if room.is_private or room.is_im else "not_in_channel")


def said(core: Core, room: Room, arguments: Json, key: str = "ts") -> Message:
    """Return the message that `ts` names.

    Raises:
        SlackError: `message_not_found`.
    """
    message = core.state.find(room.id, str(arguments.get(key) or ""))
    if message is None or message.subtype == "tombstone":
        raise SlackError("message_not_found")
    return message


def _post(core: Core, arguments: Json) -> Json:
    room = addressee(core, arguments)
    message = posting.from_app(core, room, arguments)
    return {"channel": room.id, "ts": message.ts, "message": shapes.message(core, message)}


def _post_ephemeral(core: Core, arguments: Json) -> Json:
    room = target(core, arguments)
    if arguments.get("user") not in room.members:
        raise SlackError("user_not_in_channel")
    message = posting.from_app(core, room, arguments, viewer=str(arguments["user"]))
    return {"message_ts": message.ts}


def _update(core: Core, arguments: Json) -> Json:
    room = target(core, arguments)
    message = said(core, room, arguments)
    if not message.from_app:
        raise SlackError("cant_update_message")
    posting.change(core, message, room, arguments, most=posting.MOST_TEXT_IN_UPDATE)
    return {"channel": room.id, "ts": message.ts, "text": message.text, "message": shapes.message(core, message)}


def _delete(core: Core, arguments: Json) -> Json:
    room = target(core, arguments)
    message = said(core, room, arguments)
    if not message.from_app:
        raise SlackError("cant_delete_message")
    posting.remove(core, message, room)
    return {"channel": room.id, "ts": message.ts}


def _permalink(core: Core, arguments: Json) -> Json:
    room = core.state.room(str(arguments.get("channel") or ""))
    message = said(core, room, arguments, "message_ts")
    thread = f"?thread_ts={message.thread_ts}&cid={room.id}" if message.thread_ts else ""
    address = f"{core.base_url}/archives/{room.id}/p{message.ts.replace('.', '')}{thread}"
    return {"channel": room.id, "permalink": address}


def _react(core: Core, arguments: Json) -> Json:
    name = str(arguments.get("name") or "").strip(":")
    if not _EMOJI.fullmatch(name):
        raise SlackError("invalid_name")
    room = target(core, arguments)
    message = said(core, room, arguments, "timestamp")
    reaction = next((each for each in message.reactions if each["name"] == name), None)
    if reaction is None:
        reaction = {"name": name, "users": [], "count": 0}
        message.reactions.append(reaction)
    if core.bot in reaction["users"]:
        raise SlackError("already_reacted")
    reaction["users"].append(core.bot)
    reaction["count"] += 1
    core.state.keep(message)
    core.show("update", message, room)
    return {}


CHAT: Final[Mapping[str, Callable[[Core, Json], Json]]] = {
    "chat.postMessage": _post,
    "chat.postEphemeral": _post_ephemeral,
    "chat.update": _update,
    "chat.delete": _delete,
    "chat.getPermalink": _permalink,
    "reactions.add": _react,
}
