"""The desk over HTTP: the same app; forged, old and repeated calls change nothing, and a crowd is answered in time."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import httpx
import pytest
from bot_stage import ROOM, card_with, cards

from bot.errors import SettingsError
from bot.http import LARGEST, serving
from bot.settings import SlackSettings

MIRA = "U01MIRA"
ACK_S = 3.0


@pytest.fixture
def slack(stage):
    with serving(stage.made.app, "127.0.0.1", 0) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        yield Caller(stage, client)


class Caller:
    """Calls as Slack makes them."""

    def __init__(self, stage, client):
        self.stage, self.client, self.ts = stage, client, f"{time.time():.6f}"

    def post(self, body, *, kind="application/json", secret=None, age_s=0, signed=True):
        at = str(int(time.time()) - age_s)
        key = (secret or self.stage.server.signing_secret).encode()
        mark = "v0=" + hmac.new(key, f"v0:{at}:{body}".encode(), hashlib.sha256).hexdigest()
        headers = {"content-type": kind, "x-slack-request-timestamp": at} | (
            {"x-slack-signature": mark} if signed else {}
        )
        return self.client.post("/slack/events", content=body, headers=headers)

    def mention(self, event_id, **how):
        room = self.stage.server.person(MIRA).channel_id(ROOM)
        event = {
            "type": "app_mention",
            "user": MIRA,
            "text": "<@U0QM> 4 h100 for 3 hours",
            "channel": room,
            "ts": self.ts,
        }
        body = {"type": "event_callback", "event_id": event_id, "team_id": self.stage.server.team_id, "event": event}
        return self.post(json.dumps(body), **how)


def test_a_signed_call_is_heard_once_however_often_it_comes(stage, slack):
    assert [slack.mention("Ev1").status_code for _ in range(3)] == [200, 200, 200]
    mira = stage.server.person(MIRA)
    card_with(mira, ROOM, "qm_confirm")
    assert len(cards(mira, ROOM, "Is this what you mean?")) == 1


@pytest.mark.parametrize(
    "how",
    [{"secret": "another"}, {"signed": False}, {"age_s": 301}, {"age_s": -301}],
    ids=["forged", "unsigned", "old", "from the future"],
)
def test_what_slack_did_not_send_now_is_refused_and_not_heard(stage, slack, how):
    assert slack.mention("Ev2", **how).status_code == 401
    assert stage.tables.kept("event:Ev2") is None
    assert slack.mention("Ev2").status_code == 200


def test_slack_verifies_the_address(slack):
    answer = slack.post(json.dumps({"type": "url_verification", "challenge": "c1"}))
    assert (answer.status_code, "c1" in answer.text) == (200, True)


def test_a_call_larger_than_slacks_is_refused(slack):
    assert slack.post("x" * (LARGEST + 1)).status_code == 413
    assert slack.client.get("/health").text == "ok"


def test_a_crowd_is_acknowledged_in_time(slack):
    body = urlencode(
        {"command": "/qm", "text": "help", "user_id": MIRA, "channel_id": "C1", "team_id": "T1", "trigger_id": "t"}
    )

    def one(_):
        began = time.monotonic()
        answer = slack.post(body, kind="application/x-www-form-urlencoded")
        return answer.status_code, time.monotonic() - began

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(one, range(100)))
    assert {status for status, _ in answers} == {200}
    assert max(took for _, took in answers) < ACK_S


def test_a_port_that_is_taken_is_said_in_words(stage):
    app = stage.made.app
    with serving(app, "127.0.0.1", 0) as port:
        second = serving(app, "127.0.0.1", port)
        with pytest.raises(SettingsError, match="choose another"):
            second.__enter__()


def test_what_is_missing_is_named(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("BOT_TOKEN", "APP_TOKEN", "SIGNING_SECRET", "API_URL"):
        monkeypatch.delenv(f"SLACK_{name}", raising=False)
    with pytest.raises(SettingsError, match="SLACK_BOT_TOKEN, SLACK_APP_TOKEN, SLACK_SIGNING_SECRET"):
        SlackSettings().check()
    (tmp_path / ".env").write_text('SLACK_BOT_TOKEN="xoxb-1"\nSLACK_SIGNING_SECRET=s\n')
    SlackSettings().check(http=True)
    with pytest.raises(SettingsError, match="SLACK_APP_TOKEN is missing"):
        SlackSettings().check()
    with pytest.raises(SettingsError, match="/api/"):
        SlackSettings(api_url="https://slack.example").check(http=True)
