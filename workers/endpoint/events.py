"""Server-sent events as a model's server sends them: `data: ...` and an empty line, however the network cut them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import aiohttp

LONGEST: Final = 4 * 2**20
"""Bytes of one event."""


async def events(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yield the data of each event as soon as it is whole; raises ValueError when one is longer than `LONGEST`."""
    held = bytearray()
    async for part in content.iter_any():
        held += part.replace(b"\r\n", b"\n")
        while (end := held.find(b"\n\n")) >= 0:
            event = bytes(held[:end])
            del held[: end + 2]
            if event.startswith(b"data:"):
                yield event[5:].strip()
        if len(held) > LONGEST:
            raise ValueError("an event without an end")
