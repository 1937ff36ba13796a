"""Periods in the words people use for them; always whole days of UTC, as the ledger and its exports are."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From `since` up to, not including, `until`; aware UTC."""

    since: datetime
    until: datetime

    def __str__(self) -> str:
        last = (self.until - timedelta(microseconds=1)).date()
        first = self.since.date()
        return _day(first) if first == last else f"{_day(first)} to {_day(last)}"


def period_in(text: str, now: datetime) -> Period | None:
    """Return the period that `text` names, None when it names none, or one that ends before it begins."""
    today, words = now.astimezone(UTC).date(), " ".join(text.casefold().split())
    try:
        for pattern, read in _READERS:
            match = pattern.search(words)
            if match:
                return read(match, today)
    except (ValueError, OverflowError):
        return None
    return None


def _day(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def _days(first: date, last: date) -> Period | None:
    """The days from `first` to `last`, both included."""
    if last < first:
        return None
    midnight = datetime(first.year, first.month, first.day, tzinfo=UTC)
    end = last + timedelta(days=1)
    return Period(since=midnight, until=datetime(end.year, end.month, end.day, tzinfo=UTC))


def _month(year: int, month: int) -> Period | None:
    return _days(date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1]))


def _quarter(year: int, quarter: int) -> Period | None:
    last = quarter * 3
    return _days(date(year, last - 2, 1), date(year, last, calendar.monthrange(year, last)[1]))


def _between(match: re.Match[str], _: date) -> Period | None:
    return _days(date.fromisoformat(match[1]), date.fromisoformat(match[2]))


def _since(match: re.Match[str], today: date) -> Period | None:
    return _days(date.fromisoformat(match[1]), today)


def _one_day(match: re.Match[str], _: date) -> Period | None:
    return _days(date.fromisoformat(match[1]), date.fromisoformat(match[1]))


def _last_days(match: re.Match[str], today: date) -> Period | None:
    size = {"day": 1, "week": 7}[match[2]] * int(match[1])
    return _days(today - timedelta(days=size - 1), today)


def _this_or_last(match: re.Match[str], today: date) -> Period | None:
    back, unit = int(match[1] in {"last", "previous"}), match[2]
    if unit == "week":
        monday = today - timedelta(days=today.weekday() + 7 * back)
        return _days(monday, monday + timedelta(days=6))
    if unit == "month":
        months = today.year * 12 + today.month - 1 - back
        return _month(months // 12, months % 12 + 1)
    if unit == "quarter":
        quarters = today.year * 4 + (today.month - 1) // 3 - back
        return _quarter(quarters // 4, quarters % 4 + 1)
    return _days(date(today.year - back, 1, 1), date(today.year - back, 12, 31))


def _today(match: re.Match[str], today: date) -> Period | None:
    day = today - timedelta(days=int(match[1] == "yesterday"))
    return _days(day, day)


def _named_month(match: re.Match[str], today: date) -> Period | None:
    """A month without a year is the last one of that name that has begun."""
    month = _MONTHS.index(match[1][:3]) + 1
    year = int(match[2]) if match[2] else today.year - int(month > today.month)
    return _month(year, month)


def _named_quarter(match: re.Match[str], today: date) -> Period | None:
    return _quarter(int(match[2]) if match[2] else today.year, int(match[1]))


_MONTHS: Final = [name.casefold() for name in calendar.month_abbr[1:]]
_ISO: Final = r"(\d{4}-\d{2}-\d{2})"
_NAMES: Final = "|".join(
    rf"{name.casefold()}|{short.casefold()}"
    for name, short in zip(calendar.month_name[1:], calendar.month_abbr[1:], strict=True)
)
_READERS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str], date], Period | None]], ...]] = (
    (re.compile(rf"\b{_ISO}\s*(?:to|until|through|-|\u2013|\.\.)\s*{_ISO}\b"), _between),
    (re.compile(rf"\b(?:since|from)\s+{_ISO}\b"), _since),
    (re.compile(rf"\b{_ISO}\b"), _one_day),
    (re.compile(r"\b(\d{4})-(\d{2})\b(?!-)"), lambda m, _: _month(int(m[1]), int(m[2]))),
    (re.compile(r"\b(?:last|past)\s+(\d{1,4})\s+(day|week)s?\b"), _last_days),
    (re.compile(r"\b(this|last|previous)\s+(week|month|quarter|year)\b"), _this_or_last),
    (re.compile(r"\b(today|yesterday)\b"), _today),
    (re.compile(r"\bq([1-4])(?:\s+(\d{4}))?\b"), _named_quarter),
    (re.compile(rf"\b({_NAMES})(?:\s+(\d{{4}}))?\b"), _named_month),
    (re.compile(r"^(\d{4})$"), lambda m, _: _days(date(int(m[1]), 1, 1), date(int(m[1]), 12, 31))),
)
