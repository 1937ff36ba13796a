"""How a version behaves as long as nothing is wrong, and when it no longer does: pure.

A figure has drifted when it is beyond a multiple of what the profile says, and by more than a margin below which nobody
would notice. It is back once it is well within: one that sways at the edge is not told of again and again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ledger.streams.model import Drifted, Figure, Profiled, Recovered
from workers.serving.figures import Window, quantile

LEAST: Final = 20
"""Requests below which a window says nothing."""
BACK: Final = 0.8
"""The part of the limit within which a figure is back."""
_PART: Final = 0.95
_PERMILLE: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How far a figure may go: `times` what is expected, and `margin` more than it."""

    times: float
    margin: int
    words: str
    unit: str

    def of(self, expected: int) -> int:
        """Return the most that is not a drift."""
        return max(round(self.times * expected), expected + self.margin)


LIMITS: Final[Mapping[str, Limit]] = {
    "first_token_p95_ms": Limit(times=3, margin=250, words="time to the first token", unit="ms"),
    "between_tokens_p95_us": Limit(times=3, margin=20_000, words="time between tokens", unit="µs"),
    "refused_permille": Limit(times=2, margin=100, words="refused calls", unit="‰"),
    "failed_permille": Limit(times=2, margin=50, words="failed calls", unit="‰"),
    "unfit_permille": Limit(times=2, margin=100, words="answers that are not of the schema", unit="‰"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What became of the calls of a version, as its callers saw it: `unfit` answers were not of the schema asked for."""

    calls: int = 0
    refused: int = 0
    failed: int = 0
    asked_for_schema: int = 0
    unfit: int = 0


def figures_of(window: Window, outcomes: Outcomes) -> dict[str, int]:
    """Return the figures that a window is enough for."""
    found: dict[str, int] = {}
    if window.finished >= LEAST:
        first, between = quantile(window.first_token, _PART), quantile(window.between_tokens, _PART)
        found |= {"first_token_p95_ms": round(1e3 * first)} if first is not None else {}
        found |= {"between_tokens_p95_us": round(1e6 * between)} if between is not None else {}
    if outcomes.calls >= LEAST:
        found["refused_permille"] = _PERMILLE * outcomes.refused // outcomes.calls
        found["failed_permille"] = _PERMILLE * outcomes.failed // outcomes.calls
    if outcomes.asked_for_schema >= LEAST:
        found["unfit_permille"] = _PERMILLE * outcomes.unfit // outcomes.asked_for_schema
    return found


def profile_of(digest: str, environment: str, seen: Mapping[str, int]) -> Profiled:
    """Return the profile that follows from what was seen; nothing is expected of what was not asked for yet."""
    expected = dict.fromkeys(LIMITS, 0) | dict(seen)
    figures = tuple(Figure(name=name, value=expected[name]) for name in LIMITS if name in seen or "permille" in name)
    return Profiled(digest=digest, environment=environment, figures=figures)


def judge(profile: Profiled, standing: Iterable[Drifted], seen: Mapping[str, int]) -> list[Drifted | Recovered]:
    """Return what is to be entered of a version whose figures are `seen` now.

    Args:
        standing: its drifts that were entered and stand.
    """
    where = (profile.digest, profile.environment)
    drifted = {each.figure for each in standing if (each.digest, each.environment) == where}
    rest = {"digest": profile.digest, "environment": profile.environment}
    found: list[Drifted | Recovered] = []
    for figure in profile.figures:
        limit, now = LIMITS.get(figure.name), seen.get(figure.name)
        if limit is None or now is None:
            continue
        if figure.name in drifted and now <= BACK * limit.of(figure.value):
            found.append(Recovered(**rest, figure=figure.name, seen=now))
        elif figure.name not in drifted and now > limit.of(figure.value):
            found.append(Drifted(**rest, figure=figure.name, expected=figure.value, seen=now))
    return found
