"""Which orders can be forgotten, so that their files do not grow without end: pure but for the files it takes away.

A restart needs, and this keeps:

- every order that is not settled: it has servers, is about to, or its taking back was not noted yet;
- whatever is younger than a week since it settled: a late try of its request must still find that it was taken back;
- the newest order of each version that answers by the ledger or by the route table, by which a lost table is written anew;
- for each order that has servers, the newest one that took its place, and the newest one that was switched to from what it
  put there: they say whether it leaves server by server, and whether what it put is still stood on.

What is kept beyond a week is therefore bounded by the versions that answer or have servers, and not by how many there were.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from workers.serving.orders import LIVE, Order, State

SETTLED_S: Final = 7 * 86_400.0
"""How long an order is kept after it settled."""


def forgettable(
    orders: Iterable[Order], states: Mapping[str, State], answering: set[tuple[str, str]], now: float
) -> list[Order]:
    """Return the orders that no restart needs.

    Args:
        orders: the oldest first.
        states: by key.
        answering: place and digest of what answers by the ledger or by the route table.
    """
    known = tuple(orders)
    needed = {order.key for order in _needed(known, states, answering)}
    return [order for order in known if order.key not in needed and _settled_long(states[order.key], now)]


def _settled_long(state: State, now: float) -> bool:
    return state.phase not in LIVE and now - state.since > SETTLED_S


def _needed(orders: tuple[Order, ...], states: Mapping[str, State], answering: set[tuple[str, str]]) -> Iterator[Order]:
    newest = {(order.line.place, order.line.digest): order for order in orders if order.wanted}
    yield from (order for where, order in newest.items() if where in answering)
    for order in orders:
        if states[order.key].phase in LIVE:
            yield order
            others = [each for each in orders if each.line.place == order.line.place and each.wanted and each.put]
            yield from [each for each in others if each.line != order.line and each.at > order.at][-1:]
            yield from [each for each in others if each.key != order.key and each.before == order.put][-1:]
