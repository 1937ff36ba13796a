"""App Home: what waits for me, what I hold, what I asked for, my pools, the ledger; true when it is opened."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Final

from bot.blocks import home as views
from bot.blocks.parts import Block
from bot.blocks.states import Missing
from bot.keeping import remindable_at
from bot.manners.halting import Halting
from bot.manners.typed import ALL, Typed
from ledger.audit import Verdict, verify_store
from ledger.streams.request import Request, Status
from policies.budgets import left

WEEK: Final = timedelta(days=7)
VERIFY_UP_TO: Final = 20_000
"""Entries: a longer ledger is verified when asked to, not each time somebody opens Home."""
_HELD: Final = frozenset({Status.STARTING, Status.RUNNING, Status.ENDING, Status.UNCONFIRMED})


class Home(Typed, Halting):
    """Builds the Home view of one person."""

    _verdict: Verdict | None = None

    def home(self, slack: str, place: views.Place | None = None, *, verify: bool = False) -> Block:
        """Return the Home view with the truth as it is now; `place` is how far its lists were turned."""
        no = self.stranger(slack)
        if no is not None:
            return views.refused(no)
        frozen, view = self.frozen_blocks(slack), self._view(slack, place, verify=verify)
        return {**view, "blocks": [*frozen, *view["blocks"]][:100]}

    def _view(self, slack: str, place: views.Place | None, *, verify: bool) -> Block:
        may, where = self.may(slack), place or views.Place()
        if may.export and not may.ask:
            return views.auditor(self._ledger(verify=verify), self._worth_a_look(), self._voice(slack))
        mine = self._mine(slack)
        return views.person(
            waiting=self._waiting(slack) if may.decide else [],
            held=[self._own(request) for request in mine if request.status in _HELD],
            asked=[self._own(request) for request in mine if request.status not in _HELD],
            pools=self._pools(slack) if may.revoke and may.decide else [],
            ledger=self._ledger(verify=verify) if may.export else None,
            may=may,
            budget=self._budget(slack),
            place=where,
            voice=self._voice(slack),
        )

    def _budget(self, slack: str) -> str:
        """What this person's team has left, in words; empty when it has no budget."""
        policy = self.desk.policy()
        known = left(self.desk.book, policy, policy.team(f"user:{slack}"), self.house.book.clock())
        return f"{known.team.capitalize()}'s budget: {known.of_words(policy)}" if known else ""

    def _mine(self, slack: str) -> list[Request]:
        numbers = self.desk.book.requests.of(self.desk.subject(slack), ALL)
        return [request for request in map(self.desk.book.request, numbers) if request is not None]

    def _own(self, request: Request) -> views.Own:
        """A request of one's own, with who is missing and whether they may be reminded."""
        waits = request.status in {Status.WAITING, Status.LAPSED}
        missing = self.desk.missing(request) if waits else self.desk.extension_missing(request)
        nudges = self.tables.nudges(request.number)
        at = remindable_at(request, nudges)
        remind = at is not None and at <= self.house.book.clock()
        return views.Own(request=request, missing=missing, nudges=nudges, remind=remind)

    def _open(self) -> list[Request]:
        found = map(self.desk.book.request, self.desk.book.requests.open())
        return [request for request in found if request is not None]

    def _waiting(self, slack: str) -> list[Request]:
        subject = self.desk.subject(slack)
        return [
            request for request in self._open() if any(subject in subjects for _, subjects in self._missing(request))
        ]

    def _missing(self, request: Request) -> Missing:
        """The open seats of a request, or of the extension that its holder waits for."""
        if request.status is Status.WAITING:
            return () if request.accept_pending else self.desk.missing(request)
        return self.desk.extension_missing(request)

    def _pools(self, slack: str) -> list[views.PoolView]:
        """The pools of this person's team, with who holds what."""
        policy = self.desk.policy()
        team = policy.team(f"user:{slack}")
        open_requests = self._open()
        found = []
        for name, item in policy.catalogue.pools.items():
            if item.owner == team:
                ours = [request for request in open_requests if request.form.resource == f"gpu:{name}"]
                pool = self.desk.book.pool(name)
                leased = sum(len(lease.devices) for lease in pool.leases)
                held = [request for request in ours if request.status in _HELD]
                queued = sum(request.status is Status.QUEUED for request in ours)
                found.append(
                    views.PoolView(name=name, total=len(pool.devices), leased=leased, queued=queued, held=tuple(held))
                )
        return found

    # -- the auditor's ----------------------------------------------------------------------------------------------

    def _ledger(self, *, verify: bool) -> views.Ledger:
        """What was verified last; anew when asked to, or when the ledger is short enough to do it each time."""
        size = self.house.book.store.size()
        stale = self._verdict is None or self._verdict.size != size
        if verify or self._verdict is None or (stale and size <= VERIFY_UP_TO):
            self._verdict = verify_store(self.house.book.store)
        return views.Ledger(verdict=self._verdict, size=size)

    def _worth_a_look(self) -> list[tuple[str, str]]:
        """Counts of the last seven days, read from the entries themselves."""
        since = self.house.book.clock() - WEEK
        counts: Counter[str] = Counter()
        for stored in self.house.book.store.scan():
            if stored.at < since:
                continue
            counts[stored.kind] += 1
            if stored.kind == "request.decided" and stored.body["decision"]["effect"] == "deny":
                counts["denied"] += 1
            if stored.kind == "request.reviewed" and stored.body["verdict"] == "deny":
                counts["denied"] += 1
        return [
            ("Requests", f"{counts['request.submitted']}, {counts['denied']} denied"),
            ("Approved", str(counts["request.approved"])),
            ("Did not start", str(counts["request.failed"] + counts["request.missed"])),
            ("Revoked", str(counts["request.revoked"])),
            ("Policy adopted", str(sum(n for kind, n in counts.items() if kind.startswith("policy.")))),
            ("Exports made", str(counts["audit.exported"])),
        ]
