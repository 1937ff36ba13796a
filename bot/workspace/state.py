"""The conversations of the workspace: who is in them, what was said, who has read it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING

from bot.workspace.errors import SlackError
from bot.workspace.idents import Identity, Stamps, derived_id
from bot.workspace.mention import mentions
from bot.workspace.model import Channel, Message, Person, Room, StoredFile, View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bot.workspace.store import Store


class State:
    """Everything that is shown to people. Only the server's thread touches it.

    Args:
        people: the app's own user is added to them.
        channels: set up unless the store has them already.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        people: Sequence[Person],
        channels: Sequence[Channel],
        *,
        bot: Person,
        store: Store,
        clock: Callable[[], float],
    ) -> None:
        self.bot = bot
        self.people = {person.id: person for person in (*people, bot)}
        self.store = store
        self.clock = clock
        self.stamps = Stamps(clock)
        self.rooms: dict[str, Room] = {}
        self.messages: dict[str, dict[str, Message]] = defaultdict(dict)
        self.replies: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.ephemerals: dict[str, dict[str, Message]] = defaultdict(dict)
        self.homes: dict[str, View] = {}
        self.files: dict[str, StoredFile] = {}
        self.read: dict[tuple[str, str], str] = {}
        self._load()
        for channel in channels:
            self._set_up(channel)

    def _load(self) -> None:
        self.rooms = {body["id"]: Room(**body) for body in self.store.every("room")}
        self.files = {body["id"]: StoredFile(**body) for body in self.store.every("file")}
        self.homes = {body["user"]: View(**body) for body in self.store.every("home")}
        self.read = {(body["user"], body["channel"]): body["ts"] for body in self.store.every("read")}
        for message in sorted((Message(**body) for body in self.store.every("message")), key=lambda each: each.ts):
            self._place(message)
            self.stamps.saw(message.ts)

    def _set_up(self, channel: Channel) -> None:
        room_id = channel.id or derived_id("C", channel.name)
        members = list(channel.members or (person.id for person in self.people.values() if _is_present(person)))
        if channel.has_bot and self.bot.id not in members:
            members.append(self.bot.id)
        room = Room(id=room_id, name=channel.name, topic=channel.topic, members=members, is_private=channel.is_private)
        known = self.rooms.get(room_id)
        room.created = known.created if known else int(self.clock())
        self._keep_room(room)

    def _keep_room(self, room: Room) -> None:
        self.rooms[room.id] = room
        self.store.put("room", room.id, asdict(room))

    def room(self, room_id: str) -> Room:
        """Return a conversation.

        Raises:
            SlackError: `channel_not_found`.
        """
        room = self.rooms.get(room_id)
        if room is None:
            raise SlackError("channel_not_found")
        return room

    def room_named(self, name: str) -> Room | None:
        """Return the channel called `name`, with or without `#`."""
        wanted = name.removeprefix("#")
        return next((room for room in self.rooms.values() if not room.is_im and room.name == wanted), None)

    def direct(self, one: str, other: str) -> Room:
        """Return the direct conversation of two people, opened when there was none."""
        room_id = derived_id("D", "/".join(sorted((one, other))))
        if room_id not in self.rooms:
            self._keep_room(
                Room(id=room_id, name="directmessage", members=[one, other], is_im=True, created=int(self.clock()))
            )
        return self.rooms[room_id]

    def rooms_of(self, user: str) -> list[Room]:
        """Return the conversations that `user` is in."""
        return [room for room in self.rooms.values() if user in room.members]

    def _place(self, message: Message) -> None:
        self.messages[message.channel][message.ts] = message
        if message.thread_ts:
            self.replies[message.channel, message.thread_ts].append(message.ts)

    def post(self, message: Message) -> None:
        """`message` is in its conversation, and kept; an ephemeral one is shown to its viewer and kept nowhere."""
        if message.viewer:
            self.ephemerals[message.channel][message.ts] = message
            return
        self._place(message)
        self.keep(message)

    def keep(self, message: Message) -> None:
        """The stored copy is as `message` is now."""
        if not message.viewer:
            self.store.put("message", f"{message.channel}/{message.ts}", message.body())

    def find(self, channel: str, ts: str) -> Message | None:
        """Return a message that everybody in the channel can see, or None."""
        return self.messages[channel].get(ts)

    def remove(self, message: Message) -> None:
        """`message` is gone; the root of a thread leaves a line that says so."""
        if message.viewer:
            self.ephemerals[message.channel].pop(message.ts, None)
        elif self.replies.get((message.channel, message.ts)):
            message.text, message.blocks, message.subtype = "This message was deleted.", [], "tombstone"
            self.keep(message)
        else:
            del self.messages[message.channel][message.ts]
            if message.thread_ts:
                self.replies[message.channel, message.thread_ts].remove(message.ts)
            self.store.drop("message", f"{message.channel}/{message.ts}")

    def thread(self, channel: str, root: str) -> list[Message]:
        """Return the root and its replies, oldest first; empty when there is no such message."""
        messages = self.messages[channel]
        if root not in messages:
            return []
        return [messages[root], *(messages[ts] for ts in self.replies.get((channel, root), ()))]

    def top_level(self, channel: str) -> list[Message]:
        """Return what stands in the channel itself, oldest first."""
        return [each for each in self.messages[channel].values() if not each.thread_ts or each.broadcast]

    def whispers(self, channel: str, viewer: str, thread: str) -> list[Message]:
        """Return the ephemeral messages of `viewer` in the channel, or in one thread of it."""
        return [
            each
            for each in self.ephemerals[channel].values()
            if each.viewer == viewer and (each.thread_ts == thread or (bool(thread) and each.ts == thread))
        ]

    def mark_read(self, user: str, channel: str) -> None:
        """`user` has read everything in `channel`."""
        last = next(reversed(self.messages[channel]), "0")
        self.read[user, channel] = last
        self.store.put("read", f"{user}/{channel}", {"user": user, "channel": channel, "ts": last})

    def unread(self, user: str, room: Room) -> int:
        """Return how many messages of others came since `user` read; of threads, only those the user is part of."""
        return sum(1 for _ in self._news(user, room))

    def calls(self, user: str, room: Room) -> int:
        """Return how many of the unread messages are for `user`: all in direct messages, elsewhere the mentions."""
        return sum(room.is_im or user in mentions(each.text) for each in self._news(user, room))

    def _news(self, user: str, room: Room) -> Iterator[Message]:
        seen = self.read.get((user, room.id), "0")
        for ts, message in reversed(self.messages[room.id].items()):
            if ts <= seen:
                return
            if message.user != user and self._concerns(user, room, message):
                yield message

    def _concerns(self, user: str, room: Room, message: Message) -> bool:
        if room.is_im or not message.thread_ts or message.broadcast:
            return True
        if user in mentions(message.text):
            return True
        return any(each.user == user for each in self.thread(room.id, message.thread_ts))

    def keep_home(self, view: View) -> None:
        """App Home of the view's user is `view`."""
        self.homes[view.user] = view
        self.store.put("home", view.user, asdict(view))

    def keep_file(self, file: StoredFile) -> None:
        """The record of `file` is kept as it is now."""
        self.files[file.id] = file
        self.store.put("file", file.id, asdict(file))

    def may_see(self, user: str, file: StoredFile) -> bool:
        """Tell whether the file was shared into a conversation of `user`."""
        return any(user in self.rooms[channel].members for channel in file.channels)

    def present(self) -> Iterable[Person]:
        """Return the people who can act: no bots, nobody who left."""
        return (person for person in self.people.values() if _is_present(person))


def _is_present(person: Person) -> bool:
    return not person.is_bot and not person.deleted


def bot_person(identity: Identity, name: str) -> Person:
    """Return the app's own user."""
    return Person(id=identity.bot_user, name=name, title="App", is_bot=True)
