"""Taking away what no grant explains: an approved change like any other, looked at again before it is done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from ledger.book import Write
from ledger.nouns import DoorForm, Enforcement, ExplainForm, Grant, Receipt
from ledger.streams.request import Request
from ledger.streams.watch import Closed, Fault, Finding, Outcome
from workers.compare import Doubt, about
from workers.errors import BackendError
from workers.executors.base import Executor, Observation, TakesAway
from workers.reconcile import Keys, look
from workers.room import WORKER, Room

SCHEME: Final = "desk"
GONE_BEFORE: Final = "It was gone already."
KNOWN: Final = "Known, and left where it is."


class RevertExecutor:
    """Carries out reverts on the other executors of a room.

    Args:
        room: returns the room whose backends are looked at; asked late, because this executor stands in it.
    """

    name = "revert"
    enforcement = Enforcement.ENFORCED
    simulated = False

    def __init__(self, room: Callable[[], Room]) -> None:
        self._room = room

    def ensure(self, grant: Grant) -> Receipt:
        """Take away what the finding is about and see it gone; what is gone already is done.

        Raises:
            BackendError: it is still there, or a grant explains it: then that grant is to be revoked.
        """
        form, room = grant.form, self._room()
        if not isinstance(form, DoorForm):
            raise BackendError("only side doors are taken away here")
        finding = room.book.watch(form.backend).finding(form.finding)
        executor = next((each for each in room.executors.values() if each.name == form.backend), None)
        if finding is None:
            return self._receipt(GONE_BEFORE)
        if finding.fault is not Fault.UNEXPLAINED:
            raise BackendError("a grant explains it; revoke that request instead")
        if isinstance(form, ExplainForm):
            return self._receipt(_explained(form, room.clock()))
        if executor is None or not isinstance(executor, TakesAway):
            raise BackendError(f"{form.backend} cannot take anything away; do it there, and the next look closes it")
        return self._receipt(_take_away(room, executor, finding))

    def observe(self, grant: Grant) -> Observation:
        """Nothing of a revert stays: it holds nothing."""
        del grant
        return Observation.GONE

    def revoke(self, grant: Grant) -> None:
        """Nothing is given back to whoever had it."""
        del grant

    def _receipt(self, note: str) -> Receipt:
        return Receipt(executor=self.name, enforcement=self.enforcement, note=note)


def _explained(form: ExplainForm, now: datetime) -> str:
    """Nothing is done in the backend; `closing` enters with `Done` that it is known."""
    if form.until <= now:
        raise BackendError("the end that was named is over; explain it anew")
    return KNOWN


def _take_away(room: Room, executor: Executor, finding: Finding) -> str:
    """Take it away if it is there, and look again; return what to say."""
    keys = Keys(room.book)
    there = _of(room, executor, keys, finding)
    if not there or not isinstance(executor, TakesAway):
        return GONE_BEFORE
    for doubt in there:
        if doubt.holding is not None:
            executor.take_away(doubt.holding)
    if _of(room, executor, keys, finding):
        raise BackendError("it was taken away and is there again; somebody or something puts it back")
    return f"Taken away from {executor.name}, and seen gone."


def _of(room: Room, executor: Executor, keys: Keys, finding: Finding) -> list[Doubt]:
    return [doubt for doubt in look(room, executor, keys).doubts if doubt.about == about(finding)]


def closing(room: Room, request: Request) -> tuple[Write, ...]:
    """Return the write that closes what a request took away or explained, to be entered with its `Done`; else none."""
    form = request.form
    if not isinstance(form, DoorForm):
        return ()
    watch = room.book.watch(form.backend)
    if watch.finding(form.finding) is None:
        return ()
    outcome = Outcome.EXPLAINED if isinstance(form, ExplainForm) else Outcome.REVERTED
    entry = Closed(finding=form.finding, outcome=outcome, request=request.number)
    return (Write(stream=f"watch:{form.backend}", expected=watch.version, entries=(entry,), actor=WORKER),)
