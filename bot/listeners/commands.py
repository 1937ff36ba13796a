"""The slash command: the same words typed as tapped."""

from __future__ import annotations

from typing import Any

from slack_bolt import Ack, App

from bot.blocks import refusals
from bot.front import Front, Spot, number_in
from bot.listeners.edge import guarded

USAGE = (
    ("/qm gpu", "Ask for GPU time in a form"),
    ("/qm deploy", "Ask for a deployment"),
    ("/qm data", "Ask for access to data"),
    ("/qm status", "My requests and what I hold"),
    ("/qm why REQ-1001", "Which rule decided, and why"),
    ("/qm release REQ-1001", "Hand back what I hold"),
    ("/qm cancel REQ-1001", "Take back what has not started"),
    ("/qm export", "Evidence, for auditors"),
    ("/qm help", "Everything I can do"),
)
_FORMS = {"gpu", "deploy", "data"}


def register(app: App, front: Front) -> None:
    """Listen to `/qm`."""

    @app.command("/qm")
    def qm(ack: Ack, body: dict[str, Any]) -> None:
        ack()
        if not front.tables.first_time(f"command:{body['trigger_id']}"):
            return
        slack, spot = body["user_id"], Spot(channel=body["channel_id"])
        with guarded(front, slack, spot) as welcome:
            if welcome:
                _do(front, body, slack, spot)


def _do(front: Front, body: dict[str, Any], slack: str, spot: Spot) -> None:
    verb, _, rest = body.get("text", "").strip().partition(" ")
    number = number_in(rest)
    if verb in _FORMS and not rest:
        view = front.form_for(verb, {}, {"channel": spot.channel})
        front.slack.client.views_open(trigger_id=body["trigger_id"], view=view)
    elif verb in {"status", "why"} and (not rest or number is not None):
        front.slack.whisper(spot.channel, slack, (front.why if verb == "why" else front.status)(slack, number))
    elif verb == "export" and (not rest or number is not None):
        refused = front.export(slack, number, spot)
        words = "The bundle is in your direct messages with me." if refused is None else refused
        front.slack.whisper(spot.channel, slack, words)
    elif verb in {"", "help"}:
        front.slack.whisper(spot.channel, slack, refusals.HELP)
    else:
        front.hear(slack, body["text"], spot)
