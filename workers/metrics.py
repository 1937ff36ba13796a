"""What a monitor wants to know, read from the ledger's index at the moment it is asked: nothing is counted twice.

The clock shows them on a port of 127.0.0.1, if one is set. They hold numbers alone: no person, no resource, no request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ledger.book import Book
from ledger.streams.model import SERVERS, Drifted, Model
from ledger.streams.request import Request, Status
from workers.stumbling import given_up

HOST: Final = "127.0.0.1"
_HELD: Final = frozenset({Status.STARTING, Status.RUNNING, Status.ENDING, Status.UNCONFIRMED})


class Figures(Collector):
    """The state of the hands as a set of gauges.

    Args:
        book: the ledger; only read.
        clock: now, aware UTC.
    """

    def __init__(self, book: Book, clock: Callable[[], datetime]) -> None:
        self._book, self._clock = book, clock

    def collect(self) -> Iterator[Metric]:
        """Yield every figure as it is now."""
        now = self._clock()
        found = [request for number in self._book.requests.open() if (request := self._book.request(number))]
        yield self._open(found)
        yield _gauge("queue_age_seconds", "How long the oldest due request has been due.", self._age_s(now))
        yield _gauge("requests_due", "Open requests that are due.", len(self._book.requests.due(now)))
        yield _gauge("attempts", "Tries of open requests that failed.", sum(map(_attempts, found)))
        yield _gauge(
            "requests_given_up", "Open requests that failed too often and are not seen gone.", _given_up(found)
        )
        late = [(now - end).total_seconds() for request in found if (end := _ends(request)) is not None and end < now]
        yield _gauge("endings_late", "Leases that are over and not yet seen gone.", len(late))
        yield _gauge("model_outages", "Versions that answer and whose servers do not stay alive.", self._outages())
        yield _gauge("ending_late_seconds", "How long the latest of them has been over.", max(late, default=0.0))

    def _age_s(self, now: datetime) -> float:
        oldest = self._book.requests.next_due()
        return 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())

    def _outages(self) -> int:
        return sum(_is_outage(model, drift) for model in self._book.models().values() for drift in model.drifts)

    @staticmethod
    def _open(found: list[Request]) -> Metric:
        family = GaugeMetricFamily("quartermaster_requests_open", "Requests that are not over.", labels=("status",))
        for status in Status:
            count = sum(request.status is status for request in found)
            if count:
                family.add_metric((status.value,), count)
        return family


def serve(book: Book, clock: Callable[[], datetime], port: int) -> Callable[[], None]:
    """Show the figures on `port` of 127.0.0.1, and return what ends that; raises OSError when the port is taken."""
    registry = CollectorRegistry()
    registry.register(Figures(book, clock))
    server, thread = start_http_server(port, addr=HOST, registry=registry)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(f"quartermaster_{name}", words, value=value)


def _attempts(request: Request) -> int:
    return request.stumbles + request.attempts


def _given_up(found: list[Request]) -> int:
    return sum(given_up(request) for request in found)


def _is_outage(model: Model, drift: Drifted) -> bool:
    routing = model.routing(drift.environment)
    answers = routing is not None and drift.digest in {share.digest for share in routing.shares}
    return answers and drift.figure == SERVERS


def _ends(request: Request) -> datetime | None:
    """When a lease that is not seen gone was or will be over, None for what holds nothing."""
    if request.status not in _HELD:
        return None
    return request.ended_at or request.not_after
