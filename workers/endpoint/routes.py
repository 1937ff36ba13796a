"""Which server answers for a model: a table that is swapped whole, chosen from once a call, and counted while calls last.

A call stays with the server that it was given: a swap moves the calls that come, and cuts none. A server that nobody is
routed to any more may be ended once nothing flies to it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from types import MappingProxyType
from typing import Final

from workers.endpoint.calls import Served
from workers.endpoint.errors import CallError

AWAY: Final = "The model's server does not answer; nothing was charged. Try again in a moment."
_WHOLE: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A server of one version.

    Args:
        url: scheme, host and port; only the endpoint may reach it.
        version: digest of its weights, as people are told.
        served: the name under which it serves them, and what a call may ask for.
        key: what it wants to hear in `Authorization`, empty for nothing.
    """

    url: str
    version: str
    served: Served
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many of a hundred keys a server answers."""

    upstream: Upstream
    percent: int


class Routes:
    """The table in force."""

    def __init__(self) -> None:
        self._table: Mapping[str, tuple[Share, ...]] = MappingProxyType({})
        self._flying: Counter[str] = Counter()

    def swap(self, table: Mapping[str, tuple[Share, ...]]) -> None:
        """Route by this table from now on; raises ValueError when the shares of a model are not a hundred in all.

        A name with no shares at all is one that nobody answers for now.
        """
        for model, shares in table.items():
            whole = sum(share.percent for share in shares) == _WHOLE or not shares
            if not whole or any(share.percent < 0 for share in shares):
                raise ValueError(f"the shares of {model} are not {_WHOLE} in all")
        self._table = MappingProxyType(dict(table))

    def models(self) -> tuple[str, ...]:
        """Return the names that are served."""
        return tuple(sorted(self._table))

    def choose(self, model: str, key: str) -> Upstream:
        """Return the server that answers this key for a model: the same one as long as the shares stay.

        Raises:
            CallError: 404, nothing serves that model; 503, what does is being started again.
        """
        shares = self._table.get(model)
        if shares is None:
            raise CallError(
                404, "model_not_found", f"Nothing serves {model[:80]} now; GET /v1/models lists what is.", "model"
            )
        if not shares:
            raise CallError(503, "server_away", AWAY)
        at = int.from_bytes(hashlib.sha256(f"{model}\0{key}".encode()).digest()[:8], "big") % _WHOLE
        ends = accumulate(share.percent for share in shares)
        return next(share.upstream for share, end in zip(shares, ends, strict=True) if at < end)

    def flying(self, upstream: Upstream) -> int:
        """Return how many calls a server works on."""
        return self._flying[upstream.url]

    @contextmanager
    def fly(self, upstream: Upstream) -> Iterator[None]:
        """Count a call for as long as it lasts."""
        self._flying[upstream.url] += 1
        try:
            yield
        finally:
            self._flying[upstream.url] -= 1
