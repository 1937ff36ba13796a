"""Socket Mode: the app's connections, what is sent over them, and what was acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from bot.workspace.errors import WorkspaceError

if TYPE_CHECKING:
    from bot.workspace.model import Json

ACK_SECONDS: Final = 3.0
RETRY_AFTER: Final = (0.0, 3.0, 10.0)
_LIFE_SECONDS: Final = 18060


class NotAckedError(WorkspaceError):
    """Raised when the app acknowledged nothing in time; the detail is Slack's `retry_reason`."""


@dataclass(slots=True, eq=False)
class _Connection:
    socket: WebSocket
    sending: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: set[str] = field(default_factory=set)

    async def send(self, body: Json) -> None:
        async with self.sending:
            await self.socket.send_json(body)


class Hub:
    """Every envelope goes to one connection, in turns. Events that are not acknowledged are sent again, three times.

    Args:
        app_id: told in the greeting.
        ack_seconds: how long the app may take.
        retry_after: seconds before each further attempt.
    """

    def __init__(
        self, app_id: str, *, ack_seconds: float = ACK_SECONDS, retry_after: tuple[float, ...] = RETRY_AFTER
    ) -> None:
        self._app_id = app_id
        self._ack_seconds = ack_seconds
        self._retry_after = retry_after
        self._tickets: set[str] = set()
        self._connections: list[_Connection] = []
        self._acks: dict[str, asyncio.Future[Json]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._arrived = asyncio.Event()

    @property
    def count(self) -> int:
        """How many connections the app has."""
        return len(self._connections)

    def ticket(self) -> str:
        """Return the right to connect once."""
        ticket = secrets.token_urlsafe(16)
        self._tickets.add(ticket)
        return ticket

    async def serve(self, socket: WebSocket) -> None:
        """Hold one connection until it ends; what it left unanswered is sent over another."""
        ticket = socket.query_params.get("ticket", "")
        if ticket not in self._tickets:
            await socket.close(code=1008)
            return
        self._tickets.discard(ticket)
        await socket.accept()
        connection = _Connection(socket)
        await connection.send(self._greeting())
        self._connections.append(connection)
        self._arrived.set()
        try:
            while True:
                self._acked(await socket.receive_json())
        except (WebSocketDisconnect, RuntimeError, ValueError, KeyError):
            self._lose(connection)

    def _greeting(self) -> Json:
        return {
            "type": "hello",
            "num_connections": self.count + 1,
            "debug_info": {"host": "local", "build_number": 1, "approximate_connection_time": _LIFE_SECONDS},
            "connection_info": {"app_id": self._app_id},
        }

    def _acked(self, answer: object) -> None:
        if not isinstance(answer, dict):
            return
        future = self._acks.get(str(answer.get("envelope_id", "")))
        if future is not None and not future.done():
            payload = answer.get("payload")
            future.set_result(payload if isinstance(payload, dict) else {})

    def _lose(self, connection: _Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
        if not self._connections:
            self._arrived.clear()
        for envelope_id in connection.waiting:
            future = self._acks.get(envelope_id)
            if future is not None and not future.done():
                future.set_exception(NotAckedError("connection_failed"))

    async def refresh(self) -> None:
        """Every connection is told that it ends, then ended, as Slack does every few hours."""
        for connection in list(self._connections):
            self._lose(connection)
            farewell = {"type": "disconnect", "reason": "refresh_requested", "debug_info": {"host": "local"}}
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await connection.send(farewell)
                await connection.socket.close()

    async def ask(self, kind: str, payload: Json, *, attempt: int = 0, reason: str = "") -> Json:
        """Send one envelope over one connection and return what the app acknowledged it with.

        Raises:
            NotAckedError: nothing came in time, or the connection ended.
        """
        try:
            async with asyncio.timeout(self._ack_seconds):
                while not self._connections:
                    await self._arrived.wait()
                return await self._exchange(kind, payload, attempt, reason)
        except TimeoutError as error:
            raise NotAckedError("timeout" if self._connections else "connection_failed") from error

    async def _exchange(self, kind: str, payload: Json, attempt: int, reason: str) -> Json:
        connection = self._connections.pop(0)
        self._connections.append(connection)
        envelope_id = str(uuid.uuid4())
        envelope: Json = {
            "envelope_id": envelope_id,
            "type": kind,
            "accepts_response_payload": kind != "events_api",
            "payload": payload,
        }
        if kind == "events_api":
            envelope |= {"retry_attempt": attempt, "retry_reason": reason}
        future: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._acks[envelope_id] = future
        connection.waiting.add(envelope_id)
        try:
            await connection.send(envelope)
            return await future
        except (RuntimeError, WebSocketDisconnect) as error:
            raise NotAckedError("connection_failed") from error
        finally:
            connection.waiting.discard(envelope_id)
            del self._acks[envelope_id]

    def tell(self, payload: Json) -> None:
        """`payload` is on its way as an event, and will be sent again until acknowledged or given up."""
        task = asyncio.get_running_loop().create_task(self._insist(payload))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _insist(self, payload: Json) -> None:
        reason = ""
        for attempt, pause in enumerate((0.0, *self._retry_after)):
            await asyncio.sleep(pause)
            try:
                await self.ask("events_api", payload, attempt=attempt, reason=reason)
            except NotAckedError as error:
                reason = str(error)
            else:
                return

    async def close(self) -> None:
        """Nothing is sent any more and no connection is left."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in list(self._connections):
            self._lose(connection)
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await connection.socket.close()
