"""The servers of one home as the keeper moves them: looked at, started, put into the route table, drained, ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog

from ledger.streams.model import Share
from workers.endpoint import table
from workers.models.errors import WeightsError
from workers.serving import draining
from workers.serving.asking import idle
from workers.serving.checking import ended, look
from workers.serving.jobs import Jobs
from workers.serving.orders import ROUTES, Line, Order, Strategy
from workers.serving.servers import Server, Servers
from workers.serving.shares import shares_of, spread
from workers.serving.view import View, ready_at

logger = structlog.get_logger(__name__)

_AT_ONCE: Final = 8


class Fleet:
    """Every server that is noted.

    Args:
        folder: `<home>/models`.
    """

    def __init__(self, folder: Path, servers: Servers, jobs: Jobs) -> None:
        self.routes = folder / ROUTES
        self._endpoints = folder / "endpoints"
        self._servers, self._jobs = servers, jobs
        self._known = {server.name: server for server in servers.all()}
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="server")
        self._ending: dict[str, Future[bool]] = {}
        self._idle: dict[str, int] = {}

    def of(self, line: Line) -> tuple[Server, ...]:
        """Return the servers of a line that are not being ended."""
        found = (each for each in self._known.values() if each.line == line and each.name not in self._ending)
        return tuple(sorted(found, key=lambda each: each.number))

    def all(self) -> tuple[Server, ...]:
        """Return every server that is noted and not being ended."""
        return tuple(server for server in self._known.values() if server.name not in self._ending)

    def last_seen(self) -> int:
        """Return the largest version of the route table that an endpoint noted, or that a server waits for."""
        noted = [endpoint.version for endpoint in draining.endpoints(self._endpoints)]
        return max(noted + [server.left or 0 for server in self._known.values()], default=0)

    def look(self, now: float, ready_s: float) -> None:
        """Look at every server, side by side."""
        before = [server for server in self._known.values() if server.name not in self._ending]
        seen = self._pool.map(lambda server: look(self._servers, server, now, ready_s), before)
        for old, new in zip(before, seen, strict=True):
            if new != old:
                self._note(new)
            if new.deaths > old.deaths:
                logger.warning("a server ended", server=new.name, deaths=new.deaths, why=new.why)

    def start(self, order: Order, view: View) -> None:
        """Start the servers of an order's line that are needed and do not run.

        Where servers take turns, the next one waits until the one before it in the line of those that leave is gone.
        """
        if order.strategy is Strategy.ROLLING and self._leaving(order, view):
            return
        for number in range(view.wanted.get(order.line, 0)):
            new = fresh(order, number)
            known = self._known.get(new.name)
            if known is None:
                self._start(new, view.now)
            elif known.name not in self._ending and not known.pid and view.now >= known.again:
                self._start(_again(new, known), view.now)

    def route(self, view: View, beside: Callable[[table.Servers], table.Servers]) -> None:
        """Let the route table name the servers that are ready now, each version with the calls that it has.

        Args:
            beside: adds the routes to what stands beside versions.
        """

        def again(routes: table.Servers) -> table.Servers:
            models = {place: rows for place, rows in routes.items() if table.BETWEEN not in place}
            return beside({place: self.rows(view, place, shares_of(rows), rows) for place, rows in models.items()})

        view.table = table.write_table(self.routes, again)

    def rows(
        self, view: View, place: str, shares: Sequence[Share], now: Sequence[table.Server]
    ) -> tuple[table.Server, ...]:
        """Return the rows of a place by which `shares` answer; raises BackendError when nothing could."""
        return spread(shares, ready_at(filter(view.wants, self._known.values()), place), now)

    def tend(self, view: View) -> None:
        """Let go of what is not needed any more."""
        for server in tuple(self._known.values()):
            if server.name in self._ending:
                self._ended(server)
            elif view.wants(server):
                if server.left is not None:
                    self._note(replace(server, left=None))
            elif not (server.pid and view.routed_to(server)):
                self._leave(server, view)

    def end_all(self) -> None:
        """End every server at once; a next keeper starts again what is still ordered."""
        servers = tuple(self._known.values())
        for server, gone in zip(servers, self._pool.map(self._servers.stop, servers), strict=True):
            if gone:
                self._note(replace(server, pid=0, since="", mark="", ready=False))
        self._pool.shutdown()

    def _start(self, server: Server, now: float) -> None:
        model = self._jobs.weights(server.line.digest)
        if model is None:
            return
        try:
            if isinstance(model, str):
                raise WeightsError(model)
            self._known[server.name] = self._servers.start(server, model, now)
        except (OSError, WeightsError) as error:
            why = error.strerror if isinstance(error, OSError) else error.detail
            words = f"Its server cannot be started: {why}."
            self._note(ended(server, now, words))
        else:
            logger.info("a server was started", server=server.name, port=self._known[server.name].port)

    def _leaving(self, order: Order, view: View) -> bool:
        others = (each for each in self._known.values() if each.line != order.line)
        return any(each.line.place == order.line.place and not view.wants(each) for each in others)

    def _note(self, server: Server) -> Server:
        self._known[server.name] = self._servers.note(server)
        return server

    def _leave(self, server: Server, view: View) -> None:
        """End a server that stands in no route, once no endpoint can send it anything and it works on nothing."""
        if server.left is None:
            server = self._note(replace(server, left=view.table.version, left_at=view.now))
        if not server.pid or not server.ready or self._drained(server, view.now):
            self._ending[server.name] = self._pool.submit(self._servers.stop, server)

    def _drained(self, server: Server, now: float) -> bool:
        known = draining.endpoints(self._endpoints)
        quiet = draining.seen_by_all(known, server.left or 0, now) and idle(server.port)
        self._idle[server.name] = self._idle.get(server.name, 0) + 1 if quiet else 0
        return self._idle[server.name] >= draining.IDLE_LOOKS or now - server.left_at > draining.LONGEST_S

    def _ended(self, server: Server) -> None:
        if not self._ending[server.name].done():
            return
        if self._ending.pop(server.name).result():
            self._servers.forget(server)
            del self._known[server.name]
            self._idle.pop(server.name, None)
            logger.info("a server was ended", server=server.name)


def _again(new: Server, known: Server) -> Server:
    """Return a server as it is started anew, with what is remembered of how it ended."""
    return replace(new, deaths=known.deaths, failing_since=known.failing_since, why=known.why, begun=known.begun)


def fresh(order: Order, number: int) -> Server:
    """Return a server of an order as it is before it was ever started."""
    return Server(
        line=order.line,
        number=number,
        order=order.key,
        version=order.version,
        serving=order.serving,
        served=f"{order.line.model}@{order.line.digest.removeprefix('sha256:')[:12]}",
        mark="",
        key="",
    )
