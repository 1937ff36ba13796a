"""A desk on the local workspace, with nothing behind it: what Slack does to it is the test's to play."""

from __future__ import annotations

import json
import ssl
import threading
from datetime import timedelta

import pytest
from slack_bolt.adapter.socket_mode.builtin import SocketModeHandler

from bot.app import build_app
from bot.demo import CHANNELS, PEOPLE, SECURITY, hang_up
from bot.house import open_house
from bot.settings import SlackSettings
from bot.slack import web_client
from bot.workspace.model import Channel, Person
from bot.workspace.server import WorkspaceServer
from ledger.book import utc_now

ROOM = "gpu-requests"
STRANGER = "U99NOBODY"
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For a client that would read all of the machine's certificates, and then speaks plainly to 127.0.0.1."""


class Stage:
    """A house whose clock can be moved on, a workspace, and a desk that can be stopped dead and started anew."""

    def __init__(self, home, server):
        self.server, self._ahead = server, timedelta()
        self.house = open_house(home, home / "policies", home / "l.sqlite3", mode="demo", workspace=server.team_id)
        self.house.book.clock = self.clock
        self.nudged: list[int] = []
        self.start()

    def clock(self):
        return utc_now() + self._ahead

    def pass_time(self, **span):
        self._ahead += timedelta(**span)

    def start(self):
        server = self.server
        settings = SlackSettings(
            bot_token=server.bot_token,
            app_token=server.app_token,
            signing_secret=server.signing_secret,
            api_url=server.api_url,
        )
        self.asked_models = []
        self.made = build_app(
            settings, self.house, self.nudged.append, self.asked_models.append, simulate=True, admin_channel=SECURITY
        )
        self.made.front.mend()
        client = web_client(server.app_token, server.api_url)
        client.ssl = NO_TLS
        self._handler = SocketModeHandler(self.made.app, server.app_token, web_client=client, ping_interval=0.3)
        self._handler.connect()
        self._handler.client.current_session.sock.settimeout(0.2)
        server.wait_connected()
        self._stop = threading.Event()
        self._follower = threading.Thread(target=self.made.notifier.run, args=(self._stop,), daemon=True)
        self._follower.start()

    def stop(self):
        self._stop.set()
        self._follower.join(20)
        hang_up(self._handler)
        self.made.tables.close()

    @property
    def tables(self):
        return self.made.tables

    @property
    def front(self):
        return self.made.front

    def quiet(self):
        """The notifier does nothing from here on, as if it were slow."""
        self._stop.set()
        self._follower.join(20)

    def entries(self, kind):
        return [stored for stored in self.house.book.store.scan() if stored.kind == kind]

    def read_back(self, person, words="4 h100 for 3 hours so I can retrain churn", room=ROOM):
        ts = person.say(room, f"@quartermaster {words}")
        return card_with(person, room, "qm_confirm", after=ts)

    def asked(self, person, words="4 h100 for 3 hours so I can retrain churn"):
        """Ask and confirm; return (time stamp of the card, number of the request)."""
        before, message = self.house.book.requests.last(), self.read_back(person, words)
        person.click(message, "Confirm")
        number = person.wait(lambda: n if (n := self.house.book.requests.last()) != before else None)
        person.wait(lambda: "REQ-" in text_of(message_at(person, ROOM, message["ts"])))
        return message["ts"], number


def text_of(message):
    return (message or {}).get("text", "") + json.dumps((message or {}).get("blocks") or [], ensure_ascii=False)


def message_at(person, room, ts):
    return next((m for m in person.messages(room) if m["ts"] == ts), None)


def cards(person, room, words):
    return [m for m in person.messages(room) if words in text_of(m) and not m["ephemeral"]]


def card_with(person, room, words, after="", timeout=10):
    def find():
        found = [m for m in person.messages(room) if words in text_of(m) and m["ts"] > after]
        return found[-1] if found else None

    return person.wait(find, timeout)


def whisper(person, room, words):
    return person.wait(lambda: next((m for m in person.messages(room) if m["ephemeral"] and words in text_of(m)), None))


@pytest.fixture
def stage(tmp_path):
    people = [Person(id=slack, name=name, title=title) for slack, name, title in PEOPLE]
    people.append(Person(id=STRANGER, name="Nobody"))
    channels = [Channel(name=name, topic=topic) for name, topic in CHANNELS]
    with WorkspaceServer(people, channels, retry_after=(0.0, 0.1, 0.1)) as server:
        made = Stage(tmp_path / "home", server)
        yield made
        made.stop()
        made.house.book.store.close()
