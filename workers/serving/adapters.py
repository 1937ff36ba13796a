"""Adapters beside a version: what is wanted, how far it is, and what follows from what the servers have. Pure but for files.

An adapter belongs to the servers of one line: another version has none of it, and the same version, once it is back, has
its own again. On a server it is called by name and digest, so that other bytes never answer under a name that was agreed to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from pydantic import TypeAdapter

from ledger.streams.model import WHOLE, short
from workers.endpoint import table
from workers.serving.orders import Files, Line, parsed
from workers.serving.shares import scaled

BETWEEN: Final = ":"
"""What stands between a model and its adapter where callers name both: `fraud-detector:legal-tone`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterOrder:
    """An adapter that an approved request wants to see beside a version, or taken away from it.

    Args:
        key: the grant's key.
        generation: of the dispatch that stands.
        request: the request's number.
        load: False takes it away.
        at: seconds since the epoch when it was written.
        wanted: False once it was taken back.
    """

    key: str
    generation: int
    request: int
    line: Line
    adapter: str
    digest: str
    load: bool
    at: float
    wanted: bool = True

    @property
    def served(self) -> str:
        """What its servers call it: name and digest."""
        return f"{self.adapter}@{short(self.digest)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterState:
    """How far the keeper is with the order of the same key and generation; `why` says what is wrong, for people."""

    key: str
    generation: int
    done: bool = False
    why: str = ""


_ORDER: Final = TypeAdapter(AdapterOrder)
_STATE: Final = TypeAdapter(AdapterState)
_ORDERS, _STATES = "adapters", "adapter-states"


class AdapterOrders(Files):
    """The files in `<folder>/adapters` and `<folder>/adapter-states`; every method raises BackendError."""

    def order(self, key: str) -> AdapterOrder | None:
        """Return the order of a key, None when there is none."""
        data = self._read(_ORDERS, key)
        return None if data is None else parsed(_ORDER, data, key)

    def orders(self) -> tuple[AdapterOrder, ...]:
        """Return every order, the oldest first."""
        found = (self.order(path.stem) for path in self._all(_ORDERS))
        return tuple(sorted(filter(None, found), key=lambda order: (order.at, order.key)))

    def put(self, order: AdapterOrder) -> None:
        """Keep an order."""
        self._write(_ORDERS, order.key, _ORDER.dump_json(order))

    def state(self, order: AdapterOrder) -> AdapterState:
        """Return how far an order is: at its beginning when nobody has begun."""
        data = self._read(_STATES, order.key)
        found = None if data is None else parsed(_STATE, data, order.key)
        fresh = AdapterState(key=order.key, generation=order.generation)
        return found if found is not None and found.generation == order.generation else fresh

    def note(self, state: AdapterState) -> None:
        """Keep a state."""
        self._write(_STATES, state.key, _STATE.dump_json(state))


def standing(orders: Iterable[AdapterOrder], line: Line) -> dict[str, AdapterOrder]:
    """Return the order by which each adapter stands beside a version, by the adapter's name.

    Args:
        orders: the oldest first.
    """
    found: dict[str, AdapterOrder] = {}
    for order in orders:
        if order.wanted and order.line == line:
            found.pop(order.adapter, None)
            if order.load:
                found[order.adapter] = order
    return found


def next_state(
    order: AdapterOrder, state: AdapterState, has: Iterable[Mapping[str, str]], faults: Iterable[str]
) -> AdapterState:
    """Return how far the order is now.

    Args:
        has: what each ready server of its line has, path by name.
        faults: what went wrong with it on these servers.
    """
    servers = list(has)
    if state.done or state.why or not order.wanted or not servers:
        return state
    if all((order.served in each) is order.load for each in servers):
        return replace(state, done=True)
    return replace(state, why=next(iter(faults), ""))


def with_adapters(routes: table.Servers, ready: Mapping[str, Mapping[str, str]]) -> table.Servers:
    """Return the routes of models, and beside them one for each adapter: to the servers that answer and have it.

    Args:
        ready: by url of a server, the adapters it has by what callers name them, and what it calls them.
    """
    models = {place: rows for place, rows in routes.items() if BETWEEN not in place}
    beside: dict[str, tuple[table.Server, ...]] = {}
    for place, rows in models.items():
        model, _, environment = place.partition("@")
        for name in sorted({name for row in rows for name in ready.get(row.url, {})}):
            having = [
                replace(row, served=ready[row.url][name])
                for row in rows
                if row.percent and name in ready.get(row.url, {})
            ]
            if having:
                beside[f"{model}{BETWEEN}{name}@{environment}"] = scaled(having, WHOLE)
    return {**models, **beside}
