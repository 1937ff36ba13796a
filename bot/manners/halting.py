"""Halting in Slack: `/qm halt`, `/qm lift`, the button and its form. Everybody else is refused in words.

The cards follow from the ledger (`bot/freezing.py`): a form must be acknowledged before all channels could be told.
"""

from __future__ import annotations

from typing import Final

from bot.blocks.freeze import freeze_blocks, lift_modal, name_of
from bot.blocks.home import DIVIDER
from bot.blocks.parts import Block
from bot.errors import Reason, Refused
from bot.manners.base import Manners, Spot
from ledger.streams.halt import EVERYTHING, Stop, covers
from ledger.streams.request import Status

HALT_HOW: Final = (
    "Say why: `/qm halt storage incident`, or `/qm halt h100-shared storage incident`. Nothing was frozen."
)
LIFT_HOW: Final = (
    "Say why: `/qm lift storage is healthy`, or `/qm lift h100-shared storage is healthy`. Nothing was lifted."
)
_WAITING: Final = frozenset({Status.WAITING, Status.APPROVED, Status.QUEUED})


class Halting(Manners):
    """Halts and lifts."""

    def halt_words(self, slack: str, words: str, spot: Spot) -> None:
        """Freeze what the words name, everything when they name nothing, for the reason they give."""
        resource, reason = self._named(words)
        if not reason:
            self.say(slack, spot, HALT_HOW)
            return
        outcome = self.desk.halt(slack, resource, reason)
        if isinstance(outcome, Refused):
            self.say_no(slack, spot, outcome)
            return
        self.say(slack, spot, f"{name_of(resource)} is frozen. Running grants end as planned. Another admin lifts it.")

    def lift_words(self, slack: str, words: str, spot: Spot) -> None:
        """Lift what the words name, for the reason they give."""
        resource, reason = self._named(words)
        if not reason:
            self.say(slack, spot, LIFT_HOW)
            return
        refused = self.lift(slack, resource, reason)
        self.say(slack, spot, refused or f"{name_of(resource)} is no longer frozen. What waited goes on.")

    def lift(self, slack: str, resource: str, reason: str) -> str | None:
        """Lift a freeze; returns the sentence of a refusal."""
        outcome = self.desk.lift(slack, resource, reason)
        return self.sentence(slack, outcome) if isinstance(outcome, Refused) else None

    def lift_by_card(self, slack: str, seq: str, reason: str) -> str | None:
        """Lift the freeze of a card; returns the sentence of a refusal."""
        stop = self._stop_of(seq)
        return self._gone(slack) if stop is None else self.lift(slack, stop.resource, reason)

    def lift_view(self, slack: str, seq: str) -> Block | str:
        """Return the form in which a lift gets its reason, or the sentence why this person may not lift it."""
        stop = self._stop_of(seq)
        if stop is None:
            return self._gone(slack)
        refused = self.desk.why_not_lift(slack, stop.resource)
        if refused is not None:
            return self.sentence(slack, refused)
        return lift_modal(stop, self._how_many(stop), self._voice(slack))

    def frozen_blocks(self, slack: str) -> list[Block]:
        """Return what stands at the top of every Home while something is frozen."""
        voice = self._voice(slack)
        return [block for stop in self.desk.book.halts().stops for block in [*freeze_blocks(stop, voice), DIVIDER]]

    def _named(self, words: str) -> tuple[str, str]:
        """The resource and the reason; the first word is a resource when it names one, and a reason otherwise."""
        first, _, rest = words.strip().partition(" ")
        resource = self.desk.resource_named(first)
        return (EVERYTHING, words.strip()) if resource is None else (resource, rest.strip())

    def _stop_of(self, seq: str) -> Stop | None:
        return next((stop for stop in self.desk.book.halts().stops if str(stop.seq) == seq), None)

    def _gone(self, slack: str) -> str:
        return self.sentence(slack, Refused(reason=Reason.NOT_FROZEN, resource=EVERYTHING))

    def _how_many(self, stop: Stop) -> int:
        requests = map(self.desk.book.request, self.desk.book.requests.open())
        return sum(
            each is not None and each.status in _WAITING and covers(stop.resource, each.form.resource)
            for each in requests
        )
