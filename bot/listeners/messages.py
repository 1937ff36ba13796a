"""Mentions and direct messages."""

from __future__ import annotations

from typing import Any

from slack_bolt import App

from bot.front import Front, Spot
from bot.listeners.edge import guarded


def register(app: App, front: Front) -> None:
    """Listen to mentions, to direct messages, and quietly to every other message."""

    @app.event("app_mention")
    def mention(body: dict[str, Any], event: dict[str, Any]) -> None:
        _answer(front, body, event)

    @app.event("message")
    def message(body: dict[str, Any], event: dict[str, Any]) -> None:
        # A mention comes as a message too; only direct messages are meant for us here.
        if event.get("channel_type") == "im" and not event.get("subtype") and not event.get("bot_id"):
            _answer(front, body, event)


def _answer(front: Front, body: dict[str, Any], event: dict[str, Any]) -> None:
    if not front.tables.first_time(f"event:{body['event_id']}"):
        return
    thread = event.get("thread_ts") or event["ts"]
    spot = Spot(channel=event["channel"], thread=thread)
    with guarded(front, event["user"], spot) as welcome:
        if welcome:
            front.hear(event["user"], event.get("text", ""), spot)
