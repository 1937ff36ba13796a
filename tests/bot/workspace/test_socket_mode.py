"""Envelopes as they go over the wire: acknowledged, sent again, to one connection."""

from __future__ import annotations

import contextlib
import json
import threading

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from bot.workspace.errors import PersonError


class Wire:
    """One Socket Mode connection, read by hand."""

    def __init__(self, address, stack):
        self.address = address
        self.socket = stack.enter_context(connect(address, proxy=None))
        self.hello = self.receive()

    def receive(self, timeout=3.0):
        return json.loads(self.socket.recv(timeout=timeout))

    def quiet(self, timeout=0.3):
        with contextlib.suppress(TimeoutError):
            self.socket.recv(timeout=timeout)
            return False
        return True

    def ack(self, envelope, payload=None):
        body = {"envelope_id": envelope["envelope_id"]} | ({"payload": payload} if payload is not None else {})
        self.socket.send(json.dumps(body))


def ticketed(server):
    headers = {"Authorization": f"Bearer {server.app_token}"}
    return httpx.post(server.api_url + "apps.connections.open", headers=headers).json()["url"]


@pytest.fixture
def wires(server):
    """Return a function that opens one more connection."""
    with contextlib.ExitStack() as stack:

        def open_one():
            count = server.connections + 1
            wire = Wire(ticketed(server), stack)
            server.wait_connected(count=count)
            return wire

        yield open_one


def meanwhile(work):
    """Start what waits for the app in a thread; return a function that waits for its outcome."""
    outcome = []

    def run():
        try:
            outcome.append(work())
        except PersonError as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def join():
        thread.join(5)
        return outcome[0]

    return join


def test_an_address_is_good_for_one_connection(server, wires):
    wire = wires()
    assert (wire.hello["type"], wire.hello["num_connections"]) == ("hello", 1)
    with pytest.raises(InvalidStatus), connect(wire.address, proxy=None):
        pass
    with pytest.raises(InvalidStatus), connect(wire.address.partition("?")[0] + "?ticket=guess", proxy=None):
        pass


def test_a_ping_is_answered(wires):
    assert wires().socket.ping().wait(3)


def test_an_acknowledged_event_comes_once(wires, mira):
    wire = wires()
    mira.say("gpu-desk", "hello")
    envelope = wire.receive()
    wire.ack(envelope)
    assert (envelope["type"], envelope["retry_attempt"], envelope["accepts_response_payload"]) == (
        "events_api",
        0,
        False,
    )
    assert wire.quiet(0.9)


def test_an_event_that_is_not_acknowledged_comes_three_times_more_with_the_same_event_id(wires, mira):
    wire = wires()
    mira.say("gpu-desk", "hello")
    attempts = [wire.receive() for _ in range(4)]
    assert [(each["retry_attempt"], each["retry_reason"]) for each in attempts] == [
        (0, ""),
        (1, "timeout"),
        (2, "timeout"),
        (3, "timeout"),
    ]
    assert len({each["payload"]["event_id"] for each in attempts}) == 1
    assert len({each["envelope_id"] for each in attempts}) == 4
    assert wire.quiet(0.9)


def test_a_late_acknowledgement_does_not_stop_the_next_attempt(wires, mira):
    wire = wires()
    mira.say("gpu-desk", "hello")
    first = wire.receive()
    second = wire.receive()
    wire.ack(first)
    wire.ack(second)
    assert wire.quiet(0.9)


def test_every_envelope_goes_to_one_connection_in_turns(wires, mira):
    wires_open = [wires(), wires()]
    for number in range(4):
        mira.say("gpu-desk", str(number))
    for wire in wires_open:
        for _ in range(2):
            wire.ack(wire.receive())
        assert wire.quiet()


def test_what_a_dead_connection_left_unacknowledged_goes_to_another(wires, server, mira):
    first = wires()
    mira.say("gpu-desk", "hello")
    first.receive()
    second = wires()
    first.socket.close()
    again = second.receive()
    second.ack(again)
    assert (again["retry_attempt"], again["retry_reason"]) == (1, "connection_failed")


def test_an_event_waits_for_an_app_that_is_not_there_yet(wires, mira):
    mira.say("gpu-desk", "early")
    wire = wires()
    envelope = wire.receive()
    wire.ack(envelope)
    assert envelope["payload"]["event"]["text"] == "early"


def test_nothing_is_told_of_a_channel_without_the_app(wires, mira):
    wire = wires()
    mira.say("no-bot", "@quartermaster are you here")
    assert wire.quiet()


def test_the_apps_own_messages_and_changes_come_back_to_it(wires, web):
    wire = wires()
    ts = web.chat_postMessage(channel="C01DESK", text="card")["ts"]
    posted = wire.receive()
    wire.ack(posted)
    web.chat_update(channel="C01DESK", ts=ts, text="changed")
    changed = wire.receive()
    wire.ack(changed)
    assert posted["payload"]["event"]["bot_id"] == changed["payload"]["event"]["message"]["bot_id"]
    event = changed["payload"]["event"]
    assert (event["subtype"], event["message"]["text"], event["previous_message"]["text"]) == (
        "message_changed",
        "changed",
        "card",
    )


def test_a_refresh_says_goodbye_first(wires, server):
    wire = wires()
    server.refresh()
    assert (wire.receive()["type"], server.connections) == ("disconnect", 0)
    with pytest.raises(ConnectionClosed):
        wire.receive()


MODAL = {
    "type": "modal",
    "callback_id": "form",
    "title": {"type": "plain_text", "text": "t"},
    "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x"}}],
}


@pytest.fixture
def trigger(wires, mira):
    """Return a function that gives a command and returns the trigger that came with it."""
    wire = wires()

    def give():
        join = meanwhile(lambda: mira.command("/qm status @ines"))
        envelope = wire.receive()
        wire.ack(envelope)
        join()
        return envelope["payload"]["trigger_id"]

    return give


def test_a_slash_command_carries_slacks_fields(wires, server, mira):
    wire = wires()
    join = meanwhile(lambda: mira.command("/qm status  @ines", "gpu-desk"))
    envelope = wire.receive()
    wire.ack(envelope, {"text": "one"})
    assert join() is None
    payload = envelope["payload"]
    assert (envelope["type"], envelope["accepts_response_payload"]) == ("slash_commands", True)
    assert (payload["command"], payload["text"]) == ("/qm", "status  <@U02INES|ines>")
    assert (payload["channel_id"], payload["channel_name"], payload["user_id"]) == ("C01DESK", "gpu-desk", "U01MIRA")
    assert (payload["team_id"], payload["is_enterprise_install"]) == (server.team_id, "false")
    assert mira.messages("gpu-desk")[0]["text"] == "one"


def test_an_interaction_is_not_sent_again(wires, mira):
    wire = wires()
    join = meanwhile(lambda: mira.command("/qm status"))
    wire.receive()
    assert isinstance(join(), PersonError)
    assert wire.quiet(0.8)


def test_an_answer_that_slack_would_refuse_is_refused(wires, mira):
    wire = wires()
    join = meanwhile(lambda: mira.command("/qm status"))
    wire.ack(wire.receive(), {"blocks": [{"type": "nope"}]})
    assert "invalid_blocks" in str(join())


def opened(server, **arguments):
    headers = {"Authorization": f"Bearer {server.bot_token}"}
    return httpx.post(server.api_url + "views.open", json={"view": MODAL, **arguments}, headers=headers).json()


def test_a_trigger_opens_one_modal(server, trigger):
    trigger_id = trigger()
    assert opened(server, trigger_id=trigger_id)["ok"]
    assert opened(server, trigger_id=trigger_id)["error"] == "exchanged_trigger_id"


def test_a_trigger_ends_after_three_seconds(server, trigger, clock):
    in_time, too_late = trigger(), trigger()
    clock.now += 3.0
    assert opened(server, trigger_id=in_time)["ok"]
    clock.now += 0.1
    assert opened(server, trigger_id=too_late)["error"] == "expired_trigger_id"


def test_three_modals_lie_on_each_other_and_no_fourth(server, trigger, web):
    assert opened(server, trigger_id=trigger())["ok"]
    for _ in range(2):
        assert web.views_push(trigger_id=trigger(), view=MODAL)["ok"]
    headers = {"Authorization": f"Bearer {server.bot_token}"}
    body = {"view": MODAL, "trigger_id": trigger()}
    answer = httpx.post(server.api_url + "views.push", json=body, headers=headers).json()
    assert answer["error"] == "push_limit_reached"


def test_an_update_with_an_old_hash_is_refused(server, trigger, web):
    view = opened(server, trigger_id=trigger())["view"]
    assert web.views_update(view_id=view["id"], hash=view["hash"], view=MODAL)["view"]["hash"] != view["hash"]
    headers = {"Authorization": f"Bearer {server.bot_token}"}
    body = {"view": MODAL, "view_id": view["id"], "hash": view["hash"]}
    answer = httpx.post(server.api_url + "views.update", json=body, headers=headers).json()
    assert answer["error"] == "hash_conflict"
