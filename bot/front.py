"""What the desk answers on each surface: reads, shows, confirms, decides. Listeners acknowledge and call this.

Every method is given the Slack user id of the event, never a name from text. What may not be is said to that person
alone; what has a life is a message that the notifier keeps true.
"""

from __future__ import annotations

from datetime import date

from bot.blocks.door import Where
from bot.desk import Desk
from bot.doors import Doors
from bot.errors import Refused
from bot.house import House
from bot.intake.model.reader import Reader
from bot.manners.base import Spot
from bot.manners.forms import Forms
from bot.manners.home import Home
from bot.manners.mending import Mending
from bot.manners.returning import Returning
from bot.manners.typed import number_in
from bot.notify import Notifier
from bot.slack import Slack
from bot.tables import Tables

__all__ = ["Front", "Spot", "number_in"]


class Front(Forms, Home, Mending, Returning):
    """The desk's manners. One a process, shared by listeners.

    Args:
        notifier: is given the duties of showing drafts and answering what was kept.
        simulate: whether what no executor carries out is simulated.
        admin_channel: id or name of the channel that hears of side doors; empty for direct messages to admins.
        reader: the model that reads sentences beside the grammar, None for the grammar alone.
    """

    def __init__(
        self,
        house: House,
        desk: Desk,
        slack: Slack,
        tables: Tables,
        notifier: Notifier,
        *,
        simulate: bool,
        admin_channel: str = "",
        reader: Reader | None = None,
    ) -> None:
        super().__init__(house, desk, slack, tables, notifier, simulate=simulate, reader=reader)
        notifier.duties |= {"ask": self.show, "event": self.take_up}
        notifier.rounds.append(self.expire_drafts)
        self.doors = Doors(desk, slack, tables, notifier, admin_channel)

    def side_doors(self, slack: str) -> str:
        """Return the side doors that stand or are explained, or the sentence of a refusal."""
        listed = self.doors.listed(slack)
        return self.sentence(slack, listed) if isinstance(listed, Refused) else listed

    def take_away(self, slack: str, where: Where, reason: str) -> str | None:
        """Ask to take a side door away; returns the sentence of a refusal."""
        outcome = self.doors.take_away(slack, where, reason)
        return self.sentence(slack, outcome) if isinstance(outcome, Refused) else None

    def explain(self, slack: str, where: Where, last_day: date, reason: str) -> str | None:
        """Say that a side door is known until the end of a day; returns the sentence of a refusal."""
        outcome = self.doors.explain(slack, where, last_day, reason)
        return self.sentence(slack, outcome) if isinstance(outcome, Refused) else None
