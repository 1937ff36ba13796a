"""Modals: counted up while they are filled in, submitted once; an error sits on its field, what moved on is said in place."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any, Final

from slack_bolt import Ack, App
from slack_sdk.errors import SlackApiError

from bot.blocks import extending, modals, refusals, verdicts
from bot.blocks.door import EXPLAIN, TAKE_AWAY, UNTIL, Where
from bot.blocks.freeze import LIFT
from bot.blocks.parts import Ref
from bot.evidence import Wish
from bot.front import Front, Spot
from bot.listeners.edge import guarded
from bot.periods import period_in
from ledger.errors import LedgerError
from ledger.streams.request import Verdict

Body = dict[str, Any]
NOWHERE: Final = Spot(channel="")


def register(app: App, front: Front) -> None:
    """Listen to the modals."""
    app.action(re.compile(rf"^({'|'.join(modals.LIVE)})$"))(_changed(front))
    app.view(modals.FORM)(_form(front))
    app.view(modals.DENY)(
        _reasoned(front, lambda slack, ref, why: front.decide(slack, ref, Verdict.DENY, why, NOWHERE))
    )
    app.view(modals.REVOKE)(_reasoned(front, lambda slack, ref, why: front.revoke(slack, ref, why, NOWHERE)))
    app.view(modals.LESS)(_less(front))
    app.view(extending.DENY_FORM)(
        _reasoned(front, lambda slack, ref, why: front.decide_extension(slack, ref, NOWHERE, approve=False, reason=why))
    )
    app.view(LIFT)(_lift(front))
    app.view("qm_export_form")(_export(front))
    app.view(TAKE_AWAY)(_taking(front))
    app.view(EXPLAIN)(_explaining(front))


def _changed(front: Front) -> Callable[..., None]:
    def changed(ack: Ack, body: Body) -> None:
        ack()
        view, slack = body.get("view") or {}, body["user"]["id"]
        if view.get("type") == "modal":
            with guarded(front, slack, NOWHERE) as welcome:
                if welcome:
                    _count_up(front, slack, view)

    return changed


def _form(front: Front) -> Callable[..., None]:
    def form(ack: Ack, body: Body, view: Body) -> None:
        slack = body["user"]["id"]
        entered = front.form_entered(slack, view)
        if isinstance(entered, dict):
            ack(response_action="errors", errors=entered)
            return
        if isinstance(entered, str):
            _close(ack, entered)
            return
        ack()
        if _first(front, view):
            with guarded(front, slack, NOWHERE) as welcome:
                if welcome:
                    entered()

    return form


def _reasoned(front: Front, act: Callable[[str, Ref, str], str | None]) -> Callable[..., None]:
    def submitted(ack: Ack, body: Body, view: Body) -> None:
        reason = modals.values_of(view).get("reason", "").strip()
        ref = Ref.parse(view["private_metadata"])
        if ref is None:
            _close(ack, "Nothing changed.")
        elif not reason:
            request = front.desk.book.request(ref.request)
            name = front.notifier.voice(None).name_of(request.asker) if request else "the asker"
            ack(response_action="errors", errors={"reason": f"Give a reason {name} can act on."})
        else:
            _once(front, ack, view, lambda: act(body["user"]["id"], ref, reason))

    return submitted


def _less(front: Front) -> Callable[..., None]:
    def less(ack: Ack, body: Body, view: Body) -> None:
        ref = Ref.parse(view["private_metadata"])
        request = front.desk.book.request(ref.request) if ref else None
        if ref is None or request is None:
            _close(ack, "Nothing changed.")
            return
        values = modals.values_of(view)
        lower, errors = verdicts.lower_of(request.form, values)
        if request.form_digest == ref.digest and lower is None:
            ack(response_action="errors", errors=errors)
            return
        reason, wanted = values.get("reason", ""), lower or request.form
        _once(front, ack, view, lambda: front.approve_less(body["user"]["id"], ref, wanted, reason, NOWHERE))

    return less


def _lift(front: Front) -> Callable[..., None]:
    def lift(ack: Ack, body: Body, view: Body) -> None:
        reason = modals.values_of(view).get("reason", "").strip()
        if not reason:
            ack(response_action="errors", errors={"reason": "Give a reason everybody can act on."})
            return
        _once(front, ack, view, lambda: front.lift_by_card(body["user"]["id"], view["private_metadata"], reason))

    return lift


def _taking(front: Front) -> Callable[..., None]:
    def taking(ack: Ack, body: Body, view: Body) -> None:
        reason = modals.values_of(view).get("reason", "").strip()
        where = Where.parse(view["private_metadata"])
        if where is None:
            _close(ack, "Nothing changed.")
        elif not reason:
            ack(response_action="errors", errors={"reason": "Say why, so that whoever approves can decide."})
        else:
            _once(front, ack, view, lambda: front.take_away(body["user"]["id"], where, reason))

    return taking


def _explaining(front: Front) -> Callable[..., None]:
    def explaining(ack: Ack, body: Body, view: Body) -> None:
        values, where = modals.values_of(view), Where.parse(view["private_metadata"])
        reason, last_day = values.get("reason", "").strip(), _day(values.get(UNTIL, ""))
        if where is None:
            _close(ack, "Nothing changed.")
        elif not reason:
            ack(response_action="errors", errors={"reason": "Say what it is, so that whoever approves can decide."})
        elif last_day is None:
            ack(response_action="errors", errors={UNTIL: "Name the last day on which it is known."})
        else:
            _once(front, ack, view, lambda: front.explain(body["user"]["id"], where, last_day, reason))

    return explaining


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _export(front: Front) -> Callable[..., None]:
    def export(ack: Ack, body: Body, view: Body) -> None:
        values, slack = modals.values_of(view), body["user"]["id"]
        period = period_in(f"{values.get('from')} to {values.get('to')}", front.house.book.clock())
        if period is None:
            ack(response_action="errors", errors={"to": "The last day must not be before the first"})
            return
        ack()
        if _first(front, view):
            with guarded(front, slack, NOWHERE) as welcome:
                refused = front.export(slack, Wish(period=period)) if welcome else None
                if refused is not None:
                    front.say(slack, NOWHERE, refused)

    return export


def _first(front: Front, view: Body) -> bool:
    return front.tables.first_time(f"view:{view['id']}", front.house.book.clock())


def _count_up(front: Front, slack: str, view: Body) -> None:
    """The last line follows what is filled in; a later change of the same view has the word."""
    try:
        front.slack.client.views_update(view_id=view["id"], hash=view["hash"], view=front.live(slack, view))
    except SlackApiError as error:
        if error.response.get("error") not in {"hash_conflict", "not_found"}:
            raise


def _once(front: Front, ack: Ack, view: Body, act: Callable[[], str | None]) -> None:
    """Do what a modal asks for, once however often it is submitted, and close it or say why nothing happened."""
    if not _first(front, view):
        ack()
        return
    try:
        _close(ack, act())
    except LedgerError:
        _close(ack, refusals.UNAVAILABLE)


def _close(ack: Ack, refused: str | None) -> None:
    if refused is None:
        ack()
    else:
        ack(response_action="update", view=verdicts.moved_on(refused))
