"""What the open pages are told, so that they fetch or patch what changed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from starlette.websockets import WebSocket, WebSocketDisconnect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bot.workspace.model import Json


class Stream:
    """The pages that are open, by the person each acts as."""

    def __init__(self) -> None:
        self._queues: list[tuple[str, asyncio.Queue[Json]]] = []

    def push(self, people: Iterable[str] | None, note: Json) -> None:
        """Every page of `people` will be told `note`; None means every page."""
        chosen = None if people is None else set(people)
        for person, queue in self._queues:
            if chosen is None or person in chosen:
                queue.put_nowait(note)

    async def serve(self, socket: WebSocket, person: str) -> None:
        """Tell one page everything for `person` until it is closed."""
        await socket.accept()
        queue: asyncio.Queue[Json] = asyncio.Queue()
        entry = (person, queue)
        self._queues.append(entry)
        telling = asyncio.create_task(_tell(socket, queue))
        try:
            while True:
                await socket.receive_text()
        except (WebSocketDisconnect, KeyError):
            self._queues.remove(entry)
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await telling


async def _tell(socket: WebSocket, queue: asyncio.Queue[Json]) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await socket.send_json(await queue.get())
