"""Days over tokens: today, weekdays, "12 March", "le 3 mai", ISO dates, 25/03; what two people read apart stays open."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Final

from bot.intake.grammar.clock import pivot, skip
from bot.intake.grammar.moments import MONTHS, WEEKDAYS, Day
from bot.intake.grammar.tokens import Token

_OFFSETS: Final = {"today": 0, "tomorrow": 1, "yesterday": -1, "overmorrow": 2}
_MONTHS_A_YEAR, _DAYS_A_MONTH, _YEARS = 12, 31, range(2000, 2100)
_ORDINALS: Final = frozenset({"st", "nd", "rd", "th", "er", "."})


def day_at(tokens: Sequence[Token], at: int) -> tuple[Day, int] | None:
    """Return (day, next index) of a day that begins here, None when there is none."""
    at = skip(tokens, at, {"the", "on"})
    word = pivot(tokens, at)
    if word in _OFFSETS:
        return Day(kind="offset", n=_OFFSETS[word]), at + 1
    return _weekday(tokens, at) or _month_end(tokens, at) or _written(tokens, at) or _numeric(tokens, at)


def _weekday(tokens: Sequence[Token], at: int) -> tuple[Day, int] | None:
    which = pivot(tokens, at) if pivot(tokens, at) in {"next", "last", "this"} else ""
    begin = at + 1 if which else at
    word = pivot(tokens, begin)
    if word not in WEEKDAYS:
        return None
    after = begin + 1
    if not which and pivot(tokens, after) in {"next", "last"} and pivot(tokens, after + 1) != "week":
        which = _after(tokens, after)
        after += 1 if which else 0
    if pivot(tokens, after) == ",":
        dated = _written(tokens, after + 1)
        if dated:
            return dated
    return _written(tokens, after) or (Day(kind="weekday", n=WEEKDAYS.index(word), which=which), after)


def _after(tokens: Sequence[Token], at: int) -> str:
    """As in "lundi prochain": the adjective stands behind, unless a number goes on with it ("monday next 3 days")."""
    following = tokens[at + 1] if at + 1 < len(tokens) else None
    return "" if following is not None and following.kind == "num" else pivot(tokens, at)


def _month_end(tokens: Sequence[Token], at: int) -> tuple[Day, int] | None:
    if pivot(tokens, at) == "eom":
        return Day(kind="month_end"), at + 1
    if pivot(tokens, at) != "endof":
        return None
    begin = skip(tokens, at + 1, {"the", "this"})
    word = pivot(tokens, begin)
    if word == "month":
        return Day(kind="month_end"), begin + 1
    if word in {"day", "today"}:
        return Day(kind="offset"), begin + 1
    if word in MONTHS:
        month = MONTHS.index(word) + 1
        return Day(kind="date", n=1, month=month % 12 + 1, which="end"), begin + 1
    return (Day(kind="undecided"), begin + 1) if word in {"week", "quarter", "year", "weekend"} else None


def _written(tokens: Sequence[Token], at: int) -> tuple[Day, int] | None:
    """As in "12 March", "March 12th", "12. März 2026", "12 de marzo"."""
    token = tokens[at] if at < len(tokens) else None
    if token is None:
        return None
    if token.pivot in MONTHS:
        begin = at + 2 if pivot(tokens, at + 1) == "the" else at + 1
        day = _day_number(tokens, begin)
        if day is None:
            return None
        after = _ordinal(tokens, begin + 1)
        month, n = token.pivot, day
    else:
        number = _day_number(tokens, at)
        if number is None:
            return None
        after, n = _ordinal(tokens, at + 1), number
        after = skip(tokens, after, {"of"})
        month = pivot(tokens, after)
        if month not in MONTHS:
            return None
        after += 1
    year, after = _year(tokens, after)
    return Day(kind="date", n=n, month=MONTHS.index(month) + 1, year=year), after


def _day_number(tokens: Sequence[Token], at: int) -> int | None:
    token = tokens[at] if at < len(tokens) else None
    if token is None or token.kind != "num" or not 1 <= token.value <= _DAYS_A_MONTH or token.value % 1:
        return None
    follows = pivot(tokens, at + 1)
    return None if follows in {"hour", "am", "pm", "oclock", "day", "minute", "week"} else int(token.value)


def _ordinal(tokens: Sequence[Token], at: int) -> int:
    return at + 1 if pivot(tokens, at) in _ORDINALS and tokens[at].glued else at


def _year(tokens: Sequence[Token], at: int) -> tuple[int, int]:
    begin = at + 1 if pivot(tokens, at) in {",", "of"} else at
    token = tokens[begin] if begin < len(tokens) else None
    if token is not None and token.kind == "num" and token.value in _YEARS:
        return int(token.value), begin + 1
    return 0, at


def _numeric(tokens: Sequence[Token], at: int) -> tuple[Day, int] | None:
    token = tokens[at] if at < len(tokens) else None
    if token is None or token.kind not in {"slash", "version"}:
        return None
    if token.kind == "slash":
        return _slashed([int(part) for part in str(token.value).split("/")], at)
    match = re.fullmatch(
        r"(\d{1,2})\.(\d{1,2})\.(\d{4})?",
        str(token.value) + ("." if token.end - token.start > len(token.value) else ""),
    )
    if match is None:
        return None
    day, month, year = int(match[1]), int(match[2]), int(match[3] or 0)
    valid = 1 <= month <= _MONTHS_A_YEAR and 1 <= day <= _DAYS_A_MONTH
    return (Day(kind="date", n=day, month=month, year=year), at + 1) if valid else None


def _slashed(parts: list[int], at: int) -> tuple[Day, int]:
    first, second, year = parts[0], parts[1], parts[2] if len(parts) > 2 else 0  # noqa: PLR2004
    year += 2000 if 0 < year < 100 else 0  # noqa: PLR2004 25/03/26
    if first > _MONTHS_A_YEAR >= second >= 1 and first <= _DAYS_A_MONTH:
        return Day(kind="date", n=first, month=second, year=year), at + 1
    if second > _MONTHS_A_YEAR >= first >= 1 and second <= _DAYS_A_MONTH:
        return Day(kind="date", n=second, month=first, year=year), at + 1
    if first == second and 1 <= first <= _MONTHS_A_YEAR:
        return Day(kind="date", n=first, month=second, year=year), at + 1
    return Day(kind="undecided"), at + 1


def iso_date(text: str) -> date | None:
    """Return the date of `YYYY-MM-DD`, None when the calendar has no such day."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
