"""From when to when: starts, ends and spans of a request brought together, or the doubt that they do not agree."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final

from bot.intake.grammar.corrections import choose, taken_back
from bot.intake.grammar.durations import Units
from bot.intake.grammar.frames.sheet import Sheet
from bot.intake.grammar.moments import Day, Period, Point, resolve, start_of_day
from bot.intake.grammar.skeleton import Skeleton
from bot.intake.grammar.stretches import night_of, weekend_of
from bot.intake.grammar.tokens import Token
from bot.intake.grammar.words import lexicon
from bot.intake.reading import DoubtReason

_AGREE_S: Final = 60
_MOST_UNITS: Final = 1e6
_REPEATED: Final = re.compile(
    r"\b(?:make|change|turn) (?:it|that)(?: to)? NUM\b(?! (?:GPU|gpus?|replicas|cards|percent))"
    r"|\b(?:no|sorry|rather|actually)(?: ,)? NUM(?: [.!])*$"
)


@dataclass(slots=True)
class Window:
    """What was found so far; `None` is not said, `open` that something was said which decides nothing."""

    start: datetime | None = None
    end: datetime | None = None
    held: float | None = None
    open: str = ""


def fill_window(sheet: Sheet, *, starts: bool = True) -> None:
    """Fill in `start`, `end` and `duration_s`; with `starts` an end alone starts now."""
    window = Window()
    source = sheet.whole
    aside = _asides(source)
    for token in source.found("window", "next", "period", "when", "until"):
        if token.start not in aside:
            _take(sheet, window, token)
    _spans(sheet, window, source)
    _together(sheet, window, starts=starts)
    sheet.slots |= {"start": window.start, "end": window.end}
    sheet.slots["duration_s"] = None if window.held is None else int(window.held)


_ASIDE: Final = re.compile(
    r"(?:^|[.!?] )(?:we|i|you|they|he|she|it|our|my|there|this|that|wir|nous|on)\b(?![^.!?]*\b(?:need|want|start"
    r"|starts|from|UNTIL|SPAN|GPU|DATA)\b)[^.!?]*"
)


def _asides(source: Skeleton) -> set[int]:
    """Where sentences that only tell a story stand ("We present on Monday."): their days are none of the request."""
    starts: set[int] = set()
    for match in _ASIDE.finditer(source.text):
        first, last = source.index(match.start()), source.index(match.end() - 1)
        starts |= {token.start for token in source.tokens[first : last + 1]}
    return starts


def _take(sheet: Sheet, window: Window, token: Token) -> None:
    law, now = sheet.vocabulary.conventions, sheet.now
    if token.kind == "window":
        first, second = token.value
        start = _started(sheet, first, resolve(first, now, law, alone=law.workday_start))
        end = resolve(second, now, law, alone=law.workday_end, after=start)
        _set(sheet, window, token, start, end)
    elif token.kind == "next":
        window.start = now
        window.held = token.value
        if token.value is None:
            window.open = sheet.said(token)
    elif token.kind == "until":
        end = resolve(token.value, now, law, alone=law.workday_end, after=window.start)
        if end is None:
            sheet.doubt("duration_s", DoubtReason.AMBIGUOUS, sheet.said(token))
        _set(sheet, window, token, window.start, end)
    elif token.kind == "when":
        _start(sheet, window, token)
    else:
        _period(sheet, window, token)


def _start(sheet: Sheet, window: Window, token: Token) -> None:
    law = sheet.vocabulary.conventions
    start = resolve(token.value, sheet.now, law, alone=law.workday_start)
    start = _started(sheet, token.value, start)
    if start is None:
        sheet.doubt("start", DoubtReason.AMBIGUOUS, sheet.said(token))
    elif window.start is not None and abs((window.start - start).total_seconds()) > _AGREE_S:
        tokens = [each for each in sheet.whole.tokens if each.kind == "when"]
        places = [sheet.whole.tokens.index(each) for each in tokens]
        if len(places) > 1 and taken_back(sheet.whole, places[-2], places[-1]):
            window.start = start
            return
        sheet.doubt("start", DoubtReason.COMPETING, sheet.said(token))
        window.start = None
    elif not any(doubt.slot == "start" for doubt in sheet.doubts):
        window.start = start


def _started(sheet: Sheet, point: Point, start: datetime | None) -> datetime | None:
    """A part of today that has begun starts now: "tonight", said at 22:30."""
    today = point.day is not None and point.day == Day(kind="offset")
    begun = start is not None and start <= sheet.now
    return sheet.now if today and begun and point.part and point.hour is None else start


def _period(sheet: Sheet, window: Window, token: Token) -> None:
    period: Period = token.value
    if period.name == "weekend":
        window.start, window.end = weekend_of(sheet.now, following=period.n == 1)
    elif period.name == "overnight":
        day = next((each.value.day for each in sheet.whole.found("when") if each.value.hour is None), None)
        found = night_of(sheet.now, sheet.vocabulary.conventions, day)
        if found:
            window.start, window.end = found
    elif period.name == "month" and token.start > 0:
        sheet.doubt("start", DoubtReason.AMBIGUOUS, sheet.said(token))


def _set(sheet: Sheet, window: Window, token: Token, start: datetime | None, end: datetime | None) -> None:
    if window.end is not None and end is not None and window.end != end:
        sheet.doubt("duration_s", DoubtReason.COMPETING, sheet.said(token))
        window.open = sheet.said(token)
    if start is None and token.kind == "window":
        sheet.doubt("start", DoubtReason.AMBIGUOUS, sheet.said(token))
        return
    window.start, window.end = start or window.start, end


def _spans(sheet: Sheet, window: Window, source: Skeleton) -> None:
    places = [at for at, token in enumerate(source.tokens) if token.kind == "span"]
    found = [(at, source.tokens[at].value) for at in places]
    found += _repeated(sheet, source, found)
    if any(value is None for _, value in found):
        vague = next(source.tokens[at] for at, value in found if value is None)
        window.open = sheet.said(vague)
        sheet.doubt("duration_s", DoubtReason.NOT_A_NUMBER, window.open)
        return
    if any(value is not None and value < 0 for _, value in found):
        window.open = "corrected"
        return
    choice = choose(source, found)
    if choice.values:
        window.open = "several"
        sheet.doubt("duration_s", DoubtReason.COMPETING, candidates=tuple(f"{v / 3600:g} h" for v in choice.values))
    elif choice.value is not None:
        window.held = choice.value


def _repeated(sheet: Sheet, source: Skeleton, found: list[tuple[int, float | None]]) -> list[tuple[int, float | None]]:
    """As in "three days, make that five": a bare number after a correction has the unit of the span that it corrects."""
    match = _REPEATED.search(source.text)
    if match is None or not found or found[-1][1] is None:
        return []
    last, at = found[-1][0], source.index(match.end() - 1)
    if at < last:
        return []
    if any(token.kind == "num" for token in source.tokens[:last]):
        sheet.doubt("duration_s", DoubtReason.COMPETING, sheet.said(source.tokens[at]))
        return [(at, -1.0)]
    single = _unit_seconds(source.tokens[last], sheet)
    number = next((float(token.value) for token in source.tokens[at : at - 3 : -1] if token.kind == "num"), None)
    if single is None or number is None or not 0 < number < _MOST_UNITS:
        sheet.doubt("duration_s", DoubtReason.COMPETING, sheet.said(source.tokens[at]))
        return [(at, -1.0)]
    return [(at, number * single)]


def _unit_seconds(span: Token, sheet: Sheet) -> float | None:
    """Return the seconds of the unit that the span was said in, None when it was said in several."""
    words = re.findall(r"[^\W\d_]+", sheet.folded[span.start : span.end])
    seconds = Units.by(sheet.vocabulary.conventions).seconds
    every = [lexicon(language) for language in ("", "de", "es", "fr")]
    pivots = {
        pivot[0]
        for word in words
        for words_ in every
        for said, pivot in words_.phrases.get(word, ())
        if said == (word,)
    }
    named = {seconds[unit] for unit in pivots & seconds.keys()}
    return named.pop() if len(named) == 1 else None


def _together(sheet: Sheet, window: Window, *, starts: bool) -> None:
    if window.end is not None:
        begin = window.start or sheet.now
        length = (window.end - begin).total_seconds()
        if window.held is not None and abs(window.held - length) > _AGREE_S and window.start is None:
            sheet.doubt("start", DoubtReason.COMPETING)
            window.start = window.end = None
        elif window.held is not None and abs(window.held - length) > _AGREE_S:
            sheet.doubt("duration_s", DoubtReason.COMPETING)
            window.held, window.open = None, "several"
        elif length <= 0:
            sheet.doubt("duration_s", DoubtReason.PAST)
            window.open = "past"
        elif not window.open:
            window.held = length
        if (
            starts
            and window.start is None
            and window.end is not None
            and not any(d.slot == "start" for d in sheet.doubts)
        ):
            window.start = sheet.now
    if window.open or any(doubt.slot == "duration_s" for doubt in sheet.doubts):
        window.held = None


def day_bounds(point: Point, sheet: Sheet, *, end: bool) -> datetime | None:
    """Return an audit's edge: midnight of a day said without a time, the midnight after it for an end."""
    moment = resolve(point, sheet.now, sheet.vocabulary.conventions, alone=time(0), past=True)
    if moment is None or point.hour is not None or point.after_s is not None:
        return moment
    return start_of_day(moment) + timedelta(days=1 if end else 0)
