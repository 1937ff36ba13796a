"""What the keeper enters into the ledger: evaluations, ways back that nobody had to ask for, and adapters that were lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ledger.book import Book, Write
from ledger.streams.codec import Entry
from ledger.streams.model import ADAPTER, Drifted, Evaluated, Model, Recovered, Routed, Share
from workers.serving.orders import Line, Order, Result

KEEPER: Final = "svc:keeper"


class Record:
    """The ledger as the keeper uses it; every method is safe to repeat, and raises LedgerError."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def evaluated(self, order: Order, result: Result) -> None:
        """Enter how the order's version did, once."""
        entry = Evaluated(
            digest=order.line.digest,
            environment=order.line.environment,
            suite=result.suite,
            cases=result.cases,
            failed=result.failed,
            p50_ms=result.p50_ms,
            p95_ms=result.p95_ms,
            tokens=result.tokens,
            request=order.request,
        )
        model = self._book.model(order.line.model)
        known = model.evaluation(order.line.digest)
        if known is None or known.result != entry:
            self._append(order.line, model, entry)

    def must_pass(self, order: Order) -> bool:
        """Whether the ledger lets the version answer only once it passed an evaluation, and it did not."""
        model = self._book.model(order.line.model)
        served = {share.digest for each in model.in_environment(order.line.environment) for share in each.shares}
        return bool(model.evaluations) and order.line.digest not in served and not model.passed(order.line.digest)

    def routed(self, order: Order) -> tuple[Share, ...]:
        """Return what answers in the order's environment by the ledger."""
        routing = self._book.model(order.line.model).routing(order.line.environment)
        return routing.shares if routing else ()

    def back(self, order: Order, shares: Sequence[Share], why: str) -> None:
        """Enter that from now on `shares` answer again, unless that is what the ledger says already."""
        model = self._book.model(order.line.model)
        routing = model.routing(order.line.environment)
        if routing is None or routing.shares != tuple(shares):
            entry = Routed(environment=order.line.environment, shares=tuple(shares), request=None, why=why)
            self._append(order.line, model, entry)

    def adapter_lost(self, line: Line, adapter: str, expected: int, seen: int) -> None:
        """Enter that of `expected` servers `seen` have an adapter that cannot be loaded again, once while it stands."""
        model, figure = self._book.model(line.model), f"{ADAPTER}{adapter}"
        if not _stands(model, line, figure):
            self._append(line, model, Drifted(**_at(line), figure=figure, expected=expected, seen=seen))

    def adapter_back(self, line: Line, adapter: str, seen: int) -> None:
        """Enter that an adapter is not missing any more: `seen` servers have it, none where it is to be there no more."""
        model, figure = self._book.model(line.model), f"{ADAPTER}{adapter}"
        if _stands(model, line, figure):
            self._append(line, model, Recovered(**_at(line), figure=figure, seen=seen))

    def _append(self, line: Line, model: Model, entry: Entry) -> None:
        stream = f"model:{line.model}"
        self._book.append(Write(stream=stream, expected=model.version, entries=(entry,), actor=KEEPER))


def _at(line: Line) -> dict[str, str]:
    return {"digest": line.digest, "environment": line.environment}


def _stands(model: Model, line: Line, figure: str) -> bool:
    """Whether a drift of this figure was entered of a version and is not over."""
    about = (line.digest, line.environment, figure)
    return any((each.digest, each.environment, each.figure) == about for each in model.drifts)
