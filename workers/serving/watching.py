"""Watches what is served: reads the servers' own figures, keeps them by version, and enters profiles, drifts and outages.

A profile is entered once a version answers and enough was seen of it, its evaluation included; later windows of five
minutes are held against it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog

from ledger.book import Book, Write
from ledger.errors import VersionConflictError
from ledger.streams.codec import Entry
from ledger.streams.model import Model
from workers.serving import living
from workers.serving.asking import metrics
from workers.serving.drift import LEAST, Outcomes, figures_of, judge, profile_of
from workers.serving.figures import Reading, read_metrics
from workers.serving.orders import Line
from workers.serving.record import KEEPER
from workers.serving.samples import Samples, Source, Span
from workers.serving.servers import Server

logger = structlog.get_logger(__name__)

SAMPLE_S: Final = 10.0
JUDGE_S: Final = 60.0
WINDOW_S: Final = 300.0
_AT_ONCE: Final = 8

OutcomesOf = Callable[[str, str, float, float], Outcomes]
"""Place, digest, and from when to when, seconds since the epoch."""


class Watching:
    """Looks when it is time to.

    Args:
        outcomes: what became of the calls of a version.
    """

    def __init__(self, book: Book, samples: Samples, outcomes: OutcomesOf) -> None:
        self._book, self._samples, self._outcomes = book, samples, outcomes
        self._sampled = self._judged = 0.0
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="figures")

    def look(self, now: float, servers: Iterable[Server], answering: Mapping[str, frozenset[str]]) -> None:
        """Read every server every few seconds and see whether it stays alive, and judge every version each minute.

        Args:
            answering: the digests that answer in each place.
        """
        if now >= self._sampled + SAMPLE_S:
            self._sampled = now
            there = tuple(servers)
            self._sample(now, [server for server in there if server.pid and server.ready])
            self._look_after(now, there, answering)
        if now >= self._judged + JUDGE_S:
            self._judged = now
            for span in self._samples.spans(now - WINDOW_S, now):
                if span.digest in answering.get(span.place, frozenset()):
                    self._judge(span, now)

    def _sample(self, now: float, servers: list[Server]) -> None:
        read = self._pool.map(lambda server: _reading(server, now), servers)
        rows = [
            (_source(server), reading) for server, reading in zip(servers, read, strict=True) if reading is not None
        ]
        if rows:
            self._samples.note(rows)

    def _look_after(self, now: float, servers: Iterable[Server], answering: Mapping[str, frozenset[str]]) -> None:
        lines: dict[Line, list[Server]] = {}
        for server in servers:
            if server.left is None and server.line.digest in answering.get(server.line.place, frozenset()):
                lines.setdefault(server.line, []).append(server)
        for line, there in lines.items():
            model = self._book.model(line.model)
            self._enter(line.model, model, living.judge(line.digest, line.environment, there, model.drifts, now))

    def _judge(self, span: Span, now: float) -> None:
        name, _, environment = span.place.partition("@")
        model = self._book.model(name)
        profile = next(
            (each for each in model.profiles if (each.digest, each.environment) == (span.digest, environment)), None
        )
        outcomes = self._outcomes(span.place, span.digest, now - WINDOW_S, now)
        seen = figures_of(span.window, outcomes)
        if profile is None:
            if span.window.finished >= LEAST:
                self._enter(name, model, [profile_of(span.digest, environment, seen)])
        else:
            self._enter(name, model, judge(profile, model.drifts, seen))

    def _enter(self, name: str, model: Model, entries: Iterable[Entry]) -> None:
        made = tuple(entries)
        if not made:
            return
        try:
            self._book.append(Write(stream=f"model:{name}", expected=model.version, entries=made, actor=KEEPER))
        except VersionConflictError:
            logger.info("a model moved; its figures are judged at the next look", model=name)


def _source(server: Server) -> Source:
    return Source(server=server.name, place=server.line.place, version=server.version, digest=server.line.digest)


def _reading(server: Server, now: float) -> Reading | None:
    """Return what a server says of itself; one that says nothing that can be read is passed over."""
    try:
        return read_metrics(metrics(server.port), now)
    except ValueError:
        logger.warning("the figures of a server cannot be read", server=server.name)
        return None
