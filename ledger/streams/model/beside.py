"""How long each adapter answered beside a version: from what was routed, and what was loaded and taken away, alone.

An adapter stands beside one version of an environment. It answers as long as it stands and its version does: when another
version takes all of the calls it stops with its own, and when its own is back it answers again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from ledger.streams.model.state import Adaptation, Routing


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """An adapter answered from `since` on, without a break, up to what ended it.

    Args:
        loading: what had it loaded; earlier than `since` where its version came back meanwhile.
        end: the change that took it away, or the routing that left its version without calls; None as long as neither did.
    """

    loading: Adaptation
    since: datetime
    end: Adaptation | Routing | None = None

    def during(self, start: datetime, stop: datetime | None = None) -> bool:
        """Whether it answered at some time from `start` up to, not including, `stop`; None asks for the moment `start`."""
        begun = self.since <= start if stop is None else self.since < stop
        return begun and (self.end is None or self.end.at > start)


def stretches(routings: Iterable[Routing], adapted: Iterable[Adaptation]) -> tuple[Stretch, ...]:
    """Return every stretch of one model, the one that began first first.

    What is loaded answers, as the law has it, also where the routing of its version is not among `routings`.
    """
    replay = _Replay()
    moves: list[Routing | Adaptation] = [*routings, *adapted]
    for each in sorted(moves, key=lambda each: each.seq):
        if isinstance(each, Routing):
            replay.route(each)
        else:
            replay.adapt(each)
    return tuple(sorted([*replay.ended, *replay.lasting.values()], key=lambda each: (each.since, each.loading.seq)))


_Key = tuple[str, str, str]
"""Environment, base and name of an adapter: one of a name stands beside a version."""


class _Replay:
    """What stands, and which stretches last, after each entry."""

    def __init__(self) -> None:
        self.ended: list[Stretch] = []
        self.lasting: dict[_Key, Stretch] = {}
        self._standing: dict[_Key, Adaptation] = {}

    def adapt(self, change: Adaptation) -> None:
        key = (change.environment, change.base, change.adapter)
        if change.loaded:
            self._standing[key] = change
            self.lasting[key] = Stretch(loading=change, since=change.at)
        else:
            self._standing.pop(key, None)
            self._end(key, change)

    def route(self, routing: Routing) -> None:
        answering = {share.digest for share in routing.shares}
        for key, loading in self._standing.items():
            environment, base, _ = key
            if environment == routing.environment and base not in answering:
                self._end(key, routing)
            elif environment == routing.environment and key not in self.lasting:
                self.lasting[key] = Stretch(loading=loading, since=routing.at)

    def _end(self, key: _Key, by: Adaptation | Routing) -> None:
        stretch = self.lasting.pop(key, None)
        if stretch is not None:
            self.ended.append(replace(stretch, end=by))
