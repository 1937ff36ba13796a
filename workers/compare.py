"""What a backend holds against what the ledger orders: pure, so that every case can be tried.

A request that moved while somebody looked says nothing: it is looked at again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ledger.nouns import FormKind
from ledger.streams.request import Request, Status
from ledger.streams.watch import Fault, Finding
from workers.executors.base import Holding

EDGE: Final = timedelta(seconds=30)
"""Nothing is judged this close to an end: two clocks differ, and taking back takes a moment."""
_LEAVING: Final = frozenset({Status.ENDING, Status.UNCONFIRMED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A fault as one look sees it; `holding` is what the backend said, None where it held nothing."""

    fault: Fault
    request: int | None
    who: str
    what: str
    holding: Holding | None = None

    @property
    def about(self) -> tuple[Fault, int | None, str, str]:
        """What makes it the same fault in another look."""
        return self.fault, self.request, self.who, self.what


def about(finding: Finding) -> tuple[Fault, int | None, str, str]:
    """Return what makes a finding the same fault in another look; an erased one is the same as none."""
    return finding.fault, finding.request, finding.who.value or "", finding.what.value or ""


def doubts(
    requests: Mapping[str, Request], holdings: Iterable[Holding], executor: str, now: datetime
) -> tuple[Doubt, ...]:
    """Return what is not as ordered.

    Args:
        requests: by grant key: every request that this executor was told of and that is open or has a holding.
        now: aware UTC, when it was looked.
    """
    held = tuple(holdings)
    keys = frozenset(holding.key for holding in held)
    found = [doubt for holding in held if (doubt := _judge(requests, holding, executor, now)) is not None]
    return (*found, *_lost(requests, keys, now))


def _judge(requests: Mapping[str, Request], holding: Holding, executor: str, now: datetime) -> Doubt | None:
    request = requests.get(holding.key) if holding.key is not None else None
    if request is None or request.executor != executor:
        return _doubt(Fault.UNEXPLAINED, None, holding, _said(holding, holding.wrong))
    if request.form.kind is FormKind.CHANGE:
        stands = not request.final or request.status is Status.DONE
        return None if stands else _doubt(Fault.UNEXPLAINED, request, holding, holding.what)
    if request.final:
        return _doubt(Fault.UNEXPLAINED, request, holding, f"{holding.what}, though {request.name} is over")
    wrong = _wrong(request, holding, now)
    return _doubt(Fault.WRONG, request, holding, f"{holding.what}: {wrong}") if wrong else None


def _wrong(request: Request, holding: Holding, now: datetime) -> str:
    """Say what is not as granted, empty when all is."""
    over = request.ended_at if request.status in _LEAVING else request.not_after
    if over is not None and now > over + EDGE:
        return "its time is over, and it is still there"
    if request.status is not Status.RUNNING or request.confirmed != request.generation:
        return ""  # it is being made so, or taken back, and between the two it may be anything
    if holding.wrong:
        return holding.wrong
    if holding.devices is not None and set(holding.devices) != set(request.devices):
        return f"{request.name} was given {' '.join(sorted(request.devices)) or 'no devices'}"
    if holding.until is None or request.not_after is None or holding.until == request.not_after:
        return ""
    return f"it would end {'later' if holding.until > request.not_after else 'earlier'} than granted"


def _lost(requests: Mapping[str, Request], keys: frozenset[str | None], now: datetime) -> Iterator[Doubt]:
    """Leases that run by the ledger, well before their end, and that the backend does not hold."""
    for key, request in requests.items():
        near = request.not_after is not None and now > request.not_after - EDGE
        if key not in keys and request.status is Status.RUNNING and not near:
            what = f"{request.name} holds {request.form.resource} by the ledger, and the backend holds nothing of it"
            yield Doubt(fault=Fault.LOST, request=request.number, who="", what=what)


def _doubt(fault: Fault, request: Request | None, holding: Holding, what: str) -> Doubt:
    number = request.number if request is not None else None
    return Doubt(fault=fault, request=number, who=holding.who, what=what, holding=holding)


def _said(holding: Holding, wrong: str) -> str:
    key = f", under key {holding.key[:8]}" if holding.key is not None else ""
    return f"{holding.what}{key}" + (f": {wrong}" if wrong else "")
