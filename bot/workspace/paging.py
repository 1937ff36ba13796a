"""Pages of a list, with Slack's opaque cursors."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final, TypeVar

from bot.workspace.errors import SlackError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.workspace.model import Json

T = TypeVar("T")
MOST: Final = 1000


def limit_of(arguments: Json, default: int) -> int:
    """Return how many items a page holds.

    Raises:
        SlackError: `invalid_limit`.
    """
    given = str(arguments.get("limit") or default)
    if not given.isdecimal() or not 1 <= int(given) <= MOST:
        raise SlackError("invalid_limit")
    return int(given)


def page(items: Sequence[T], arguments: Json, default: int = 100) -> tuple[list[T], Json]:
    """Return one page of `items`, and the `response_metadata` that leads to the next.

    Raises:
        SlackError: `invalid_limit`, `invalid_cursor`.
    """
    start = _start(str(arguments.get("cursor") or ""))
    end = start + limit_of(arguments, default)
    following = base64.b64encode(f"next:{end}".encode()).decode() if end < len(items) else ""
    return list(items[start:end]), {"response_metadata": {"next_cursor": following}}


def _start(cursor: str) -> int:
    if not cursor:
        return 0
    try:
        word, _, number = base64.b64decode(cursor, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise SlackError("invalid_cursor") from error
    if word != "next" or not number.isdecimal():
        raise SlackError("invalid_cursor")
    return int(number)
