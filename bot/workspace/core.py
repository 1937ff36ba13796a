"""The parts of a running workspace, in one value that every handler takes."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.workspace.hub import Hub
    from bot.workspace.idents import Identity
    from bot.workspace.modals import Hooks, Modals, Triggers
    from bot.workspace.model import Command, Json, Message, Room, UserGroup
    from bot.workspace.state import State
    from bot.workspace.stream import Stream

FaultKind = Literal["ratelimited", "lost", "error"]
_CALLS_KEPT: Final = 10_000


class Faults:
    """What goes wrong on purpose, and the record of what the app called. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: list[tuple[str, FaultKind]] = []
        self._calls: deque[tuple[str, Json]] = deque(maxlen=_CALLS_KEPT)

    def plan(self, method: str, kind: FaultKind, times: int) -> None:
        """The next `times` calls of `method` will fail as `kind` says."""
        with self._lock:
            self._planned += [(method, kind)] * times

    def take(self, method: str) -> FaultKind | None:
        """Return the fault planned for this call, and forget it."""
        with self._lock:
            for index, (name, kind) in enumerate(self._planned):
                if name == method:
                    del self._planned[index]
                    return kind
        return None

    def saw(self, method: str, arguments: Json) -> None:
        """The call is on record."""
        with self._lock:
            self._calls.append((method, arguments))

    def calls(self, method: str) -> list[Json]:
        """Return the arguments of every call of `method`, oldest first."""
        with self._lock:
            return [arguments for name, arguments in self._calls if name == method]


@dataclass(slots=True, kw_only=True)
class Core:
    """A running workspace.

    Args:
        base_url: `http://127.0.0.1:PORT`, without a slash at the end.
        page_token: what the page shows on each request.
    """

    name: str
    base_url: str
    page_token: str
    identity: Identity
    state: State
    modals: Modals
    triggers: Triggers
    hooks: Hooks
    hub: Hub
    stream: Stream
    commands: Sequence[Command]
    groups: Sequence[UserGroup]
    faults: Faults = field(default_factory=Faults)

    @property
    def bot(self) -> str:
        """User id of the app."""
        return self.identity.bot_user

    @property
    def domain(self) -> str:
        """The workspace's name as Slack puts it into addresses."""
        return "-".join(self.name.lower().split())

    def handles(self) -> dict[str, str]:
        """Return user id by what may stand after an @: whole handles, and first names that only one person has."""
        found = {person.handle.split(".")[0]: person.id for person in self.state.people.values()}
        firsts = [person.handle.split(".")[0] for person in self.state.people.values()]
        unique = {first: user for first, user in found.items() if firsts.count(first) == 1}
        return unique | {person.handle: person.id for person in self.state.people.values()}

    def show(self, kind: str, message: Message, room: Room) -> None:
        """Pages of those who can see `message` are told that it came, changed or went, and what is unread."""
        people = [message.viewer] if message.viewer else room.members
        note = {"type": kind, "channel": room.id, "ts": message.ts, "thread_ts": message.thread_ts}
        self.stream.push(people, note)
        if kind == "message":
            self.stream.push(None, {"type": "unread", "channel": room.id, "people": list(room.members)})
