"""What every answer needs: the parts of the house, who somebody is, and telling one person alone."""

from __future__ import annotations

from dataclasses import dataclass

from bot.blocks import refusals
from bot.blocks.words import Voice
from bot.desk import Desk
from bot.errors import Refused
from bot.house import House
from bot.intake.model.reader import Reader
from bot.notify import Notifier
from bot.slack import Slack
from bot.tables import Tables
from ledger.streams.request import Request
from policies.directory import Stranger, resolve


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where somebody spoke: the channel, the message that a thread hangs on, and the thread if they spoke in one."""

    channel: str
    thread: str = ""
    inside: str = ""


class Manners:
    """The parts that answers share; see `bot.front.Front` for the arguments."""

    def __init__(
        self,
        house: House,
        desk: Desk,
        slack: Slack,
        tables: Tables,
        notifier: Notifier,
        *,
        simulate: bool,
        reader: Reader | None = None,
    ) -> None:
        self.house, self.desk, self.slack, self.tables, self.notifier = house, desk, slack, tables, notifier
        self._simulate, self.reader = simulate, reader

    def stranger(self, slack: str) -> str | None:
        """Return the sentence for somebody who may not be served, None for those who may."""
        policy = self.desk.policy()
        found = resolve(policy, self.slack.user(slack), self.house.genesis.workspace)
        if not isinstance(found, Stranger):
            return None
        admins = [person for person in policy.people() if "role:admin" in self._roles(person)]
        return refusals.stranger(found, [self.slack.name(admin) for admin in admins])

    def say(self, slack: str, spot: Spot, words: str) -> None:
        """Tell one person alone, where they spoke or else in their direct messages."""
        self.slack.whisper(spot.channel or self.slack.direct(slack), slack, words, spot.inside or None)

    def say_no(self, slack: str, spot: Spot, refused: Refused) -> None:
        """Tell one person alone why nothing happened."""
        self.say(slack, spot, self.sentence(slack, refused))

    def sentence(self, slack: str, refused: Refused) -> str:
        """Return the sentence of a refusal, for this person."""
        request = self.desk.book.request(refused.number) if refused.number is not None else None
        return refusals.refusal(refused, request, self._voice(slack))

    def visible(self, slack: str, number: int) -> Request | None:
        """Return a request that this person may see: theirs, one they may decide, or any for auditor, admin and its team."""
        request = self.desk.book.request(number)
        if request is None:
            return None
        policy, person = self.desk.policy(), f"user:{slack}"
        decides = any(policy.may_vote(person, seat.name, seat.team, request.form) for seat in request.seats)
        team = request.decision.team if request.decision else ""
        teams = {policy.team(person)} & {team, policy.catalogue.owner(request.form.resource)}
        reads_all = bool(self._roles(slack) & {"role:auditor", "role:admin"})
        mine = self.desk.subject(slack) in request.barred
        return request if mine or decides or reads_all or teams else None

    def _roles(self, slack: str) -> frozenset[str]:
        return frozenset(role for role, _ in self.desk.policy().snapshot.roles.roles(f"user:{slack}"))

    def _voice(self, slack: str) -> Voice:
        return self.notifier.voice(self.desk.subject(slack))
