"""Slack's own error codes, one by one."""

from __future__ import annotations

import httpx
import pytest


@pytest.fixture
def call(server):
    """Return a function that calls a method with the bot's token and returns the answer."""
    with httpx.Client(base_url=server.api_url, headers={"Authorization": f"Bearer {server.bot_token}"}) as client:
        yield lambda method, **arguments: client.post(method, json=arguments).json()


def error(answer):
    assert answer["ok"] is False
    return answer["error"]


SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "x"}}
HOME = {"type": "home", "blocks": [SECTION]}
MODAL = {"type": "modal", "title": {"type": "plain_text", "text": "t"}, "blocks": [SECTION]}


@pytest.mark.parametrize(
    ("method", "token", "code"),
    [
        ("auth.test", None, "not_authed"),
        ("auth.test", "xoxb-of-another", "invalid_auth"),
        ("chat.postMessage", "app", "not_allowed_token_type"),
        ("apps.connections.open", "bot", "not_allowed_token_type"),
        ("chat.shout", "bot", "unknown_method"),
    ],
)
def test_a_call_needs_the_right_token(server, method, token, code):
    tokens = {"app": server.app_token, "bot": server.bot_token}
    headers = {"Authorization": f"Bearer {tokens.get(token, token)}"} if token else {}
    assert error(httpx.post(server.api_url + method, headers=headers).json()) == code


def test_a_token_in_a_form_is_taken_and_in_a_query_or_json_body_is_not(server):
    address, token = server.api_url + "auth.test", server.bot_token
    assert httpx.post(address, data={"token": token}).json()["user_id"] == server.bot_user
    assert error(httpx.post(address, params={"token": token}).json()) == "not_authed"
    assert error(httpx.post(address, json={"token": token}).json()) == "not_authed"


@pytest.mark.parametrize(
    ("content", "kind", "code"),
    [
        (b"{", "application/json", "invalid_json"),
        (b"[]", "application/json", "json_not_object"),
        (b"x", "text/plain", "invalid_post_type"),
    ],
)
def test_a_body_must_be_a_form_or_an_object(server, content, kind, code):
    headers = {"Authorization": f"Bearer {server.bot_token}", "Content-Type": kind}
    answer = httpx.post(server.api_url + "chat.postMessage", content=content, headers=headers)
    assert error(answer.json()) == code


@pytest.mark.parametrize(
    ("method", "arguments", "code"),
    [
        ("chat.postMessage", {"channel": "C0NONE", "text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": "C03NOBOT", "text": "x"}, "not_in_channel"),
        ("chat.postMessage", {"channel": "C04SECRET", "text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": "C01DESK"}, "no_text"),
        ("chat.postMessage", {"channel": "C01DESK", "text": "x" * 40_001}, "msg_too_long"),
        ("chat.postMessage", {"channel": "C01DESK", "text": "x", "blocks": [{"type": "nope"}]}, "invalid_blocks"),
        ("chat.postMessage", {"channel": "C01DESK", "text": "x", "blocks": "[{"}, "invalid_blocks_format"),
        ("chat.postMessage", {"channel": "C01DESK", "text": "x", "metadata": {"a": 1}}, "invalid_metadata_format"),
        ("chat.postMessage", {"channel": "C01DESK", "text": "x", "thread_ts": "1.2"}, "cannot_reply_to_message"),
        ("chat.postEphemeral", {"channel": "C02PAIR", "user": "U03GUEST", "text": "x"}, "user_not_in_channel"),
        ("chat.update", {"channel": "C01DESK", "ts": "1.2", "text": "x"}, "message_not_found"),
        ("chat.delete", {"channel": "C01DESK", "ts": "1.2"}, "message_not_found"),
        ("chat.getPermalink", {"channel": "C01DESK", "message_ts": "1.2"}, "message_not_found"),
        ("reactions.add", {"channel": "C01DESK", "timestamp": "1.2", "name": "eyes"}, "message_not_found"),
        ("reactions.add", {"channel": "C01DESK", "timestamp": "1.2", "name": "Not an emoji"}, "invalid_name"),
        ("conversations.open", {}, "users_list_not_supplied"),
        ("conversations.open", {"users": "U0NONE"}, "user_not_found"),
        ("conversations.open", {"users": "U04GONE"}, "user_disabled"),
        ("conversations.open", {"users": "U05ROBOT"}, "cannot_dm_bot"),
        ("conversations.info", {"channel": "C04SECRET"}, "channel_not_found"),
        ("conversations.history", {"channel": "C03NOBOT"}, "not_in_channel"),
        ("conversations.history", {"channel": "C01DESK", "cursor": "?"}, "invalid_cursor"),
        ("conversations.history", {"channel": "C01DESK", "limit": -1}, "invalid_limit"),
        ("conversations.replies", {"channel": "C01DESK", "ts": "1.2"}, "thread_not_found"),
        ("conversations.list", {"types": "rooms"}, "invalid_types"),
        ("users.info", {"user": "U0NONE"}, "user_not_found"),
        ("users.lookupByEmail", {"email": "no@example.com"}, "users_not_found"),
        ("usergroups.users.list", {"usergroup": "S0NONE"}, "no_such_subteam"),
        ("views.open", {"view": MODAL}, "invalid_arguments"),
        ("views.open", {"view": MODAL, "trigger_id": "made.up"}, "invalid_trigger_id"),
        ("views.open", {"view": HOME, "trigger_id": "made.up"}, "invalid_arguments"),
        ("views.update", {"view": MODAL, "view_id": "V0NONE"}, "not_found"),
        ("views.publish", {"view": HOME, "user_id": "U0NONE"}, "user_not_found"),
        ("views.publish", {"view": MODAL, "user_id": "U01MIRA"}, "invalid_arguments"),
        ("files.completeUploadExternal", {"files": [{"id": "F0NONE"}]}, "file_not_found"),
        ("files.info", {"file": "F0NONE"}, "file_not_found"),
    ],
)
def test_a_wrong_call_gets_slacks_code(call, method, arguments, code):
    assert error(call(method, **arguments)) == code


def test_the_words_of_a_person_can_be_neither_changed_nor_deleted_by_the_app(call, mira):
    ts = mira.say("gpu-desk", "mine")
    assert error(call("chat.update", channel="C01DESK", ts=ts, text="x")) == "cant_update_message"
    assert error(call("chat.delete", channel="C01DESK", ts=ts)) == "cant_delete_message"


def test_a_reaction_is_added_once(call, mira):
    ts = mira.say("gpu-desk", "mine")
    assert call("reactions.add", channel="C01DESK", timestamp=ts, name="eyes")["ok"]
    assert error(call("reactions.add", channel="C01DESK", timestamp=ts, name="eyes")) == "already_reacted"
    assert mira.messages("gpu-desk")[0]["reactions"][0]["name"] == "eyes"


def test_an_update_takes_a_tenth_of_the_text_of_a_post(call):
    ts = call("chat.postMessage", channel="C01DESK", text="x" * 4_001)["ts"]
    assert error(call("chat.update", channel="C01DESK", ts=ts, text="x" * 4_001)) == "msg_too_long"


def test_blocks_and_metadata_stay_in_an_update_that_does_not_name_them(call):
    metadata = {"event_type": "card", "event_payload": {"request": "REQ-1"}}
    ts = call("chat.postMessage", channel="C01DESK", text="x", blocks=[SECTION], metadata=metadata)["ts"]
    kept = call("chat.update", channel="C01DESK", ts=ts, text="y")["message"]
    assert (kept["text"], len(kept["blocks"]), kept["metadata"]) == ("y", 1, metadata)
    bare = call("chat.update", channel="C01DESK", ts=ts, text="z", blocks=[], metadata={})["message"]
    assert "blocks" not in bare
    assert "metadata" not in bare


def test_metadata_is_read_back_only_when_asked_for(call):
    metadata = {"event_type": "card", "event_payload": {"request": "REQ-1"}}
    call("chat.postMessage", channel="C01DESK", text="x", metadata=metadata)
    plain = call("conversations.history", channel="C01DESK")
    full = call("conversations.history", channel="C01DESK", include_all_metadata=True)
    assert "metadata" not in plain["messages"][0]
    assert full["messages"][0]["metadata"] == metadata


def test_history_is_newest_first_and_pages_by_cursor(call):
    sent = [call("chat.postMessage", channel="C01DESK", text=str(number))["ts"] for number in range(5)]
    first = call("conversations.history", channel="C01DESK", limit=3)
    cursor = first["response_metadata"]["next_cursor"]
    rest = call("conversations.history", channel="C01DESK", limit=3, cursor=cursor)
    assert [each["ts"] for each in (*first["messages"], *rest["messages"])] == sent[::-1]
    assert (first["has_more"], rest["has_more"]) == (True, False)
    later = call("conversations.history", channel="C01DESK", oldest=sent[2])
    assert [each["ts"] for each in later["messages"]] == [sent[4], sent[3]]


def test_a_message_to_a_person_goes_to_their_direct_messages(call, mira):
    answer = call("chat.postMessage", channel="U01MIRA", text="psst")
    assert answer["channel"] == mira.dm() == call("conversations.open", users="U01MIRA")["channel"]["id"]
    assert mira.messages(mira.dm())[0]["text"] == "psst"
    assert error(call("chat.update", channel="U01MIRA", ts=answer["ts"], text="x")) == "channel_not_found"
    assert call("chat.update", channel=answer["channel"], ts=answer["ts"], text="x")["ok"]


def test_a_channel_may_be_named_to_post_and_nowhere_else(call):
    answer = call("chat.postMessage", channel="#gpu-desk", text="x")
    assert answer["channel"] == "C01DESK"
    assert error(call("chat.delete", channel="#gpu-desk", ts=answer["ts"])) == "channel_not_found"


def test_deleting_the_root_of_a_thread_leaves_a_line(call, mira):
    ts = call("chat.postMessage", channel="C01DESK", text="root")["ts"]
    mira.say("gpu-desk", "reply", ts)
    assert call("chat.delete", channel="C01DESK", ts=ts)["ok"]
    assert mira.messages("gpu-desk")[0]["text"] == "This message was deleted."
    assert error(call("chat.update", channel="C01DESK", ts=ts, text="x")) == "message_not_found"


def test_people_and_groups_are_told_as_slack_tells_them(call, server):
    members = {each["id"]: each for each in call("users.list")["members"]}
    assert members["U03GUEST"]["is_restricted"]
    assert members["U04GONE"]["deleted"]
    assert members["U05ROBOT"]["is_bot"]
    assert members[server.bot_user]["profile"]["api_app_id"].startswith("A")
    assert call("users.info", user="U01MIRA")["user"]["profile"]["title"] == "Engineer, vision"
    assert call("users.lookupByEmail", email="MIRA@example.com")["user"]["id"] == "U01MIRA"
    assert call("usergroups.users.list", usergroup="S01LEADS")["users"] == ["U02INES"]
    assert "users" not in call("usergroups.list")["usergroups"][0]


def test_a_file_must_come_in_the_size_that_was_announced(call, server):
    announced = call("files.getUploadURLExternal", filename="a.csv", length=3)
    assert httpx.post(announced["upload_url"], content=b"four").status_code == 400
    assert error(call("files.completeUploadExternal", files=[{"id": announced["file_id"]}])) == "file_not_found"
    assert httpx.post(announced["upload_url"], content=b"abc").status_code == 200
    done = call("files.completeUploadExternal", files=[{"id": announced["file_id"]}], channel_id="C03NOBOT")
    assert error(done) == "not_in_channel"


def test_a_planned_fault_happens_once_and_only_a_lost_answer_leaves_a_message(server, call, mira):
    server.fault("chat.postMessage", "ratelimited")
    server.fault("chat.postMessage", "error")
    server.fault("chat.postMessage", "lost")
    headers = {"Authorization": f"Bearer {server.bot_token}"}
    body = {"channel": "C01DESK", "text": "once"}
    limited = httpx.post(server.api_url + "chat.postMessage", json=body, headers=headers)
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "1")
    assert httpx.post(server.api_url + "chat.postMessage", json=body, headers=headers).status_code == 500
    assert mira.messages("gpu-desk") == []
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.post(server.api_url + "chat.postMessage", json=body, headers=headers)
    assert [each["text"] for each in mira.messages("gpu-desk")] == ["once"]
    assert call("chat.postMessage", **body)["ok"]
    assert len(server.calls("chat.postMessage")) == 2


def test_a_response_url_ends_after_five_answers(server, mira, clock):
    core = server.core
    secret = core.hooks.issue("C01DESK", "U01MIRA")
    address = f"{core.base_url}/actions/{server.team_id}/{secret}"
    assert [httpx.post(address, json={"text": "x"}).status_code for _ in range(6)] == [200] * 5 + [404]
    late = f"{core.base_url}/actions/{server.team_id}/{core.hooks.issue('C01DESK', 'U01MIRA')}"
    clock.now += 1801
    assert httpx.post(late, json={"text": "x"}).json()["error"] == "expired_url"
    assert len(mira.messages("gpu-desk")) == 5


def test_a_response_url_replaces_and_deletes_the_message_it_came_with(server, call, mira):
    ts = call("chat.postMessage", channel="C01DESK", text="card", blocks=[SECTION])["ts"]
    core = server.core
    secret = core.hooks.issue("C01DESK", "U01MIRA", message_ts=ts)
    address = f"{core.base_url}/actions/{server.team_id}/{secret}"
    httpx.post(address, json={"text": "replaced", "replace_original": True})
    assert [(each["ts"], each["text"], each["blocks"]) for each in mira.messages("gpu-desk")] == [(ts, "replaced", [])]
    httpx.post(address, json={"delete_original": True})
    assert mira.messages("gpu-desk") == []
