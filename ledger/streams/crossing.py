"""Law between streams, replayed in the order of the whole log: what one stream forbids another.

Inside one append the expected versions see to it; a verifier sees the entries alone, and finds here what was written
around them: nothing halted is approved, dispatched or extended, and nobody asks a model but with a key that they hold.
What ties requests to budgets is in `reserving.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ledger.streams import halt, question
from ledger.streams.codec import Entry
from ledger.streams.law import refuse, require
from ledger.streams.request import Request, Status

STOPPED: Final = frozenset({"request.approved", "request.dispatched", "request.extended"})


def check(states: Mapping[str, Any], stream: str, entry: Entry) -> None:
    """Return only if no other stream forbids `entry` of `stream`; `states` are the folds of everything before it.

    Raises:
        UnlawfulError: it is forbidden; the message names what forbids it.
    """
    if isinstance(entry, question.Asked):
        _held(states.get(f"request:{stream.removeprefix(question.PREFIX)}"), entry)
    if entry.kind not in STOPPED:
        return
    halts, request = states.get(halt.STREAM), states.get(stream)
    if halts is None or request is None:
        return
    stop = halts.over(request.form.resource)
    if stop is not None:
        refuse(f"{request.form.resource} is halted since entry {stop.seq}")


def _held(key: Request | None, asked: question.Asked) -> None:
    """Return only if the one who asks holds a running key for that model."""
    about = f"endpoint:{asked.model}@{asked.environment}"
    require(key is not None and key.status is Status.RUNNING, "no running key is asked with")
    assert key is not None
    require(key.beneficiary == asked.by and key.form.resource == about, "a key is for its holder and its model alone")
