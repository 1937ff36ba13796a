"""The app's events: what Slack tells it when people speak, when messages change, when App Home is opened."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

from bot.workspace import shapes
from bot.workspace.idents import new_id
from bot.workspace.mention import mentions, rich_text

if TYPE_CHECKING:
    from bot.workspace.core import Core
    from bot.workspace.model import Json, Message, Room


def tell(core: Core, event: Json) -> None:
    """`event` is on its way to the app, in the envelope of the Events API."""
    identity = core.identity
    core.hub.tell(
        {
            "token": "local",
            "team_id": identity.team_id,
            "context_team_id": identity.team_id,
            "context_enterprise_id": None,
            "api_app_id": identity.app_id,
            "event": event,
            "type": "event_callback",
            "event_id": new_id("Ev"),
            "event_time": int(time.time()),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": identity.team_id,
                    "user_id": identity.bot_user,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": False,
            "event_context": f"4-{uuid.uuid4().hex}",
        }
    )


def arrived(core: Core, message: Message, room: Room) -> None:
    """The app hears of a message in a conversation it is in; of a mention, twice, as from Slack."""
    if core.bot not in room.members or message.viewer:
        return
    event = shapes.message(core, message) | {"channel": room.id, "event_ts": message.ts}
    if not message.from_app:
        event |= {"client_msg_id": str(uuid.uuid4()), "blocks": [rich_text(message.text)]}
    if not room.is_im and not message.from_app and core.bot in mentions(message.text):
        tell(core, event | {"type": "app_mention"})
    tell(core, event | {"channel_type": room.kind})


def changed(core: Core, message: Message, previous: Json, room: Room) -> None:
    """The app hears that a message has changed."""
    if message.viewer:
        return
    event = _about(core, room, "message_changed")
    tell(core, event | {"message": shapes.message(core, message), "previous_message": previous})


def deleted(core: Core, message: Message, previous: Json, room: Room) -> None:
    """The app hears that a message is gone."""
    if message.viewer:
        return
    event = _about(core, room, "message_deleted")
    tell(core, event | {"deleted_ts": message.ts, "previous_message": previous})


def _about(core: Core, room: Room, subtype: str) -> Json:
    ts = core.state.stamps.next()
    return {
        "type": "message",
        "subtype": subtype,
        "hidden": True,
        "channel": room.id,
        "channel_type": room.kind,
        "ts": ts,
        "event_ts": ts,
    }


def home_opened(core: Core, user: str) -> None:
    """The app hears that `user` looks at its App Home."""
    room = core.state.direct(user, core.bot)
    home = core.state.homes.get(user)
    event: Json = {
        "type": "app_home_opened",
        "user": user,
        "channel": room.id,
        "tab": "home",
        "event_ts": core.state.stamps.next(),
    }
    tell(core, event | ({"view": shapes.view(core, home)} if home else {}))
