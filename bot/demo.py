"""`quartermaster demo` and `up`: start everything on this machine, print one address, and end every child with Ctrl-C."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from slack_bolt.adapter.socket_mode.builtin import SocketModeHandler
from slack_sdk.socket_mode.builtin import SocketModeClient

from bot import figures
from bot.app import DeskApp, build_app
from bot.crew import Crew
from bot.errors import SettingsError
from bot.house import House, house_of, only_one
from bot.intake.model.reader import Reader, reader_of
from bot.listeners.commands import USAGE
from bot.settings import ReaderSettings, SlackSettings
from bot.slack import web_client
from bot.workspace.model import Channel, Command, Person
from bot.workspace.server import WorkspaceServer
from workers.app import build_room, take_inventories
from workers.backends import serves_models
from workers.embedded import Valkey
from workers.queue import asker, nudger
from workers.settings import HouseSettings

SECURITY: Final = "security"
PEOPLE: Final = (
    ("U01MIRA", "Mira", "Engineer, vision"),
    ("U02INES", "Ines", "Team lead, platform"),
    ("U03TOMAS", "Tomas", "Team lead, vision"),
    ("U04NOOR", "Noor", "Data protection officer"),
    ("U05ODILE", "Odile", "Auditor"),
    ("U06KOFI", "Kofi", "Admin"),
    ("U07ADA", "Ada", "Admin"),
    ("U08RAVI", "Ravi", "Engineer, platform"),
    ("U09LENA", "Lena", "Finance"),
)
CHANNELS: Final = (
    ("gpu-requests", "Mention @quartermaster to ask for GPU time"),
    ("deployments", "Mention @quartermaster to ask for a deployment"),
    ("data-access", "Mention @quartermaster to ask for data"),
    (SECURITY, "Side doors: access that no grant explains"),
)
_HANG_UP_S: Final = 5.0


def run_demo(home: Path, port: int, console: Console) -> None:
    """Run the whole desk with the local workspace until Ctrl-C."""
    with running_demo(home.absolute(), port) as server:
        console.print(
            "\n[bold]Quartermaster demo[/] is running on this machine alone. No Slack account, no GPU needed."
        )
        console.print(f"Open  [bold cyan]{escape(server.url)}[/]", soft_wrap=True)
        console.print("Act as Mira and write:  [bold]@quartermaster 4 h100 for 3 hours so I can retrain churn[/]")
        console.print(
            f"[dim]State in {escape(str(home))}. Ctrl-C stops everything; starting again goes on where it was.[/]"
        )
        _wait_for_the_end()
        console.print("Stopping.")


@contextmanager
def running_demo(home: Path, port: int = 0) -> Iterator[WorkspaceServer]:
    """Run everything in `home`, and yield the workspace; every child has ended afterwards."""
    with ExitStack() as stack:
        stack.enter_context(only_one(home))
        settings = HouseSettings(home=home, policies=home / "policies")
        server = stack.enter_context(workspace(home / "workspace", port))
        house = house_of(settings, mode="demo", workspace=server.team_id)
        stack.callback(house.book.store.close)
        broker = _crew(stack, settings, simulate=True)
        slack = SlackSettings(
            bot_token=server.bot_token,
            app_token=server.app_token,
            signing_secret=server.signing_secret,
            api_url=server.api_url,
        )
        stack.enter_context(desk(slack, house, broker, simulate=True, admin_channel=SECURITY))
        yield server


def workspace(home: Path | None, port: int) -> WorkspaceServer:
    """Return the local workspace with the demo's people and channels, not started yet."""
    people = [Person(id=slack, name=name, title=title) for slack, name, title in PEOPLE]
    channels = [Channel(name=name, topic=topic) for name, topic in CHANNELS]
    return WorkspaceServer(
        people,
        channels,
        port=port,
        home=home,
        commands=[Command(usage=usage, description=words) for usage, words in USAGE],
    )


def run_up(console: Console) -> None:
    """Run the desk against real Slack until Ctrl-C."""
    settings = HouseSettings()
    slack = SlackSettings()
    slack.check()
    team = str(web_client(slack.bot_token, slack.api_url or None).auth_test()["team_id"])
    home = settings.home.absolute()
    with ExitStack() as stack:
        stack.enter_context(only_one(home))
        house = house_of(settings, mode="real", workspace=team)
        stack.callback(house.book.store.close)
        broker = _crew(stack, settings, simulate=False)
        stack.enter_context(desk(slack, house, broker, simulate=False, admin_channel=settings.admin_channel))
        console.print(f"Quartermaster serves workspace {team}. State in {escape(str(home))}. Ctrl-C stops everything.")
        _wait_for_the_end()


def run_bot(port: int | None, host: str, console: Console) -> None:
    """Run the desk alone until told to stop: worker, clock and broker run elsewhere."""
    settings, slack = HouseSettings(), SlackSettings()
    slack.check(http=port is not None)
    if not settings.broker_url:
        raise SettingsError("QM_BROKER_URL is missing: the desk alone needs the broker that the workers use")
    team = str(web_client(slack.bot_token, slack.api_url or None).auth_test()["team_id"])
    home = settings.home.absolute()
    with ExitStack() as stack:
        stack.enter_context(only_one(home))
        house = house_of(settings, mode="real", workspace=team)
        stack.callback(house.book.store.close)
        made = build_app(
            slack,
            house,
            nudger(settings.broker_url, house.book.requests.resource),
            asker(settings.broker_url),
            simulate=False,
            admin_channel=settings.admin_channel,
            reader=stack.enter_context(_reading(ReaderSettings())),
        )
        stack.callback(made.tables.close)
        stack.enter_context(figures.shown(made.tables, ReaderSettings().metrics_port))
        stack.enter_context(_notifying(made))
        if port is None:
            stack.enter_context(_listening(made, slack))
            console.print(f"The desk serves workspace {team} over Socket Mode.")
        else:
            from bot.http import serving

            taken = stack.enter_context(serving(made.app, host, port))
            console.print(f"The desk serves workspace {team} on http://{host}:{taken}/slack/events.")
        _wait_for_the_end()


@contextmanager
def desk(slack: SlackSettings, house: House, broker: str, *, simulate: bool, admin_channel: str) -> Iterator[None]:
    """Connect the desk over Socket Mode, with its notifier beside it."""
    reading, nudge = ReaderSettings(), nudger(broker, house.book.requests.resource)
    with _reading(reading) as reader:
        made = build_app(
            slack,
            house,
            nudge,
            asker(broker),
            simulate=simulate,
            admin_channel=admin_channel,
            reader=reader,
        )
        try:
            with figures.shown(made.tables, reading.metrics_port), _notifying(made), _listening(made, slack):
                yield
        finally:
            made.tables.close()


@contextmanager
def _reading(settings: ReaderSettings) -> Iterator[Reader | None]:
    """The model that reads along, where one is set."""
    reader = reader_of(settings)
    try:
        yield reader
    finally:
        if reader is not None:
            reader.close()


@contextmanager
def _listening(made: DeskApp, slack: SlackSettings) -> Iterator[None]:
    handler = SocketModeHandler(
        made.app, slack.app_token, web_client=web_client(slack.app_token, slack.api_url or None), ping_interval=10
    )
    client: SocketModeClient = handler.client
    client.auto_reconnect_enabled = True
    handler.connect()
    try:
        yield
    finally:
        hang_up(handler)


@contextmanager
def _notifying(made: DeskApp) -> Iterator[None]:
    """Keep every message true, on a thread of its own."""
    made.front.mend()
    stop = threading.Event()
    follower = threading.Thread(target=made.notifier.run, args=(stop,), name="notify", daemon=True)
    follower.start()
    try:
        yield
    finally:
        stop.set()
        follower.join(5)


def hang_up(handler: SocketModeHandler) -> None:
    """End the connection. The client's own close can wait for ever when it comes while a session changes."""
    client: SocketModeClient = handler.client
    client.auto_reconnect_enabled = False
    client.current_session_runner.event.set()
    client.closed = client.current_session_state.terminated = True
    _wake(client)
    closing = threading.Thread(target=_close, args=(client,), name="hang-up", daemon=True)
    closing.start()
    closing.join(_HANG_UP_S)


def _close(client: SocketModeClient) -> None:
    """Close when nobody else can: two of the client's threads that close its connection at once break each other."""
    client.current_session_runner.shutdown()
    client.current_app_monitor.shutdown()
    client.close()


def _wake(client: SocketModeClient) -> None:
    """Wake the threads that wait for something to read: they look whether it is over after the next message alone."""
    client.message_queue.put(None)
    sock = getattr(client.current_session, "sock", None)
    if sock is not None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def _crew(stack: ExitStack, settings: HouseSettings, *, simulate: bool) -> str:
    """Start broker, worker and clock, and return the broker's address."""
    home = settings.home.absolute()
    broker = settings.broker_url
    if not broker:
        valkey = Valkey(home / "valkey")
        valkey.start()
        stack.callback(valkey.stop)
        broker = valkey.url
    room = build_room(settings, simulate=simulate)
    take_inventories(room)
    served = serves_models(room.price_list())
    room.book.store.close()
    crew = Crew(home, settings.policies_folder, broker, simulate=simulate)
    stack.callback(crew.stop)
    for name in ("worker", "clock", *(["endpoint"] if served else [])):
        crew.start(name)
    if served:
        crew.start("keeper", "--end-servers")
    return broker


def _wait_for_the_end() -> None:
    """Return on Ctrl-C or TERM."""
    over = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: over.set())
    while not over.is_set():
        time.sleep(0.2)
