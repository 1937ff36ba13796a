"""Slack user to person, or a refusal: identity is the Slack user id of the pinned workspace, never a name or e-mail."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from policies.decide import Policy


class Stranger(StrEnum):
    """Why somebody is refused before anything is read."""

    UNKNOWN = "unknown person"
    GUEST = "guest"
    FOREIGN = "another workspace"
    DEACTIVATED = "deactivated"
    BOT = "bot"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackUser:
    """What Slack says about somebody."""

    id: str
    team_id: str
    is_bot: bool = False
    deleted: bool = False
    restricted: bool = False


def resolve(policy: Policy, user: SlackUser, workspace: str) -> str | Stranger:
    """Return `user:<Slack id>` for a person of the pinned workspace whom the policy lists, else why not."""
    if user.is_bot:
        return Stranger.BOT
    if user.deleted:
        return Stranger.DEACTIVATED
    if user.team_id != workspace:
        return Stranger.FOREIGN
    if user.restricted:
        return Stranger.GUEST
    person = f"user:{user.id}"
    return person if policy.knows(person) else Stranger.UNKNOWN
