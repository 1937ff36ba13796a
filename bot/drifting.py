"""Reports a version that left its profile, or lost an adapter, where it was asked for, and closes the report when that is over.

The report stands in the channel of the request that deployed the version, or had the adapter loaded; without one,
whoever asked for it and the leads who own the model read it in their direct messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bot.blocks import drift as words
from bot.blocks.parts import Message
from bot.desk import Desk
from bot.slack import Slack
from bot.tables import Tables
from bot.wayback import concerned
from ledger.log.store import Stored
from ledger.streams.codec import entry_of
from ledger.streams.model import ENTRIES, Drifted, Model, Recovered

DUTY: Final = "drift"


class Drifting:
    """What the notifier owes about drifts."""

    def __init__(self, desk: Desk, slack: Slack, tables: Tables) -> None:
        self._desk, self._slack, self._tables = desk, slack, tables

    def tell(self, seq: str) -> None:
        """Make the reports of every drift true that entry `seq` of a model can have moved."""
        stored = next(self._desk.book.follow(int(seq)))
        name = stored.stream.partition(":")[2]
        model = self._desk.book.model(name)
        for begun, drift in self._reported(stored):
            self._show(name, model, begun, drift)

    def _reported(self, moved: Stored) -> Iterator[tuple[int, Drifted]]:
        """Yield the drift that an entry is, or those of its environment that were told before it, with their place."""
        entry = entry_of(moved, ENTRIES)
        for stored in self._desk.book.store.read(moved.stream):
            drift = entry_of(stored, ENTRIES) if stored.seq <= moved.seq else None
            if not isinstance(drift, Drifted):
                continue
            if stored.seq == moved.seq or (drift.environment == _environment(entry) and self._told(stored.seq)):
                yield stored.seq, drift

    def _told(self, seq: int) -> bool:
        return bool(self._tables.messages_like(f"{DUTY}:{seq}:"))

    def _show(self, name: str, model: Model, seq: int, drift: Drifted) -> None:
        message = self._message(name, model, seq, drift)
        for viewer, channel in self._places(name, model, seq, drift):
            self._slack.show(f"{DUTY}:{seq}:{viewer}", 0, viewer, channel, "", message)

    def _message(self, name: str, model: Model, seq: int, drift: Drifted) -> Message:
        version = next((each.version for each in model.registered if each.digest == drift.digest), drift.digest[:19])
        now = self._ended(name, seq, drift)
        routing = model.routing(drift.environment)
        if now is not None:
            return words.recovered(name, version, drift, now, seq)
        if routing is not None and drift.digest not in {share.digest for share in routing.shares}:
            return words.replaced(name, version, drift, routing, seq)
        return words.drifted(name, version, drift, seq, back=bool(model.way_back(drift.environment)))

    def _ended(self, name: str, seq: int, drift: Drifted) -> Recovered | None:
        """Return the entry that says that it is over, None while it stands."""
        for stored in self._desk.book.store.read(f"model:{name}"):
            entry = entry_of(stored, ENTRIES) if stored.seq > seq else None
            if isinstance(entry, Recovered) and _about(entry) == _about(drift):
                return entry
        return None

    def _places(self, name: str, model: Model, seq: int, drift: Drifted) -> list[tuple[str, str]]:
        """Return (viewer, channel) of each report, where it stands already or is to stand."""
        known = self._tables.messages_like(f"{DUTY}:{seq}:")
        if known:
            return [(posted.viewer, posted.channel) for posted in known]
        number = _ordered(model, drift)
        request = self._desk.book.request(number) if number is not None else None
        card = self._tables.message(f"card:{request.number}") if request is not None else None
        if card is not None:
            return [("", card.channel)]
        people = concerned(self._desk, name, request)
        return [(self._desk.subject(slack), self._slack.direct(slack)) for slack in people]


def _ordered(model: Model, drift: Drifted) -> int | None:
    """Return the request by which the version came to answer there, or its adapter to be loaded, the newest."""
    adapter = drift.adapter
    if adapter:
        loaded = model.loaded(drift.environment, drift.digest)
        return next((each.request for each in loaded if each.adapter == adapter), None)
    found = (each for each in reversed(model.in_environment(drift.environment)) if each.request is not None)
    return next((each.request for each in found if drift.digest in {share.digest for share in each.shares}), None)


def _about(entry: Drifted | Recovered) -> tuple[str, str, str]:
    return entry.digest, entry.environment, entry.figure


def _environment(entry: object) -> str:
    return str(getattr(entry, "environment", ""))
