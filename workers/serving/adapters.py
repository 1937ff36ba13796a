"""Adapters beside a version: what is wanted, how far it is, and what follows from what the servers have. Pure but for files.

An adapter belongs to the servers of one line: another version has none of it, and the same version, once it is back, has
its own again. On a server it is called by name and digest, so that other bytes never answer under a name that was agreed to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from pydantic import TypeAdapter

from ledger.streams.model import WHOLE, short
from workers.endpoint import table
from workers.serving.orders import Files, Line, parsed
from workers.serving.shares import scaled


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
    """How far the keeper is with the order of the same key and generation.

    Args:
        why: what is wrong, for people; it was never done then.
        lost: why a server cannot be given again what it had; empty as long as each can, and once each has it.
    """

    key: str
    generation: int
    done: bool = False
    why: str = ""
    lost: str = ""


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


def next_lost(
    order: AdapterOrder, state: AdapterState, stands: bool, has: Iterable[Mapping[str, str]], faults: Iterable[str]
) -> AdapterState:
    """Return whether a loaded adapter is lost now.

    Args:
        stands: whether it is to be beside its version by this order.
        has: what each ready server of its line has, path by name.
        faults: what went wrong with it on these servers.
    """
    servers = list(has)
    if not stands or (servers and all(order.served in each for each in servers)):
        return replace(state, lost="")
    return replace(state, lost=state.lost or next(iter(faults), ""))


def with_adapters(
    routes: table.Servers, ready: Mapping[str, Mapping[str, str]], stand: Mapping[tuple[str, str], Collection[str]]
) -> table.Servers:
    """Return the routes of models, and beside them one for each adapter: to the servers that answer and have it.

    Args:
        ready: by url of a server, the adapters it has by what callers name them, and what it calls them.
        stand: by place and digest, the adapters that were loaded beside that version; who has none of them now will
            have them again, so that their callers are told to come back.
    """
    models = {place: rows for place, rows in routes.items() if table.BETWEEN not in place}
    beside: dict[str, tuple[table.Server, ...]] = {}
    for place, rows in models.items():
        model, _, environment = place.partition("@")
        answer = [row for row in rows if row.percent]
        names = {name for row in answer for name in (*ready.get(row.url, ()), *stand.get((place, row.digest), ()))}
        for name in sorted(names):
            having = [replace(row, served=ready[row.url][name]) for row in answer if name in ready.get(row.url, {})]
            beside[f"{model}{table.BETWEEN}{name}@{environment}"] = scaled(having, WHOLE) if having else ()
    return {**models, **beside}
