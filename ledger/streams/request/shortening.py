"""Ending sooner, as law: the holder gives back the rest of a lease, so nobody is asked.

`Shortened` moves the end forward and orders the hands to tell the backend, which `Prolonged` confirms, as after an
extension. Nothing puts the old end back: a backend that does not answer changes nothing, the lease is over when this says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Final

from ledger.nouns import Form
from ledger.streams.codec import Entry, digest
from ledger.streams.law import Place, require
from ledger.streams.request.extending import Outcome, longer, running_until

if TYPE_CHECKING:
    from ledger.streams.request.state import Request

_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortened(Entry):
    """The holder holds it no longer than `not_after`; `form` is the request on what is left of its time."""

    kind: ClassVar[str] = "request.shortened"
    holder: str
    form: Form
    form_digest: str
    generation: int
    not_after: datetime


def shorter(form: Form, end: datetime, not_after: datetime) -> Form:
    """Return `form` with the whole seconds between `not_after` and its later `end` taken off."""
    return longer(form, -((end - not_after) // _SECOND), not_after)


def settled_end(state: Request) -> bool:
    """Whether nobody decides about another end, and no backend may still put an older one back."""
    extension = state.extension
    if extension is None:
        return True
    answered = state.confirmed == state.generation
    return extension.outcome is not Outcome.PENDING and (extension.outcome is not Outcome.GRANTED or answered)


def shortened(state: Request, entry: Shortened, place: Place) -> Request:
    """Return the request with its end moved forward, whatever an extension said of it before."""
    end = running_until(state)
    require(place.actor == entry.holder and entry.holder in state.barred, "only the holder shortens")
    require(settled_end(state), "an extension is not settled")
    require(entry.not_after <= end - _SECOND, "the new end is not earlier")
    # Not later than its own time: that is given after the check. The entry before it has its time already.
    require(entry.not_after > state.since, "the new end lies in the past")
    require(entry.form == shorter(state.form, end, entry.not_after), "the form is not on what is left")
    require(entry.form_digest == digest(entry.form), "the digest is not that of the form")
    require(entry.generation == state.generation + 1, "generations go up by one")
    return replace(
        state,
        form=entry.form,
        form_digest=entry.form_digest,
        generation=entry.generation,
        not_after=entry.not_after,
        extension=None,
        shortened_from=end,
    )
