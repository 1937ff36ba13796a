"""Asking a model from Slack: the words go to it as content, and its answer comes to where it was asked."""

from __future__ import annotations

from collections.abc import Callable

from bot.errors import Refused
from bot.manners.base import Manners, Spot
from bot.questions import key_of
from bot.verbs.questioning import new_question


class Questioning(Manners):
    """Asks; `have_answered` has a worker answer what was asked with a key, by the number of its request."""

    have_answered: Callable[[int], None]

    def ask_model(self, slack: str, prompt: str, model: str | None, spot: Spot) -> None:
        """Enter a question and have it answered in the thread where it was asked; says why when it may not be."""
        name = new_question()
        channel = spot.channel if spot.thread else self.slack.direct(slack)  # a command has no thread to answer in
        self.tables.claim_at(key_of(name), 0, channel, "", spot.thread)
        put = self.desk.put(slack, name, prompt, model)
        if isinstance(put, Refused):
            self.say_no(slack, spot, put)
        else:
            self.have_answered(put.request.number)
