"""The model that reads along, where there is one: asked about each sentence, and counted."""

from __future__ import annotations

from datetime import datetime

from bot.intake.forms import known_to
from bot.intake.grammar import read
from bot.intake.model.proposal import Second
from bot.manners.base import Manners
from policies.catalogue import Catalogue


class ReadingAlong(Manners):
    """Asks the second reader."""

    def read_along(self, slack: str, text: str, now: datetime, catalogue: Catalogue) -> Second:
        """Return what the model says of a sentence; nothing where there is no model, or none is needed for it."""
        if self.reader is None:
            return Second()
        reading = read(text, now=now, vocabulary=known_to(catalogue), sender=slack)
        second = self.reader.second(text, reading, now=now, catalogue=catalogue, person=slack)
        self.tables.tally(second.outcome)
        return second
