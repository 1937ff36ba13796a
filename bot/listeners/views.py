"""Modals that were submitted: an error sits on its field; a request that moved on is said in place of the form."""

from __future__ import annotations

from typing import Any

from slack_bolt import Ack, App

from bot.blocks import modals
from bot.blocks.parts import Ref
from bot.front import Front, Spot
from bot.listeners.edge import guarded
from ledger.streams.request import Verdict

Body = dict[str, Any]
NOWHERE = Spot(channel="")


def register(app: App, front: Front) -> None:
    """Listen to the three modals."""

    @app.view(modals.FORM)
    def form(ack: Ack, body: Body, view: Body) -> None:
        slack = body["user"]["id"]
        entered = front.form_entered(slack, view)
        if isinstance(entered, dict):
            ack(response_action="errors", errors=entered)
            return
        ack()
        if front.tables.first_time(f"view:{view['id']}"):
            with guarded(front, slack, NOWHERE) as welcome:
                if welcome:
                    entered()

    @app.view(modals.DENY)
    def deny(ack: Ack, body: Body, view: Body) -> None:
        reason = modals.values_of(view).get("reason", "").strip()
        if not reason:
            ack(response_action="errors", errors={"reason": "Give a reason the asker can act on."})
            return
        ref = Ref.parse(view["private_metadata"])
        refused = front.decide(body["user"]["id"], ref, Verdict.DENY, reason, NOWHERE) if ref else "Nothing changed."
        _close(ack, refused)

    @app.view(modals.LESS)
    def less(ack: Ack, body: Body, view: Body) -> None:
        ref = Ref.parse(view["private_metadata"])
        request = front.desk.book.request(ref.request) if ref else None
        if ref is None or request is None:
            _close(ack, "Nothing changed.")
            return
        values = modals.values_of(view)
        lower, errors = modals.lower_of(request.form, values)
        if lower is None:
            ack(response_action="errors", errors=errors)
            return
        reason = values.get("reason", "")
        _close(ack, front.approve_less(body["user"]["id"], ref, lower, reason, NOWHERE))


def _close(ack: Ack, refused: str | None) -> None:
    if refused is None:
        ack()
    else:
        ack(response_action="update", view=modals.moved_on(refused))
