"""What the page is shown, and what it may not do."""

from __future__ import annotations

import json

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from bot.workspace.errors import PersonError


@pytest.fixture
def page(server):
    """Return a client that has the page's token."""
    with httpx.Client(base_url=server.core.base_url, headers={"X-Workspace-Token": server.core.page_token}) as client:
        yield client


def test_the_page_is_told_of_the_workspace(page, server):
    boot = page.get("/ui/boot").json()
    assert boot["bot"] == {"id": server.bot_user, "name": "Quartermaster"}
    assert [each["name"] for each in boot["people"]] == ["Mira", "Ines", "Gil Guest"]
    assert boot["people"][0] | {"color": ""} == {
        "id": "U01MIRA",
        "name": "Mira",
        "title": "Engineer, vision",
        "initial": "M",
        "color": "",
        "tz": "Europe/Berlin",
    }
    assert boot["names"]["U04GONE"] == "Otto Gone"
    assert boot["commands"] == [{"usage": "/qm status REQ-12", "description": "Where a request stands"}]


@pytest.mark.parametrize("token", ["", "guess", "pässword"])
def test_without_the_token_of_this_start_nothing_is_told(server, token):
    answer = httpx.get(server.core.base_url + "/ui/boot", params={"token": token})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.1:1"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/ui/boot", "/api/auth.test"])
def test_another_host_or_origin_is_refused_even_with_the_token(page, server, headers, path):
    tokens = {"Authorization": f"Bearer {server.bot_token}"}
    answer = page.get(path, headers=headers | tokens)
    assert (answer.status_code, answer.json()) == (403, {"error": "This workspace answers on this machine only."})


def test_localhost_and_the_pages_own_origin_are_let_in(page, server):
    headers = {"Host": f"localhost:{server.port}", "Origin": f"http://127.0.0.1:{server.port}"}
    assert page.get("/ui/boot", headers=headers).status_code == 200


def test_every_answer_carries_the_strict_policy(page):
    for path in ("/", "/ui/boot", "/page/none.js"):
        headers = page.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self';")
        assert headers["x-content-type-options"] == "nosniff"


def test_no_file_outside_the_page_is_served(page):
    for path in ("/page/../server.py", "/page/%2e%2e/server.py", "/page/..%2fserver.py", "/page//etc/passwd"):
        assert page.get(path).status_code == 404


@pytest.mark.parametrize("user", ["U04GONE", "U05ROBOT", "U0NONE", ""])
def test_nobody_acts_as_a_bot_or_as_somebody_who_left(page, user):
    assert page.get("/ui/state", params={"as": user}).status_code == 403
    assert page.post("/ui/say", json={"as": user, "channel": "C01DESK", "text": "x"}).status_code == 403


def test_a_person_sees_and_speaks_in_their_own_conversations_only(mira, page):
    assert [each["name"] for each in mira.state()["channels"]] == ["gpu-desk", "pair", "no-bot"]
    assert [each["is_app"] for each in mira.state()["dms"]] == [True]
    secret = {"as": "U01MIRA", "channel": "C04SECRET", "text": "x"}
    assert page.post("/ui/say", json=secret).status_code == 404
    assert page.get("/ui/messages", params=secret).status_code == 404
    with pytest.raises(PersonError):
        mira.say("secret", "x")


def test_an_ephemeral_message_is_for_its_viewer_alone(web, mira, ines):
    web.chat_postEphemeral(channel="C01DESK", user="U01MIRA", text="only you")
    assert [(each["text"], each["ephemeral"]) for each in mira.messages("gpu-desk")] == [("only you", True)]
    assert ines.messages("gpu-desk") == []
    assert web.conversations_history(channel="C01DESK")["messages"] == []


def test_an_ephemeral_message_in_a_thread_stays_in_it(web, mira):
    ts = mira.say("gpu-desk", "root")
    web.chat_postEphemeral(channel="C01DESK", user="U01MIRA", text="only you", thread_ts=ts)
    assert [each["text"] for each in mira.messages("gpu-desk")] == ["root"]
    assert [each["text"] for each in mira.messages("gpu-desk", ts)] == ["root", "only you"]


def test_a_click_on_anothers_ephemeral_message_does_nothing(web, mira, ines):
    element = {"type": "button", "text": {"type": "plain_text", "text": "Go"}, "action_id": "go"}
    web.chat_postEphemeral(
        channel="C01DESK", user="U01MIRA", text="x", blocks=[{"type": "actions", "elements": [element]}]
    )
    with pytest.raises(PersonError, match="not there any more"):
        ines.click(mira.messages("gpu-desk")[0], "Go")


def test_replies_are_counted_at_the_root_and_shown_in_the_thread(mira, ines):
    ts = mira.say("gpu-desk", "root")
    ines.say("gpu-desk", "reply", ts)
    (root,) = mira.messages("gpu-desk")
    assert (root["reply_count"], root["thread_ts"]) == (1, None)
    assert [each["thread_ts"] for each in mira.messages("gpu-desk", ts)] == [None, ts]


def test_unread_counts_others_messages_until_they_are_read(web, mira, ines):
    web.chat_postMessage(channel="U01MIRA", text="one")
    web.chat_postMessage(channel="C01DESK", text="two")
    ts = ines.say("gpu-desk", "three")
    ines.say("gpu-desk", "in a thread mira is not part of", ts)
    state = mira.state()
    assert (state["dms"][0]["unread"], state["channels"][0]["unread"]) == (1, 2)
    mira.read("gpu-desk")
    assert mira.state()["channels"][0]["unread"] == 0


def test_a_persons_badge_counts_what_is_for_them_direct_messages_and_mentions(web, mira, ines):
    web.chat_postMessage(channel="U01MIRA", text="one")
    ts = ines.say("gpu-desk", "for everybody")
    ines.say("gpu-desk", "in a thread, for @mira", ts)
    assert ines.state()["unread_by_person"] == {"U01MIRA": 2, "U02INES": 0, "U03GUEST": 0}
    assert mira.state()["channels"][0]["calls"] == 1
    mira.read("gpu-desk")
    assert mira.state()["unread_by_person"]["U01MIRA"] == 1


def test_time_stamps_grow_while_the_clock_stands_still(mira):
    stamps = [mira.say("gpu-desk", str(number)) for number in range(5)]
    assert sorted(set(stamps)) == stamps


def stream(server, user, token=None):
    token = server.core.page_token if token is None else token
    return connect(f"ws://127.0.0.1:{server.port}/ui/stream?as={user}&token={token}", proxy=None)


def notes(socket, count):
    return [json.loads(socket.recv(timeout=3)) for _ in range(count)]


def test_open_pages_are_told_what_their_person_can_see(server, web, mira, ines):
    with stream(server, "U01MIRA") as hers, stream(server, "U03GUEST") as his:
        mira.state()
        ts = ines.say("pair", "hi")
        posted = web.chat_postMessage(channel="C01DESK", text="all")["ts"]
        web.chat_update(channel="C01DESK", ts=posted, text="changed")
        web.chat_postEphemeral(channel="C01DESK", user="U01MIRA", text="only you")
        web.chat_delete(channel="C01DESK", ts=posted)
        view = {"type": "home", "blocks": []}
        web.views_publish(user_id="U01MIRA", view=view)
        told = notes(hers, 8)
        assert [each["type"] for each in told] == [
            "message",
            "unread",
            "message",
            "unread",
            "update",
            "ephemeral",
            "delete",
            "home",
        ]
        assert (told[0]["channel"], told[0]["ts"]) == ("C02PAIR", ts)
        assert [each["type"] for each in notes(his, 5)] == ["unread", "message", "unread", "update", "delete"]


def test_the_stream_needs_the_token_too(server):
    with pytest.raises(InvalidStatus), stream(server, "U01MIRA", "guess"):
        pass
    with pytest.raises(InvalidStatus), stream(server, "U05ROBOT"):
        pass
    address = f"ws://127.0.0.1:{server.port}/ui/stream?as=U01MIRA&token={server.core.page_token}"
    with pytest.raises(InvalidStatus), connect(address, origin="https://evil.example", proxy=None):
        pass


def test_a_permalink_leads_to_the_page(web, page, mira):
    ts = mira.say("gpu-desk", "x")
    link = web.chat_getPermalink(channel="C01DESK", message_ts=ts)["permalink"]
    assert page.get(link).headers["location"] == f"/#channel=C01DESK&message=p{ts.replace('.', '')}"


def test_the_page_may_load_from_and_talk_to_this_workspace_alone(page, server):
    policy = page.get("/").headers["content-security-policy"]
    sources = dict(each.strip().split(" ", 1) for each in policy.split(";"))
    assert sources["default-src"] == "'self'"
    assert sources["connect-src"] == f"'self' ws://127.0.0.1:{server.port} ws://localhost:{server.port}"
