"""App Home: opens with the truth as it is now."""

from __future__ import annotations

from typing import Any

from slack_bolt import App

from bot.front import Front, Spot
from bot.listeners.edge import guarded


def register(app: App, front: Front) -> None:
    """Listen to Home being opened."""

    @app.event("app_home_opened")
    def opened(event: dict[str, Any]) -> None:
        if event.get("tab", "home") == "home":
            with guarded(front, event["user"], Spot(channel=event.get("channel", ""))):
                front.slack.client.views_publish(user_id=event["user"], view=front.home(event["user"]))
