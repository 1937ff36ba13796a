"""Versions of models on vLLM: ordered from the keeper, switched to once they are ready, taken back as long as not done.

The executor starts no process. It writes what is wanted, reads how far the keeper is, and moves the calls in the route
table, which is all that the endpoint knows. `enforced`: no caller reaches a version that stands in no route. Taken back
means that nothing is routed to it and nothing will be; its servers are the keeper's to end.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from ledger.book import utc_now
from ledger.nouns import AdapterForm, DeployForm, Enforcement, Grant, Receipt
from ledger.streams.model import WHOLE, Share
from policies.serving import Serving
from workers.endpoint import table
from workers.endpoint.errors import TableError
from workers.errors import BackendError, RefusedError, StaleGrantError
from workers.executors.adapting import Adapting
from workers.executors.base import Holding, Observation, Pending
from workers.serving.orders import BEAT, LIVE, ROUTES, Line, Order, Orders, Phase, Strategy
from workers.serving.servers import noted
from workers.serving.shares import next_shares, percent_of, shares_of, spread
from workers.serving.steps import told
from workers.serving.view import ready_at

ALIVE_S: Final = 10.0
"""A keeper that was not heard of for so long does not run."""
NO_KEEPER: Final = (
    "The keeper of the model servers does not run. It waits until somebody starts `quartermaster keeper`."
)
_NEVER: Final = Serving(
    context=1, output=1, sequences=1, byte_level=True, embeddings=False, gpus=0, arguments=(), keep_s=0, adapters=False
)
"""For an order that was taken back before it was written: nothing is ever started by it."""
_SWITCHABLE: Final = frozenset({Phase.READY, Phase.SERVING, Phase.KEPT})


class VllmExecutor:
    """Deployments on the model servers of one home.

    Args:
        folder: `<home>/models`.
        serving: returns how a model of the catalogue is served, None when it is not.
        simulated: whether the servers only stand in for vLLM.
        ready_s: how long it waits for a keeper.
    """

    name = "vllm"
    enforcement = Enforcement.ENFORCED

    def __init__(
        self,
        folder: Path,
        serving: Callable[[str], Serving | None],
        *,
        simulated: bool = False,
        ready_s: float = 900.0,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.simulated = simulated
        self._folder, self._serving, self._ready_s, self._clock = folder, serving, ready_s, clock
        self._orders, self._routes = Orders(folder), folder / ROUTES
        self._adapting = Adapting(folder, serving, lambda place: shares_of(self._rows(place)))
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def ensure(self, grant: Grant) -> Receipt | Pending:
        """Order the version, and switch to it once it is ready; one switch however often it is asked.

        Raises:
            RefusedError: its weights, its server or its evaluation is not as it must be; what answered before answers.
        """
        if grant.not_after is not None and self._clock() >= grant.not_after:
            raise StaleGrantError(grant.key)
        if isinstance(grant.form, AdapterForm):
            return self._adapt(grant, grant.form)
        form = _form(grant)
        with self._orders.alone():
            return self._carry_on(self._ordered(grant, form))

    def observe(self, grant: Grant) -> Observation:
        """Return whether its order stands and something is or can be routed by it."""
        try:
            if isinstance(grant.form, AdapterForm):
                return Observation.HELD if self._adapting.held(grant) else Observation.GONE
            order = self._orders.order(grant.key)
            held = order is not None and self._stands(order)
        except BackendError:
            return Observation.UNKNOWN
        return Observation.HELD if held else Observation.GONE

    def revoke(self, grant: Grant) -> None:
        """Take the order back; what answered before it answers again, unless something later does."""
        with self._orders.alone():
            if isinstance(grant.form, AdapterForm):
                self._adapting.take_back(grant, grant.form, self._clock().timestamp())
                return
            form = _form(grant)
            order = self._orders.order(grant.key) or _order(grant, form, _NEVER, self._clock(), wanted=False)
            if order.generation <= grant.generation:
                self._take_back(replace(order, generation=grant.generation))

    def holdings(self) -> tuple[Holding, ...]:
        """Return every order that stands, and every adapter that a server has."""
        orders = tuple(
            Holding(key=order.key, what=f"{order.line.model} {order.version} in {order.line.environment}")
            for order in self._orders.orders()
            if self._stands(order)
        )
        return (*orders, *self._adapting.holdings())

    def take_away(self, holding: Holding) -> None:
        """Take an order back, whoever wrote it, or have servers forget an adapter."""
        with self._orders.alone():
            order = self._orders.order(holding.key or "")
            if order is not None:
                self._take_back(order)
            else:
                self._adapting.take_away(holding)

    def answering(self, resource: str) -> tuple[Share, ...]:
        """Return which versions answer for `deploy:<model>@<environment>` now."""
        return shares_of(self._rows(resource.partition(":")[2]))

    def _adapt(self, grant: Grant, form: AdapterForm) -> Receipt | Pending:
        now = self._clock().timestamp()
        with self._orders.alone():
            note = self._adapting.ensure(grant, form, now)
        if note is None:
            words = "Loading the adapter, every byte of it checked." if form.load else "Taking the adapter away."
            return Pending(place=0, estimate=None, why=words if self._keeper_runs() else NO_KEEPER)
        return Receipt(executor=self.name, enforcement=self.enforcement, simulated=self.simulated, note=note)

    def _stands(self, order: Order) -> bool:
        return order.wanted and self._orders.state(order).phase in LIVE

    def _ordered(self, grant: Grant, form: DeployForm) -> Order:
        """Return the order of this grant, written if there is none, under its newest generation."""
        known = self._orders.order(grant.key)
        if known is not None and known.generation > grant.generation - (not known.wanted):
            raise StaleGrantError(grant.key)
        if known is None or not known.wanted:
            order = replace(self._new(grant, form), attempt=known.attempt + 1 if known else 1)
        else:
            order = replace(known, generation=grant.generation)
        if known is None:
            next_shares(order, shares_of(self._rows(order.line.place)))  # what cannot be switched to is not started
        if order != known:
            self._orders.put(order)
        return order

    def _new(self, grant: Grant, form: DeployForm) -> Order:
        serving = self._serving(form.model)
        if serving is None or not form.digest:
            raise RefusedError(f"{form.model} is not served here any more. Ask for it again.")
        return _order(grant, form, serving, self._clock())

    def _carry_on(self, order: Order) -> Receipt | Pending:
        state = self._orders.state(order)
        if state.phase is Phase.FAILED:
            raise RefusedError(state.why)  # also where it was switched to, and gave way before that was entered
        if order.switched and not self._undone(order):
            return self._receipt(order)
        if state.phase is Phase.OVER:  # something else was switched to before this could be entered: begin anew
            self._orders.put(replace(order, attempt=order.attempt + 1, before=None, put=()))
        elif state.phase in _SWITCHABLE:
            return self._switch(order)
        if not self._keeper_runs():
            return self._without_keeper(order)
        return Pending(place=0, estimate=None, why=told(order, state))

    def _undone(self, order: Order) -> bool:
        """Whether the calls are where they were before the switch: the table was lost, and the ledger knew no better."""
        return order.before != order.put and shares_of(self._rows(order.line.place)) == order.before

    def _switch(self, order: Order) -> Receipt | Pending:
        """Move the calls, all at once or one step: first noted, so that a crash leaves a way back, then done."""
        place, own = order.line.place, order.line.digest
        now = shares_of(self._rows(place))
        if now == order.put and percent_of(now, own) == _target(order):
            put, before = order.put, order.before
        else:
            put = next_shares(order, now)
            before = order.before if order.before is not None and now == order.put else now
        order = replace(order, before=before, put=put, switched=False)
        self._orders.put(order)
        try:
            self._answer(place, put)
        except BackendError:  # it died a moment ago; the keeper starts it again, or says why not
            return Pending(place=0, estimate=None, why="Its server ended and is started again.")
        if percent_of(put, own) < _target(order):
            return Pending(place=0, estimate=None, why=f"{percent_of(put, own)} % of the calls go to it by now.")
        order = replace(order, switched=True)
        self._orders.put(order)
        return self._receipt(order)

    def _answer(self, place: str, shares: tuple[Share, ...]) -> None:
        """Let these versions answer, or nothing when there are none; raises BackendError when one has no server."""
        ready = ready_at(noted(self._folder), place)

        def change(routes: table.Servers) -> table.Servers:
            others = {each: rows for each, rows in routes.items() if each != place}
            return {**others, place: spread(shares, ready, routes.get(place, ()))} if shares else others

        try:
            table.write_table(self._routes, change)
        except (OSError, TableError) as error:
            raise BackendError(f"the route table cannot be written: {error}") from error

    def _take_back(self, order: Order) -> None:
        place = order.line.place
        stands = order.wanted and order.put and shares_of(self._rows(place)) == order.put
        if stands and not self._built_on(order):
            self._answer(place, order.before or ())
        self._orders.put(replace(order, wanted=False))

    def _built_on(self, order: Order) -> bool:
        """Whether a later order was switched to from what this one put there: then it is not this one's to take away."""
        others = (
            each for each in self._orders.orders() if each.key != order.key and each.line.place == order.line.place
        )
        return any(each.wanted and each.put and each.before == order.put for each in others)

    def _rows(self, place: str) -> tuple[table.Server, ...]:
        try:
            return table.read_table(self._routes).routes.get(place, ())
        except TableError as error:
            raise BackendError(f"the route table cannot be read: {error.detail}") from error

    def _receipt(self, order: Order) -> Receipt:
        share = percent_of(order.put, order.line.digest)
        part = "" if share == WHOLE else f"{share} % of the calls "
        words = [f"{order.line.model} {order.version} answers {part}in {order.line.environment}."]
        if self.simulated:
            words.append("A stand-in answers, and no model.")
        note = " ".join(words)
        return Receipt(executor=self.name, enforcement=self.enforcement, simulated=self.simulated, note=note)

    def _keeper_runs(self) -> bool:
        try:
            at = float(json.loads((self._folder / BEAT).read_bytes())["at"])
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return self._clock().timestamp() - at < ALIVE_S

    def _without_keeper(self, order: Order) -> Pending:
        if self._clock().timestamp() - order.at > self._ready_s:
            raise RefusedError("Nobody started the keeper of the model servers in time. Start it, and ask again.")
        return Pending(place=0, estimate=None, why=NO_KEEPER)


def _form(grant: Grant) -> DeployForm:
    if not isinstance(grant.form, DeployForm):
        raise BackendError("only deployments are carried out here")
    return grant.form


def _order(grant: Grant, form: DeployForm, serving: Serving, now: datetime, *, wanted: bool = True) -> Order:
    canary = form.canary_percent is not None and form.canary_percent < WHOLE
    return Order(
        key=grant.key,
        generation=grant.generation,
        attempt=1 if wanted else 0,
        request=grant.request,
        line=Line(model=form.model, environment=form.environment, digest=form.digest),
        version=form.version,
        serving=serving,
        replicas=form.replicas or 1,
        strategy=Strategy.CANARY if canary else Strategy(form.strategy or Strategy.BLUE_GREEN),
        percent=form.canary_percent or WHOLE,
        at=now.timestamp(),
        wanted=wanted,
    )


def _target(order: Order) -> int:
    return order.percent if order.strategy is Strategy.CANARY else WHOLE
