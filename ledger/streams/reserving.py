"""Law between requests and budgets: a request holds a reservation exactly while it is agreed to and not yet settled.

A request and its budget move in one transaction, and all entries of a transaction carry one time. So this law is judged
when a moment is over: at the first entry with a later time, and at the end of the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from ledger.errors import UnlawfulError
from ledger.nouns import Form, GpuForm, Usage
from ledger.streams.budget import HandedBack, Reserved, Spent
from ledger.streams.codec import Entry
from ledger.streams.law import Place
from ledger.streams.request import HOLDING, Request, Status

BUDGET: Final = "budget"
"""The fact of a decision that names the budget which pays; decisions from before there were budgets have none."""


class Reserving:
    """Follows the whole log, entry by entry; `states` are the folds of every stream, kept by the caller."""

    def __init__(self, states: Mapping[str, Any]) -> None:
        self._states = states
        self._at: datetime | None = None
        self._held: dict[int, dict[str, Reserved]] = {}
        self._moved: dict[int, int] = {}
        self._paid: dict[int, Entry] = {}

    def reach(self, at: datetime) -> None:
        """Judge the moment before `at`, once that is later.

        Raises:
            UnlawfulError: a request and its budget did not move together; `seq` is the first bad entry.
        """
        if self._at is not None and at > self._at:
            self.judge()
        self._at = at

    def note(self, entry: Entry, place: Place) -> None:
        """Note what a lawful `entry` says of a request or of its reservation."""
        kind, _, name = place.stream.partition(":")
        if kind == "request":
            self._moved[int(name)] = place.seq
        elif isinstance(entry, Reserved):
            self._held.setdefault(entry.request, {})[name] = entry
            self._moved[entry.request] = place.seq
        elif isinstance(entry, Spent | HandedBack):
            self._held.get(entry.request, {}).pop(name, None)
            self._paid[entry.request] = entry
            self._moved[entry.request] = place.seq

    def judge(self) -> None:
        """Judge the moment that is over; raises UnlawfulError as `reach` does."""
        for number, seq in sorted(self._moved.items(), key=lambda moved: moved[1]):
            held = self._held.get(number, {})
            why = _wrong(self._states.get(f"request:{number}"), held) or self._unpaid(number)
            if why:
                raise UnlawfulError(f"REQ-{number}: {why}", seq=seq)
            if not held:
                self._held.pop(number, None)
        self._moved, self._paid = {}, {}

    def _unpaid(self, number: int) -> str:
        """What is wrong with how a reservation went, empty when nothing is: use is paid for, and nothing else is."""
        request, entry = self._states[f"request:{number}"], self._paid.get(number)
        ended = request.status is Status.ENDED
        if isinstance(entry, Spent):
            paid = _amounts(request.usage) == (entry.gpu_s, entry.cost_minor)
            return "" if paid else "what is spent is not what was used"
        return "what was used is handed back" if entry is not None and ended else ""


def _wrong(request: Request | None, held: Mapping[str, Reserved]) -> str:
    """What is wrong with what a request has reserved, empty when nothing is."""
    if request is None or request.status not in HOLDING:
        return "reserved, and not agreed to" if held or request is None else ""
    team = request.decision.team.removeprefix("team:") if request.decision else ""
    if held.keys() - {team}:
        return f"reserved in another budget than that of {team}"
    needed, mine = needed_gpu_s(request), held.get(team)
    if needed is None or (mine is not None and mine.gpu_s >= needed):
        return ""
    return f"agreed to, and the budget of {team} does not keep what it may use"


def needed_gpu_s(request: Request) -> int | None:
    """Return the device seconds that a request must have reserved, None when its decision puts it under no budget."""
    facts = request.decision.facts if request.decision else ()
    return _gpu_s(request.form) if any(fact.name == BUDGET for fact in facts) else None


def _gpu_s(form: Form) -> int:
    return form.gpus * form.duration_s if isinstance(form, GpuForm) else 0


def _amounts(usage: Usage | None) -> tuple[int, int] | None:
    return None if usage is None else (usage.gpu_s, usage.cost_minor)
