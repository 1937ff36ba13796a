"""Tells whoever deployed a version, and the leads who own the model, that it gave way to the one before by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bot.blocks.parts import Message, section
from bot.blocks.words import Voice, shown
from bot.desk import Desk
from bot.slack import Slack
from bot.tables import Tables
from ledger.streams.model import Model, Routing
from ledger.streams.request import Request, Status

DUTY: Final = "routed"
LEAD: Final = "role:lead"


class WaysBack:
    """What the notifier owes about an entry that routed a model without a request."""

    def __init__(self, desk: Desk, slack: Slack, tables: Tables, voice: Callable[[str | None], Voice]) -> None:
        self._desk, self._slack, self._tables, self._voice = desk, slack, tables, voice

    def tell(self, seq: str) -> None:
        """Tell everyone concerned of entry `seq`, once, if nobody had asked for what it says."""
        stored = next(self._desk.book.follow(int(seq)))
        name = stored.stream.partition(":")[2]
        model = self._desk.book.model(name)
        routing = next(each for each in model.routings if each.seq == stored.seq)
        before = replaced(model, routing)
        request = self._desk.book.request(before.request) if before is not None and before.request is not None else None
        if routing.request is not None or before is None or request is None or request.status is not Status.DONE:
            return  # what was taken back before it was done says so on its own card
        for slack in concerned(self._desk, name, request):
            viewer = self._desk.subject(slack)
            key = f"{DUTY}:{seq}:{viewer}"
            known = self._tables.message(key)
            if known is None or not known.ts:
                message = words(name, routing, before, request)
                self._slack.show(key, request.number, viewer or "", self._slack.direct(slack), "", message)


def concerned(desk: Desk, model: str, request: Request | None) -> tuple[str, ...]:
    """Return the Slack ids of who deployed a version by a request, and of the leads of the team that owns the model."""
    asker = desk.slack(request.asker) if request is not None else None
    policy = desk.policy()
    owner, roles = policy.catalogue.models[model].owner, policy.snapshot.roles
    leads = (person.removeprefix("user:") for person in roles.people() if (LEAD, owner) in roles.roles(person))
    return tuple(dict.fromkeys((*((asker,) if asker else ()), *leads)))


def replaced(model: Model, routing: Routing) -> Routing | None:
    """Return what answered in the same environment until `routing`."""
    earlier = [each for each in model.in_environment(routing.environment) if each.seq < routing.seq]
    return earlier[-1] if earlier else None


def words(model: str, routing: Routing, before: Routing, request: Request) -> Message:
    """Return what they read: what answers, what does not, why, and what to do."""
    kept = {share.digest for share in routing.shares}
    gone = ", ".join(f"{share.version}" for share in before.shares if share.digest not in kept)
    head = f"{model} {', '.join(share.version for share in routing.shares)} answers in {routing.environment} again"
    text = (
        f":rewind: *{shown(head)}.* Version {shown(gone)}, deployed by {request.name}, gave way by itself: {shown(routing.why)}\n"
        f"Mend version {shown(gone)}, and ask for it again."
    )
    return Message(text=head, blocks=(section(text),))
