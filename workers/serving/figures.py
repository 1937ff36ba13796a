"""What a model server says of itself, in numbers: read from its own metrics, and what happened between two readings.

Counters and histograms only ever rise while a server lives; one that fell was started anew in between, and then all that
it counts happened since.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

_PREFIX: Final = "vllm:"
_ENDLESS: Final = math.inf

Buckets = tuple[tuple[float, float], ...]
"""Upper bounds, seconds, each with how many were no longer; rising, the last one without an end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One server at one moment.

    Args:
        at: seconds since the epoch.
        running, waiting: requests it works on, and those in its queue.
        kv_cache: used part of the KV cache, 0 to 1.
        prompt_tokens, made_tokens, finished: counted since its start.
        first_token: times to the first token.
        between_tokens: times from one token to the next.
        whole: times of whole requests.
    """

    at: float
    running: int = 0
    waiting: int = 0
    kv_cache: float = 0.0
    prompt_tokens: int = 0
    made_tokens: int = 0
    finished: int = 0
    first_token: Buckets = ()
    between_tokens: Buckets = ()
    whole: Buckets = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What one server, or several together, did in `seconds`."""

    seconds: float = 0.0
    finished: int = 0
    prompt_tokens: int = 0
    made_tokens: int = 0
    first_token: Buckets = ()
    between_tokens: Buckets = ()
    whole: Buckets = ()

    def joined(self, other: Window) -> Window:
        """Return what both did, side by side."""
        return Window(
            seconds=max(self.seconds, other.seconds),
            finished=self.finished + other.finished,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            made_tokens=self.made_tokens + other.made_tokens,
            first_token=_added(self.first_token, other.first_token),
            between_tokens=_added(self.between_tokens, other.between_tokens),
            whole=_added(self.whole, other.whole),
        )


def read_metrics(text: str, at: float) -> Reading:
    """Return what a server's metrics say; raises ValueError when they cannot be read."""
    sums: dict[str, float] = {}
    buckets: dict[str, dict[float, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if not sample.name.startswith(_PREFIX):
                continue
            name = sample.name.removeprefix(_PREFIX)
            if name.endswith("_bucket"):
                bounds = buckets.setdefault(name.removesuffix("_bucket"), {})
                bound = float(sample.labels["le"])
                bounds[bound] = bounds.get(bound, 0.0) + sample.value
            else:
                sums[name] = sums.get(name, 0.0) + sample.value
    return Reading(
        at=at,
        running=_whole(sums, "num_requests_running"),
        waiting=_whole(sums, "num_requests_waiting"),
        kv_cache=sums.get("kv_cache_usage_perc", 0.0),
        prompt_tokens=_whole(sums, "prompt_tokens_total"),
        made_tokens=_whole(sums, "generation_tokens_total"),
        finished=_whole(sums, "request_success_total"),
        first_token=_rising(buckets, "time_to_first_token_seconds"),
        between_tokens=_rising(buckets, "inter_token_latency_seconds"),
        whole=_rising(buckets, "e2e_request_latency_seconds"),
    )


def between(before: Reading, after: Reading) -> Window:
    """Return what a server did from one reading to a later one."""
    counted = ("finished", "prompt_tokens", "made_tokens")
    anew = any(getattr(after, name) < getattr(before, name) for name in counted)
    base = Reading(at=before.at) if anew else before
    return Window(
        seconds=max(0.0, after.at - before.at),
        finished=after.finished - base.finished,
        prompt_tokens=after.prompt_tokens - base.prompt_tokens,
        made_tokens=after.made_tokens - base.made_tokens,
        first_token=_since(base.first_token, after.first_token),
        between_tokens=_since(base.between_tokens, after.between_tokens),
        whole=_since(base.whole, after.whole),
    )


def quantile(buckets: Buckets, part: float) -> float | None:
    """Return the time, seconds, that `part` of all took at most; None when there were none.

    Inside a bucket times are taken to be spread evenly, as Prometheus does; beyond the last bound it is that bound.
    """
    total = buckets[-1][1] if buckets else 0.0
    if total <= 0:
        return None
    rank, edges = part * total, [(0.0, 0.0), *buckets]
    for (low, below), (high, count) in pairwise(edges):
        if count >= rank and count > below:
            return low if high == _ENDLESS else low + (high - low) * (rank - below) / (count - below)
    return edges[-1][0]


def joined(windows: Iterable[Window]) -> Window:
    """Return what all of them did, side by side."""
    whole = Window()
    for window in windows:
        whole = whole.joined(window)
    return whole


def _whole(sums: Mapping[str, float], name: str) -> int:
    return round(sums.get(name, 0.0))


def _rising(buckets: Mapping[str, Mapping[float, float]], name: str) -> Buckets:
    return tuple(sorted(buckets.get(name, {}).items()))


def _since(before: Buckets, after: Buckets) -> Buckets:
    known = dict(before)
    return tuple((bound, max(0.0, count - known.get(bound, 0.0))) for bound, count in after)


def _added(one: Buckets, other: Buckets) -> Buckets:
    if not one or not other:
        return one or other
    known = dict(other)
    return tuple((bound, count + known.get(bound, 0.0)) for bound, count in one)
