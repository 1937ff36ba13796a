"""Mentions and direct messages. They are kept before they are acknowledged, so that none is lost and none heard twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slack_bolt import App, BoltResponse

from bot.front import Front, Spot
from bot.listeners.edge import answer_kept


def register(app: App, front: Front) -> None:
    """Listen to mentions, to direct messages, and quietly to every other message."""

    @app.middleware
    def keep(body: dict[str, Any], next: Callable[[], BoltResponse]) -> BoltResponse:  # noqa: A002 Bolt's name
        """Runs before Bolt acknowledges: a redelivery is answered at once, anything else is on disk first."""
        if _is_for_us(body.get("event") or {}) and not front.keep_event(body):
            return BoltResponse(status=200)
        return next()

    @app.event("app_mention")
    def mention(body: dict[str, Any], event: dict[str, Any]) -> None:
        _answer(front, body, event)

    @app.event("message")
    def message(body: dict[str, Any], event: dict[str, Any]) -> None:
        # A mention comes as a message too; only direct messages are meant for us here.
        if _is_for_us(event):
            _answer(front, body, event)


def _is_for_us(event: dict[str, Any]) -> bool:
    if event.get("subtype") or event.get("bot_id") or not event.get("user"):
        return False
    return event.get("type") == "app_mention" or (event.get("type") == "message" and event.get("channel_type") == "im")


def _answer(front: Front, body: dict[str, Any], event: dict[str, Any]) -> None:
    inside = event.get("thread_ts", "")
    spot = Spot(channel=event["channel"], thread=inside or event["ts"], inside=inside)
    answer_kept(front, body, event["user"], spot)
