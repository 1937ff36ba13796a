"""One tap on a report asks for the way back: a request like any other, decided by the rules of its environment."""

from __future__ import annotations

from typing import Final

from bot.blocks import refusals
from bot.errors import Refused
from bot.intake.forms import Understood, understand
from bot.manners.base import Manners, Spot
from ledger.streams.request import Request

WHY: Final = "It left its profile"
NO_WAY: Final = "There is no version of {} to go back to. Nothing was asked."


class Returning(Manners):
    """Asks for the way back."""

    def roll_back(self, slack: str, place: str, spot: Spot) -> Request | None:
        """Ask, as this person, that what answered in `place` before answers again; its card stands under the report.

        Args:
            place: such as `fraud-detector@production`.
            spot: the report.
        """
        model, _, environment = place.partition("@")
        said = f"roll back {model} in {environment}"
        now, catalogue = self.house.book.clock(), self.desk.policy().catalogue
        known = model in catalogue.models and environment in catalogue.environments
        heard = understand(said, now=now, catalogue=catalogue, person=slack) if known else None
        if not isinstance(heard, Understood):
            self.say(slack, spot, NO_WAY.format(model) if known else refusals.NOT_UNDERSTOOD)
            return None
        outcome = self.desk.submit(slack, heard.form, purpose=WHY, said=said)
        if isinstance(outcome, Refused):
            self.say_no(slack, spot, outcome)
            return None
        self.tables.claim_at(f"card:{outcome.number}", outcome.number, spot.channel, "", spot.thread)
        self.notifier.refresh(outcome.number)
        return outcome
