"""Makes the ready servers have the adapters that stand beside their version, and notes how far each order is.

What no order ever named is left where it is: it is a side door, to be found and decided about, not to be tidied away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import structlog

from workers.endpoint import table
from workers.serving.adapters import AdapterOrder, AdapterOrders, next_state, standing, with_adapters
from workers.serving.asking import adapters
from workers.serving.jobs import Jobs
from workers.serving.servers import Server

logger = structlog.get_logger(__name__)

AGAIN_S: Final = 10.0
"""How long after a fault an adapter is tried again on the same server."""
NOT_STARTED_FOR_IT: Final = (
    "The servers of this version were started without adapters. Deploy it again, then ask again."
)


class Fitting:
    """The adapters of one home's servers.

    Args:
        folder: `<home>/models`.
        nudge: asks a worker to attend to a request.
    """

    def __init__(self, folder: Path, jobs: Jobs, nudge: Callable[[int], None]) -> None:
        self._orders, self._jobs, self._nudge = AdapterOrders(folder), jobs, nudge
        self._has: dict[str, dict[str, str]] = {}
        self._faults: dict[tuple[str, str], tuple[float, str]] = {}
        self.ready: dict[str, dict[str, str]] = {}
        """By url of a server, the adapters that callers may be sent to, and what it calls them."""

    def look(self, now: float, servers: Iterable[Server]) -> None:
        """Look at every ready server of a version that has orders, load and take away what is to be, and note how far it is."""
        orders = self._orders.orders()
        lines = {order.line for order in orders}
        there = [server for server in servers if server.ready and server.pid and server.line in lines]
        self._has, self.ready = {}, {}
        for server in there:
            self._fit(now, server, [order for order in orders if order.line == server.line])
        self._faults = {key: fault for key, fault in self._faults.items() if now < fault[0] + AGAIN_S}
        for order in orders:
            self._note(order, [server for server in there if server.line == order.line])

    def routes(self, routes: table.Servers) -> table.Servers:
        """Return the routes with those to adapters."""
        return with_adapters(routes, self.ready)

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
        for order in orders:
            if order.served in has and order.served not in wanted:
                self._change(now, server, order, load=False)

    def _path(self, order: AdapterOrder) -> str:
        return str(self._jobs.place(order.digest))

    def _change(self, now: float, server: Server, order: AdapterOrder, *, load: bool) -> None:
        """Have it loaded or taken away beside the ticks; a fault is remembered for a while, and then it is tried again."""
        about = (server.mark, order.served)
        if about in self._faults:
            return
        done = self._jobs.adapter(server, order.served, order.digest, load=load) if server.serving.adapters else ""
        fault = NOT_STARTED_FOR_IT if not server.serving.adapters else done
        if fault:
            self._faults[about] = (now, fault)
            logger.warning("an adapter could not be changed", server=server.name, adapter=order.served, why=fault)

    def _note(self, order: AdapterOrder, servers: list[Server]) -> None:
        before = self._orders.state(order)
        seen: list[Mapping[str, str]] = [self._has[each.mark] for each in servers if each.mark in self._has]
        faults = (self._faults.get((each.mark, order.served), (0.0, ""))[1] for each in servers)
        after = next_state(order, before, seen, filter(None, faults))
        if after != before:
            self._orders.note(after)
            logger.info("an adapter moved", request=order.request, adapter=order.served, done=after.done, why=after.why)
            self._nudge(order.request)
