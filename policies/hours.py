"""When approvers work: days, hours, holidays and the zone they are meant in, from the catalogue's table `hours`.

All sums are done on instants, so a day on which the clocks change is as long as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from policies.errors import PolicyError
from policies.strictly import FILE, take

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_PLACE: Final = "hours"
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_LEAST: Final = timedelta(hours=1)
_KEYS: Final = {"zone": str, "days": tuple, "from": str, "to": str, "holidays": list}
_DEFAULTS: Final = {"zone": "UTC", "days": list(DAYS[:5]), "from": "09:00", "to": "18:00", "holidays": []}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Working hours; without a table Monday to Friday, 09:00 to 18:00 UTC."""

    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    days: frozenset[int] = frozenset(range(5))
    """Weekdays, 0 is Monday."""
    begin: time = time(9)
    end: time = time(18)
    holidays: frozenset[date] = frozenset()

    def works_on(self, day: date) -> bool:
        """Whether `day` is a working day."""
        return day.weekday() in self.days and day not in self.holidays

    def left(self, start: datetime, end: datetime) -> timedelta:
        """Return how much working time there is from `start` to `end`."""
        return sum((to - since for since, to in self._back(start, end)), timedelta())

    def before(self, end: datetime, span: timedelta, *, floor: datetime) -> datetime:
        """Return the latest moment with `span` of working time between it and `end`; `floor` when that is earlier."""
        for since, to in self._back(floor, end):
            if to - since >= span:
                return to - span
            span -= to - since
        return floor

    def _back(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield the stretches of work from `start` to `end`, the last one first, in UTC."""
        day, first = end.astimezone(self.zone).date(), start.astimezone(self.zone).date()
        while day >= first:
            if self.works_on(day):
                since, to = (self._instant(day, each) for each in (self.begin, self.end))
                since, to = max(since, start), min(to, end)
                if since < to:
                    yield since, to
            day -= timedelta(days=1)

    def _instant(self, day: date, local: time) -> datetime:
        return datetime.combine(day, local, self.zone).astimezone(UTC)


def parse_hours(body: Any) -> Hours:
    """Return what the table says, a key that is not there as in the house without a table; raises PolicyError."""
    taken = take(_PLACE, body, _KEYS, _DEFAULTS)
    begin, end = _time("from", taken["from"]), _time("to", taken["to"])
    if datetime.combine(date.min, end) - datetime.combine(date.min, begin) < _LEAST:
        raise PolicyError(FILE, _PLACE, "to must be an hour or more after from, on the same day")
    return Hours(
        zone=_zone(taken["zone"]),
        days=frozenset(_days(taken["days"])),
        begin=begin,
        end=end,
        holidays=frozenset(_holidays(taken["holidays"])),
    )


def _time(key: str, text: str) -> time:
    found = _TIME.fullmatch(text)
    if found is None:
        raise PolicyError(FILE, _PLACE, f'{key} must be a time of day such as "09:00"')
    return time(int(found[1]), int(found[2]))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise PolicyError(FILE, _PLACE, f'no time zone {name}; name one such as "Europe/Berlin"') from error


def _days(names: tuple[str, ...]) -> list[int]:
    unknown = [name for name in names if name not in DAYS]
    if unknown or not names or len(set(names)) != len(names):
        wrong = f"no day {unknown[0]}; " if unknown else ""
        raise PolicyError(FILE, _PLACE, f"{wrong}days are one or more of {', '.join(DAYS)}, each once")
    return [DAYS.index(name) for name in names]


def _holidays(found: list[Any]) -> list[date]:
    if any(type(day) is not date for day in found):
        raise PolicyError(FILE, _PLACE, "holidays are dates without quotes, such as [2026-12-25]")
    return found
