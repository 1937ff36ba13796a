"""The human verbs: what people do to requests, and to the desk itself; one mixin a meaning.

Each one decides, appends and nudges. Who acts is always a Slack user id that the directory accepted, never text.
A race is read again and decided again; what may not be is a `Refused`, and then nothing was written.
"""

from __future__ import annotations

from bot.verbs.asking import Preview
from bot.verbs.deciding import Deciding
from bot.verbs.ending import Ending
from bot.verbs.extending import Extending
from bot.verbs.halting import Halting
from bot.verbs.letting import Letting
from bot.verbs.questioning import Questioning
from bot.verbs.reverting import Reverting
from bot.verbs.shortening import Shortening
from bot.verbs.showing import Showing

__all__ = ["Desk", "Preview"]


class Desk(Reverting, Deciding, Ending, Letting, Extending, Shortening, Halting, Showing, Questioning):
    """The one place where people's intentions become entries.

    Args:
        book: the ledger.
        policy: returns the policy in force now.
        nudge: asks a worker to attend to a request; never raises.
        clock: now, aware UTC.
    """
