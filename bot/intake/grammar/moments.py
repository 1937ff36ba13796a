"""What is said of time, as values, and the moments they are: always aware, in the zone of `now`, by the conventions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone, tzinfo
from typing import Final, Literal
from zoneinfo import ZoneInfo

from bot.intake.vocabulary import Conventions

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS: Final = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
                 "november", "december")  # fmt: skip
PARTS: Final = ("morning", "afternoon", "evening", "night")
_OFFSETS: Final = {"utc": 0, "gmt": 0, "cet": 1, "cest": 2, "mez": 1, "mesz": 2, "eet": 2, "eest": 3, "est": -5, "edt": -4,
                   "mst": -7, "mdt": -6, "pst": -8, "pdt": -7, "jst": 9, "sgt": 8, "hkt": 8}  # fmt: skip
_PLACES: Final = {"et": "America/New_York", "pt": "America/Los_Angeles", "berlin": "Europe/Berlin",
                  "paris": "Europe/Paris", "madrid": "Europe/Madrid", "london": "Europe/London", "tokyo": "Asia/Tokyo",
                  "zurich": "Europe/Zurich"}  # fmt: skip
FARTHEST_S: Final = 3e9
"""About a century: what lies farther away is no moment that anything is planned for."""
_YEARS: Final = range(2000, 2100)
_LAST_PM, _NOON = 7, 12

DayKind = Literal["offset", "weekday", "date", "month_end", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A day as it was said: `n` days from today, a weekday (`which`: "", "next", "last", "this"), or a date."""

    kind: DayKind
    n: int = 0
    which: str = ""
    month: int = 0
    year: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A moment as it was said; an hour is `bare` when neither minutes nor am/pm nor a 24-hour clock settle it."""

    day: Day | None = None
    hour: int | None = None
    minute: int = 0
    bare: bool = False
    part: str = ""
    zone: tzinfo | None = None
    after_s: float | None = None
    """Seconds from now, for "in 90 minutes"; 0 is now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A named stretch: "weekend", "overnight", or last/this/next `n` units, a month or a quarter (`n`, `year`)."""

    name: str
    unit: str = ""
    n: float | None = None
    year: int = 0


def zone_of(name: str) -> tzinfo | None:
    """Return the zone that a word names, None for words that name none or more than one."""
    if name in _OFFSETS:
        return timezone(timedelta(hours=_OFFSETS[name]))
    return ZoneInfo(_PLACES[name]) if name in _PLACES else None


def resolve(
    point: Point, now: datetime, law: Conventions, *, alone: time, after: datetime | None = None, past: bool = False
) -> datetime | None:
    """Return the moment of `point`, None when it is undecidable.

    Args:
        alone: the time of a day said without one.
        after: the start of a window that this ends; the moment is the first one after it.
        past: whether days without a year or week are the most recent ones (audit) and not those ahead.
    """
    if point.after_s is not None:
        return now + timedelta(seconds=point.after_s) if abs(point.after_s) < FARTHEST_S else None
    base = now.astimezone(point.zone) if point.zone else now
    follows = after is not None and (point.day is None or (point.day.kind == "weekday" and not point.day.which))
    origin = after.astimezone(base.tzinfo) if after is not None and follows else base
    day = date_of(point.day, origin, past=past)
    if day is None:
        return None
    clock = _clock(point, law, alone, after)
    moment = day.replace(hour=clock.hour, minute=clock.minute, second=0, microsecond=0)
    if point.day is not None and point.day.kind == "month_end":
        moment = day
    elif point.day is None and moment <= (after or base) and not past:
        moment += timedelta(days=1)
    return moment.astimezone(now.tzinfo)


def _clock(point: Point, law: Conventions, alone: time, after: datetime | None) -> time:
    if point.hour is None:
        return getattr(law, point.part) if point.part in PARTS else alone
    hour = point.hour
    later = point.part in {"afternoon", "evening", "night"} and hour < _NOON
    if later or (point.bare and point.part != "morning" and 1 <= hour <= _LAST_PM and not _small_hours(hour, after)):
        hour += _NOON
    return time(hour % 24, point.minute)


def _small_hours(hour: int, after: datetime | None) -> bool:
    """Whether a bare hour ends a night: "from 22:00 to 6"."""
    return after is not None and after.hour >= hour + _NOON


def date_of(day: Day | None, now: datetime, *, past: bool) -> datetime | None:
    """Return that day at the time of `now`, None when it is undecidable or the calendar has none such."""
    if day is None or day.kind == "offset":
        return now + timedelta(days=day.n if day else 0)
    if day.kind == "undecided":
        return None
    if day.kind == "month_end":
        return next_month(start_of_day(now))
    if day.kind == "weekday":
        return _weekday(day, now, past=past)
    return _dated(day, now, past=past)


def _weekday(day: Day, now: datetime, *, past: bool) -> datetime:
    if day.which == "next":
        return now + timedelta(days=7 - now.weekday() + day.n)
    if day.which == "last" or past:
        return now - timedelta(days=(now.weekday() - day.n - 1) % 7 + 1)
    return now + timedelta(days=(day.n - now.weekday() - 1) % 7 + 1)


def _dated(day: Day, now: datetime, *, past: bool) -> datetime | None:
    try:
        if day.year and day.year not in _YEARS:
            return None
        if day.year:
            return now.replace(year=day.year, month=day.month, day=day.n)
        found = now.replace(month=day.month, day=day.n)
        if past and found.date() > now.date():
            return found.replace(year=now.year - 1)
        return found.replace(year=now.year + 1) if not past and found.date() < now.date() else found
    except ValueError:
        return None


def start_of_day(moment: datetime) -> datetime:
    """Return 00:00 of that day."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def next_month(moment: datetime) -> datetime:
    """Return the first of the month after, at the same time of day."""
    return (moment.replace(day=1) + timedelta(days=32)).replace(day=1)
