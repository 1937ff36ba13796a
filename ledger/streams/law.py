"""What every stream's fold is given beside the entry, and how it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from ledger.errors import UnlawfulError


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where and when an entry stands: `at` is the ledger's time, `seq` its leaf (-1 before it has one).

    `stream` is empty where a fold is tried without one.
    """

    at: datetime
    actor: str
    seq: int = -1
    version: int = 0
    stream: str = ""


def refuse(reason: str) -> NoReturn:
    """Raise UnlawfulError with `reason`."""
    raise UnlawfulError(reason)


def require(holds: bool, reason: str) -> None:
    """Return only if `holds`; otherwise the entry is unlawful for `reason`."""
    if not holds:
        refuse(reason)
