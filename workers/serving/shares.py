"""Who answers which part of the calls, and by which servers: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from ledger.streams.model import WHOLE, Share
from workers.endpoint import table
from workers.endpoint.calls import Bounds
from workers.errors import BackendError, RefusedError
from workers.serving.orders import Order, Strategy
from workers.serving.servers import Server

Part = TypeVar("Part", Share, table.Server)


def shares_of(rows: Sequence[table.Server]) -> tuple[Share, ...]:
    """Return how a place of the route table divides its calls, each version once, in its order."""
    parts: dict[str, Share] = {}
    for row in rows:
        known = parts.get(row.digest, Share(version=row.version, digest=row.digest, percent=0))
        parts[row.digest] = replace(known, percent=known.percent + row.percent)
    return tuple(part for part in parts.values() if part.percent)


def percent_of(shares: Sequence[Share], digest: str) -> int:
    """Return the percent of the calls that go to a version."""
    return sum(share.percent for share in shares if share.digest == digest)


def joined(order: Order, percent: int) -> int:
    """Return how many of its servers stand for `percent` of the calls while it rolls in or out."""
    return max(round(order.replicas * percent / WHOLE), 1) if percent else 0


def next_shares(order: Order, now: Sequence[Share]) -> tuple[Share, ...]:
    """Return what answers once `order` is switched to, or one step on while it rolls out.

    Raises:
        RefusedError: there is nothing that could answer the rest of the calls.
    """
    others = tuple(share for share in now if share.digest != order.line.digest)
    percent = _next_percent(order, percent_of(now, order.line.digest), alone=not others)
    own = Share(version=order.version, digest=order.line.digest, percent=percent)
    return (own,) if percent == WHOLE else (*scaled(others, WHOLE - percent), own)


def _next_percent(order: Order, percent: int, *, alone: bool) -> int:
    if order.strategy is Strategy.CANARY and order.percent < WHOLE:
        if alone and not percent:
            place = order.line.environment
            raise RefusedError(f"Nothing answers in {place} yet that a canary could stand beside. Deploy it in full.")
        return WHOLE if alone else order.percent
    if order.strategy is Strategy.ROLLING and not alone:
        servers = min(joined(order, percent) + 1, order.replicas)
        return servers * WHOLE // order.replicas
    return WHOLE


def scaled(shares: Sequence[Part], whole: int) -> tuple[Part, ...]:
    """Return the shares in the same proportions with `whole` in all; what rounds to nothing is left out."""
    total = sum(share.percent for share in shares)
    exact = [share.percent * whole / total for share in shares]
    rounded = [int(each) for each in exact]
    largest = sorted(range(len(exact)), key=lambda at: (rounded[at] - exact[at], at))
    for at in largest[: whole - sum(rounded)]:
        rounded[at] += 1
    return tuple(replace(share, percent=percent) for share, percent in zip(shares, rounded, strict=True) if percent)


def spread(
    shares: Sequence[Share], ready: Mapping[str, Sequence[Server]], now: Sequence[table.Server]
) -> tuple[table.Server, ...]:
    """Return the rows of the route table: each version's percent in equal parts over its servers.

    A version of which no server is ready keeps the rows it has: its calls are refused there and not sent to another one.

    Args:
        ready: servers by digest.

    Raises:
        BackendError: a version has neither.
    """
    rows: list[table.Server] = []
    for share in shares:
        servers = ready.get(share.digest, ())
        new = [_row(server, share.version, part) for server, part in zip(servers, _parts(share, servers), strict=True)]
        old = [row for row in now if row.digest == share.digest]
        if not (new or old):
            raise BackendError(f"No server of version {share.version} is ready.")
        rows += new or [replace(row, percent=part) for row, part in zip(old, _parts(share, old), strict=True)]
    return tuple(rows)


def _parts(share: Share, servers: Sequence[object]) -> list[int]:
    if not servers:
        return []
    each, more = divmod(share.percent, len(servers))
    return [each + (at < more) for at in range(len(servers))]


def _row(server: Server, version: str, percent: int) -> table.Server:
    serving = server.serving
    bounds = Bounds(
        context=serving.context, output=serving.output, sequences=serving.sequences, byte_level=serving.byte_level
    )
    return table.Server(
        url=server.url,
        digest=server.line.digest,
        version=version,
        served=server.served,
        percent=percent,
        bounds=bounds,
        embeddings=serving.embeddings,
        key=server.key,
    )
