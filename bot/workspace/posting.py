"""How messages come to be, change and go: by the app's calls, by its answers, and by people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bot.workspace import courier, shapes
from bot.workspace.blockkit import check_blocks, with_ids
from bot.workspace.errors import SlackError
from bot.workspace.model import Message

if TYPE_CHECKING:
    from bot.workspace.core import Core
    from bot.workspace.model import Json, Room

MOST_TEXT: Final = 40_000
MOST_TEXT_IN_UPDATE: Final = 4_000


def checked_blocks(blocks: Any) -> list[Json]:
    """Return `blocks` with every id filled in.

    Raises:
        SlackError: `invalid_blocks`, with what is wrong and where.
    """
    wrong = check_blocks(blocks)
    if wrong:
        messages = [f"[ERROR] {sentence}" for sentence in wrong]
        raise SlackError("invalid_blocks", errors=wrong, response_metadata={"messages": messages})
    return with_ids(blocks)


def checked_metadata(metadata: Any) -> Json | None:
    """Return `metadata`, or None for an empty one.

    Raises:
        SlackError: `invalid_metadata_format`.
    """
    if not metadata:
        return None
    if not isinstance(metadata, dict):
        raise SlackError("invalid_metadata_format")
    if not isinstance(metadata.get("event_type"), str) or not isinstance(metadata.get("event_payload"), dict):
        raise SlackError("invalid_metadata_format")
    return metadata


def content(arguments: Json, *, most: int = MOST_TEXT) -> tuple[str, list[Json]]:
    """Return text and blocks of a call.

    Raises:
        SlackError: `no_text`, `msg_too_long`, `invalid_blocks`.
    """
    text = str(arguments.get("text") or "")
    blocks = checked_blocks(arguments["blocks"]) if arguments.get("blocks") else []
    if not text and not blocks:
        raise SlackError("no_text")
    if len(text) > most:
        raise SlackError("msg_too_long")
    return text, blocks


def thread_root(core: Core, room: Room, thread_ts: str) -> str:
    """Return the root that a reply to `thread_ts` hangs on; empty for none.

    Raises:
        SlackError: `cannot_reply_to_message`: there is no such message.
    """
    if not thread_ts:
        return ""
    parent = core.state.find(room.id, thread_ts)
    if parent is None:
        raise SlackError("cannot_reply_to_message")
    return parent.thread_ts or parent.ts


def from_app(core: Core, room: Room, arguments: Json, *, viewer: str = "", files: tuple[str, ...] = ()) -> Message:
    """Return the app's new message in `room`, seen by everybody there or by `viewer` alone."""
    text, blocks = ("", []) if files and not _says(arguments) else content(arguments)
    thread_ts = str(arguments.get("thread_ts") or "")
    message = Message(
        ts=core.state.stamps.next(),
        channel=room.id,
        user=core.bot,
        text=text,
        blocks=blocks,
        thread_ts=thread_root(core, room, thread_ts),
        broadcast=truth(arguments.get("reply_broadcast")),
        from_app=True,
        metadata=checked_metadata(arguments.get("metadata")),
        files=list(files),
        viewer=viewer,
    )
    publish(core, message, room)
    return message


def _says(arguments: Json) -> bool:
    return bool(arguments.get("text") or arguments.get("blocks"))


def publish(core: Core, message: Message, room: Room) -> None:
    """`message` stands in its conversation; pages and the app know."""
    core.state.post(message)
    core.show("ephemeral" if message.viewer else "message", message, room)
    courier.arrived(core, message, room)


def change(core: Core, message: Message, room: Room, arguments: Json, *, most: int = MOST_TEXT) -> None:
    """`message` says what `arguments` say; blocks and metadata that are not named stay."""
    previous = shapes.message(core, message)
    named = arguments.get("blocks")
    kept = {"blocks": message.blocks} if named is None and message.blocks else {}
    text, blocks = content(arguments | kept, most=most)
    message.text = text or ("" if blocks else message.text)
    message.blocks = blocks
    if arguments.get("metadata") is not None:
        message.metadata = checked_metadata(arguments["metadata"])
    message.edited = {"user": core.bot, "ts": core.state.stamps.next()}
    core.state.keep(message)
    core.show("update", message, room)
    courier.changed(core, message, previous, room)


def remove(core: Core, message: Message, room: Room) -> None:
    """`message` is gone; pages and the app know."""
    previous = shapes.message(core, message)
    core.state.remove(message)
    core.show("delete", message, room)
    courier.deleted(core, message, previous, room)


def truth(value: Any) -> bool:
    """Return what a form or JSON body means by a flag."""
    return value in (True, 1, "1", "true", "True")
