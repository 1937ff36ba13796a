"""Modals on people's screens, the triggers that may open them, and the addresses that answer a click."""

from __future__ import annotations

import secrets
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bot.workspace.blockkit import with_ids
from bot.workspace.errors import SlackError
from bot.workspace.idents import new_id
from bot.workspace.model import Json, View

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_STACKED: Final = 3
TRIGGER_SECONDS: Final = 3.0
HOOK_SECONDS: Final = 1800.0
HOOK_USES: Final = 5
_MOST_KEPT: Final = 5000


def new_hash() -> str:
    """Return a hash that no other version of a view has."""
    return f"{secrets.randbelow(10**10)}.{secrets.token_hex(4)}"


def new_view(user: str, body: Json, *, under: View | None = None) -> View:
    """Return a view of `body` for `user`, with every id filled in; `under` is the modal it lies on."""
    view_id = new_id("V")
    return View(
        id=view_id,
        user=user,
        body=body | {"blocks": with_ids(body["blocks"])},
        hash=new_hash(),
        root_view_id=under.root_view_id if under else view_id,
        previous_view_id=under.id if under else None,
    )


class Modals:
    """The stack of modals of each person; the last one is on top."""

    def __init__(self) -> None:
        self._stacks: dict[str, list[View]] = defaultdict(list)

    def top(self, user: str) -> View | None:
        """Return the modal that `user` sees, or None."""
        stack = self._stacks[user]
        return stack[-1] if stack else None

    def stack(self, user: str) -> list[View]:
        """Return the modals of `user`, lowest first."""
        return list(self._stacks[user])

    def open(self, user: str, body: Json) -> View:
        """`user` sees one modal, `body`; others of the app are gone."""
        self._refuse_duplicate(body)
        view = new_view(user, body)
        self._stacks[user] = [view]
        return view

    def push(self, user: str, body: Json) -> View:
        """`body` lies on what `user` sees.

        Raises:
            SlackError: `push_limit_reached`, or `not_found` when nothing is open.
        """
        stack = self._stacks[user]
        if not stack:
            raise SlackError("not_found")
        if len(stack) >= MOST_STACKED:
            raise SlackError("push_limit_reached")
        self._refuse_duplicate(body)
        view = new_view(user, body, under=stack[-1])
        stack.append(view)
        return view

    def _refuse_duplicate(self, body: Json) -> None:
        external_id = body.get("external_id")
        if external_id and self.find(external_id=external_id):
            raise SlackError("duplicate_external_id")

    def find(self, *, view_id: str = "", external_id: str = "") -> View | None:
        """Return the open modal with one of these ids, or None."""
        views = (view for stack in self._stacks.values() for view in stack)
        return next((each for each in views if _is(each, view_id, external_id)), None)

    def pop(self, view: View) -> None:
        """`view` and what lies on it are gone."""
        stack = self._stacks[view.user]
        if view in stack:
            del stack[stack.index(view) :]

    def clear(self, user: str) -> None:
        """`user` sees no modal."""
        self._stacks[user].clear()


def _is(view: View, view_id: str, external_id: str) -> bool:
    return view.id == view_id or bool(external_id and view.body.get("external_id") == external_id)


def change(view: View, body: Json) -> None:
    """`view` shows `body`, under a new hash, without the errors of the last submission."""
    view.body = body | {"blocks": with_ids(body["blocks"])}
    view.hash = new_hash()
    view.errors = {}


@dataclass(slots=True, kw_only=True)
class Trigger:
    """The right to open one modal for `user`, for three seconds."""

    user: str
    issued_at: float
    used: bool = False


class Triggers:
    """Issues triggers and takes them back, each once."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._issued: dict[str, Trigger] = {}

    def issue(self, user: str) -> str:
        """Return a trigger id for `user`."""
        trigger_id = f"{secrets.randbelow(10**12)}.{secrets.randbelow(10**10)}.{secrets.token_hex(16)}"
        self._issued[trigger_id] = Trigger(user=user, issued_at=self._clock())
        if len(self._issued) > _MOST_KEPT:
            del self._issued[next(iter(self._issued))]
        return trigger_id

    def take(self, trigger_id: str) -> str:
        """Return whom the trigger is for; it cannot be taken again.

        Raises:
            SlackError: `invalid_trigger_id`, `exchanged_trigger_id`, `expired_trigger_id`.
        """
        trigger = self._issued.get(trigger_id)
        if trigger is None:
            raise SlackError("invalid_trigger_id")
        if trigger.used:
            raise SlackError("exchanged_trigger_id")
        if self._clock() - trigger.issued_at > TRIGGER_SECONDS:
            raise SlackError("expired_trigger_id")
        trigger.used = True
        return trigger.user


@dataclass(slots=True, kw_only=True)
class Hook:
    """Where one answer may go: the conversation of a click or command, for its person."""

    channel: str
    user: str
    issued_at: float
    message_ts: str = ""
    thread_ts: str = ""
    is_ephemeral: bool = False
    uses: int = field(default=0)


class Hooks:
    """The response_urls that were given out."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._issued: dict[str, Hook] = {}

    def issue(
        self, channel: str, user: str, *, message_ts: str = "", thread_ts: str = "", is_ephemeral: bool = False
    ) -> str:
        """Return the secret last part of a new response_url."""
        secret = secrets.token_urlsafe(24)
        self._issued[secret] = Hook(
            channel=channel,
            user=user,
            issued_at=self._clock(),
            message_ts=message_ts,
            thread_ts=thread_ts,
            is_ephemeral=is_ephemeral,
        )
        if len(self._issued) > _MOST_KEPT:
            del self._issued[next(iter(self._issued))]
        return secret

    def take(self, secret: str) -> Hook:
        """Return where the answer goes: at most five, within thirty minutes.

        Raises:
            SlackError: `used_url`, `expired_url`, or `no_such_url`.
        """
        hook = self._issued.get(secret)
        if hook is None:
            raise SlackError("no_such_url")
        if self._clock() - hook.issued_at > HOOK_SECONDS:
            raise SlackError("expired_url")
        if hook.uses >= HOOK_USES:
            raise SlackError("used_url")
        hook.uses += 1
        return hook
