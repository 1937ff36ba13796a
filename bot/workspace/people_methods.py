"""The methods `auth.test`, `users.*` and `usergroups.*`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bot.workspace import shapes
from bot.workspace.errors import SlackError
from bot.workspace.paging import page
from bot.workspace.posting import truth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bot.workspace.core import Core
    from bot.workspace.model import Json


def _auth_test(core: Core, arguments: Json) -> Json:  # noqa: ARG001 - every method takes both
    identity = core.identity
    return {
        "url": f"{core.base_url}/",
        "team": core.name,
        "user": core.state.bot.handle,
        "team_id": identity.team_id,
        "user_id": identity.bot_user,
        "bot_id": identity.bot_id,
        "is_enterprise_install": False,
    }


def _info(core: Core, arguments: Json) -> Json:
    person = core.state.people.get(str(arguments.get("user") or ""))
    if person is None:
        raise SlackError("user_not_found")
    return {"user": shapes.user(core, person)}


def _list(core: Core, arguments: Json) -> Json:
    items, more = page(list(core.state.people.values()), arguments)
    return {"members": [shapes.user(core, person) for person in items], "cache_ts": 0} | more


def _by_email(core: Core, arguments: Json) -> Json:
    email = str(arguments.get("email") or "").lower()
    for person in core.state.people.values():
        if email and person.email.lower() == email and not person.deleted:
            return {"user": shapes.user(core, person)}
    raise SlackError("users_not_found")


def _groups(core: Core, arguments: Json) -> Json:
    with_users = truth(arguments.get("include_users"))
    return {"usergroups": [shapes.group(core, each, with_users=with_users) for each in core.groups]}


def _group_members(core: Core, arguments: Json) -> Json:
    for group in core.groups:
        if group.id == arguments.get("usergroup"):
            return {"users": list(group.members)}
    raise SlackError("no_such_subteam")


PEOPLE: Final[Mapping[str, Callable[[Core, Json], Json]]] = {
    "auth.test": _auth_test,
    "users.info": _info,
    "users.list": _list,
    "users.lookupByEmail": _by_email,
    "usergroups.list": _groups,
    "usergroups.users.list": _group_members,
}
