"""Moments over tokens: a day, a time of day, a part of a day, or several of them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

from bot.intake.grammar.clock import clock_at, pivot, skip
from bot.intake.grammar.dates import day_at, iso_date
from bot.intake.grammar.durations import Units
from bot.intake.grammar.moments import PARTS, Day, Point
from bot.intake.grammar.tokens import Token
from bot.intake.vocabulary import Conventions


@dataclass(frozen=True, slots=True)
class Reader:
    """What the parsing functions share: the tokens, the units of the vocabulary, and how hours are written."""

    tokens: Sequence[Token]
    units: Units
    law: Conventions
    hours: bool

    def word(self, at: int) -> str:
        """Return the pivot's word at an index."""
        return pivot(self.tokens, at)

    def number(self, at: int) -> float | None:
        """Return the number at an index."""
        token = self.tokens[at] if 0 <= at < len(self.tokens) else None
        return float(token.value) if token is not None and token.kind == "num" else None


def point_at(reader: Reader, at: int, *, bare: bool = False) -> tuple[Point, int] | None:
    """Return (point, next index): a day with or without a time, a time with or without a day, a part of a day."""
    begin = skip(reader.tokens, at, {"at", "on", "the"})
    bare = bare or any(reader.word(each) == "at" for each in range(at, begin))
    return (
        _iso(reader, begin)
        or _day_first(reader, begin)
        or _clock_first(reader, begin, bare=bare)
        or _part(reader, begin)
    )


def _iso(reader: Reader, at: int) -> tuple[Point, int] | None:
    token = reader.tokens[at] if at < len(reader.tokens) else None
    if token is None or token.kind != "iso":
        return None
    text = str(token.value)
    day = iso_date(text[:10])
    if day is None:
        return Point(day=Day(kind="undecided")), at + 1
    said = Day(kind="date", n=day.day, month=day.month, year=day.year)
    if len(text) > 10:  # noqa: PLR2004 longer than a date: it has its time
        moment = datetime.fromisoformat(text.replace("z", "+00:00"))
        zone = timezone(moment.utcoffset() or timedelta()) if moment.tzinfo else None
        return Point(day=said, hour=moment.hour, minute=moment.minute, zone=zone), at + 1
    return _with_clock(reader, said, at + 1)


def _day_first(reader: Reader, at: int) -> tuple[Point, int] | None:
    if reader.word(at) == "tonight":
        point, after = _with_clock(reader, Day(kind="offset"), at + 1)
        return replace(point, part=point.part or "night"), after
    if reader.word(at) == "this" and reader.word(at + 1) in PARTS:
        point, after = _with_clock(reader, Day(kind="offset"), at + 2)
        return replace(point, part=reader.word(at + 1)), after
    if reader.word(at) == "eod":
        hour = reader.law.workday_end
        return Point(day=Day(kind="offset"), hour=hour.hour, minute=hour.minute), at + 1
    if reader.word(at) == "next" and reader.word(at + 1) == "week":
        return Point(day=Day(kind="weekday", n=0, which="next")), at + 2
    found = day_at(reader.tokens, at)
    return None if found is None else _with_clock(reader, found[0], found[1])


def _with_clock(reader: Reader, day: Day, at: int) -> tuple[Point, int]:
    """Read what follows a day: a part of it, a time, or both."""
    if day.which == "end":
        return Point(day=day, hour=0), at
    part = reader.word(at) if reader.word(at) in {*PARTS, "noon"} else ""
    begin = at + 1 if part in PARTS else at
    after_day = skip(reader.tokens, begin, {"at", ",", "the"})
    bare = any(reader.word(each) == "at" for each in range(begin, after_day))
    if reader.word(after_day) == "from":
        return Point(day=day, part=part if part in PARTS else ""), begin
    found = clock_at(reader.tokens, after_day, bare=bare, hours=reader.hours)
    if found is None:
        return Point(day=day, part=part if part in PARTS else ""), begin
    return replace(found[0], day=day, part=found[0].part or (part if part in PARTS else "")), found[1]


def _clock_first(reader: Reader, at: int, *, bare: bool) -> tuple[Point, int] | None:
    found = clock_at(reader.tokens, at, bare=bare, hours=reader.hours)
    if found is None:
        return None
    point, after = found
    begin = skip(reader.tokens, after, {"on", "the", ","})
    if reader.word(begin) == "tonight":
        return replace(point, day=Day(kind="offset"), part="night"), begin + 1
    day = day_at(reader.tokens, begin)
    if day is None:
        return point, after
    part = reader.word(day[1]) if reader.word(day[1]) in PARTS else point.part
    return replace(point, day=day[0], part=part), day[1] + (1 if part and part != point.part else 0)


def _part(reader: Reader, at: int) -> tuple[Point, int] | None:
    return (Point(part=reader.word(at)), at + 1) if reader.word(at) in PARTS else None
