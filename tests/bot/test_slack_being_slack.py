"""Slack loses answers, repeats itself, is slow, goes away: nothing is lost, nothing done twice, people are told."""

from __future__ import annotations

import json
import time

import pytest
from bot_stage import ROOM, card_with, cards, message_at, text_of, whisper
from conftest import INES, MIRA
from slack_bolt import BoltRequest
from slack_sdk.errors import SlackApiError

from bot.blocks.parts import Ref
from bot.front import Spot
from bot.listeners.edge import guarded
from bot.tables import State
from ledger.errors import BusyError
from ledger.streams.request import Status, Verdict
from policies.errors import PolicyError

# -- a post that does not arrive ------------------------------------------------------------------------------------


def test_a_post_that_must_wait_is_sent_once_when_slack_says_so(stage, mira):
    stage.server.fault("chat.postMessage", "ratelimited", 2)
    began = time.monotonic()
    stage.read_back(mira)
    assert time.monotonic() - began >= 2  # Retry-After said one second, twice
    assert len(cards(mira, ROOM, "Is this what you mean")) == 1


def test_a_read_back_whose_answer_is_lost_stands_once_and_its_confirm_works(stage, mira):
    stage.server.fault("chat.postMessage", "lost")
    message = stage.read_back(mira)
    mira.click(message, "Confirm")
    mira.wait(lambda: "Waiting for approval" in text_of(message_at(mira, ROOM, message["ts"])))
    assert len(cards(mira, ROOM, "4 × H100")) == 1
    assert len(stage.entries("request.submitted")) == 1


def test_an_approvers_card_whose_answer_is_lost_is_found_and_not_posted_again(stage, mira, ines):
    message = stage.read_back(mira)
    stage.server.fault("chat.postMessage", "lost")
    mira.click(message, "Confirm")
    card = card_with(ines, ines.dm(), "Needs your decision")
    ines.wait(
        lambda: stage.tables.owing(stage.clock()) == [] and any(m.viewer and m.ts for m in stage.tables.messages(1001))
    )
    ines.click(message_at(ines, ines.dm(), card["ts"]), "Approve")
    ines.wait(lambda: "Approved by you" in text_of(message_at(ines, ines.dm(), card["ts"])))
    assert len([m for m in ines.messages(ines.dm()) if "for Mira" in text_of(m)]) == 1


def test_a_post_that_fails_for_a_long_time_arrives_when_slack_is_back(stage, mira):
    stage.server.fault("chat.postMessage", "error", 4)
    ts = mira.say(ROOM, "@quartermaster 4 h100 for 3 hours so I can retrain churn")
    card_with(mira, ROOM, "qm_confirm", after=ts, timeout=20)
    assert len(cards(mira, ROOM, "Is this what you mean")) == 1
    assert stage.server.calls("chat.postMessage") != []


def test_pauses_between_tries_grow_to_a_minute(stage, mira):
    stage.quiet()
    stage.tables.owe("ask:nothing", stage.clock())
    stage.made.notifier.duties["ask"] = refuse
    for _ in range(12):
        for owed in stage.tables.owing(stage.clock()):
            stage.made.notifier.pay(owed)
        stage.pass_time(minutes=1)
    stage.made.notifier.pay(stage.tables.owing(stage.clock())[0])
    stage.pass_time(seconds=59)
    assert stage.tables.owing(stage.clock()) == []
    stage.pass_time(seconds=2)
    assert [owed.key for owed in stage.tables.owing(stage.clock())] == ["ask:nothing"]


def test_a_message_that_cannot_be_made_keeps_no_other_from_being_shown(stage, mira):
    stage.quiet()
    shown = []
    stage.made.notifier.duties |= {"ask": fail, "event": shown.append}
    stage.tables.owe("ask:broken", stage.clock())
    stage.tables.owe("event:fine", stage.clock())
    stage.made.notifier.look()
    assert shown == ["fine"]
    stage.pass_time(minutes=2)
    assert [owed.key for owed in stage.tables.owing(stage.clock())] == ["ask:broken"]


def fail(_name):
    raise SystemError("whatever a message may run into")


def test_a_listener_that_fails_tells_the_person(stage, mira, monkeypatch):
    message = stage.read_back(mira)
    monkeypatch.setattr(stage.front, "confirm", lambda *_: fail(""))
    mira.click(message, "Confirm")
    whisper(mira, ROOM, "That did not work")


def refuse(_name):
    raise SlackApiError("no", {"ok": False, "error": "internal_error"})


@pytest.mark.parametrize(
    "fault", [OSError("away"), PolicyError("policy.csv", "1", "x"), BusyError("x"), ValueError("x")]
)
def test_somebody_who_cannot_even_be_looked_up_is_told_and_not_served(stage, monkeypatch, fault):
    said = []
    monkeypatch.setattr(stage.front, "stranger", lambda _: (_ for _ in ()).throw(fault))
    monkeypatch.setattr(stage.front, "say", lambda *words: said.append(words[2]))
    with guarded(stage.front, MIRA, _spot(stage)) as welcome:
        assert welcome is False
    assert len(said) == 1


def test_one_approver_whom_slack_refuses_keeps_no_other_message_from_being_true(stage, mira, ines):
    ts, number = stage.asked(mira)
    card = card_with(ines, ines.dm(), "Needs your decision")
    stage.server.fault("chat.update", "error")
    ines.click(card, "Approve")
    mira.wait(lambda: "Approved by Ines" in text_of(message_at(mira, ROOM, ts)))
    ines.wait(lambda: "Approved by you" in text_of(message_at(ines, ines.dm(), card["ts"])))
    assert stage.house.book.request(number).status is Status.APPROVED


def test_a_card_that_somebody_deleted_comes_back_as_one_new_message(stage, mira, ines):
    ts, number = stage.asked(mira)
    channel = stage.tables.message(f"card:{number}").channel
    stage.front.slack.client.chat_delete(channel=channel, ts=ts)
    ines.click(card_with(ines, ines.dm(), "Needs your decision"), "Deny")
    ines.submit(ines.wait(ines.modal), {"reason": "use the idle ones"})
    card_with(mira, ROOM, "qm_edit_request", after=ts)
    assert len([m for m in cards(mira, ROOM, "Denied by Ines") if m["ts"] != ts]) == 1


def test_a_card_in_a_channel_that_the_bot_left_goes_on_in_direct_messages(stage, mira):
    _, number = stage.asked(mira)
    stage.quiet()
    posted = stage.tables.message(f"card:{number}")
    stage.tables.move(posted.key, "C0GONE", "")
    stage.front.notifier.refresh(number)
    assert f"REQ-{number}" in text_of(card_with(mira, mira.dm(), "Waiting for approval"))


# -- things that come twice -----------------------------------------------------------------------------------------


def event_body(stage, text, event_id="Ev1"):
    ts = f"{stage.clock().timestamp():.6f}"
    channel = stage.server.person(MIRA).channel_id(ROOM)
    event = {"type": "app_mention", "user": MIRA, "text": text, "channel": channel, "ts": ts}
    return {"event_id": event_id, "event": event}


def test_an_event_that_comes_again_makes_one_card(stage, mira):
    body = event_body(stage, "4 h100 for 3 hours to try")
    stage.quiet()
    assert stage.front.keep_event(body)
    stage.front.take_up("Ev1")
    assert not stage.front.keep_event(body)
    stage.front.take_up("Ev1")
    stage.front.hear(MIRA, "4 h100 for 3 hours to try", _spot(stage), "event:Ev1")
    assert len(cards(mira, ROOM, "Is this what you mean")) == 1


def _spot(stage):

    return Spot(channel=stage.server.person(MIRA).channel_id(ROOM))


def test_a_listener_that_acknowledges_too_late_still_makes_one_card(stage, mira, monkeypatch):
    """The workspace sends the event again when the acknowledgement took longer than it waits."""
    keep, slow = stage.front.keep_event, [True]

    def late(body):
        kept = keep(body)
        if slow and slow.pop():
            time.sleep(3.3)
        return kept

    monkeypatch.setattr(stage.front, "keep_event", late)
    stage.read_back(mira)
    time.sleep(0.5)
    assert len(cards(mira, ROOM, "Is this what you mean")) == 1


def test_a_double_click_on_confirm_enters_one_request_and_says_so(stage, mira):
    message = stage.read_back(mira)
    mira.click(message, "Confirm")
    mira.wait(lambda: "Waiting for approval" in text_of(message_at(mira, ROOM, message["ts"])))
    with pytest.raises(Exception, match=r"not there|in vain|there is no"):
        mira.click(message_at(mira, ROOM, message["ts"]), "Confirm")
    stage.front.confirm(MIRA, json.loads(json.dumps(_draft_id(message))), _spot(stage))
    whisper(mira, ROOM, "You confirmed that already: it is REQ-1001")
    assert len(stage.entries("request.submitted")) == 1


def _draft_id(message):
    return next(
        e["value"] for b in message["blocks"] for e in b.get("elements", ()) if e.get("action_id") == "qm_confirm"
    )


def test_the_same_tap_delivered_twice_counts_once(stage, mira):
    message = stage.read_back(mira)
    body = {
        "type": "block_actions",
        "user": {"id": MIRA, "team_id": stage.server.team_id},
        "team": {"id": stage.server.team_id},
        "trigger_id": "once.1",
        "channel": {"id": message["channel"]},
        "message": message,
        "container": {"type": "message", "channel_id": message["channel"], "message_ts": message["ts"]},
        "actions": [{"type": "button", "action_id": "qm_discard", "block_id": "x", "value": _draft_id(message)}],
    }
    seen = []
    real = stage.front.discard
    stage.front.discard = lambda *a: (seen.append(a), real(*a))
    for _ in range(2):
        assert stage.made.app.dispatch(BoltRequest(body=body, mode="socket_mode")).status == 200
    mira.wait(lambda: "Discarded. Nothing was sent." in text_of(message_at(mira, ROOM, message["ts"])))
    assert len(seen) == 1


def test_a_double_click_on_approve_is_told_who_approved(stage, mira, ines):
    _, number = stage.asked(mira)
    card = card_with(ines, ines.dm(), "Needs your decision")
    request = stage.house.book.request(number)
    ines.click(card, "Approve")
    ines.wait(lambda: stage.house.book.request(number).status is Status.APPROVED)

    ref = Ref(request=number, version=request.version, digest=request.form_digest)
    said = stage.front.decide(INES, ref, Verdict.APPROVE, "", Spot(channel=ines.dm()))
    assert said.startswith("REQ-1001 was already approved by Ines")
    assert len(stage.entries("request.reviewed")) == 1


def test_a_form_that_is_submitted_twice_is_read_back_once(stage, mira):
    mira.command("/qm gpu", ROOM)
    view = mira.wait(mira.modal)
    values = {"gpu_type": "h100-80gb", "gpu_count": "2", "hours": "1"}
    assert mira.submit(view, values) == {}
    card_with(mira, ROOM, "2 × H100 for 1 hour")
    state = {
        block["block_id"]: {block["element"]["action_id"]: {"type": block["element"]["type"], "value": None}}
        for block in view["blocks"]
        if block["type"] == "input"
    }
    state["gpu_type"] = {"gpu_type": {"type": "static_select", "selected_option": {"value": "h100-80gb"}}}
    state["gpu_count"] = {"gpu_count": {"type": "number_input", "value": "2"}}
    state["hours"] = {"hours": {"type": "number_input", "value": "1"}}
    again = {
        "id": view["id"],
        "private_metadata": json.dumps({"kind": "gpu", "channel": _spot(stage).channel}),
        "state": {"values": state},
    }
    entered = stage.front.form_entered(MIRA, again)
    assert callable(entered)
    entered()
    assert len(cards(mira, ROOM, "2 × H100 for 1 hour")) == 1


# -- things that are over -------------------------------------------------------------------------------------------


def test_a_button_of_a_form_that_changed_since_decides_nothing(stage, mira, ines):
    _, number = stage.asked(mira, "8 h100 for 2 hours to try more")
    old = card_with(ines, ines.dm(), "Needs your decision")
    ines.click(old, "Approve less")
    ines.submit(ines.wait(ines.modal), {"gpu_count": "3", "hours": "2", "reason": "three will do"})

    value = next(e["value"] for b in old["blocks"] for e in b.get("elements", ()) if e.get("action_id") == "qm_approve")
    other = Ref.parse(value)
    said = stage.front.decide("U03TOMAS", other, Verdict.APPROVE, "", Spot(channel=ines.dm()))
    assert "changed after this card was sent" in said
    assert stage.house.book.request(number).accept_pending


def test_a_draft_that_nobody_confirmed_says_so_and_cannot_be_confirmed(stage, mira):
    message = stage.read_back(mira)
    stage.pass_time(minutes=31)
    mira.wait(lambda: "Not confirmed in time. Nothing was sent" in text_of(message_at(mira, ROOM, message["ts"])))
    stage.front.confirm(MIRA, _draft_id(message), _spot(stage))
    assert stage.entries("request.submitted") == []


def test_a_decision_in_a_modal_that_was_overtaken_says_what_happened(stage, mira, ines):
    _, number = stage.asked(mira)
    ines.click(card_with(ines, ines.dm(), "Needs your decision"), "Deny")
    view = ines.wait(ines.modal)
    stage.front.act(MIRA, "withdraw", number, _spot(stage))
    ines.submit(view, {"reason": "too late"})
    shown = ines.wait(lambda: (m := ines.modal()) and "withdrawn" in json.dumps(m) and m)
    assert shown.get("submit") is None
    assert "REQ-1001" in json.dumps(shown)


# -- the process dies -----------------------------------------------------------------------------------------------


def test_a_message_kept_and_not_answered_is_answered_after_a_restart(stage, mira):
    stage.stop()
    stage.start()
    stage.quiet()
    assert stage.front.keep_event(event_body(stage, "4 h100 for 3 hours to try"))  # and killed here
    stage.stop()
    stage.pass_time(minutes=1)
    stage.start()
    card_with(mira, ROOM, "Is this what you mean")


def test_killed_between_entry_and_card_the_card_becomes_true_after_a_restart(stage, mira, ines):
    message = stage.read_back(mira)
    stage.quiet()
    draft = stage.tables.draft(_draft_id(message))
    assert stage.tables.take_draft(draft.id, State.SENDING)
    stage.front.desk.submit(MIRA, draft.form, purpose=draft.purpose, said=draft.said)  # and killed here
    stage.stop()
    stage.start()
    mira.wait(lambda: "Waiting for approval" in text_of(message_at(mira, ROOM, message["ts"])))
    card_with(ines, ines.dm(), "Needs your decision")
    assert stage.tables.draft(draft.id).state is State.SENT


def test_killed_before_the_entry_the_read_back_can_be_confirmed_again(stage, mira):
    message = stage.read_back(mira)
    stage.tables.take_draft(_draft_id(message), State.SENDING)  # and killed here
    stage.stop()
    stage.start()
    mira.click(message, "Confirm")
    mira.wait(lambda: "Waiting for approval" in text_of(message_at(mira, ROOM, message["ts"])))
    assert len(stage.entries("request.submitted")) == 1


def test_what_moved_while_the_desk_was_down_is_shown_when_it_is_back(stage, mira, ines):
    ts, number = stage.asked(mira)
    card = card_with(ines, ines.dm(), "Needs your decision")
    stage.stop()
    desk = stage.front.desk
    desk.withdraw(MIRA, number)
    stage.start()
    mira.wait(lambda: "Withdrawn by Mira" in text_of(message_at(mira, ROOM, ts)))
    ines.wait(lambda: "Withdrawn by Mira" in text_of(message_at(ines, ines.dm(), card["ts"])))


def test_what_slack_refused_before_a_kill_is_shown_after_it(stage, mira):
    ts, number = stage.asked(mira)
    stage.quiet()
    stage.front.desk.withdraw(MIRA, number)
    stage.server.fault("chat.update", "error", 2)
    stage.made.notifier.look()
    assert "Withdrawn" not in text_of(message_at(mira, ROOM, ts))
    stage.stop()
    stage.start()
    mira.wait(lambda: "Withdrawn by Mira" in text_of(message_at(mira, ROOM, ts)))


def test_a_connection_that_ends_in_the_middle_loses_nothing(stage, mira, ines):
    message = stage.read_back(mira)
    stage.server.refresh()
    mira.wait(lambda: stage.server.connections >= 1)
    mira.click(message, "Confirm")
    card = card_with(ines, ines.dm(), "Needs your decision")
    stage.server.refresh()
    mira.wait(lambda: stage.server.connections >= 1)
    ines.click(card, "Approve")
    mira.wait(lambda: "Approved by Ines" in text_of(message_at(mira, ROOM, message["ts"])))
    assert len(stage.entries("request.approved")) == 1
