"""People, conversations, messages, views and files, in the JSON that Slack publishes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from bot.workspace.blockkit import STATEFUL, elements_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bot.workspace.core import Core
    from bot.workspace.model import Json, Message, Person, Room, StoredFile, UserGroup, View


def user(core: Core, person: Person) -> Json:
    """Return a user as `users.info` does."""
    here = datetime.now(ZoneInfo(person.tz))
    team = person.team_id or core.identity.team_id
    body: Json = {
        "id": person.id,
        "team_id": team,
        "name": person.handle,
        "deleted": person.deleted,
        "real_name": person.name,
        "tz": person.tz,
        "tz_label": here.tzname() or person.tz,
        "tz_offset": int((here.utcoffset() or timedelta()).total_seconds()),
        "profile": _profile(core, person, team),
        "is_admin": False,
        "is_owner": False,
        "is_primary_owner": False,
        "is_restricted": person.is_restricted,
        "is_ultra_restricted": False,
        "is_bot": person.is_bot,
        "is_app_user": False,
        "updated": 0,
        "is_email_confirmed": bool(person.email),
    }
    return body | ({"is_stranger": True} if person.team_id else {})


def _profile(core: Core, person: Person, team: str) -> Json:
    profile: Json = {
        "title": person.title,
        "real_name": person.name,
        "real_name_normalized": person.name,
        "display_name": person.handle,
        "display_name_normalized": person.handle,
        "team": team,
    }
    if person.email:
        profile["email"] = person.email
    if person.id == core.bot:
        profile |= {"api_app_id": core.identity.app_id, "bot_id": core.identity.bot_id}
    return profile


def conversation(core: Core, room: Room) -> Json:
    """Return a conversation as `conversations.info` does, seen by the app."""
    body: Json = {
        "id": room.id,
        "created": room.created,
        "is_im": room.is_im,
        "is_mpim": False,
        "is_channel": room.kind == "channel",
        "is_group": room.kind == "group",
        "is_private": room.is_im or room.is_private,
        "is_archived": False,
        "is_org_shared": False,
        "context_team_id": core.identity.team_id,
    }
    if room.is_im:
        return body | {"user": next((each for each in room.members if each != core.bot), core.bot), "is_open": True}
    return body | {
        "name": room.name,
        "name_normalized": room.name,
        "is_general": False,
        "is_member": core.bot in room.members,
        "creator": "USLACKBOT",
        "num_members": len(room.members),
        "topic": {"value": room.topic, "creator": "", "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0},
    }


def message(core: Core, each: Message, *, metadata: bool = True) -> Json:
    """Return a message as `conversations.history` does."""
    body: Json = {"type": "message", "user": each.user, "ts": each.ts, "text": each.text, "team": core.identity.team_id}
    optional = {
        "subtype": each.subtype,
        "blocks": each.blocks,
        "edited": each.edited,
        "reactions": each.reactions,
        "metadata": each.metadata if metadata else None,
        "files": [file(core, core.state.files[file_id]) for file_id in each.files],
    }
    body |= {name: value for name, value in optional.items() if value}
    if each.from_app:
        body |= _app(core)
    return body | _thread(core, each)


def _app(core: Core) -> Json:
    identity = core.identity
    profile = {
        "id": identity.bot_id,
        "app_id": identity.app_id,
        "name": core.state.bot.name,
        "deleted": False,
        "team_id": identity.team_id,
    }
    return {"bot_id": identity.bot_id, "app_id": identity.app_id, "bot_profile": profile}


def _thread(core: Core, each: Message) -> Json:
    if each.thread_ts:
        root = core.state.find(each.channel, each.thread_ts)
        return {"thread_ts": each.thread_ts, "parent_user_id": root.user if root else ""}
    replies = core.state.thread(each.channel, each.ts)[1:]
    if not replies:
        return {}
    people = list(dict.fromkeys(reply.user for reply in replies))
    return {
        "thread_ts": each.ts,
        "reply_count": len(replies),
        "reply_users_count": len(people),
        "reply_users": people,
        "latest_reply": replies[-1].ts,
    }


def view(core: Core, each: View, values: Json | None = None) -> Json:
    """Return a view as Slack does; `values` is what the person filled in."""
    body = {"title": None, "submit": None, "close": None, "callback_id": "", "private_metadata": "", "external_id": ""}
    return {
        "clear_on_close": False,
        "notify_on_close": False,
        **body,
        **each.body,
        "id": each.id,
        "team_id": core.identity.team_id,
        "state": {"values": state_values(each.blocks, values or {})},
        "hash": each.hash,
        "root_view_id": each.root_view_id,
        "previous_view_id": each.previous_view_id,
        "app_id": core.identity.app_id,
        "app_installed_team_id": core.identity.team_id,
        "bot_id": core.identity.bot_id,
    }


_INITIAL = {
    "initial_value": "value",
    "initial_option": "selected_option",
    "initial_options": "selected_options",
    "initial_user": "selected_user",
    "initial_users": "selected_users",
    "initial_channel": "selected_channel",
    "initial_conversation": "selected_conversation",
    "initial_date": "selected_date",
    "initial_time": "selected_time",
    "initial_date_time": "selected_date_time",
}
_EMPTY: dict[str, Json] = {
    "static_select": {"selected_option": None},
    "radio_buttons": {"selected_option": None},
    "multi_static_select": {"selected_options": []},
    "checkboxes": {"selected_options": []},
    "users_select": {"selected_user": None},
    "multi_users_select": {"selected_users": []},
    "channels_select": {"selected_channel": None},
    "conversations_select": {"selected_conversation": None},
    "datepicker": {"selected_date": None},
    "timepicker": {"selected_time": None},
    "datetimepicker": {"selected_date_time": None},
}


def resting(element: Json) -> Json:
    """Return the state of an input that nobody touched."""
    kind = element["type"]
    initial = {_INITIAL[name]: value for name, value in element.items() if name in _INITIAL}
    return {"type": kind, **(_EMPTY.get(kind) or {"value": None}), **initial}


def state_values(blocks: Iterable[Json], values: Json) -> Json:
    """Return `state.values`: every input of `blocks`, as `values` says or as it was shown."""
    found: Json = {}
    for block in blocks:
        for element in elements_of(block):
            if element["type"] in STATEFUL:
                given: Any = (values.get(block["block_id"]) or {}).get(element["action_id"]) or {}
                entry = resting(element) | {name: each for name, each in given.items() if name != "type"}
                found.setdefault(block["block_id"], {})[element["action_id"]] = entry
    return found


def file(core: Core, each: StoredFile) -> Json:
    """Return a file as `files.info` does."""
    kind = each.name.rpartition(".")[2].lower() if "." in each.name else "text"
    url = f"{core.base_url}/files/{each.id}/{quote(each.name)}"
    return {
        "id": each.id,
        "created": each.created,
        "timestamp": each.created,
        "name": each.name,
        "title": each.title or each.name,
        "mimetype": "application/octet-stream",
        "filetype": kind,
        "pretty_type": kind.upper(),
        "user": each.user,
        "size": each.size,
        "mode": "hosted",
        "is_external": False,
        "is_public": False,
        "url_private": url,
        "url_private_download": url,
        "channels": [room for room in each.channels if room.startswith("C")],
        "ims": [room for room in each.channels if room.startswith("D")],
        "groups": [],
    }


def group(core: Core, each: UserGroup, *, with_users: bool) -> Json:
    """Return a user group as `usergroups.list` does."""
    body: Json = {
        "id": each.id,
        "team_id": core.identity.team_id,
        "is_usergroup": True,
        "name": each.name,
        "handle": each.handle,
        "description": "",
        "date_delete": 0,
        "user_count": len(each.members),
    }
    return body | ({"users": list(each.members)} if with_users else {})
