"""Questions, modals, reminders, words and Home, as people meet them on the local workspace."""

from __future__ import annotations

import json

import pytest
from bot_stage import ROOM, STRANGER, card_with, message_at, text_of, whisper
from conftest import INES, MIRA, ODILE, TOMAS

from bot.blocks.parts import Ref
from bot.front import Spot
from ledger.nouns import GpuForm
from ledger.streams.request import Status


def here(stage):
    return Spot(channel=stage.server.person(MIRA).channel_id(ROOM))


# -- questions ------------------------------------------------------------------------------------------------------


def test_each_answer_removes_its_doubt_and_the_last_one_becomes_the_read_back(stage, mira):
    ts = mira.say(ROOM, "@quartermaster can I get some a100s for 3 hours")
    asked = card_with(mira, ROOM, "Two things are not clear", after=ts)
    assert "<@" not in text_of(asked)
    mira.select(asked, "qm_answer_gpu_count", "4")
    one = mira.wait(lambda: (m := message_at(mira, ROOM, asked["ts"])) and "One thing is not clear" in text_of(m) and m)
    assert "is not a number" not in text_of(one)
    mira.select(one, "qm_answer_gpu_type", "a100-80gb")
    mira.wait(lambda: "Is this what you mean" in text_of(message_at(mira, ROOM, asked["ts"])))
    assert "4 × A100 80 GB for 3 hours" in text_of(message_at(mira, ROOM, asked["ts"]))


def test_only_the_asker_answers_a_question(stage, mira, ines):
    ts = mira.say(ROOM, "@quartermaster some h100 for 3 hours")
    asked = card_with(ines, ROOM, "One thing is not clear", after=ts)
    ines.select(asked, "qm_answer_gpu_count", "8")
    whisper(ines, ROOM, "Only the person who asked")
    assert "One thing is not clear" in text_of(message_at(mira, ROOM, asked["ts"]))


def test_the_form_of_a_question_holds_what_was_clear_and_becomes_the_same_message(stage, mira):
    ts = mira.say(ROOM, "@quartermaster some h100 for 2 hours")
    asked = card_with(mira, ROOM, "not clear", after=ts)
    mira.click(asked, "Open form")
    view = mira.wait(mira.modal)
    hours = next(block["element"]["initial_value"] for block in view["blocks"] if block.get("block_id") == "hours")
    assert hours == "2"
    mira.submit(view, {"gpu_count": "1"})
    mira.wait(lambda: "1 × H100 for 2 hours" in text_of(message_at(mira, ROOM, asked["ts"])))


# -- modals ---------------------------------------------------------------------------------------------------------


def last_line(view):
    return view["blocks"][-1]["elements"][0]["text"]


def test_a_changed_value_counts_up_the_last_line_at_once(stage, mira):
    mira.command("/qm gpu", ROOM)
    view = mira.wait(mira.modal)
    assert last_line(view).startswith("Fill in the rest")
    values = {"gpu_type": "h100-80gb", "gpu_count": "4", "hours": "6"}
    state = {"gpu_count": {"gpu_count": {"type": "number_input", "value": "4"}}}
    state["hours"] = {"hours": {"type": "number_input", "value": values["hours"]}}
    mira._post(
        "/ui/act",
        view_id=view["id"],
        block_id="gpu_type",
        action_id="gpu_type",
        selected_option={"value": "h100-80gb"},
        values=state,
    )
    line = mira.wait(lambda: (m := mira.modal()) and "24 GPU-hours" in last_line(m) and last_line(m))
    assert "€67.20" in line
    assert "needs 1 lead of platform" in line


def test_a_value_over_a_limit_is_said_on_its_field_with_the_rule(stage, mira):
    mira.command("/qm gpu", ROOM)
    view = mira.wait(mira.modal)
    errors = mira.submit(view, {"gpu_type": "h100-80gb", "gpu_count": "9", "hours": "100"})
    assert errors["gpu_count"].startswith("Rule ask-gpu-eng allows up to 8")
    assert errors["hours"] == "Rule ask-gpu-eng allows up to 3 days"


def test_a_form_about_a_request_that_moved_on_changes_nothing_and_says_so(stage, mira):
    ts, number = stage.asked(mira)
    mira.click(message_at(mira, ROOM, ts), "Edit")
    view = mira.wait(mira.modal)
    stage.front.verb(MIRA, "withdraw", number, "", here(stage))
    mira.submit(view, {"gpu_count": "2"})
    shown = mira.wait(lambda: (m := mira.modal()) and m["title"]["text"] == "Nothing changed" and m)
    assert "REQ-1001 withdrawn" in json.dumps(shown)


def test_what_is_edited_in_time_replaces_the_request(stage, mira):
    ts, _ = stage.asked(mira)
    mira.click(message_at(mira, ROOM, ts), "Edit")
    mira.submit(mira.wait(mira.modal), {"gpu_count": "3"})
    again = card_with(mira, ROOM, "qm_confirm", after=ts)
    mira.click(again, "Confirm")
    mira.wait(lambda: "Replaced by REQ-1002" in text_of(message_at(mira, ROOM, ts)))


# -- reminding ------------------------------------------------------------------------------------------------------


def test_remind_comes_after_half_an_hour_and_then_once_an_hour(stage, mira, ines):
    ts, number = stage.asked(mira)
    assert "qm_remind" not in text_of(message_at(mira, ROOM, ts))
    said = stage.front.verb(MIRA, "remind", number, "", here(stage))
    assert said.startswith("You can remind the approvers of REQ-1001 from")
    stage.pass_time(minutes=31)
    card = mira.wait(lambda: (m := message_at(mira, ROOM, ts)) and "qm_remind" in text_of(m) and m)
    mira.click(card, "Remind")
    whisper(mira, ROOM, "Reminded Ines of REQ-1001")
    approval = card_with(ines, ines.dm(), "Needs your decision")
    ines.wait(lambda: any("Mira reminds you" in text_of(m) for m in ines.messages(ines.dm(), approval["ts"])))
    mira.wait(lambda: "qm_remind" not in text_of(message_at(mira, ROOM, ts)))
    stage.front.verb(MIRA, "remind", number, "", here(stage))
    assert stage.tables.nudges(number).count == 1
    stage.pass_time(minutes=61)
    mira.wait(lambda: "qm_remind" in text_of(message_at(mira, ROOM, ts)))


def test_only_the_asker_reminds(stage, mira):
    _, number = stage.asked(mira)
    stage.pass_time(minutes=31)
    assert "belongs to Mira" in stage.front.verb(TOMAS, "remind", number, "", here(stage))
    assert stage.tables.nudges(number).count == 0


# -- words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("can i 2 h100 for 1 hour", "Yes: 2 × H100 for 1 hour, 2 GPU-hours, €5.60."),
        ("can i have 16 h100 for 3 days?", "No: 16 × H100 for 3 days"),
        ("can i use the h100-shared pool?", "Yes: 1 × H100 for 1 hour, 1 GPU-hour,"),
        ("may I use h100-shared?", "Say how many, and for how long, to hear about that."),
        ("who can approve REQ-1001", "REQ-1001 needs a lead of platform (Ines)."),
        ("status all", "REQ-1001, 4 × H100 for 3 hours: Waiting for approval"),
        ("why REQ-1001", "Rule need-gpu needs"),
        ("status REQ-9999", "I find no request REQ-9999"),
        ("revoke REQ-1001", "No rule lets you do that with REQ-1001"),
        ("export last month", "Only an auditor exports"),
    ],
)
def test_words_are_answered_to_the_person_alone(stage, mira, typed, said):
    stage.asked(mira)
    mira.command(f"/qm {typed}", ROOM)
    mira.wait(lambda: any(m["ephemeral"] and said in text_of(m).replace("`", "") for m in mira.messages(ROOM)))


def test_typed_and_tapped_give_the_same_sentence(stage, mira):
    ts, number = stage.asked(mira)
    mira.command(f"/qm cancel REQ-{number}", ROOM)
    said = whisper(mira, ROOM, "Withdrawn by Mira")["text"]
    card = mira.wait(lambda: (m := message_at(mira, ROOM, ts)) and "Withdrawn" in m["text"] and m)
    assert said == card["text"]


def test_help_lists_only_what_a_person_may_do(stage):
    assert "export" not in stage.front.help(MIRA)
    assert "/qm revoke" not in stage.front.help(MIRA)
    assert "/qm approve" not in stage.front.help(ODILE)
    assert "/qm approve" in stage.front.help(INES)
    assert "/qm export last month" in stage.front.help(ODILE)
    assert "/qm gpu" not in stage.front.help(ODILE)


def test_an_auditor_exports_a_request_as_a_table(stage, mira):
    stage.asked(mira)
    odile = stage.server.person(ODILE)
    odile.command("/qm export REQ-1001 csv", ROOM)
    files = odile.wait(lambda: odile.files(odile.dm()))
    table = odile.download(files[-1]).decode()
    assert table.count("request:1001") == 2
    assert "people.enrolled" not in table


# -- threads, Home, and asking again --------------------------------------------------------------------------------


def test_every_change_of_state_is_one_line_and_mentions_the_asker_where_they_wait(stage, mira, ines):
    ts, number = stage.asked(mira)
    ines.click(card_with(ines, ines.dm(), "Needs your decision"), "Approve")
    thread = stage.tables.message(f"card:{number}").thread
    line = mira.wait(lambda: next((m for m in mira.messages(ROOM, thread) if "Approved by Ines" in text_of(m)), None))
    assert f"<@{MIRA}>" in text_of(line)
    mira.click(message_at(mira, ROOM, ts), "Withdraw")
    gone = mira.wait(lambda: next((m for m in mira.messages(ROOM, thread) if "Withdrawn by Mira" in text_of(m)), None))
    assert f"<@{MIRA}>" not in text_of(gone)
    assert len([m for m in mira.messages(ROOM, thread) if "Approved by Ines" in text_of(m)]) == 1


def test_ask_again_shows_the_same_values_back_first(stage, mira):
    ts, _ = stage.asked(mira)
    mira.click(message_at(mira, ROOM, ts), "Withdraw")
    over = mira.wait(lambda: (m := message_at(mira, ROOM, ts)) and "qm_again" in text_of(m) and m)
    mira.click(over, "Ask again")
    again = card_with(mira, ROOM, "Is this what you mean", after=ts)
    assert "4 × H100 for 3 hours" in text_of(again)
    assert "retrain churn" in text_of(again)
    assert len(stage.entries("request.submitted")) == 1


def test_home_shows_ten_and_turns_to_the_older_ones(stage, mira):
    form = GpuForm(resource="gpu:h100-shared", gpu_type="h100-80gb", gpus=16, duration_s=3600)
    for _ in range(12):
        stage.front.desk.submit(MIRA, form, purpose="", said="")
    mira.home()
    home = mira.wait(lambda: (m := mira.home_again()) and "Showing 1 to 10 of 12" in json.dumps(m) and m)
    assert "REQ-1012" in json.dumps(home)
    mira.click(home, "Older")
    older = mira.wait(lambda: (m := mira.home_again()) and "Showing 11 to 12 of 12" in json.dumps(m) and m)
    assert "REQ-1001" in json.dumps(older)
    assert "Newer" in json.dumps(older)


def test_a_stranger_sees_the_refusal_and_nothing_else(stage):
    view = stage.front.home(STRANGER)
    assert len(view["blocks"]) == 1
    assert "I do not know you yet" in json.dumps(view)


def test_no_button_of_the_auditors_home_changes_a_request(stage, mira):
    stage.asked(mira)
    text = json.dumps(stage.front.home(ODILE))
    assert "The ledger is consistent" in text
    assert "qm_export_period" in text
    assert not {word for word in ("qm_approve", "qm_withdraw", "qm_revoke", "qm_home_gpu") if word in text}


def test_a_lead_does_not_revoke_what_never_started(stage, mira):
    _, number = stage.asked(mira)
    request = stage.house.book.request(number)
    ref = Ref(request=number, version=request.version, digest=request.form_digest)
    assert "still waits" in stage.front.revoke(INES, ref, "no", here(stage))
    assert stage.house.book.request(number).status is Status.WAITING
