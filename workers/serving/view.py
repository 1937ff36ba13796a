"""What one tick of the keeper sees, and how many servers follow from it: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ledger.streams.model import Share
from workers.endpoint.table import Table
from workers.serving.orders import LIVE, Line, Order, Phase, State, Strategy
from workers.serving.servers import Server
from workers.serving.shares import percent_of, shares_of
from workers.serving.steps import Seen, needed


@dataclass(slots=True, kw_only=True)
class View:
    """Orders and states by key, the oldest first, and the route table; `wanted` is how many servers each line needs."""

    now: float
    ready_s: float
    table: Table
    orders: Mapping[str, Order]
    states: dict[str, State]
    wanted: dict[Line, int] = field(default_factory=dict)

    def shares(self, place: str) -> tuple[Share, ...]:
        """Return how the calls of a place are divided."""
        return shares_of(self.table.routes.get(place, ()))

    def seen(self, order: Order, servers: Sequence[Server] = ()) -> Seen:
        """Return what is seen of an order, without what is read or asked for it."""
        shares = self.shares(order.line.place)
        return Seen(
            now=self.now,
            share=percent_of(shares, order.line.digest),
            alone=all(share.digest == order.line.digest for share in shares),
            rolled=self._rolled(order),
            followed=self._followed(order),
            kept=self._kept(order),
            servers=tuple(each for each in servers if each.number < order.replicas and each.left is None),
            ready_s=self.ready_s,
        )

    def live(self) -> Iterable[Order]:
        """Yield the orders that have servers or are about to."""
        return (order for order in self.orders.values() if self.states[order.key].phase in LIVE)

    def on_trial(self, order: Order) -> bool:
        """Whether something depends on how the order's version does: others are kept for it, and their time is over."""
        state = self.states[order.key]
        if state.proved or not self._answers_by(order):
            return False
        others = [each for each in self.live() if each.line.place == order.line.place and each.line != order.line]
        kept = [each for each in others if self.states[each.key].phase is Phase.KEPT]
        return bool(others) and any(map(self._lasted, [order, *kept]))

    def count(self) -> None:
        """Say how many servers each line needs: as many as the order that needs most of them."""
        for order in self.live():
            count = needed(order, self.states[order.key], self.seen(order))
            self.wanted[order.line] = max(count, self.wanted.get(order.line, 0))

    def wants(self, server: Server) -> bool:
        """Whether a server is one of those that are needed."""
        return server.number < self.wanted.get(server.line, 0)

    def routed_to(self, server: Server) -> bool:
        """Whether the route table names a server."""
        return any(row.url == server.url for rows in self.table.routes.values() for row in rows)

    def _answers_by(self, order: Order) -> bool:
        """Whether the calls are divided as this order put it."""
        serves = self.states[order.key].phase is Phase.SERVING
        return serves and order.put == self.shares(order.line.place)

    def _followed(self, order: Order) -> bool:
        """Whether every order by which the calls go elsewhere was seen to answer."""
        others = (each for each in self.live() if each.line.place == order.line.place and self._answers_by(each))
        return all(self.states[each.key].proved for each in others)

    def _kept(self, order: Order) -> bool:
        """Whether all that answered before an order has servers."""
        there = {each.line.digest for each in self.live() if each.line.place == order.line.place}
        return all(share.digest in there for share in order.before or ())

    def _lasted(self, order: Order) -> bool:
        return self.now - self.states[order.key].since > order.serving.keep_s

    def _rolled(self, order: Order) -> bool:
        """Whether another version takes the place of this one server by server, or has done so."""
        rivals = (
            each for each in self.orders.values() if each.line.place == order.line.place and each.line != order.line
        )
        switched = [each for each in rivals if each.wanted and each.put and each.at > order.at]
        return bool(switched) and switched[-1].strategy is Strategy.ROLLING


def ready_at(servers: Iterable[Server], place: str) -> dict[str, tuple[Server, ...]]:
    """Return the servers of a place that can be routed to, by digest, in their order."""
    found: dict[str, tuple[Server, ...]] = {}
    for server in sorted(servers, key=lambda each: each.number):
        if server.line.place == place and server.ready and server.left is None:
            found[server.line.digest] = (*found.get(server.line.digest, ()), server)
    return found
