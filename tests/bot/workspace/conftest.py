from __future__ import annotations

import threading

import pytest
from bot_stage import NO_TLS
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient

from bot.demo import hang_up
from bot.workspace.model import Channel, Command, Person, UserGroup
from bot.workspace.server import WorkspaceServer

PEOPLE = (
    Person(id="U01MIRA", name="Mira", title="Engineer, vision", email="mira@example.com"),
    Person(id="U02INES", name="Ines", title="Lead, platform"),
    Person(id="U03GUEST", name="Gil Guest", is_restricted=True),
    Person(id="U04GONE", name="Otto Gone", deleted=True),
    Person(id="U05ROBOT", name="Other Robot", is_bot=True),
)
CHANNELS = (
    Channel(name="gpu-desk", id="C01DESK", topic="Ask for GPUs"),
    Channel(name="pair", id="C02PAIR", members=("U01MIRA", "U02INES")),
    Channel(name="no-bot", id="C03NOBOT", has_bot=False),
    Channel(name="secret", id="C04SECRET", members=("U02INES",), is_private=True, has_bot=False),
)
COMMANDS = (Command(usage="/qm status REQ-12", description="Where a request stands"),)
GROUPS = (UserGroup(id="S01LEADS", handle="leads", name="Leads", members=("U02INES",)),)


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def server(clock):
    with WorkspaceServer(
        PEOPLE, CHANNELS, commands=COMMANDS, groups=GROUPS, clock=clock, ack_seconds=0.6, retry_after=(0.0, 0.05, 0.05)
    ) as running:
        yield running


@pytest.fixture
def web(server):
    return WebClient(token=server.bot_token, base_url=server.api_url, retry_handlers=[])


@pytest.fixture
def mira(server):
    return server.person("U01MIRA")


@pytest.fixture
def ines(server):
    return server.person("U02INES")


@pytest.fixture
def bolt(server):
    """Return a function that connects a Bolt app, built by `listen(app)`."""
    handlers = []

    def connect(listen):
        app = App(name="test", client=WebClient(token=server.bot_token, base_url=server.api_url))
        listen(app)
        handler = SocketModeHandler(
            app,
            server.app_token,
            web_client=WebClient(token=server.app_token, base_url=server.api_url, ssl=NO_TLS),
            ping_interval=0.3,
        )
        handler.connect()
        handler.client.current_session.sock.settimeout(0.2)  # closing waits for a read to end
        handlers.append(handler)
        server.wait_connected()
        return app

    yield connect
    for handler in handlers:
        hang_up(handler)


@pytest.fixture(autouse=True)
def no_thread_of_the_server_is_left():
    yield
    assert not [each for each in threading.enumerate() if each.name == "workspace"]
