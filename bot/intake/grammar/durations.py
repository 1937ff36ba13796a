"""Spans of time over tokens: "2 hours", "a day and a half", "1h30", "a couple of weeks"; vague ones have no value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bot.intake.grammar.tokens import Token
from bot.intake.vocabulary import Conventions

_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600}
_FOR_UNITS: Final = ("day", "week", "fortnight", "month", "quarter", "year")
_LONGEST_S: Final = 1e12
_ROUGHLY: Final = {"about", "like", "roughly", "approximately", "around", "circa", "ca", "~", "etwa", "unos", "environ"}


@dataclass(slots=True)
class Units:
    """Seconds of a unit, by the conventions of the vocabulary."""

    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def by(cls, law: Conventions) -> Units:
        """Return the units of these conventions."""
        hours = dict(law.hours_per)
        workday = law.workday_end.hour - law.workday_start.hour
        days: dict[str, float] = {unit: hours[unit] * 3600.0 for unit in _FOR_UNITS if unit in hours}
        return cls({**_SECONDS, **days, "halfday": law.half_day_hours * 3600.0, "oneworkday": workday * 3600.0})


def span_at(tokens: Sequence[Token], at: int, units: Units) -> tuple[float | None, int] | None:
    """Return (seconds, next index) of a span that begins here: None seconds when it is vague; None when there is none."""
    found = _single(tokens, at, units)
    if found is None:
        return None
    seconds, after = found
    while seconds is not None:
        more = _continued(tokens, after, units)
        if more is None:
            break
        seconds, after = seconds + more[0], more[1]
    if seconds is not None and not 0 < seconds < _LONGEST_S:
        return None, after
    return seconds, after


def amount_at(tokens: Sequence[Token], at: int) -> tuple[float | None, int] | None:
    """Return (number, next index): "three", "a", "half a", "two and a half", "a million"; None for vague words."""
    word = _pivot(tokens, at)
    if word == "vague":
        return None, at + 1
    if word == "a" and _pivot(tokens, at + 1) == "vague":
        return None, at + 2
    if word == "half":
        return 0.5, at + (2 if _pivot(tokens, at + 1) in {"a", "of"} else 1)
    if word == "a":
        if _pivot(tokens, at + 1) == "half":
            return 0.5, at + 2
        return _scaled(tokens, at + 1, 1.0) if tokens[at + 1 : at + 2] and tokens[at + 1].scale else (1.0, at + 1)
    if at < len(tokens) and tokens[at].kind in {"num", "version"}:
        value = _decimal(tokens[at])
        if value is None:
            return None
        return _scaled(tokens, at + 1, value) if tokens[at].kind == "num" else (value, at + 1)
    return None


def _scaled(tokens: Sequence[Token], at: int, value: float) -> tuple[float, int]:
    """Numbers go on: "two hundred", "twenty four", "a couple of", "two dozen"; and "and a half"."""
    for _ in range(4):
        if at >= len(tokens) or tokens[at].kind != "num" or tokens[at].glued:
            break
        following = float(tokens[at].value)
        if tokens[at].scale:
            value *= following
        elif 20 <= value < 100 and value % 10 == 0 and following < 10:  # noqa: PLR2004 twenty four
            value += following
        else:
            break
        at += 1
    if _pivot(tokens, at) == "of":
        return value, at + (1 if value in {2.0, 12.0} else 0)
    if _pivot(tokens, at) == "andahalf":
        return value + 0.5, at + 1
    return value, at


def _decimal(token: Token) -> float | None:
    text = str(token.value)
    try:
        value = float(token.value)
    except ValueError:
        return None
    return value if text[:1].isdigit() or token.kind == "num" else None


def _single(tokens: Sequence[Token], at: int, units: Units) -> tuple[float | None, int] | None:
    if _pivot(tokens, at) in _ROUGHLY:
        at += 1
    start = at
    amount = amount_at(tokens, at)
    if amount is None:
        return None
    value, at = amount
    for _ in range(3):
        at += _pivot(tokens, at) in {"of", "more", "full", "whole", "additional", "extra", "further", "entire"}
    second = _range_end(tokens, at)
    if second is not None:
        value, at = None, second
    unit = _pivot(tokens, at)
    if unit == "workday":
        return (units.seconds["oneworkday"] if value == 1 else None), at + 1
    if unit not in units.seconds:
        return None
    if value == 0.5 and unit == "day" and tokens[start].kind != "version":  # noqa: PLR2004
        return units.seconds["halfday"], at + 1
    at += 1
    if _pivot(tokens, at) == "andahalf" and value is not None:
        value, at = value + 0.5, at + 1
    return (None if value is None else value * units.seconds[unit]), at


def _range_end(tokens: Sequence[Token], at: int) -> int | None:
    """The index after the second number of "2-3", "2 to 3", "two or three"."""
    if _pivot(tokens, at) in {"-", "to", "or", "until"} and at + 1 < len(tokens) and tokens[at + 1].kind == "num":
        return at + 2
    return None


def _continued(tokens: Sequence[Token], at: int, units: Units) -> tuple[float, int] | None:
    """As in "2 hours 30 minutes", "2 hours and 30 minutes", "1h30"."""
    glued = at < len(tokens) and tokens[at].kind == "num" and tokens[at].glued and tokens[at].value < 60  # noqa: PLR2004
    if glued and _pivot(tokens, at - 1) == "hour" and _pivot(tokens, at + 1) not in units.seconds:
        return tokens[at].value * 60.0, at + 1
    begin = at + 1 if _pivot(tokens, at) == "and" else at
    if begin >= len(tokens) or tokens[begin].kind != "num":
        return None
    found = _single(tokens, begin, units)
    smaller = found is not None and found[0] is not None and _pivot(tokens, found[1] - 1) in {"minute", "hour"}
    return (found[0], found[1]) if found and found[0] is not None and smaller else None


def _pivot(tokens: Sequence[Token], at: int) -> str:
    return tokens[at].pivot if 0 <= at < len(tokens) else ""
