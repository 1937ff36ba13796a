"""The keeper: one process that keeps model servers as the orders and the route table want them.

Nothing is remembered that is not in a file, but for what is being read or asked at the moment: a keeper that was killed
finds its servers, orders and states again and goes on. It decides what answers in one case only: when a version that was
just switched to cannot live, the version before answers again, and that is an entry like any other.
"""

from __future__ import annotations

import json
import os
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from ledger.errors import LedgerError
from workers.durable import write_whole
from workers.endpoint import table
from workers.errors import BackendError, WorkerError
from workers.serving.evaluating import suite_digest
from workers.serving.fitting import Fitting
from workers.serving.fleet import Fleet
from workers.serving.jobs import Jobs
from workers.serving.orders import BEAT, Order, Orders, Phase, Result, State
from workers.serving.pruning import forgettable
from workers.serving.record import Record
from workers.serving.restoring import Restoring
from workers.serving.shares import shares_of
from workers.serving.steps import Seen, Tried, next_state, way_back
from workers.serving.view import View
from workers.serving.watching import OutcomesOf, Watching

logger = structlog.get_logger(__name__)

TICK_S: Final = 0.5
PRUNE_S: Final = 3600.0
"""How often it is looked for orders to forget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a keeper works, and with whom.

    Args:
        folder: `<home>/models`.
        evaluations: the folder with a file of cases for each model.
        nudge: asks a worker to attend to a request.
        alone_on: lets nobody else change what answers for a resource meanwhile.
        ready_s: how long a server may take to be healthy.
        outcomes: what became of the calls of a version.
        watching: reads the servers' figures; None for nobody.
        clock: seconds since the epoch.
    """

    folder: Path
    evaluations: Path
    record: Record
    nudge: Callable[[int], None]
    alone_on: Callable[[str], AbstractContextManager[None]]
    ready_s: float
    outcomes: OutcomesOf
    watching: Watching | None = None
    clock: Callable[[], float] = time.time


class Keeper:
    """Keeps the servers of one home; only one may run."""

    def __init__(self, place: Place, fleet: Fleet, jobs: Jobs) -> None:
        self._at, self._fleet, self._jobs = place, fleet, jobs
        self._orders = Orders(place.folder)
        self._fitting = Fitting(place.folder, jobs, place.nudge, place.record)
        self._pruned = 0.0
        self._restoring = Restoring(fleet, self._orders, place.record, place.alone_on, self._fitting.routes)

    def run(self, stop: threading.Event) -> None:
        """Keep until `stop` is set; a tick that fails is logged, and the next one tries again."""
        while not stop.is_set():
            _alone("tick", self.tick)
            stop.wait(TICK_S)

    def tick(self) -> None:
        """Look at everything once, and do what follows."""
        now = self._at.clock()
        _beat(self._at.folder, now)
        self._fleet.look(now, self._at.ready_s)
        view = self._view(now)
        for order in view.orders.values():
            _alone(order.line.name, partial(self._step, view, order))
        view.count()
        for order in view.live():
            _alone(order.line.name, partial(self._fleet.start, order, view))
        _alone("adapters", partial(self._fitting.look, now, self._fleet.all()))
        _alone("lost adapters", self._fitting.report)
        _alone("route", partial(self._fleet.route, view, self._fitting.routes))
        self._fleet.tend(view)
        _alone("pruning", partial(self._prune, view))
        _alone("figures", partial(self._watch, view))

    def end_all(self) -> None:
        """End every server; the next keeper starts again what is still ordered."""
        self._jobs.end()
        self._fleet.end_all()

    def _prune(self, view: View) -> None:
        """Now and then, forget the orders that no restart needs."""
        if view.now < self._pruned + PRUNE_S:
            return
        self._pruned = view.now
        answering = {(place, share.digest) for place in view.table.routes for share in view.shares(place)}
        places = {order.line.place: order for order in view.orders.values()}
        for place, order in places.items():
            answering |= {(place, share.digest) for share in self._at.record.routed(order)}
        self._orders.forget_strays()
        for order in forgettable(view.orders.values(), view.states, answering, view.now):
            if self._orders.forget(order):
                logger.info("an order was forgotten", request=order.request, line=order.line.name)

    def _watch(self, view: View) -> None:
        if self._at.watching is not None:
            places = {place: frozenset(share.digest for share in view.shares(place)) for place in view.table.routes}
            self._at.watching.look(view.now, self._fleet.all(), places)

    def _view(self, now: float) -> View:
        orders = {order.key: order for order in self._orders.orders()}
        states = {key: self._orders.state(order) for key, order in orders.items()}
        rows = self._restoring.read(orders, states)
        return View(now=now, ready_s=self._at.ready_s, table=rows, orders=orders, states=states)

    def _step(self, view: View, order: Order) -> None:
        """Bring one order on by one step, and go back where its version cannot live."""
        before, seen = view.states[order.key], self._seen(view, order)
        why = way_back(order, before, seen) if order.wanted else ""
        after = self._back(view, order, before, why) if why else next_state(order, before, seen)
        if after.phase is Phase.EVALUATING:
            done, of = self._jobs.heard(order)
            after = replace(after, done=done, of=of)
        if after == before:
            return
        self._orders.note(after)
        view.states[order.key] = after
        if after.phase is not before.phase:
            logger.info("an order moved", request=order.request, line=order.line.name, phase=after.phase, why=after.why)
            self._at.nudge(order.request)

    def _seen(self, view: View, order: Order) -> Seen:
        seen = view.seen(order, self._fleet.of(order.line))
        phase = view.states[order.key].phase if order.wanted else Phase.OVER
        if phase is Phase.LOADING:
            return replace(seen, weights=self._weights(order))
        if phase is Phase.SERVING and view.on_trial(order):
            return replace(seen, tried=self._tried(view, order))
        return replace(seen, evaluation=self._evaluation(view, order)) if phase is Phase.EVALUATING else seen

    def _tried(self, view: View, order: Order) -> Tried | None:
        """Return how its callers fared, or the keeper's own call where there were none; None when nobody can say."""
        try:
            found = self._at.outcomes(order.line.place, order.line.digest, view.states[order.key].since, view.now)
        except BackendError as error:
            logger.warning("nobody can say what became of calls; the version before is kept", detail=error.detail)
            return None
        if found.calls > found.refused:
            return Tried(calls=found.calls - found.refused, failed=found.failed)
        ready = next((server for server in self._fleet.of(order.line) if server.ready), None)
        return None if ready is None else Tried(answered=self._jobs.answers(ready, view.now))

    def _weights(self, order: Order) -> str | None:
        """Return None while every byte is read, empty once all are right or a server has them, else what is wrong."""
        if any(server.ready for server in self._fleet.of(order.line)):
            return ""
        found = self._jobs.weights(order.line.digest)
        return f"Its weights cannot be used: {found}." if isinstance(found, str) else None if found is None else ""

    def _evaluation(self, view: View, order: Order) -> Result | str | None:
        """Return None while it is asked; what was found is entered before it counts."""
        known = self._passed_before(view, order)
        server = next((each for each in self._fleet.of(order.line) if each.ready), None)
        if known is not None or server is None:
            return known
        found = self._jobs.evaluation(order, server)
        if isinstance(found, Result):
            self._at.record.evaluated(order, found)
        if found == "" and self._at.record.must_pass(order):
            return f"Earlier versions were evaluated, and evaluations/{order.line.model}.jsonl is missing. Put it back."
        return found

    def _passed_before(self, view: View, order: Order) -> Result | None:
        """Return how the same servers did on the same cases for an earlier order, if they passed."""
        suite = suite_digest(self._at.evaluations, order.line.model)
        others = (view.states[each.key].result for each in view.live() if each.line == order.line and each != order)
        return next((r for r in others if r is not None and r.suite == suite and not r.failed), None)

    def _back(self, view: View, order: Order, state: State, why: str) -> State:
        """Let what answered before answer again: entered first, then routed."""
        place, before = order.line.place, order.before or ()
        view.count()

        def back(routes: table.Servers) -> table.Servers:
            return {**routes, place: self._fleet.rows(view, place, before, routes[place])}

        with self._at.alone_on(f"deploy:{place}"):
            if shares_of(table.read_table(self._fleet.routes).routes.get(place, ())) == order.put:
                if self._at.record.routed(order) == order.put:
                    self._at.record.back(order, before, why)
                view.table = table.write_table(self._fleet.routes, back)
        logger.error("the version before answers again", line=order.line.name, request=order.request, why=why)
        return replace(state, phase=Phase.FAILED, since=view.now, why=why)


def _beat(folder: Path, now: float) -> None:
    """Say that a keeper was here; a disk without room is no reason to stop."""
    with suppress(OSError):
        write_whole(folder / BEAT, json.dumps({"pid": os.getpid(), "at": now}).encode())


def _alone(what: str, work: Callable[[], None]) -> None:
    """Do `work`; whatever goes wrong with it is logged and keeps nothing else from being done."""
    try:
        work()
    except (WorkerError, LedgerError, OSError) as error:
        logger.warning("could not finish; the next tick tries again", about=what, detail=str(error))
    except Exception as error:  # noqa: BLE001 the edge of one order or server
        trace = "".join(traceback.format_exception(error))
        logger.error("could not finish; the next tick tries again", about=what, trace=trace)  # noqa: TRY400
