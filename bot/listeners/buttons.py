"""Buttons and menus on cards, in direct messages and in Home; every one acknowledges first."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from slack_bolt import Ack, App

from bot.blocks import extending, extension, refusals
from bot.blocks.door import Where
from bot.blocks.drift import ROLL_BACK
from bot.blocks.home import Place, export_modal
from bot.blocks.parts import Ref
from bot.blocks.stricter import KEEP, Asked
from bot.errors import Refused
from bot.evidence import Wish
from bot.front import Front, Spot
from bot.listeners.edge import guarded
from ledger.streams.request import Verdict

Body = dict[str, Any]
_Handle = Callable[[Front, Body, str, Spot], None]


def register(app: App, front: Front) -> None:
    """Listen to every button and menu that our cards carry."""
    for action, handle in _HANDLERS.items():
        app.action(action)(_listener(front, handle))
    app.action(re.compile(r"^qm_home_(gpu|data|deploy)$"))(_listener(front, _open_empty))
    app.action(re.compile(r"^qm_answer_[a-z_]+$"))(_listener(front, _answer))
    app.action(re.compile(r"^qm_turn_[a-z_]+$"))(_listener(front, _nothing))


def _listener(front: Front, handle: _Handle) -> Callable[..., None]:
    def listener(ack: Ack, body: Body) -> None:
        ack()
        slack, spot, action = body["user"]["id"], _spot(body), body["actions"][0]
        once = f"tap:{slack}:{action['action_id']}:{body.get('trigger_id')}"
        if not front.tables.first_time(once, front.house.book.clock()):
            return
        with guarded(front, slack, spot) as welcome:
            if welcome:
                handle(front, body, str(action.get("value", "")), spot)
                _home_again(front, body, slack, action)

    return listener


def _home_again(front: Front, body: Body, slack: str, action: Body) -> None:
    """What was tapped in Home shows there at once; only turning a page or verifying changes what is looked at."""
    if (body.get("view") or {}).get("type") != "home":
        return
    turned = action["action_id"].startswith("qm_turn_")
    place = Place.parse(str(action.get("value", ""))) if turned else None
    view = front.home(slack, place, verify=action["action_id"] == "qm_verify")
    front.slack.client.views_publish(user_id=slack, view=view)


def _spot(body: Body) -> Spot:
    channel = (body.get("channel") or {}).get("id", "")
    inside = (body.get("message") or {}).get("thread_ts", "")
    return Spot(channel=channel, thread=inside, inside=inside)


def _who(body: Body) -> str:
    return str(body["user"]["id"])


def _nothing(front: Front, body: Body, value: str, spot: Spot) -> None:
    del front, body, value, spot


# -- reports of models ----------------------------------------------------------------------------------------------


def _roll_back(front: Front, body: Body, place: str, spot: Spot) -> None:
    """The request's card comes under the report that was tapped."""
    under = (body.get("message") or {}).get("ts", "")
    front.roll_back(_who(body), place, Spot(channel=spot.channel, thread=under, inside=under))


# -- drafts ---------------------------------------------------------------------------------------------------------


def _here(front: Front, body: Body, draft_id: str, spot: Spot) -> None:
    """The click says where the message stands, should the answer to its posting have been lost."""
    draft = front.tables.draft(draft_id)
    ts = (body.get("message") or {}).get("ts", "")
    if draft is not None and ts:
        front.tables.seen_at(draft.key, spot.channel, ts)


def _confirm(front: Front, body: Body, value: str, spot: Spot) -> None:
    _here(front, body, value, spot)
    front.confirm(_who(body), value, spot)


def _discard(front: Front, body: Body, value: str, spot: Spot) -> None:
    _here(front, body, value, spot)
    front.discard(_who(body), value, spot)


def _nearest(front: Front, body: Body, value: str, spot: Spot) -> None:
    _here(front, body, value, spot)
    front.nearest(_who(body), value, spot)


def _answer(front: Front, body: Body, value: str, spot: Spot) -> None:
    del value
    action = body["actions"][0]
    draft_id = str(action["block_id"]).removeprefix("answer:")
    chosen = (action.get("selected_option") or {}).get("value")
    if chosen is not None:
        _here(front, body, draft_id, spot)
        front.answer(_who(body), draft_id, action["action_id"].removeprefix("qm_answer_"), str(chosen), spot)


def _edit(front: Front, body: Body, value: str, spot: Spot) -> None:
    draft = front.draft_of(_who(body), value, spot)
    if draft is not None:
        front.slack.client.views_open(trigger_id=body["trigger_id"], view=front.form_of_draft(draft))


def _open_empty(front: Front, body: Body, value: str, spot: Spot) -> None:
    del spot
    view = front.form_for(_who(body), value, {}, {})
    front.slack.client.views_open(trigger_id=body["trigger_id"], view=view)


# -- requests -------------------------------------------------------------------------------------------------------


def _edit_request(front: Front, body: Body, value: str, spot: Spot) -> None:
    """The same values in the form; a request that still waits is replaced."""
    request = front.own_request(_who(body), Ref.parse(value), spot)
    if request is not None:
        view = front.form_again(request, _who(body), spot)
        front.slack.client.views_open(trigger_id=body["trigger_id"], view=view)


def _again(front: Front, body: Body, value: str, spot: Spot) -> None:
    """The same values, shown back first."""
    request = front.own_request(_who(body), Ref.parse(value), spot)
    if request is not None:
        front.ask_again(_who(body), request, spot, f"again:{body['trigger_id']}")


def _approve(front: Front, body: Body, value: str, spot: Spot) -> None:
    ref = _ref(front, body, value, spot)
    if ref is not None:
        front.decide(_who(body), ref, Verdict.APPROVE, "", _speak(front, body, spot))


def _in_modal(kind: str) -> _Handle:
    def handle(front: Front, body: Body, value: str, spot: Spot) -> None:
        ref = _ref(front, body, value, spot)
        if ref is None:
            return
        view = front.verdict_view(_who(body), kind, ref)
        if isinstance(view, Refused):
            front.after(_who(body), view, _speak(front, body, spot))
        else:
            view = front.live(_who(body), view) if kind == "less" else view
            front.slack.client.views_open(trigger_id=body["trigger_id"], view=view)

    return handle


def _keep(front: Front, body: Body, value: str, spot: Spot) -> None:
    asked = Asked.parse(value)
    if asked is None:
        front.say(_who(body), spot, refusals.STALE)
    else:
        front.keep(_who(body), asked, _speak(front, body, spot))


def _verb(name: str) -> _Handle:
    def handle(front: Front, body: Body, value: str, spot: Spot) -> None:
        ref = _ref(front, body, value, spot)
        if ref is not None:
            front.verb(_who(body), name, ref.request, ref.digest, _speak(front, body, spot))

    return handle


def _password(front: Front, body: Body, value: str, spot: Spot) -> None:
    """Entered first, then shown: a modal that never opened is a password that nobody knows, and the next replaces it."""
    ref = _ref(front, body, value, spot)
    if ref is None:
        return
    view = front.password_view(_who(body), ref.request)
    if isinstance(view, Refused):
        front.after(_who(body), view, _speak(front, body, spot))
    else:
        front.slack.client.views_open(trigger_id=body["trigger_id"], view=view)
        front.notifier.refresh(ref.request)


def _why(front: Front, body: Body, value: str, spot: Spot) -> None:
    ref = _ref(front, body, value, spot)
    if ref is not None:
        front.say(_who(body), spot, front.why(_who(body), ref.request))


def _export(front: Front, body: Body, value: str, spot: Spot) -> None:
    del value
    refused = front.export(_who(body), Wish())
    if refused is not None:
        front.say(_who(body), spot, refused)


def _export_period(front: Front, body: Body, value: str, spot: Spot) -> None:
    del value, spot
    front.slack.client.views_open(trigger_id=body["trigger_id"], view=export_modal())


def _extend(front: Front, body: Body, value: str, spot: Spot) -> None:
    """A button says how many seconds, a menu what was chosen; the row says of what."""
    action = body["actions"][0]
    ref = extension.ref_in(str(action.get("block_id", "")))
    seconds = str((action.get("selected_option") or {}).get("value") or value)
    if ref is None or not (seconds.isascii() and seconds.isdigit()):
        front.say(_who(body), spot, refusals.STALE)
    else:
        front.extend(_who(body), ref, int(seconds), _speak(front, body, spot))


def _agree(front: Front, body: Body, value: str, spot: Spot) -> None:
    ref = _ref(front, body, value, spot)
    if ref is not None:
        front.decide_extension(_who(body), ref, _speak(front, body, spot), approve=True)


def _disagree(front: Front, body: Body, value: str, spot: Spot) -> None:
    ref = _ref(front, body, value, spot)
    if ref is None:
        return
    view = front.deny_extension_view(_who(body), ref)
    if isinstance(view, Refused):
        front.after(_who(body), view, _speak(front, body, spot))
    else:
        front.slack.client.views_open(trigger_id=body["trigger_id"], view=view)


def _lift(front: Front, body: Body, value: str, spot: Spot) -> None:
    view = front.lift_view(_who(body), value)
    if isinstance(view, str):
        front.say(_who(body), spot, view)
    else:
        front.slack.client.views_open(trigger_id=body["trigger_id"], view=view)


def _ref(front: Front, body: Body, value: str, spot: Spot) -> Ref | None:
    ref = Ref.parse(value)
    if ref is None:
        front.say(_who(body), spot, refusals.STALE)
    return ref


def _speak(front: Front, body: Body, spot: Spot) -> Spot:
    """Where this person can be answered: Home has no channel, so there it is their direct messages."""
    return spot if spot.channel else Spot(channel=front.slack.direct(_who(body)))


def _take_away(front: Front, body: Body, value: str, spot: Spot) -> None:
    _ask_of_door(front, body, value, spot, explaining=False)


def _explain(front: Front, body: Body, value: str, spot: Spot) -> None:
    _ask_of_door(front, body, value, spot, explaining=True)


def _ask_of_door(front: Front, body: Body, value: str, spot: Spot, *, explaining: bool) -> None:
    where = Where.parse(value)
    view = front.doors.asking(_who(body), where, spot.channel, explaining=explaining) if where is not None else None
    if isinstance(view, Refused):
        front.say_no(_who(body), spot, view)
    elif view is not None:
        front.slack.client.views_open(trigger_id=body["trigger_id"], view=view)


_HANDLERS: Final[dict[str, _Handle]] = {
    "qm_confirm": _confirm,
    "qm_discard": _discard,
    "qm_nearest": _nearest,
    "qm_edit": _edit,
    "qm_open_form": _edit,
    "qm_edit_request": _edit_request,
    "qm_again": _again,
    "qm_approve": _approve,
    "qm_less": _in_modal("less"),
    "qm_deny": _in_modal("deny"),
    "qm_revoke": _in_modal("revoke"),
    KEEP: _keep,
    ROLL_BACK: _roll_back,
    "qm_release": _verb("release"),
    extension.EXTEND: _extend,
    f"{extension.EXTEND}_first": _extend,
    extending.APPROVE: _agree,
    extending.DENY: _disagree,
    "qm_password": _password,
    "qm_withdraw": _verb("withdraw"),
    "qm_accept": _verb("accept"),
    "qm_remind": _verb("remind"),
    "qm_why": _why,
    "qm_export": _export,
    "qm_export_period": _export_period,
    "qm_verify": _nothing,
    "qm_lift": _lift,
    "qm_take_away": _take_away,
    "qm_explain": _explain,
}
