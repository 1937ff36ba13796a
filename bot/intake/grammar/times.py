"""Third phase: times and durations, found in masked text and cut out of it. Absolute, and aware in the sender's zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bot.intake.grammar.quantities import NUMBER, number

UNITS: Final = {"m": 60, "min": 60, "h": 3600, "hr": 3600, "hour": 3600, "d": 86400, "day": 86400, "week": 604800}
_UNIT: Final = r"(minutes?|mins?|hours?|hrs?|h|days?|d|weeks?)"
_DURATION: Final = re.compile(rf"(?:\bfor )?(?<![\w.,])(?:the next )?({NUMBER}|an?|half an?) ?{_UNIT}\b")
_CLOCK: Final = r"(?:at )?([01]?\d|2[0-3])(?::([0-5]\d))? ?(am|pm)?"
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY: Final = rf"(today|tomorrow|yesterday|tonight|{'|'.join(_DAYS)})"
_UNTIL: Final = re.compile(rf"\b(?:until|till|til) (?:{_DAY})?(?: ?{_CLOCK})?(?!\w)")
_START: Final = re.compile(rf"\b(?:from |on |starting )?{_DAY}(?: (?:from )?{_CLOCK})?(?!\w)")
_START_CLOCK: Final = re.compile(rf"\b(?:from|at) {_CLOCK}(?!\w)")
_WORK_START, _WORK_END = 9, 17


@dataclass(slots=True)
class Times:
    """What the text says of time; `durations` in seconds, every one found."""

    durations: list[int]
    start: datetime | None = None
    end: datetime | None = None
    vague: str = ""


def find_times(text: str, now: datetime) -> tuple[Times, str]:
    """Return the times in `text`, and the text without them."""
    times = Times(durations=[])
    text = _UNTIL.sub(lambda m: _until(times, m, now), text)
    text = _DURATION.sub(lambda m: _duration(times, m), text)
    for pattern, day in ((_START, True), (_START_CLOCK, False)):
        match = pattern.search(text)
        if match and times.start is None:
            times.start = _moment(match.group(1) if day else None, match.groups()[-3:], now, _WORK_START)
            text = text[: match.start()] + " " * len(match.group()) + text[match.end() :]
    if re.search(r"\b(bis|hasta|jusqu)\b", text):
        times.durations, times.vague = [], "until"
    if re.search(r"\b(a few|some|several) (hours|days)\b|\b(forever|permanently)\b", text):
        times.vague = "a while"
    return times, text


def _duration(times: Times, match: re.Match[str]) -> str:
    count, unit = match.group(1), match.group(2).rstrip("s") or "s"
    seconds = next(size for name, size in UNITS.items() if unit == name or (unit.startswith(name) and len(name) > 1))
    amount = 0.5 if count.startswith("half") else 1 if count in {"a", "an"} else number(count)
    if amount is None or amount * seconds % 1:
        return match.group()
    times.durations.append(int(amount * seconds))
    return " " * len(match.group())


def _until(times: Times, match: re.Match[str], now: datetime) -> str:
    day, *clock = match.groups()
    if day is None and clock[0] is None:
        return match.group()
    times.end = _moment(day, tuple(clock), now, _WORK_END)
    return " " * len(match.group())


def _moment(day: str | None, clock: tuple[str | None, ...], now: datetime, hour: int) -> datetime:
    """A day word and a clock; bare hours 1 to 7 are in the afternoon, a day alone begins and ends with work."""
    date = _date(day, now)
    minute = 0
    if clock[0] is not None:
        hour, minute = int(clock[0]), int(clock[1] or 0)
        evening = clock[2] == "pm" or (clock[2] is None and clock[1] is None and 1 <= hour <= 7)  # noqa: PLR2004
        hour = hour % 12 + 12 if evening and hour <= 12 else 0 if clock[2] == "am" and hour == 12 else hour  # noqa: PLR2004
    moment = date.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return moment + timedelta(days=1) if day is None and moment <= now else moment


def _date(day: str | None, now: datetime) -> datetime:
    if day in _DAYS:
        return now + timedelta(days=(_DAYS.index(day) - now.weekday() - 1) % 7 + 1)
    return now + timedelta(days={"tomorrow": 1, "yesterday": -1}.get(day or "", 0))
