"""Keeps what somebody asked a model true in their thread: asked, answered, or without an answer."""

from __future__ import annotations

from typing import Final

from bot.blocks import answer as words
from bot.blocks.parts import Message
from bot.desk import Desk
from bot.slack import Slack
from bot.tables import Tables
from ledger.streams import question
from ledger.streams.codec import entry_of
from ledger.streams.question import Answered, Asked, Unanswered

DUTY: Final = "question"


class QuestionReports:
    """What the notifier owes whoever asked a model."""

    def __init__(self, desk: Desk, slack: Slack, tables: Tables) -> None:
        self._desk, self._slack, self._tables = desk, slack, tables

    def tell(self, seq: str) -> None:
        """Make the message about the question that entry `seq` is about say what is so."""
        stored = next(iter(self._desk.book.store.scan(int(seq))))
        entry = entry_of(stored, question.ENTRIES)
        if not isinstance(entry, Asked | Answered | Unanswered):
            return
        number = int(stored.stream.removeprefix(question.PREFIX))
        place = self._tables.message(key_of(entry.question))
        message = self._message(number, entry.question)
        if place is not None and message is not None:
            self._slack.show(place.key, 0, place.viewer, place.channel, place.thread, message)

    def _message(self, number: int, name: str) -> Message | None:
        asked: Asked | None = None
        for stored in self._desk.book.store.read(question.stream_of(number)):
            entry = entry_of(stored, question.ENTRIES)
            match entry:
                case Asked(question=found) if found == name:
                    asked = entry
                case Answered(question=found) if found == name and asked is not None:
                    return words.answer(number, asked, entry)
                case Unanswered(question=found) if found == name and asked is not None:
                    return words.no_answer(number, asked, entry)
        return words.asking(number, asked) if asked is not None else None


def key_of(question_name: str) -> str:
    """Return the key of the message about a question."""
    return f"{DUTY}:{question_name}"
