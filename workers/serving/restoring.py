"""The route table after it was lost: what the ledger says answers, by the servers that are there.

The ledger decides, also where an order says more: what was switched to and not entered yet is switched to again. A version
without a server keeps its part of the calls, which are refused there until it is started again, and not sent elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack

import structlog

from ledger.streams.model import Share
from workers.endpoint import table
from workers.endpoint.errors import LostTableError
from workers.serving.fleet import Fleet, fresh
from workers.serving.orders import LIVE, Order, Orders, State
from workers.serving.record import Record
from workers.serving.servers import Server
from workers.serving.shares import spread

logger = structlog.get_logger(__name__)


class Restoring:
    """Reads the table, and writes it anew where it is lost.

    Args:
        alone_on: lets nobody else change what answers for a resource meanwhile.
        beside: adds the routes to what stands beside versions.
    """

    def __init__(
        self,
        fleet: Fleet,
        orders: Orders,
        record: Record,
        alone_on: Callable[[str], AbstractContextManager[None]],
        beside: Callable[[table.Servers], table.Servers],
    ) -> None:
        self._fleet, self._orders, self._record = fleet, orders, record
        self._alone_on, self._beside = alone_on, beside

    def read(self, orders: Mapping[str, Order], states: dict[str, State]) -> table.Table:
        """Return the table that stands; orders that are to be begun anew for it are so in `states`, and noted.

        Raises:
            TableError: it cannot be read now.
            OccupiedError: a worker moves it now.
        """
        try:
            found = table.read_table(self._fleet.routes)
        except LostTableError as error:
            return self._anew(orders, states, error.detail)
        places = {order.line.place: order for order in orders.values()}
        if found.version or not any(map(self._record.routed, places.values())):
            return found
        return self._anew(orders, states, "the route table and its lock are gone")

    def _anew(self, orders: Mapping[str, Order], states: dict[str, State], why: str) -> table.Table:
        places = {order.line.place: order for order in orders.values()}
        with ExitStack() as alone:
            for place in sorted(places):
                alone.enter_context(self._alone_on(f"deploy:{place}"))
            routes = {
                place: rows
                for place, order in places.items()
                if (rows := self._rows(place, self._record.routed(order), orders, states))
            }
            made = table.write_anew(self._fleet.routes, self._beside(routes), above=self._fleet.last_seen())
        logger.error(
            "the route table was lost and is written anew", why=why, version=made.version, places=sorted(routes)
        )
        return made

    def _rows(
        self, place: str, shares: tuple[Share, ...], orders: Mapping[str, Order], states: dict[str, State]
    ) -> tuple[table.Server, ...]:
        by = {share.digest: _order_of(place, share, orders.values(), states) for share in shares}
        servers: dict[str, tuple[Server, ...]] = {}
        for share in shares:
            order = by[share.digest]
            if order is None:
                logger.error(
                    "no order is left by which it could answer; deploy it again", place=place, version=share.version
                )
                return ()
            servers[share.digest] = self._servers(order)
        for order in filter(None, by.values()):
            if states[order.key].phase not in LIVE:
                states[order.key] = State(key=order.key, attempt=order.attempt)
                self._orders.note(states[order.key])
        return spread(shares, servers, ())

    def _servers(self, order: Order) -> tuple[Server, ...]:
        """Return the servers to name: the ready ones, else any that is noted, else one at no address."""
        there = [server for server in self._fleet.of(order.line) if server.left is None]
        ready = [server for server in there if server.ready]
        return tuple(ready or there) or (fresh(order, 0),)


def _order_of(place: str, share: Share, orders: Iterable[Order], states: Mapping[str, State]) -> Order | None:
    """Return the newest order by which a version can answer, one that has servers before one that has none any more."""
    found = [
        order for order in orders if order.wanted and (order.line.place, order.line.digest) == (place, share.digest)
    ]
    live = [order for order in found if states[order.key].phase in LIVE]
    return next(iter((live or found)[::-1]), None)
