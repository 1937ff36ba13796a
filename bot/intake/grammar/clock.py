"""Clock times over tokens: "9am", "14:00", "20 Uhr", "17h30", "noon", "half past 3", and the zone said after them."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace
from typing import Final

from bot.intake.grammar.moments import PARTS, Point, zone_of
from bot.intake.grammar.tokens import Token

_HOURS, _MINUTES, _EVENING_FROM = 24, 60, 13
_NAMED: Final = {"noon": 12, "midnight": 0}


def clock_at(tokens: Sequence[Token], at: int, *, bare: bool, hours: bool) -> tuple[Point, int] | None:
    """Return (point without a day, next index) of a clock time that begins here.

    Args:
        bare: whether a number alone may be an hour (after "at", "until", a day).
        hours: whether "17h" may be one (in languages that write it so).
    """
    found = _core(tokens, at, bare=bare, hours=hours)
    if found is None:
        return None
    point, after = found
    word = pivot(tokens, after)
    if word in PARTS and not point.part:
        point, after = replace(point, part=word), after + 1
    elif word == "this" and pivot(tokens, after + 1) in PARTS:
        point, after = replace(point, part=pivot(tokens, after + 1)), after + 2
    zone = zone_of(pivot(tokens, after))
    if zone is not None:
        after += 2 if pivot(tokens, after + 1) == "time" else 1
    return replace(point, zone=zone), after


def _core(tokens: Sequence[Token], at: int, *, bare: bool, hours: bool) -> tuple[Point, int] | None:
    if pivot(tokens, at) in _NAMED:
        return Point(hour=_NAMED[pivot(tokens, at)]), at + 1
    if pivot(tokens, at) == "half" and pivot(tokens, at + 1) == "last":  # "half past 3"
        found = _core(tokens, at + 2, bare=True, hours=False)
        return (replace(found[0], minute=30), found[1]) if found else None
    token = tokens[at] if at < len(tokens) else None
    if token is None:
        return None
    if token.kind == "clock" or (token.kind == "version" and token.value.count(".") == 1):
        return _minutes(tokens, at, dotted=token.kind == "version")
    if token.kind != "num" or token.value != int(min(token.value, 99)) or not 0 <= token.value <= _HOURS:
        return None
    return _whole(tokens, at, int(token.value), bare=bare, hours=hours)


def _minutes(tokens: Sequence[Token], at: int, *, dotted: bool) -> tuple[Point, int] | None:
    hour, _, minute = str(tokens[at].value).partition("." if dotted else ":")
    said = pivot(tokens, at + 1)
    if not hour.isdigit() or int(hour) > _HOURS or not minute.isdigit() or int(minute) >= _MINUTES:
        return None
    if dotted and said not in {"am", "pm", "oclock"}:
        return None
    if said in {"am", "pm"}:
        return Point(hour=_meridiem(int(hour), said), minute=int(minute)), at + 2
    return Point(hour=int(hour), minute=int(minute)), at + (2 if said == "oclock" else 1)


def _whole(tokens: Sequence[Token], at: int, hour: int, *, bare: bool, hours: bool) -> tuple[Point, int] | None:
    said = pivot(tokens, at + 1)
    if said in {"am", "pm"}:
        return (Point(hour=_meridiem(hour, said)), at + 2) if 1 <= hour <= 12 else None  # noqa: PLR2004
    if said == "oclock" or (hours and said == "hour" and tokens[at + 1].glued):
        return _with_minutes(tokens, at + 2, hour)
    if said == "hour" and bare and hours:
        return _with_minutes(tokens, at + 2, hour)
    if bare and said not in _NO_HOUR and not (at + 1 < len(tokens) and tokens[at + 1].kind in {"name", "unknown"}):
        return Point(hour=hour, bare=hour < _EVENING_FROM), at + 1
    return None


_NO_HOUR: Final = frozenset(
    (  # noqa: SIM905 words read better than a list of strings
        "minute hour day week month quarter year percent x gpu gpus node nodes cards replicas people % of :"
    ).split()
)


def _with_minutes(tokens: Sequence[Token], at: int, hour: int) -> tuple[Point, int]:
    token = tokens[at] if at < len(tokens) else None
    if token is not None and token.kind == "num" and token.glued and token.value < _MINUTES:
        return Point(hour=hour, minute=int(token.value)), at + 1
    return Point(hour=hour, bare=hour < 8), at  # noqa: PLR2004 "7 Uhr" is seven, "3 Uhr" is rarely in the night


def _meridiem(hour: int, said: str) -> int:
    return hour % 12 + (12 if said == "pm" else 0)


def pivot(tokens: Sequence[Token], at: int) -> str:
    """Return the pivot's word at an index, "" outside of the text."""
    return tokens[at].pivot if 0 <= at < len(tokens) else ""


def skip(tokens: Sequence[Token], at: int, words: Container[str]) -> int:
    """Return the index after at most four tokens that are among `words`: bounded, so that reading stays linear."""
    for _ in range(4):
        if pivot(tokens, at) not in words or not pivot(tokens, at):
            break
        at += 1
    return at
