"""Buttons on cards, in direct messages and in Home; every one acknowledges first."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from slack_bolt import Ack, App

from bot.blocks import modals, refusals
from bot.blocks.parts import Ref
from bot.front import Front, Spot
from bot.listeners.edge import guarded
from ledger.streams.request import Verdict

Body = dict[str, Any]


def register(app: App, front: Front) -> None:
    """Listen to every button that our cards carry."""
    for action, handle in _HANDLERS.items():
        app.action(action)(_listener(front, handle))
    app.action(re.compile(r"^qm_home_(gpu|data|deploy)$"))(_listener(front, _open_empty))


def _listener(front: Front, handle: Callable[[Front, Body, str, Spot], None]) -> Callable[..., None]:
    def listener(ack: Ack, body: Body) -> None:
        ack()
        slack, spot = body["user"]["id"], _spot(body)
        action = body["actions"][0]
        once = f"tap:{slack}:{action['action_id']}:{body.get('trigger_id')}"
        if not front.tables.first_time(once):
            return
        with guarded(front, slack, spot) as welcome:
            if welcome:
                handle(front, body, str(action.get("value", "")), spot)
        if (body.get("view") or {}).get("type") == "home":
            front.slack.client.views_publish(user_id=slack, view=front.home(slack))

    return listener


def _spot(body: Body) -> Spot:
    channel = (body.get("channel") or {}).get("id", "")
    message = body.get("message") or {}
    return Spot(channel=channel, thread=message.get("thread_ts", ""))


def _who(body: Body) -> str:
    return str(body["user"]["id"])


def _confirm(front: Front, body: Body, value: str, spot: Spot) -> None:
    front.confirm(_who(body), value, spot)


def _discard(front: Front, body: Body, value: str, spot: Spot) -> None:
    front.discard(_who(body), value, spot)


def _nearest(front: Front, body: Body, value: str, spot: Spot) -> None:
    front.nearest(_who(body), value, spot)


def _edit(front: Front, body: Body, value: str, spot: Spot) -> None:
    draft = front.draft_of(_who(body), value, spot)
    if draft is not None:
        view = front.form_for(
            modals.kind_of(draft.form), modals.slots_of(draft.form, draft.purpose), {"draft": draft.id}
        )
        front.slack.client.views_open(trigger_id=body["trigger_id"], view=view)


def _open_form(front: Front, body: Body, value: str, spot: Spot) -> None:
    asked = json.loads(value)
    view = front.form_for_text(_who(body), asked["said"], asked["kind"], spot)
    front.slack.client.views_open(trigger_id=body["trigger_id"], view=view)


def _discard_question(front: Front, body: Body, value: str, spot: Spot) -> None:
    del value
    ts = body["message"]["ts"]
    front.slack.client.chat_update(channel=spot.channel, ts=ts, text="Discarded. Nothing was sent.", blocks=[])


def _open_empty(front: Front, body: Body, value: str, spot: Spot) -> None:
    del spot
    front.slack.client.views_open(trigger_id=body["trigger_id"], view=front.form_for(value, {}, {}))


def _edit_request(front: Front, body: Body, value: str, spot: Spot) -> None:
    """Edit or ask again: the same values in the form; a request that still waits is replaced."""
    ref = Ref.parse(value)
    request = front.desk.book.request(ref.request) if ref else None
    if request is None or front.desk.subject(_who(body)) != request.asker:
        front.slack.whisper(spot.channel, _who(body), refusals.NOT_YOURS_TO_CONFIRM)
        return
    private: Body = {"channel": spot.channel, "thread": spot.thread}
    if not request.final:
        private["replacing"] = request.number
    slots = modals.slots_of(request.asked_form, str(request.purpose)) | {"start": None}
    view = front.form_for(modals.kind_of(request.asked_form), slots, private)
    front.slack.client.views_open(trigger_id=body["trigger_id"], view=view)


def _approve(front: Front, body: Body, value: str, spot: Spot) -> None:
    ref = _ref(front, body, value, spot)
    if ref is not None:
        front.decide(_who(body), ref, Verdict.APPROVE, "", _speak(front, body, spot))


def _less(front: Front, body: Body, value: str, spot: Spot) -> None:
    _decide_in_modal(front, body, value, spot, modals.less_modal)


def _deny(front: Front, body: Body, value: str, spot: Spot) -> None:
    _decide_in_modal(front, body, value, spot, modals.deny_modal)


def _decide_in_modal(front: Front, body: Body, value: str, spot: Spot, build: Callable[..., Body]) -> None:
    ref = _ref(front, body, value, spot)
    request = front.desk.book.request(ref.request) if ref else None
    if ref is None or request is None:
        return
    refused = front.desk.why_not(_who(body), ref.request)
    if refused is not None:
        front.say_no(_who(body), _speak(front, body, spot), refused)
        return
    view = build(request, ref, front.notifier.voice(front.desk.subject(_who(body))))
    front.slack.client.views_open(trigger_id=body["trigger_id"], view=view)


def _verb(name: str) -> Callable[[Front, Body, str, Spot], None]:
    def handle(front: Front, body: Body, value: str, spot: Spot) -> None:
        ref = _ref(front, body, value, spot)
        if ref is not None:
            front.verb(_who(body), name, ref.request, ref.digest, _speak(front, body, spot))

    return handle


def _export(front: Front, body: Body, value: str, spot: Spot) -> None:
    del value
    refused = front.export(_who(body), None, spot)
    if refused is not None:
        front.slack.whisper(_speak(front, body, spot).channel, _who(body), refused)


def _ref(front: Front, body: Body, value: str, spot: Spot) -> Ref | None:
    ref = Ref.parse(value)
    if ref is None:
        front.slack.whisper(_speak(front, body, spot).channel, _who(body), refusals.STALE)
    return ref


def _speak(front: Front, body: Body, spot: Spot) -> Spot:
    """Where this person can be answered: Home has no channel, so there it is their direct messages."""
    return spot if spot.channel else Spot(channel=front.slack.direct(_who(body)))


_HANDLERS: dict[str, Callable[[Front, Body, str, Spot], None]] = {
    "qm_confirm": _confirm,
    "qm_discard": _discard,
    "qm_nearest": _nearest,
    "qm_edit": _edit,
    "qm_open_form": _open_form,
    "qm_discard_question": _discard_question,
    "qm_edit_request": _edit_request,
    "qm_again": _edit_request,
    "qm_approve": _approve,
    "qm_less": _less,
    "qm_deny": _deny,
    "qm_release": _verb("release"),
    "qm_withdraw": _verb("withdraw"),
    "qm_accept": _verb("accept"),
    "qm_export": _export,
}
