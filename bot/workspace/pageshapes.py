"""What the page is shown of people, conversations and messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from bot.workspace.core import Core
    from bot.workspace.model import Json, Message, Person, Room, View

# White text on each of these has a contrast of 4.5 or more.
COLORS: Final = ("#0b6663", "#8f4a00", "#3d5fa8", "#7a3e8c", "#a1323f", "#3a6b2a", "#5a5570", "#8a3a68")


def boot(core: Core, now: float) -> Json:
    """Return what does not change while the page is open."""
    people = [_person(person, index) for index, person in enumerate(core.state.present())]
    return {
        "workspace": core.name,
        "team_id": core.identity.team_id,
        "bot": {"id": core.bot, "name": core.state.bot.name},
        "people": people,
        "names": {person.id: person.name for person in core.state.people.values()},
        "commands": [{"usage": each.usage, "description": each.description} for each in core.commands],
        "now": now,
    }


def _person(person: Person, index: int) -> Json:
    return {
        "id": person.id,
        "name": person.name,
        "title": person.title,
        "initial": person.name[:1].upper(),
        "color": COLORS[index % len(COLORS)],
        "tz": person.tz,
    }


def state(core: Core, user: str) -> Json:
    """Return the conversations of `user`, and how much that is for them each person has not read yet."""
    core.state.direct(user, core.bot)
    rooms = core.state.rooms_of(user)
    return {
        "channels": [_channel(core, user, room) for room in rooms if not room.is_im],
        "dms": sorted((_direct(core, user, room) for room in rooms if room.is_im), key=lambda dm: not dm["is_app"]),
        "unread_by_person": {person.id: _unread(core, person.id) for person in core.state.present()},
    }


def _unread(core: Core, user: str) -> int:
    return sum(core.state.calls(user, room) for room in core.state.rooms_of(user))


def _channel(core: Core, user: str, room: Room) -> Json:
    return {
        "id": room.id,
        "name": room.name,
        "topic": room.topic,
        "is_private": room.is_private,
        "members": len(room.members),
        "unread": core.state.unread(user, room),
        "calls": core.state.calls(user, room),
    }


def _direct(core: Core, user: str, room: Room) -> Json:
    other = next((each for each in room.members if each != user), user)
    return {
        "id": room.id,
        "with": other,
        "name": core.state.people[other].name if other in core.state.people else other,
        "is_app": other == core.bot,
        "unread": core.state.unread(user, room),
    }


def messages(core: Core, user: str, room: Room, thread: str) -> Json:
    """Return what `user` sees in the conversation, or in one thread of it, oldest first."""
    said = core.state.thread(room.id, thread) if thread else core.state.top_level(room.id)
    both = sorted([*said, *core.state.whispers(room.id, user, thread)], key=lambda each: each.ts)
    return {"messages": [message(core, each) for each in both]}


def message(core: Core, each: Message) -> Json:
    """Return one message as the page draws it."""
    person = core.state.people.get(each.user)
    replies = [] if each.viewer else core.state.thread(each.channel, each.ts)[1:]
    return {
        "ts": each.ts,
        "channel": each.channel,
        "user": each.user,
        "name": person.name if person else each.user,
        "is_bot": each.from_app,
        "text": each.text,
        "blocks": each.blocks,
        "thread_ts": each.thread_ts or None,
        "reply_count": len(replies),
        "latest_reply": replies[-1].ts if replies else None,
        "edited": each.edited is not None,
        "ephemeral": bool(each.viewer),
        "reactions": each.reactions,
        "files": [_file(core, file_id) for file_id in each.files],
    }


def _file(core: Core, file_id: str) -> Json:
    file = core.state.files[file_id]
    return {
        "id": file.id,
        "name": file.name,
        "size": file.size,
        "url": f"/ui/file/{file.id}/{quote(file.name)}",
    }


def view(each: View | None) -> Json:
    """Return the view that is on the screen, or none."""
    if each is None:
        return {"view": None}
    named: Json = {name: each.body.get(name) for name in ("type", "title", "blocks", "submit", "close", "callback_id")}
    return {
        "view": {"id": each.id, "hash": each.hash, "previous": each.previous_view_id, "errors": each.errors} | named
    }
