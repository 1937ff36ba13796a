"""A workspace that is running: a server on loopback in a thread of its own."""

from __future__ import annotations

import asyncio
import secrets
import socket
import threading
import time
from typing import TYPE_CHECKING, Final, Self

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bot.workspace.client import PersonClient
from bot.workspace.core import Core, FaultKind
from bot.workspace.errors import WorkspaceError
from bot.workspace.hub import ACK_SECONDS, RETRY_AFTER, Hub
from bot.workspace.idents import identity_in, new_identity
from bot.workspace.modals import Hooks, Modals, Triggers
from bot.workspace.site import site
from bot.workspace.state import State, bot_person
from bot.workspace.store import MemoryStore, SqliteStore
from bot.workspace.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Any

    from bot.workspace.model import Channel, Command, Json, Person, UserGroup

HOST: Final = "127.0.0.1"
_START_SECONDS: Final = 20.0
_STOP_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.02


class _Protocol(HttpToolsProtocol):
    """HTTP as uvicorn speaks it, whose connection a planned fault can cut."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["workspace.transport"] = self.transport  # type: ignore[typeddict-unknown-key]


class WorkspaceServer:
    """A local workspace, from `start` to `stop`.

    Args:
        people: members, guests, bots, those who left. The app's own user is added.
        channels: set up at the start; what was said in them is kept over restarts when there is a home.
        port: 0 takes a free one; with a home, the same one again where it is still free.
        home: a folder for the record and the tokens; None keeps everything in memory.
        commands: what the menu of slash commands shows; when given, other commands are refused.
        groups: user groups.
        clock: seconds since 1970.
        ack_seconds: how long the app may take to acknowledge. Slack gives three.
        retry_after: seconds before each redelivery of an event. Slack waits almost nothing, a minute, five.
    """

    def __init__(
        self,
        people: Sequence[Person],
        channels: Sequence[Channel],
        *,
        port: int = 0,
        home: Path | None = None,
        commands: Sequence[Command] = (),
        groups: Sequence[UserGroup] = (),
        name: str = "Quartermaster demo",
        bot_name: str = "Quartermaster",
        clock: Callable[[], float] = time.time,
        ack_seconds: float = ACK_SECONDS,
        retry_after: tuple[float, ...] = RETRY_AFTER,
    ) -> None:
        self._people = people
        self._channels = channels
        self._port = port
        self._home = home
        self._commands = commands
        self._groups = groups
        self._name = name
        self._bot_name = bot_name
        self._clock = clock
        self._ack_seconds = ack_seconds
        self._retry_after = retry_after
        self._core: Core | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._uvicorn: uvicorn.Server | None = None

    def __enter__(self) -> Self:
        """Start, and return the running workspace."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    @property
    def core(self) -> Core:
        """The running workspace's parts. Only the server's thread may change them."""
        if self._core is None:
            raise WorkspaceError("The workspace is not running.")
        return self._core

    @property
    def api_url(self) -> str:
        """Address of the Web API, with a slash at the end: what the app takes as `base_url`."""
        return f"{self.core.base_url}/api/"

    @property
    def url(self) -> str:
        """Address of the page, with the token of this start."""
        return f"{self.core.base_url}/#token={self.core.page_token}"

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self.core.base_url.rpartition(":")[2])

    @property
    def bot_token(self) -> str:
        """The app's token for the Web API."""
        return self.core.identity.bot_token

    @property
    def app_token(self) -> str:
        """The app's token for Socket Mode."""
        return self.core.identity.app_token

    @property
    def signing_secret(self) -> str:
        """What requests to the app would be signed with."""
        return self.core.identity.signing_secret

    @property
    def team_id(self) -> str:
        """The workspace's id."""
        return self.core.identity.team_id

    @property
    def bot_user(self) -> str:
        """The app's user id."""
        return self.core.bot

    def start(self) -> None:
        """The workspace answers.

        Raises:
            WorkspaceError: it did not come up, e.g. because the port is taken.
        """
        listener = self._listen()
        port: int = listener.getsockname()[1]
        self._core = self._assemble(port)
        config = uvicorn.Config(
            site(self._core, port),
            http=_Protocol,
            ws="websockets-sansio",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=2,
        )
        self._uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(listener)), name="workspace", daemon=True
        )
        self._thread.start()
        self._await_start()

    def _listen(self) -> socket.socket:
        # asyncio sets TCP_NODELAY only where the protocol is said: else each answer to a kept connection waits 40 ms
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, self._port))
        except OSError as error:
            listener.close()
            raise WorkspaceError(f"Port {self._port} is taken.") from error
        return listener

    def _assemble(self, port: int) -> Core:
        if self._home is not None:
            self._home.mkdir(parents=True, exist_ok=True)
        identity = identity_in(self._home) if self._home else new_identity()
        store = SqliteStore(self._home / "workspace.sqlite3") if self._home else MemoryStore()
        return Core(
            name=self._name,
            base_url=f"http://{HOST}:{port}",
            page_token=secrets.token_urlsafe(24),
            identity=identity,
            state=State(
                self._people,
                self._channels,
                bot=bot_person(identity, self._bot_name),
                store=store,
                clock=self._clock,
            ),
            modals=Modals(),
            triggers=Triggers(self._clock),
            hooks=Hooks(self._clock),
            hub=Hub(identity.app_id, ack_seconds=self._ack_seconds, retry_after=self._retry_after),
            stream=Stream(),
            commands=self._commands,
            groups=self._groups,
        )

    async def _serve(self, listener: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        if self._uvicorn is not None:
            await self._uvicorn.serve(sockets=[listener])
        listener.close()
        await self.core.hub.close()
        self.core.state.store.close()

    def _await_start(self) -> None:
        until = time.monotonic() + _START_SECONDS
        while self._uvicorn is not None and not self._uvicorn.started:
            if time.monotonic() > until or self._thread is None or not self._thread.is_alive():
                raise WorkspaceError("The workspace did not start.")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Nothing answers any more; with a home, what was said is kept. Stopping twice does no harm."""
        if self._uvicorn is None or self._thread is None:
            return
        self._in_loop(self.core.hub.close())
        self._uvicorn.should_exit = True
        self._thread.join(_STOP_SECONDS)
        self._uvicorn = self._thread = self._loop = None

    def _in_loop(self, work: Coroutine[Any, Any, None]) -> None:
        if self._loop is None:
            raise WorkspaceError("The workspace is not running.")
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_STOP_SECONDS)

    def person(self, user_id: str) -> PersonClient:
        """Return a person of the workspace, to act as."""
        return PersonClient(self.core.base_url, self.core.page_token, user_id)

    def fault(self, method: str, kind: FaultKind = "ratelimited", times: int = 1) -> None:
        """The next `times` calls of `method` will fail.

        Args:
            kind: `ratelimited`: 429 with Retry-After, nothing is done. `error`: 500, nothing is done.
                `lost`: it is done, and the connection ends without an answer.
        """
        self.core.faults.plan(method, kind, times)

    def calls(self, method: str) -> list[Json]:
        """Return the arguments of every call of `method` that named a good token, oldest first."""
        return self.core.faults.calls(method)

    @property
    def connections(self) -> int:
        """How many Socket Mode connections the app has."""
        return self.core.hub.count

    def wait_connected(self, timeout: float = 10.0, count: int = 1) -> None:
        """The app has `count` Socket Mode connections.

        Raises:
            WorkspaceError: it has not, after `timeout` seconds.
        """
        until = time.monotonic() + timeout
        while self.connections < count:
            if time.monotonic() > until:
                raise WorkspaceError("The app did not connect.")
            time.sleep(_POLL_SECONDS)

    def refresh(self) -> None:
        """Every Socket Mode connection was told to come anew, and ended."""
        self._in_loop(self.core.hub.refresh())
