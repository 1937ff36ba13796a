"""Finds the questions to models that wait for an answer, and has a worker answer them; the desk's nudge is only haste."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from ledger.book import Book
from ledger.streams.question import PREFIX

AGAIN: Final = timedelta(seconds=10)
"""How soon a question that still waits is put to a worker again."""
_STREAMS: Final = "SELECT stream FROM entry WHERE stream >= 'question:' AND stream < 'question;' AND version = 1"


class OpenQuestions:
    """Follows what was asked.

    Args:
        nudge: has a worker answer what was asked with a key, by the number of its request.
    """

    def __init__(self, book: Book, nudge: Callable[[int], None], clock: Callable[[], datetime]) -> None:
        self._book, self._nudge, self._clock = book, nudge, clock
        self._cursor: int | None = None
        self._open: dict[int, datetime] = {}
        """When the key's questions were put to a worker last."""

    def look(self) -> None:
        """Put every question that has waited a while to a worker."""
        now = self._clock()
        for number in self._moved():
            self._open.setdefault(number, now)
        for number, last in list(self._open.items()):
            if not self._book.questions(number).waiting:
                del self._open[number]
            elif now >= last + AGAIN:
                self._open[number] = now
                self._nudge(number)

    def _moved(self) -> set[int]:
        """Return the keys that somebody asked with since the last look; at the first look, all that ever were."""
        if self._cursor is None:
            self._cursor = self._book.store.size()
            streams = [str(stream) for (stream,) in self._book.store.query(_STREAMS)]
        else:
            streams = []
            for stored in self._book.follow(self._cursor):
                streams.append(stored.stream)
                self._cursor = stored.seq + 1
        return {int(stream.removeprefix(PREFIX)) for stream in streams if stream.startswith(PREFIX)}
