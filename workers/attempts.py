"""Who is at work on what, noted so that whoever finds a note knows that the last one died over it.

A note lives beside the lock of its request and is read and written under it: nobody who is alive has one there.
Several deaths in a row are a poison: without a count, the broker would hand the message to one worker after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

logger = structlog.get_logger(__name__)

GIVE_UP: Final = 5
"""After how many tries that failed as nobody foresaw a request is not tried again."""


@dataclass(slots=True)
class Attempt:
    """One try: how many tries `before` it died in a row, and whether the ledger `counted` that."""

    before: int
    counted: bool = False

    @property
    def again(self) -> bool:
        """Whether two in a row died: one may be an accident, such as a machine that was switched off."""
        return self.before > 1


def deaths(folder: Path, number: int) -> int:
    """Return how many died over request `number` in a row; whoever is at work on it now counts as one."""
    return _read(folder / f"at-work.{number}")


@contextmanager
def at_work(folder: Path, number: int) -> Iterator[Attempt]:
    """Note that this process is at work on request `number`, until it is done or has raised.

    The caller holds the request's lock. What died once and was counted dies a second time before it is counted again.
    """
    note = folder / f"at-work.{number}"
    attempt = Attempt(before=_read(note))
    _write(note, attempt.before + 1)
    try:
        yield attempt
    finally:
        if attempt.counted:
            _write(note, 1)
        else:
            note.unlink(missing_ok=True)


def _write(note: Path, deaths: int) -> None:
    """Keep the note where there is room for it: on a full disk a lease is taken away without one."""
    try:
        note.write_text(str(deaths))
    except OSError as error:
        logger.warning("no note of who is at work", note=note.name, detail=error.strerror)


def _read(note: Path) -> int:
    """Return how many died; a note of which a crash left nothing stands for one."""
    try:
        text = note.read_text()
    except FileNotFoundError:
        return 0
    return int(text) if text.isascii() and text.isdigit() else 1
