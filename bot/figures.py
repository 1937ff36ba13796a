"""What a monitor wants to know of the desk: how its two readers get along. Numbers alone, no words of anybody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from bot.tables import Tables

HOST: Final = "127.0.0.1"


class Readings(Collector):
    """How many sentences had which outcome, from the desk's table at the moment it is asked."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def collect(self) -> Iterator[Metric]:
        """Yield the one figure, a count for each outcome."""
        words = "Sentences by what the model that reads along said of them."
        family = CounterMetricFamily("quartermaster_readings", words, labels=("outcome",))
        for outcome, count in self._tables.tallies().items():
            family.add_metric((outcome.value,), count)
        yield family


@contextmanager
def shown(tables: Tables, port: int) -> Iterator[None]:
    """Show the figures on `port` of 127.0.0.1 meanwhile, nothing when it is 0; raises OSError when it is taken."""
    if not port:
        yield
        return
    registry = CollectorRegistry()
    registry.register(Readings(tables))
    server, thread = start_http_server(port, addr=HOST, registry=registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
