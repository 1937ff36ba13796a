"""What a home keeps over a restart, and what it does not."""

from __future__ import annotations

import stat

import pytest
from slack_sdk import WebClient

from bot.workspace.errors import WorkspaceError
from bot.workspace.model import Channel, Person
from bot.workspace.server import WorkspaceServer

MIRA = Person(id="U01MIRA", name="Mira")
DESK = Channel(name="gpu-desk")


def started(home, **more):
    return WorkspaceServer((MIRA,), (DESK,), home=home, **more)


def client(server):
    return WebClient(token=server.bot_token, base_url=server.api_url)


def test_messages_threads_homes_files_and_reading_survive_a_restart(tmp_path):
    with started(tmp_path) as server:
        mira, web = server.person("U01MIRA"), client(server)
        root = mira.say("gpu-desk", "root")
        web.chat_postMessage(channel="U01MIRA", text="psst", metadata={"event_type": "e", "event_payload": {}})
        web.files_upload_v2(channel=mira.channel_id("gpu-desk"), content="a,b", filename="a.csv", thread_ts=root)
        web.views_publish(user_id="U01MIRA", view={"type": "home", "blocks": []})
        mira.read("gpu-desk")
        before = (mira.messages("gpu-desk", root), mira.messages(mira.dm()), mira.home_again(), mira.state())
        tokens = (server.bot_token, server.app_token, server.signing_secret, server.team_id)
        page_token = server.core.page_token
    with started(tmp_path) as server:
        mira = server.person("U01MIRA")
        after = (mira.messages("gpu-desk", root), mira.messages(mira.dm()), mira.home_again(), mira.state())
        assert after == before
        assert mira.download(mira.files("gpu-desk", root)[0]) == b"a,b"
        assert (server.bot_token, server.app_token, server.signing_secret, server.team_id) == tokens
        assert server.core.page_token != page_token
        assert mira.say("gpu-desk", "later") > root


def test_what_was_changed_or_deleted_comes_back_so(tmp_path):
    with started(tmp_path) as server:
        web, room = client(server), server.person("U01MIRA").channel_id("gpu-desk")
        kept = web.chat_postMessage(channel=room, text="one")["ts"]
        gone = web.chat_postMessage(channel=room, text="two")["ts"]
        web.chat_update(channel=room, ts=kept, text="changed")
        web.chat_delete(channel=room, ts=gone)
    with started(tmp_path) as server:
        (message,) = server.person("U01MIRA").messages("gpu-desk")
        assert (message["text"], message["edited"]) == ("changed", True)


def test_the_secrets_are_for_this_user_alone(tmp_path):
    with started(tmp_path):
        assert stat.S_IMODE((tmp_path / "identity.json").stat().st_mode) == 0o600


def test_without_a_home_every_start_is_new():
    with started(None) as first, started(None) as second:
        assert first.bot_token != second.bot_token
        first.person("U01MIRA").say("gpu-desk", "x")
        assert second.person("U01MIRA").messages("gpu-desk") == []


def test_a_taken_port_is_said_so(tmp_path):
    with started(None) as server, pytest.raises(WorkspaceError, match=f"Port {server.port} is taken"):
        started(None, port=server.port).start()


def test_a_workspace_that_is_not_running_says_so():
    with pytest.raises(WorkspaceError, match="not running"):
        _ = started(None).url
