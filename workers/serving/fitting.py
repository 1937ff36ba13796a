"""Makes the ready servers have the adapters that stand beside their version, and notes how far each order is.

What no order ever named is left where it is: it is a side door, to be found and decided about, not to be tidied away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from workers.endpoint import table
from workers.serving.adapters import (
    AdapterOrder,
    AdapterOrders,
    AdapterState,
    next_lost,
    next_state,
    standing,
    with_adapters,
)
from workers.serving.asking import adapters
from workers.serving.jobs import Jobs
from workers.serving.orders import Line
from workers.serving.record import Record
from workers.serving.servers import Server

logger = structlog.get_logger(__name__)

AGAIN_S: Final = 10.0
"""How long after a first fault an order is tried again on the same server; twice as long after each one that follows."""
LONGEST_S: Final = 640.0
NOT_STARTED_FOR_IT: Final = (
    "The servers of this version were started without adapters. Deploy it again, then ask again."
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong with an order on a server, how often in a row, and when it is tried again."""

    why: str
    times: int
    again: float


_About = tuple[str, str, int, bool]
"""A server by its mark, an order by its key and generation, and whether it is to be loaded or taken away."""


class Fitting:
    """The adapters of one home's servers.

    Args:
        folder: `<home>/models`.
        nudge: asks a worker to attend to a request.
        record: where it is entered that an adapter is lost, and that it is back.
    """

    def __init__(self, folder: Path, jobs: Jobs, nudge: Callable[[int], None], record: Record) -> None:
        self._orders, self._jobs, self._nudge, self._record = AdapterOrders(folder), jobs, nudge, record
        self._has: dict[str, dict[str, str]] = {}
        self._there: dict[Line, list[Server]] = {}
        self._faults: dict[_About, Fault] = {}
        self.ready: dict[str, dict[str, str]] = {}
        """By url of a server, the adapters that callers may be sent to, and what it calls them."""
        self._stand: dict[tuple[str, str], set[str]] = {}

    def look(self, now: float, servers: Iterable[Server]) -> None:
        """Look at every ready server of a version that has orders, load and take away what is to be, and note how far it is."""
        orders = self._orders.orders()
        lines = {order.line: [each for each in orders if each.line == order.line] for order in orders}
        there = [server for server in servers if server.ready and server.pid and server.line in lines]
        self._there = {line: [server for server in there if server.line == line] for line in lines}
        self._has, self.ready = {}, {}
        for server in there:
            self._fit(now, server, lines[server.line])
        for order in orders:
            self._note(order)
        self._forget(orders)
        self._stand = {(line.place, line.digest): self._loaded(each, line) for line, each in lines.items()}

    def report(self) -> None:
        """Enter which adapters are lost and which are back, each once; raises LedgerError, and the next look tries again."""
        orders = self._orders.orders()
        for order in orders:
            before = self._orders.state(order)
            if not (order.load and before.done):
                continue
            stands = standing(orders, order.line).get(order.adapter) == order
            after = next_lost(order, before, stands, self._seen(order), self._why(order))
            if bool(after.lost) is not bool(before.lost):
                self._enter(order, after)
                self._orders.note(after)

    def routes(self, routes: table.Servers) -> table.Servers:
        """Return the routes with those to adapters."""
        return with_adapters(routes, self.ready, self._stand)

    def _loaded(self, orders: list[AdapterOrder], line: Line) -> set[str]:
        """Return the adapters that were loaded beside a version and will be again: none that is still asked for, or lost."""
        states = {name: self._orders.state(order) for name, order in standing(orders, line).items()}
        return {name for name, state in states.items() if state.done and not state.lost}

    def _fit(self, now: float, server: Server, orders: list[AdapterOrder]) -> None:
        has = adapters(server.port, server.key) if server.serving.adapters else {}
        if has is None:
            return  # it says nothing now, and is looked at again
        self._has[server.mark] = has
        stands = standing(orders, server.line)
        wanted = {order.served: order for order in stands.values()}
        self.ready[server.url] = {
            order.adapter: served for served, order in wanted.items() if has.get(served, "") == self._path(order)
        }
        for served, order in wanted.items():
            if served not in has:
                self._change(now, server, order, load=True)
        for served, order in {each.served: each for each in sorted(orders, key=lambda each: each.wanted)}.items():
            if served in has and served not in wanted:
                self._change(now, server, order, load=False)

    def _path(self, order: AdapterOrder) -> str:
        return str(self._jobs.place(order.digest))

    def _change(self, now: float, server: Server, order: AdapterOrder, *, load: bool) -> None:
        """Have it loaded or taken away beside the ticks; after a fault it is tried again, ever more rarely."""
        about = _about(server, order, load=load)
        before = self._faults.get(about)
        if before is not None and now < before.again:
            return
        done = self._jobs.adapter(server, order.served, order.digest, load=load) if server.serving.adapters else ""
        why = NOT_STARTED_FOR_IT if not server.serving.adapters else done
        if why:
            times = before.times + 1 if before is not None else 1
            pause = min(AGAIN_S * 2 ** (times - 1), LONGEST_S)
            self._faults[about] = Fault(why, times, now + pause)
            said = {"server": server.name, "adapter": order.served, "why": why}
            logger.warning("an adapter could not be changed", **said, times=times, again_in_s=pause)

    def _note(self, order: AdapterOrder) -> None:
        before = self._orders.state(order)
        after = next_state(order, before, self._seen(order), self._why(order))
        if after != before:
            self._orders.note(after)
            logger.info("an adapter moved", request=order.request, adapter=order.served, done=after.done, why=after.why)
            self._nudge(order.request)

    def _seen(self, order: AdapterOrder) -> list[dict[str, str]]:
        """Return what each ready server of its line has, as far as it says so."""
        return [self._has[each.mark] for each in self._there.get(order.line, ()) if each.mark in self._has]

    def _why(self, order: AdapterOrder) -> list[str]:
        """Return what went wrong with it on these servers."""
        abouts = (_about(each, order, load=order.load) for each in self._there.get(order.line, ()))
        return [self._faults[about].why for about in abouts if about in self._faults]

    def _enter(self, order: AdapterOrder, state: AdapterState) -> None:
        has = self._seen(order)
        having = sum(order.served in each for each in has)
        if state.lost:
            self._record.adapter_lost(order.line, order.adapter, len(has), having)
            logger.error("an adapter is lost", request=order.request, adapter=order.served, why=state.lost)
        else:
            self._record.adapter_back(order.line, order.adapter, having)
            logger.info("an adapter is not missing any more", request=order.request, adapter=order.served)

    def _forget(self, orders: Iterable[AdapterOrder]) -> None:
        """Forget the faults of orders and servers that are gone, and of what is as it is to be."""
        served = {(order.key, order.generation): order.served for order in orders}
        marks = {server.mark for servers in self._there.values() for server in servers}
        for about in tuple(self._faults):
            mark, key, generation, load = about
            name, has = served.get((key, generation)), self._has.get(mark)
            if name is None or mark not in marks or (has is not None and (name in has) is load):
                del self._faults[about]


def _about(server: Server, order: AdapterOrder, *, load: bool) -> _About:
    return server.mark, order.key, order.generation, load
