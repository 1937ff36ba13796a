"""Adapters on the model servers of one home: ordered from the keeper, and looked for on every server.

The executor of deployments hands over what is about adapters. `enforced`: callers are sent only to what stands beside a
version by an order. What a server has and no order explains is a side door.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from ledger.nouns import AdapterForm, Grant
from ledger.streams.model import Share, short
from policies.serving import Serving
from workers.errors import BackendError, RefusedError, StaleGrantError
from workers.executors.base import Holding
from workers.models.weights import WeightStore
from workers.serving.adapters import AdapterOrder, AdapterOrders, standing
from workers.serving.asking import adapters, unload_adapter
from workers.serving.orders import WEIGHTS, Line
from workers.serving.servers import Server, Servers


class Adapting:
    """Orders of adapters, and what the servers have.

    Args:
        folder: `<home>/models`.
        serving: returns how a model of the catalogue is served, None when it is not.
        answering: returns which versions answer in a place now.
    """

    def __init__(
        self, folder: Path, serving: Callable[[str], Serving | None], answering: Callable[[str], tuple[Share, ...]]
    ) -> None:
        self._folder, self._serving, self._answering = folder, serving, answering
        self._orders = AdapterOrders(folder)

    def ensure(self, grant: Grant, form: AdapterForm, now: float) -> str | None:
        """Order it once, and return what was done in words, None as long as it is not.

        Raises:
            RefusedError: it cannot be; nothing changes for callers.
        """
        known = self._orders.order(grant.key)
        if known is not None and known.generation > grant.generation - (not known.wanted):
            raise StaleGrantError(grant.key)
        if known is None or not known.wanted:
            known = _order(grant, form, now)
            self._check(known)
            self._orders.put(known)
        state = self._orders.state(known)
        if state.why:
            raise RefusedError(state.why)
        return _words(form) if state.done else None

    def held(self, grant: Grant) -> bool:
        """Whether its order stands."""
        order = self._orders.order(grant.key)
        return order is not None and order.wanted

    def take_back(self, grant: Grant, form: AdapterForm, now: float) -> None:
        """Let its order stand no more; what was loaded by it is taken away, and what it took away is loaded again."""
        order = self._orders.order(grant.key) or _order(grant, form, now)
        if order.generation <= grant.generation:
            self._orders.put(replace(order, generation=grant.generation, wanted=False))

    def holdings(self) -> tuple[Holding, ...]:
        """Return every adapter that a server has, under the key of the order that explains it; raises BackendError."""
        return tuple(holding for _, _, holding in self._found())

    def take_away(self, holding: Holding) -> None:
        """Have every server that has it forget it; raises BackendError when one does not."""
        for server, served, found in self._found():
            if found == holding and (why := unload_adapter(server.port, server.key, served)):
                raise BackendError(why)

    def _check(self, order: AdapterOrder) -> None:
        line, serving = order.line, self._serving(order.line.model)
        if order.load and (serving is None or not serving.adapters):
            raise RefusedError(f"{line.model} takes no adapters here. The catalogue would have to allow them.")
        if line.digest not in {share.digest for share in self._answering(line.place)}:
            why = f"The version that it was asked for ({short(line.digest)}) does not answer in {line.environment}"
            raise RefusedError(f"{why} any more. Ask again for the one that does.")
        there = standing(self._orders.orders(), line).get(order.adapter)
        if order.load and there is not None:
            raise RefusedError(f"{order.adapter} is loaded there already ({short(there.digest)}). Unload that first.")
        if not order.load and (there is None or there.digest != order.digest):
            raise RefusedError(f"{order.adapter} ({short(order.digest)}) is not loaded there.")

    def _found(self) -> Iterator[tuple[Server, str, Holding]]:
        known, orders = Servers(self._folder, ()), self._orders.orders()
        for server in known.all():
            if not (server.ready and server.serving.adapters and known.runs(server)):
                continue
            has = adapters(server.port, server.key)
            if has is None:
                raise BackendError(f"the server {server.name} does not say which adapters it has")
            explained = {order.served: order for order in standing(orders, server.line).values()}
            for served, root in has.items():
                yield server, served, self._holding(server, served, root, explained.get(served))

    def _holding(self, server: Server, served: str, root: str, order: AdapterOrder | None) -> Holding:
        """An adapter counts as the ordered one only where it was read from the store."""
        right = order is not None and root == str(WeightStore(self._folder / WEIGHTS).place(order.digest))
        what = f"adapter {served} on {server.line.model} {server.version} in {server.line.environment}"
        return Holding(key=order.key if order is not None and right else None, what=what)


def _order(grant: Grant, form: AdapterForm, now: float) -> AdapterOrder:
    return AdapterOrder(
        key=grant.key,
        generation=grant.generation,
        request=grant.request,
        line=Line(model=form.model, environment=form.environment, digest=form.base),
        adapter=form.adapter,
        digest=form.digest,
        load=form.load,
        at=now,
    )


def _words(form: AdapterForm) -> str:
    if form.load:
        return f"{form.adapter} answers in {form.environment} as {form.model}:{form.adapter}."
    return f"{form.adapter} does not answer in {form.environment} any more."
