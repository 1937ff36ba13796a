"""Answers to a click or command: what a response_url takes, and what an acknowledgement carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.workspace import posting

if TYPE_CHECKING:
    from bot.workspace.core import Core
    from bot.workspace.modals import Hook
    from bot.workspace.model import Json, Message, Room


def answer(core: Core, hook: Hook, body: Json) -> None:
    """The conversation of `hook` shows `body`: as a new message, in place of the one clicked, or not any more.

    Raises:
        SlackError: the body is none that Slack takes.
    """
    room = core.state.room(hook.channel)
    original = _original(core, hook)
    if original is not None and posting.truth(body.get("delete_original")):
        posting.remove(core, original, room)
    elif original is not None and posting.truth(body.get("replace_original")):
        posting.change(core, original, room, {"blocks": [], **body})
    else:
        _add(core, hook, room, body)


def _original(core: Core, hook: Hook) -> Message | None:
    if hook.is_ephemeral:
        return core.state.ephemerals[hook.channel].get(hook.message_ts)
    return core.state.find(hook.channel, hook.message_ts)


def _add(core: Core, hook: Hook, room: Room, body: Json) -> None:
    viewer = "" if body.get("response_type") == "in_channel" else hook.user
    posting.from_app(core, room, body, viewer=viewer)
