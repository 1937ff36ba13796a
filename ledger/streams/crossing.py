"""Law between streams, replayed in the order of the whole log: what one stream forbids another.

Inside one append the expected versions see to it; a verifier sees the entries alone, and finds here what was written
around them: nothing halted is approved, dispatched or extended, and only keys that were granted are used. What ties
requests to budgets is in `reserving.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ledger.nouns import KeyForm
from ledger.streams import halt, usage
from ledger.streams.codec import Entry
from ledger.streams.law import refuse

STOPPED: Final = frozenset({"request.approved", "request.dispatched", "request.extended"})


def check(states: Mapping[str, Any], stream: str, entry: Entry) -> None:
    """Return only if no other stream forbids `entry` of `stream`; `states` are the folds of everything before it.

    Raises:
        UnlawfulError: it is forbidden; the message names what forbids it.
    """
    if isinstance(entry, usage.Counted):
        _used(states, stream)
    if entry.kind not in STOPPED:
        return
    halts, request = states.get(halt.STREAM), states.get(stream)
    if halts is None or request is None:
        return
    stop = halts.over(request.form.resource)
    if stop is not None:
        refuse(f"{request.form.resource} is halted since entry {stop.seq}")


def _used(states: Mapping[str, Any], stream: str) -> None:
    request = states.get(f"request:{stream.removeprefix(usage.PREFIX)}")
    if request is None or not isinstance(request.form, KeyForm) or request.dispatched_at is None:
        refuse("it counts the use of a key that nobody was granted")
