"""What the workspace holds: people, channels, messages, views and files."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A member of the workspace, or a guest, bot or stranger who is not quite one.

    Args:
        id: Slack user id, e.g. `U01MIRA`.
        title: shown under the name, e.g. "Engineer, vision".
        is_restricted: a guest.
        team_id: the person's own workspace when it is another one; empty for this one.
    """

    id: str
    name: str
    title: str = ""
    is_bot: bool = False
    deleted: bool = False
    is_restricted: bool = False
    tz: str = "Europe/Berlin"
    email: str = ""
    team_id: str = ""

    @property
    def handle(self) -> str:
        """The name as people type it after an @: `Mira Sand` is `mira.sand`."""
        return ".".join(self.name.lower().split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel to set up.

    Args:
        members: user ids; empty means everybody who is no bot and not deactivated.
        id: channel id; empty derives one from the name.
        has_bot: whether the app was invited.
    """

    name: str
    topic: str = ""
    members: tuple[str, ...] = ()
    id: str = ""
    is_private: bool = False
    has_bot: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One line of the slash command menu: `/qm status REQ-12` and what it does."""

    usage: str
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserGroup:
    """A group of people that can be mentioned together."""

    id: str
    handle: str
    name: str
    members: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class Room:
    """A conversation as it is: a channel, or a direct message between two."""

    id: str
    name: str
    topic: str = ""
    members: list[str] = field(default_factory=list)
    is_im: bool = False
    is_private: bool = False
    created: int = 0

    @property
    def kind(self) -> str:
        """Slack's `channel_type`: `im`, `group` or `channel`."""
        if self.is_im:
            return "im"
        return "group" if self.is_private else "channel"


@dataclass(slots=True, kw_only=True)
class Message:
    """A message that was posted.

    Args:
        viewer: for an ephemeral message the one person who sees it, else empty.
        edited: `{"user", "ts"}` once changed.
        files: ids of files.
    """

    ts: str
    channel: str
    user: str
    text: str = ""
    blocks: list[Json] = field(default_factory=list)
    thread_ts: str = ""
    broadcast: bool = False
    from_app: bool = False
    edited: Json | None = None
    metadata: Json | None = None
    files: list[str] = field(default_factory=list)
    reactions: list[Json] = field(default_factory=list)
    subtype: str = ""
    viewer: str = ""

    def body(self) -> Json:
        """Every field, as it is stored."""
        return asdict(self)


@dataclass(slots=True, kw_only=True)
class View:
    """A modal or App Home as it is shown to one person.

    Args:
        body: what the app sent: title, blocks, submit, close, callback_id, private_metadata and so on.
        errors: by block id, what the app said about the last submission.
    """

    id: str
    user: str
    body: Json
    hash: str
    root_view_id: str
    previous_view_id: str | None = None
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def blocks(self) -> list[Json]:
        """The blocks that are shown."""
        blocks: list[Json] = self.body["blocks"]
        return blocks


@dataclass(slots=True, kw_only=True)
class StoredFile:
    """A file: announced, then uploaded, then shared into conversations."""

    id: str
    name: str
    size: int
    title: str = ""
    user: str = ""
    created: int = 0
    uploaded: bool = False
    channels: list[str] = field(default_factory=list)
