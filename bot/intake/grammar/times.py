"""Fourth phase: times. Tokens that speak of time become one token each: SPAN, WHEN, UNTIL, SINCE, WINDOW, PERIOD."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from bot.intake.grammar.clock import clock_at, skip
from bot.intake.grammar.dates import day_at
from bot.intake.grammar.durations import Units, span_at
from bot.intake.grammar.moments import MONTHS, WEEKDAYS, Day, Period, Point
from bot.intake.grammar.points import Reader, point_at
from bot.intake.grammar.tokens import Token
from bot.intake.vocabulary import Conventions

_UNITS: Final = frozenset({"minute", "hour", "day", "week", "fortnight", "month", "quarter", "year", "weekend"})
_YEARS: Final = range(2000, 2100)


_BEGIN: Final = frozenset(
    (  # noqa: SIM905 words read better than a list of strings
        "second minute hour day week fortnight month quarter year weekend workday overnight today tomorrow "
        "yesterday overmorrow tonight morning afternoon evening night noon midnight now until to from since after "
        "between at for next last this endof eod eom forever a half vague on the in of during over within by "
        "about like roughly approximately around circa ca ~ etwa unos environ q t"
    ).split()
) | frozenset((*WEEKDAYS, *MONTHS))
_VALUES: Final = frozenset({"num", "clock", "iso", "slash", "version"})


def _may_begin(tokens: Sequence[Token], at: int) -> bool:
    """Whether an expression of time can begin with this token at all; most words cannot, and are passed quickly."""
    return tokens[at].kind in _VALUES or tokens[at].pivot in _BEGIN


Parsed = tuple[str, Any, int]
"""What the token becomes (its placeholder), its value, and the index after it."""


def mark_times(tokens: Sequence[Token], law: Conventions, language: str) -> list[Token]:
    """Return the tokens with every expression of time made one token. Linear: each is tried at each place once."""
    reader = Reader(tokens, Units.by(law), law, language in {"fr", "es"})
    marked: list[Token] = []
    at = 0
    while at < len(tokens):
        if not _may_begin(tokens, at):
            marked.append(tokens[at])
            at += 1
            continue
        parsed = next((found for parse in _PARSERS if (found := parse(reader, at)) is not None), None)
        if parsed is None:
            marked.append(tokens[at])
            at += 1
        else:
            name, value, after = parsed
            marked.append(Token(tokens[at].start, tokens[after - 1].end, name.lower(), name, value, tokens[at].glued))
            at = after
    return marked


def _window(reader: Reader, at: int) -> Parsed | None:
    """As in "from A to B", "between A and B", "13:00-19:30", "Thursday from 13:00 till 19:30", "1-7 May"."""
    lead = reader.word(at) in {"from", "between", "since"} or (reader.word(at) == "of" and reader.hours)
    begin = at + 1 if lead else at
    days = _days_of_month(reader, begin)
    if days:
        return days
    first = point_at(reader, begin, bare=lead) or _bare_hour(reader, begin)
    if first is None:
        return None
    point, after = first
    while reader.word(after) in {"from", ","} and point.hour is None and point.day is not None:
        clock = clock_at(reader.tokens, after + 1, bare=True, hours=reader.hours)
        if clock is None:
            break
        point, after, lead = replace(clock[0], day=point.day, part=clock[0].part or point.part), clock[1], True
    joint = reader.word(after)
    if joint not in {"to", "until", "-", "and", "at"} or (joint == "and" and reader.word(at) != "between"):
        return None
    if joint == "at" and not (lead and reader.hours):
        return None
    second = point_at(reader, after + 1, bare=lead or joint == "until" or point.hour is not None)
    if second is None:
        return None
    return "WINDOW", _shared(point, second[0]), second[1]


def _bare_hour(reader: Reader, at: int) -> tuple[Point, int] | None:
    """An hour alone, where what follows says that it is one: "2-6pm", "14-18h"."""
    number = reader.number(at)
    if number is None or not 0 <= number <= 24 or reader.word(at + 1) not in {"-", "to"}:  # noqa: PLR2004
        return None
    second = clock_at(reader.tokens, at + 2, bare=False, hours=reader.hours)
    if second is None or second[0].hour is None:
        return None
    evening = reader.word(at + 3) == "pm" and number < 12 and number + 12 < second[0].hour  # noqa: PLR2004
    return Point(hour=int(number) + (12 if evening else 0)), at + 1


def _shared(first: Point, second: Point) -> tuple[Point, Point]:
    """What is said of one end holds for both: the day stands first, the zone last."""
    day = first.day
    if first.day is None and second.day is not None:
        first = replace(first, day=second.day)
    if second.zone is not None and first.zone is None:
        first = replace(first, zone=second.zone)
    if first.hour is not None and second.day is day and second.hour is not None and first.zone and not second.zone:
        second = replace(second, zone=first.zone)
    return first, second


def _days_of_month(reader: Reader, at: int) -> Parsed | None:
    first = reader.number(at)
    if first is None or reader.word(at + 1) not in {"-", "to", "and", "until"} or reader.number(at + 2) is None:
        return None
    second = day_at(reader.tokens, at + 2)
    if second is None or second[0].kind != "date" or not 1 <= first < second[0].n:
        return None
    return "WINDOW", (Point(day=replace(second[0], n=int(first))), Point(day=second[0])), second[1]


def _until(reader: Reader, at: int) -> Parsed | None:
    word = reader.word(at)
    if word not in {"until", "by"} and not (word == "to" and reader.word(at - 1) in {"extend", "shorten", "ID"}):
        return None
    if word == "by" and reader.word(at - 1) not in {"ends", "end", "back"}:
        return None
    if reader.word(at + 1) == "forever":
        return "SPAN", None, at + 2
    begin = at + 2 if reader.word(at + 1) == "at" else at + 1
    found = point_at(reader, begin, bare=True)
    if found is None and reader.word(begin) in {"weekend", "the"}:
        after = begin + (2 if reader.word(begin) == "the" else 1)
        return ("UNTIL", Point(day=Day(kind="undecided")), after) if reader.word(after - 1) == "weekend" else None
    return None if found is None else ("UNTIL", found[0], found[1])


def _since(reader: Reader, at: int) -> Parsed | None:
    if reader.word(at) not in {"since", "after"}:
        return None
    begin = at + 1
    if reader.word(begin) in {"last", "this"} and reader.word(begin + 1) in _UNITS:
        return "SINCE", Period(name=reader.word(begin), unit=reader.word(begin + 1)), begin + 2
    begin = skip(reader.tokens, begin, {"the"})
    if reader.word(begin) in MONTHS and day_at(reader.tokens, begin) is None:
        return "SINCE", Point(day=Day(kind="date", n=1, month=MONTHS.index(reader.word(begin)) + 1)), begin + 1
    if (number := reader.number(begin)) in _YEARS and number is not None:
        return "SINCE", Point(day=Day(kind="date", n=1, month=1, year=int(number))), begin + 1
    found = point_at(reader, begin, bare=False)
    return None if found is None else ("SINCE", found[0], found[1])


def _period(reader: Reader, at: int) -> Parsed | None:
    """Weekends, nights, "last 7 days", "last month", "in September", "Q2"."""
    begin = skip(reader.tokens, at, {"for", "on", "over", "in", "at", "the", "of", "during", "within"})
    return _weekend(reader, begin) or _stretch(reader, begin) or _month_or_quarter(reader, begin)


def _weekend(reader: Reader, at: int) -> Parsed | None:
    which = reader.word(at) if reader.word(at) in {"next", "this", "last"} else ""
    begin = at + 1 if which else at
    if reader.word(begin) == "weekend":
        after = begin + 1
        if not which and reader.word(after) in {"next", "last"}:
            which, after = reader.word(after), after + 1
        name = "last" if which == "last" else "weekend"
        return "PERIOD", Period(name=name, unit="weekend", n=1 if which == "next" else None), after
    if not which and reader.word(at) == "overnight":
        return "PERIOD", Period(name="overnight"), at + 1
    return None


def _stretch(reader: Reader, at: int) -> Parsed | None:
    name = reader.word(at)
    if name not in {"last", "next", "this"}:
        return None
    if name == "next" and reader.word(at + 1) == "week" and reader.word(at - 1) not in {"for", "the"}:
        return None
    if reader.word(at + 1) in _UNITS - {"minute", "hour"}:
        unit, after = reader.word(at + 1), at + 2
        if name == "next":
            return "NEXT", reader.units.seconds.get(unit), after
        return "PERIOD", Period(name=name, unit=unit), after
    found = span_at(reader.tokens, at + 1, reader.units)
    if found is None:
        single = reader.word(at + 1)
        found = (reader.units.seconds.get(single), at + 2) if single in {"minute", "hour"} else None
    if found is None or name == "this":
        return None
    if name == "next":
        return "NEXT", found[0], found[1]
    unit = reader.word(found[1] - 1)
    amount = None if found[0] is None else found[0] / reader.units.seconds.get(unit, 1)
    return ("PERIOD", Period(name="last", unit=unit, n=amount), found[1]) if unit in _UNITS and amount else None


def _month_or_quarter(reader: Reader, at: int) -> Parsed | None:
    word, year = reader.word(at), reader.number(at + 1)
    said = int(year) if year in _YEARS and year is not None else 0
    if word in MONTHS and day_at(reader.tokens, at) is None and (word not in {"may", "march"} or _dated(reader, at)):
        return "PERIOD", Period(name="month", n=MONTHS.index(word) + 1, year=said), at + (2 if said else 1)
    glued = word in {"q", "t"} and reader.number(at + 1) in {1, 2, 3, 4} and reader.tokens[at + 1].glued
    if glued:
        after = reader.number(at + 2)
        said = int(after) if after in _YEARS and after is not None else 0
        return "PERIOD", Period(name="quarter", n=reader.number(at + 1), year=said), at + (3 if said else 2)
    number = reader.number(at)
    if (
        number is not None
        and number in _YEARS
        and (reader.word(at - 1) in {"in", "for"} or at == len(reader.tokens) - 1)
    ):
        return "PERIOD", Period(name="year", year=int(number)), at + 1
    return None


def _dated(reader: Reader, at: int) -> bool:
    """Whether "may" and "march" are months here: after "in", "of", "for", or before a year, or at the end."""
    return (
        reader.word(at - 1) in {"in", "of", "for", "last", "during"}
        or reader.number(at + 1) in _YEARS
        or at == len(reader.tokens) - 1
    )


def _start(reader: Reader, at: int) -> Parsed | None:
    """As in "now", "in 90 minutes", "2 hours from now", "from tomorrow 9am", "at 14:00", "on Monday", "this evening"."""
    begin = skip(reader.tokens, at, {"from", "on", "the", "in", "for", "by"})
    if reader.word(begin) == "now":
        return "WHEN", Point(after_s=0), begin + 1
    if reader.word(at) == "in" or (reader.word(at) == "from" and reader.word(at + 1) == "in"):
        found = span_at(reader.tokens, begin, reader.units)
        if found is not None:
            return (
                "WHEN",
                Point(after_s=found[0]) if found[0] is not None else Point(day=Day(kind="undecided")),
                found[1],
            )
    span = span_at(reader.tokens, at, reader.units)
    if span is not None and reader.word(span[1]) in {"later", "ago"} and span[0] is not None:
        return "WHEN", Point(after_s=span[0] if reader.word(span[1]) == "later" else -span[0]), span[1] + 1
    found_point = point_at(reader, begin, bare=reader.word(at) in {"from", "at"} and begin - at <= 1)
    return None if found_point is None else ("WHEN", found_point[0], found_point[1])


def _span(reader: Reader, at: int) -> Parsed | None:
    begin = skip(reader.tokens, at, {"for", "the"})
    if reader.word(begin) == "forever":
        return "SPAN", None, begin + 1
    if reader.word(at - 1) == "another" and reader.word(at) in reader.units.seconds:
        return "SPAN", reader.units.seconds[reader.word(at)], at + 1
    found = span_at(reader.tokens, begin, reader.units)
    return None if found is None else ("SPAN", found[0], found[1])


_PARSERS: Final[tuple[Callable[[Reader, int], Parsed | None], ...]] = (
    _window,
    _until,
    _since,
    _period,
    _start,
    _span,
)
