"""Named stretches of time as moments: weekends and nights of requests, the weeks, months and quarters of an audit."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.intake.grammar.moments import FARTHEST_S, Day, Period, date_of, next_month, start_of_day
from bot.intake.vocabulary import Conventions


def weekend_of(now: datetime, *, following: bool) -> tuple[datetime, datetime]:
    """Return Saturday 00:00 (now, when it has begun) to Monday 00:00."""
    saturday = start_of_day(now) + timedelta(days=5 - now.weekday())
    if following:
        saturday += timedelta(days=7)
    return max(saturday, now), saturday + timedelta(days=2)


def night_of(now: datetime, law: Conventions, day: Day | None) -> tuple[datetime, datetime] | None:
    """Return the night of that day by the conventions; one that has begun begins now."""
    date = date_of(day, now, past=False)
    if date is None:
        return None
    start = date.replace(hour=law.night.hour, minute=law.night.minute, second=0, microsecond=0)
    end = (start + timedelta(days=1)).replace(hour=law.night_ends.hour, minute=law.night_ends.minute)
    return max(start, now), end


def stretch(period: Period, now: datetime) -> tuple[datetime, datetime] | None:
    """Return the stretch an audit period names: from inclusive, to exclusive."""
    today = start_of_day(now)
    if period.name == "last" and period.n is not None:
        seconds = {"minute": 60, "hour": 3600, "day": 86400, "week": 604800, "fortnight": 1209600}.get(period.unit)
        if seconds and period.n * seconds < FARTHEST_S:
            return now - timedelta(seconds=period.n * seconds), now
        months = {"month": 1, "quarter": 3, "year": 12}.get(period.unit, 0) * int(min(period.n, 1e5))
        return (_months_back(now, months), now) if months else None
    if period.name == "month":
        return _month(int(period.n or 0), period.year, today)
    if period.name == "quarter":
        return _quarter(int(period.n or 0), period.year, today)
    if period.name == "year":
        first = today.replace(year=period.year, month=1, day=1)
        return first, first.replace(year=period.year + 1)
    return _calendar(period, today, now)


def _calendar(period: Period, today: datetime, now: datetime) -> tuple[datetime, datetime] | None:
    if period.unit == "weekend":
        saturday = today - timedelta(days=(today.weekday() - 5) % 7 + (7 if today.weekday() > 4 else 0))  # noqa: PLR2004
        return saturday, saturday + timedelta(days=2)
    begins = {
        "day": today,
        "week": today - timedelta(days=today.weekday()),
        "month": today.replace(day=1),
        "quarter": today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1),
        "year": today.replace(month=1, day=1),
    }
    start = begins.get(period.unit)
    if start is None or period.name not in {"last", "this"}:
        return None
    if period.name == "this":
        return start, now
    before = {"day": timedelta(days=1), "week": timedelta(days=7)}.get(period.unit)
    months = {"month": 1, "quarter": 3, "year": 12}.get(period.unit, 0)
    return (start - before if before else _months_back(start, months)), start


def _months_back(moment: datetime, months: int) -> datetime:
    index = moment.year * 12 + moment.month - 1 - months
    if index < 12:  # noqa: PLR2004 before the first year that a date can have
        return moment
    day = moment.day
    while day > 28:  # noqa: PLR2004 every month has 28 days
        try:
            return moment.replace(year=index // 12, month=index % 12 + 1, day=day)
        except ValueError:
            day -= 1
    return moment.replace(year=index // 12, month=index % 12 + 1, day=day)


def _month(month: int, year: int, today: datetime) -> tuple[datetime, datetime]:
    start = today.replace(year=year or today.year, month=month, day=1)
    if not year and start > today:
        start = start.replace(year=start.year - 1)
    return start, next_month(start)


def _quarter(quarter: int, year: int, today: datetime) -> tuple[datetime, datetime]:
    start, _ = _month(quarter * 3 - 2, year, today)
    return start, next_month(next_month(next_month(start)))
