"""One module a stream: its entries, its states and its fold. This file says which stream is folded by which law."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ledger.errors import UnlawfulError
from ledger.streams import budget, halt, holding, house, model, pool, request, usage, watch
from ledger.streams.codec import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """How streams of one kind are read: `numbered` names such as `request:1042`, or a single stream."""

    entries: dict[tuple[str, int], type[Entry]]
    evolve: Callable[[Any, Entry, Any], Any]


LAWS: Final[dict[str, Law]] = {
    "ledger": Law(entries=dict(house.LEDGER_ENTRIES), evolve=house.evolve_ledger),
    "policy": Law(entries=dict(house.POLICY_ENTRIES), evolve=house.evolve_policy),
    "people": Law(entries=dict(house.PEOPLE_ENTRIES), evolve=house.evolve_people),
    "audit": Law(entries=dict(house.AUDIT_ENTRIES), evolve=house.evolve_audit),
    "request": Law(entries=dict(request.ENTRIES), evolve=request.evolve),
    "pool": Law(entries=dict(pool.ENTRIES), evolve=pool.evolve),
    "halt": Law(entries=dict(halt.ENTRIES), evolve=halt.evolve),
    "budget": Law(entries=dict(budget.ENTRIES), evolve=budget.evolve),
    "holding": Law(entries=dict(holding.ENTRIES), evolve=holding.evolve),
    "watch": Law(entries=dict(watch.ENTRIES), evolve=watch.evolve),
    "usage": Law(entries=dict(usage.ENTRIES), evolve=usage.evolve),
    "model": Law(entries=dict(model.ENTRIES), evolve=model.evolve),
}


def law_of(stream: str) -> Law:
    """Return the law of `stream`; raises UnlawfulError for a stream nobody knows."""
    law = LAWS.get(stream.partition(":")[0])
    if law is None:
        raise UnlawfulError(f"no such stream: {stream}")
    return law
