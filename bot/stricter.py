"""Asks the owners of what is held whether it may stand, once rules are in force that would not permit it.

A tighter number cuts nobody short, and nobody would know of it either. So whoever owns what is held is asked once,
within a moment of the adoption, and answers in the ledger: kept, or revoked. Whoever may not ask for the like at all is
not asked about: the clock ends that (`workers/eligibility.py`).

It lives here and not in the clock, because all that it does is to show cards: it needs Slack and the desk's tables, and
ends nothing. The clock must need the database and the backend alone. The notifier sees the adoption when it follows the
ledger, and owes the look in the same transaction as its cursor, so that a desk that is killed or was down looks later.
A lease is judged when the rules changed, or its form, and at no other look.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog

from bot.blocks import stricter as words
from bot.blocks.parts import Message
from bot.blocks.words import Voice
from bot.desk import Desk
from bot.slack import Slack
from bot.tables import Judged, Posted, Tables
from bot.verbs.letting import holds
from ledger.streams.request import Keep, Request

logger = structlog.get_logger(__name__)

DUTY: Final = "stricter"
RULES: Final = "rules"
"""The duty of looking at everything that is held; what follows is the entry of the policy."""


class Stricter:
    """What the notifier owes the owners of what stricter rules would not permit."""

    def __init__(
        self,
        desk: Desk,
        slack: Slack,
        tables: Tables,
        clock: Callable[[], datetime],
        voice: Callable[[str | None], Voice],
    ) -> None:
        self._desk, self._slack, self._tables, self._clock = desk, slack, tables, clock
        self._voice = voice
        self._begun = False

    def begin(self) -> None:
        """Owe one look when the process starts: rules may have been adopted before this table was there."""
        if not self._begun:
            self._begun = True
            self._tables.owe(f"{RULES}:{self._desk.book.policy().seq}", self._clock())

    def look(self, seq: str) -> None:
        """Owe a look at each lease that is held under the rules of entry `seq`, unless others are in force by now.

        Each is a duty of its own: one that cannot be judged keeps no other from being asked about.
        """
        if int(seq) == self._desk.book.policy().seq:
            for number in self._desk.book.requests.open(stage="held"):
                self._tables.owe(f"{DUTY}:{number}", self._clock())

    def notice(self, number: int) -> None:
        """Owe a look at a request that moved: to judge it, to close what was asked about it, or to forget it."""
        request, judged = self._desk.book.request(number), self._tables.judged(number)
        if request is None:
            return
        asked = any(found.fails for found in judged)
        if asked or (request.final and judged) or self._unjudged(request, judged):
            self._tables.owe(f"{DUTY}:{number}", self._clock())

    def tell(self, name: str) -> None:
        """Judge a lease where that is due, and make every card about it true."""
        request = self._desk.book.request(int(name))
        if request is None:
            return
        if self._unjudged(request, self._tables.judged(request.number)):
            self._judge(request)
        doubts = self._tables.judged(request.number)
        if any(doubt.fails for doubt in doubts):
            self._show(request, doubts[-1])
        if request.final:
            self._tables.forget_judged(request.number)

    def _unjudged(self, request: Request, judged: list[Judged]) -> bool:
        """Whether it is held, and was not looked at yet under these rules and in this form."""
        known = (judged[-1].policy, judged[-1].form) if judged else None
        return holds(request) and known != (self._desk.book.policy().seq, request.form_digest)

    def _judge(self, request: Request) -> None:
        """Note what the rules say of it, and since which of them they say so."""
        policy, judged = self._desk.book.policy().seq, self._tables.judged(request.number)
        last, found = judged[-1] if judged else None, self._desk.shortfall(request)
        fails, why = (found.fails, found.why) if found is not None else ("", "")
        since = last.since if last is not None and last.fails == fails else policy
        self._tables.judge(
            Judged(request=request.number, since=since, policy=policy, form=request.form_digest, fails=fails, why=why)
        )

    def _show(self, request: Request, doubt: Judged) -> None:
        """Show its card to each owner who is asked, and close every other card about this lease in place."""
        asked = self._asked(request, doubt)
        for subject in asked:
            self._ask(request, doubt, subject, asked)
        mine = {_key(doubt, subject) for subject in asked}
        for posted in self._tables.messages(request.number):
            if posted.key.startswith(f"{DUTY}:") and posted.key not in mine:
                end = self._end(request, posted)
                self._slack.show(posted.key, request.number, posted.viewer, posted.channel, "", end)

    def _asked(self, request: Request, doubt: Judged) -> tuple[str, ...]:
        """Who is asked now: nobody while it passes, or once it was let stand with the same part failing."""
        if not doubt.fails or not holds(request) or _keep(request, doubt) is not None:
            return ()
        owners = self._desk.owners(request)
        if not owners:
            logger.warning("nobody can be asked about what stricter rules would not permit", request=request.number)
        return owners

    def _ask(self, request: Request, doubt: Judged, subject: str, asked: tuple[str, ...]) -> None:
        slack = self._desk.slack(subject)
        if slack is None:
            return
        voice, others = self._voice(subject), [each for each in asked if each != subject]
        about = words.Doubt(
            fails=doubt.fails,
            why=doubt.why,
            also=[voice.name_of(each) for each in others],
            revokes=self._desk.may_revoke(subject, request),
            others=[voice.name_of(each) for each in others if self._desk.may_revoke(each, request)],
        )
        key = _key(doubt, subject)
        known = self._tables.message(key)
        channel = known.channel if known else self._slack.direct(slack)
        self._slack.show(key, request.number, subject, channel, "", words.question(request, about, voice))

    def _end(self, request: Request, posted: Posted) -> Message:
        """How a card that asks nothing any more closes. Who let it stand is said for good, whatever came after."""
        voice, doubts = self._voice(posted.viewer), self._tables.judged(request.number)
        doubt = next((each for each in doubts if posted.key == _key(each, posted.viewer)), None)
        keep = _keep(request, doubt) if doubt is not None else None
        if doubt is not None and keep is not None:
            return words.kept(request, keep, doubt.why, posted.viewer, voice)
        if not holds(request):
            return words.over(request, voice)
        if not doubts[-1].fails:
            return words.allowed(request, voice)
        if doubt != doubts[-1]:
            return words.asked_anew(request, voice)
        return words.asked_others(request, [voice.name_of(each) for each in self._desk.owners(request)], voice)


def _key(doubt: Judged, subject: str) -> str:
    return f"{DUTY}:{doubt.request}:{doubt.since}:{subject}"


def _keep(request: Request, doubt: Judged) -> Keep | None:
    return next((keep for keep in request.keeps if keep.fails == doubt.fails), None)
