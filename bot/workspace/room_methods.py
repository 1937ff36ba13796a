"""The methods `conversations.*`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bot.workspace import shapes
from bot.workspace.errors import SlackError
from bot.workspace.paging import page
from bot.workspace.posting import truth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bot.workspace.core import Core
    from bot.workspace.model import Json, Message, Room


def _seen(core: Core, arguments: Json) -> Room:
    """Return the conversation, unless it is private and the app is not in it."""
    room = core.state.room(str(arguments.get("channel") or ""))
    if core.bot not in room.members and (room.is_private or room.is_im):
        raise SlackError("channel_not_found")
    return room


def _joined(core: Core, arguments: Json) -> Room:
    room = _seen(core, arguments)
    if core.bot not in room.members:
        raise SlackError("not_in_channel")
    return room


def _open(core: Core, arguments: Json) -> Json:
    if arguments.get("channel"):
        return {"channel": shapes.conversation(core, _seen(core, arguments))}
    given = arguments.get("users") or ""
    users = given if isinstance(given, list) else [each.strip() for each in str(given).split(",") if each.strip()]
    if not users:
        raise SlackError("users_list_not_supplied")
    if len(users) > 1:
        raise SlackError("invalid_user_combination")
    user = _reachable(core, users[0])
    known = len(core.state.rooms)
    room = core.state.direct(user, core.bot)
    body = shapes.conversation(core, room) if truth(arguments.get("return_im")) else {"id": room.id}
    return {"channel": body} | ({"no_op": True, "already_open": True} if known == len(core.state.rooms) else {})


def _reachable(core: Core, user: str) -> str:
    person = core.state.people.get(user)
    if person is None:
        raise SlackError("user_not_found")
    if person.is_bot:
        raise SlackError("cannot_dm_bot")
    if person.deleted:
        raise SlackError("user_disabled")
    return user


def _info(core: Core, arguments: Json) -> Json:
    return {"channel": shapes.conversation(core, _seen(core, arguments))}


_KINDS: Final = {"public_channel": "channel", "private_channel": "group", "im": "im", "mpim": "mpim"}


def _list(core: Core, arguments: Json) -> Json:
    named = str(arguments.get("types") or "public_channel").split(",")
    if any(name.strip() not in _KINDS for name in named):
        raise SlackError("invalid_types")
    kinds = {_KINDS[name.strip()] for name in named}
    rooms = [room for room in core.state.rooms.values() if room.kind in kinds]
    shown = [room for room in rooms if core.bot in room.members or room.kind == "channel"]
    items, more = page(shown, arguments)
    return {"channels": [shapes.conversation(core, room) for room in items]} | more


def _members(core: Core, arguments: Json) -> Json:
    items, more = page(_seen(core, arguments).members, arguments)
    return {"members": items} | more


def _between(messages: list[Message], arguments: Json) -> list[Message]:
    oldest, latest = str(arguments.get("oldest") or "0"), str(arguments.get("latest") or "99999999999")
    if truth(arguments.get("inclusive")):
        return [each for each in messages if float(oldest) <= float(each.ts) <= float(latest)]
    return [each for each in messages if float(oldest) < float(each.ts) < float(latest)]


def _shown(core: Core, messages: list[Message], arguments: Json, default: int) -> Json:
    try:
        chosen = _between(messages, arguments)
    except ValueError as error:
        raise SlackError("invalid_ts_oldest") from error
    items, more = page(chosen, arguments, default)
    metadata = truth(arguments.get("include_all_metadata"))
    body = {"messages": [shapes.message(core, each, metadata=metadata) for each in items]}
    return body | {"has_more": bool(more["response_metadata"]["next_cursor"])} | more


def _history(core: Core, arguments: Json) -> Json:
    room = _joined(core, arguments)
    return _shown(core, core.state.top_level(room.id)[::-1], arguments, 100) | {"pin_count": 0}


def _replies(core: Core, arguments: Json) -> Json:
    room = _joined(core, arguments)
    asked = core.state.find(room.id, str(arguments.get("ts") or ""))
    if asked is None:
        raise SlackError("thread_not_found")
    return _shown(core, core.state.thread(room.id, asked.thread_ts or asked.ts), arguments, 1000)


ROOMS: Final[Mapping[str, Callable[[Core, Json], Json]]] = {
    "conversations.open": _open,
    "conversations.info": _info,
    "conversations.list": _list,
    "conversations.members": _members,
    "conversations.history": _history,
    "conversations.replies": _replies,
}
