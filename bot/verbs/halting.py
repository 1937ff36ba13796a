"""Halting: stop everything, or one resource; lifted by somebody else. What waited goes on by itself, decided anew."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from bot.errors import Reason, Refused
from bot.verbs.steps import DESK, Steps
from ledger.book import Write
from ledger.nouns import Decision, Effect, Personal
from ledger.streams.codec import Entry
from ledger.streams.halt import EVERYTHING, STREAM, Halted, Halts, Lifted, Spell, Stop
from ledger.streams.request import Decided, Phase, Request, Status
from policies.catalogue import DESK as THE_DESK
from policies.catalogue import ENDPOINT
from policies.grounds import Grounds

_ALL: Final = frozenset({EVERYTHING, "all", "everything"})


class Halting(Steps):
    """Halt and lift."""

    def halt(self, slack: str, resource: str, reason: str) -> Stop | Refused:
        """Stop approvals, starts and extensions of `resource` (`*` is everything); endings go on."""
        by = self.subject(slack)
        return self._retry(lambda: self._halt(by, slack, resource, reason))

    def _halt(self, by: str, slack: str, resource: str, reason: str) -> Stop | Refused:
        halts, rule = self.book.halts(), self._rule(slack, "halt", resource)
        if rule is None:
            return self._not_an_admin("halt", resource)
        if (stop := standing(halts, resource)) is not None:
            return Refused(reason=Reason.ALREADY_FROZEN, people=(stop.by,), resource=resource)
        entry = Halted(resource=resource, by=by, rule=rule, reason=Personal(reason))
        self._enter(halts, by, entry)
        made = standing(self.book.halts(), resource)
        return made or Refused(reason=Reason.NOT_FROZEN, resource=resource)

    def lift(self, slack: str, resource: str, reason: str) -> Spell | Refused:
        """Let it go on; only somebody else than whoever halted it."""
        by = self.subject(slack)
        return self._retry(lambda: self._lift(by, slack, resource, reason))

    def _lift(self, by: str, slack: str, resource: str, reason: str) -> Spell | Refused:
        halts = self.book.halts()
        refused = self._may_lift(halts, by, slack, resource)
        if isinstance(refused, Refused):
            return refused
        self._enter(halts, by, Lifted(resource=resource, by=by, rule=refused, reason=Personal(reason)))
        return self.book.halts().past[-1]

    def why_not_lift(self, slack: str, resource: str) -> Refused | None:
        """Return why this person may not lift it now, None when they may."""
        found = self._may_lift(self.book.halts(), self.subject(slack), slack, resource)
        return found if isinstance(found, Refused) else None

    def _may_lift(self, halts: Halts, by: str, slack: str, resource: str) -> str | Refused:
        rule, stop = self._rule(slack, "lift", resource), standing(halts, resource)
        if rule is None:
            return self._not_an_admin("lift", resource)
        if stop is None:
            return Refused(reason=Reason.NOT_FROZEN, resource=resource)
        if stop.by == by:
            others = tuple(each for each in self._who_may("lift", resource) if each != by)
            return Refused(reason=Reason.OWN_FREEZE, people=others, resource=resource)
        return rule

    def resource_named(self, word: str) -> str | None:
        """Return what a typed word names: `*` for everything, a resource by its full or its short name; else None.

        The short name of a model in an environment is its deployments'; its keys are named in full.
        """
        if word.casefold() in _ALL:
            return EVERYTHING
        known = [each for each in self.policy().catalogue.resources() if each != THE_DESK]
        found = [each for each in known if word == each or (_short(each) and word == each.partition(":")[2])]
        return found[0] if len(found) == 1 else None

    def resume(self) -> list[int]:
        """Approve what a rule would have approved but for a halt that is lifted; return the numbers that moved.

        Whoever calls, and however often: a request moves once. What no longer fits its budget is denied with that.
        """
        return [number for number in self.book.requests.open(stage="waiting") if self._resumed(number)]

    def _resumed(self, number: int) -> bool:
        request = self.book.request(number)
        if request is None or not held_back(request) or self.book.halts().over(request.form.resource) is not None:
            return False
        return isinstance(self._retry(lambda: self._resume(number)), Request)

    def _resume(self, number: int) -> Request | Refused:
        request = self.book.request(number)
        if request is None or not held_back(request):
            return Refused(reason=Reason.ALREADY_DECIDED, number=number)
        grounds = Grounds.read(self.book, request.beneficiary)
        if (frozen := self._frozen(grounds, request)) is not None:
            return frozen
        writes = self._approving(request, DESK, (), grounds)
        if isinstance(writes, Refused):
            writes = [self._write(request, DESK, self._denial(request, writes.detail)), *grounds.unmoved(DESK)]
        return self._landed(number, writes)

    def _denial(self, request: Request, why: str) -> Decided:
        team = request.decision.team if request.decision else ""
        decision = Decision(
            effect=Effect.DENY,
            rules=(f"budgets.{team.removeprefix('team:')}",),
            policy=self.policy().digest,
            team=team,
            why=why,
        )
        return Decided(phase=Phase.LOWER, form_digest=request.form_digest, decision=decision)

    def _rule(self, slack: str, action: str, resource: str) -> str | None:
        return self.policy().may(f"user:{slack}", action, THE_DESK if resource == EVERYTHING else resource)

    def _who_may(self, action: str, resource: str) -> tuple[str, ...]:
        people = self.policy().people()
        return tuple(self.subject(slack) for slack in people if self._rule(slack, action, resource) is not None)

    def _not_an_admin(self, action: str, resource: str) -> Refused:
        return Refused(reason=Reason.NOT_ADMIN, people=self._who_may(action, resource), resource=resource)

    def _enter(self, halts: Halts, by: str, entry: Entry) -> None:
        self.book.append(Write(stream=STREAM, expected=halts.version, entries=(entry,), actor=by))


def standing(halts: Halts, resource: str) -> Stop | None:
    """Return the stop of exactly this resource, None when it is not halted by itself."""
    return next((stop for stop in halts.stops if stop.resource == resource), None)


def held_back(request: Request) -> bool:
    """Whether a rule approves it, and only a halt kept it from being approved."""
    by_rule = request.decision is not None and request.decision.auto
    return request.status is Status.WAITING and by_rule and not request.accept_pending


def going_on(requests: Iterable[Request], seq: int) -> int:
    """Return how many of these were waiting, for people or for their start, when entry `seq` was written."""
    return sum(_waited(request, seq) for request in requests)


_WAITING: Final = frozenset(
    f"request.{word}" for word in ("decided", "reviewed", "lowered", "accepted", "approved", "reopened", "queued")
)


def _waited(request: Request, seq: int) -> bool:
    before = [(kind, at_seq) for kind, _, _, at_seq in request.history if at_seq < seq]
    if not before or before[-1][0] not in _WAITING:
        return False
    return not (request.status is Status.DENIED and request.seq == before[-1][1])


def _short(resource: str) -> bool:
    """Whether a resource may be named without its scheme."""
    return not resource.startswith(f"{ENDPOINT}:")
