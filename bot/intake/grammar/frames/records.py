"""Wishes about what exists or has been: requests by their ids, readiness, the audit trail, and text for the model."""

from __future__ import annotations

import re
from datetime import datetime, time
from typing import Final

from bot.intake.grammar.cues.requests import BY_SPAN, MOVES_END
from bot.intake.grammar.frames.deploy import version_of
from bot.intake.grammar.frames.sheet import Sheet
from bot.intake.grammar.frames.window import day_bounds
from bot.intake.grammar.index import of_kind
from bot.intake.grammar.moments import Period, Point, resolve
from bot.intake.grammar.stretches import stretch
from bot.intake.reading import DoubtReason
from bot.intake.vocabulary import ModelName, Name, UserName

_FORMATS: Final = {"csv": "csv", "jsonl": "jsonl", "ndjson": "jsonl", "json lines": "jsonl", "json": "json", "ocsf": "ocsf",
                   "parquet": "parquet", "pdf": "pdf", "xlsx": "xlsx", "excel": "xlsx", "cef": "cef",
                   "bundle": "bundle"}  # fmt: skip
_OWN: Final = re.compile(r"\b(?:my|mine|i|me)\b")
_OWN_TEAM: Final = re.compile(r"\b(?:my|our) team\b|\bour\b")
_NOT_SUBJECT: Final = re.compile(
    r"\b(?:give|show|send|tell|let|get|need|want|can|could|please) (?:me|i)\b|\b(?:i|me) (?:need"
    r"|want|would|'d)|\bcan i\b|\bmay i\b|\b(?:to|for) me\b|\bi'd\b|\bi need\b"
)


def request_id(sheet: Sheet) -> None:
    """Fill in the request that is meant: the first id."""
    ids = [token.value for token in sheet.clause.found("id")]
    sheet.slots["request_id"] = ids[0] if ids else None


def extend(sheet: Sheet) -> None:
    """Fill in the request, and the time to add or the new end."""
    request_id(sheet)
    law = sheet.vocabulary.conventions
    kinds = ("until", "when") if sheet.clause.has(MOVES_END) else ("until",)
    until = next(iter(sheet.whole.found(*kinds)), None)
    sheet.slots |= {"duration_s": None, "until": None}
    if until is not None:
        sheet.slots["until"] = resolve(until.value, sheet.now, law, alone=law.workday_end)
        if sheet.slots["until"] is None:
            sheet.doubt("until", DoubtReason.AMBIGUOUS, sheet.said(until))
        return
    spans = sheet.whole.found("span", "next")
    values = {token.value for token in spans}
    if len(values) == 1 and None not in values:
        sheet.slots["duration_s"] = int(values.pop())
    elif spans:
        reason = DoubtReason.NOT_A_NUMBER if None in values else DoubtReason.COMPETING
        sheet.doubt("duration_s", reason, sheet.said(spans[-1]))


def shorten(sheet: Sheet) -> None:
    """Fill in the request, and the new end or the time by which it comes sooner; a length alone is neither."""
    request_id(sheet)
    moments, spans = sheet.whole.found("until", "when"), sheet.whole.found("span")
    sheet.slots |= {"duration_s": None, "until": None}
    if len(moments) == 1 and not spans:
        law = sheet.vocabulary.conventions
        sheet.slots["until"] = resolve(moments[0].value, sheet.now, law, alone=law.workday_end)
        if sheet.slots["until"] is None:
            sheet.doubt("until", DoubtReason.AMBIGUOUS, sheet.said(moments[0]))
    elif len(spans) == 1 and not moments and spans[0].value is not None and sheet.whole.has(BY_SPAN):
        sheet.slots["duration_s"] = int(spans[0].value)
    elif spans or moments:
        sheet.doubt("until", DoubtReason.COMPETING, sheet.said((spans or moments)[-1]))


def readiness(sheet: Sheet) -> None:
    """Fill in the model, version and environment that are asked about."""
    item = sheet.pick("models", "model")
    environment = sheet.pick("environments", "environment")
    for token in sheet.clause.found("unknown"):
        if token.value == "models":
            sheet.unknown("model", sheet.said(token))
    sheet.slots["model"] = item.name if item else None
    sheet.slots["version"] = version_of(sheet, item if isinstance(item, ModelName) else None, rollback=False)
    sheet.slots["environment"] = environment.name if environment else None


def ran(sheet: Sheet) -> None:
    """Fill in the model and environment that are asked about, and the time or the stretch; neither means now."""
    model, environment = sheet.pick("models", "model"), _place(sheet)
    start, end = _stretch(sheet)
    moments = [token for token in sheet.whole.found("when", "until", "period") if start is None]
    at = _moment(sheet, moments[0].value) if moments else None
    if moments and at is None:
        sheet.doubt("at", DoubtReason.AMBIGUOUS, sheet.said(moments[0]))
    named = {"model": model.name if model else None, "environment": environment.name if environment else None}
    sheet.slots |= {**named, "at": at, "from": start, "to": end}


def _place(sheet: Sheet) -> Name | None:
    """Return the environment; "live" in "was live in staging" is none."""
    tokens = sheet.clause.tokens
    states = {
        at + 1
        for at, token in enumerate(tokens[:-1])
        if token.pivot in {"was", "were", "is", "are"} and tokens[at + 1].pivot == "ENV"
    }
    whole, rest = sheet.clause, tuple(token for at, token in enumerate(tokens) if at not in states)
    sheet.clause = type(whole).of(rest) if any(token.pivot == "ENV" for token in rest) else whole
    item = sheet.pick("environments", "environment")
    sheet.clause = whole
    return item


def _moment(sheet: Sheet, value: object) -> datetime | None:
    """Return the moment in the past that is meant."""
    law = sheet.vocabulary.conventions
    return resolve(value, sheet.now, law, alone=law.noon, past=True) if isinstance(value, Point) else None


def audit(sheet: Sheet) -> None:
    """Fill in from (inclusive) and to (exclusive), whose and about what."""
    start, end = _stretch(sheet)
    sheet.slots |= {"from": start, "to": end, "subject": _subject(sheet), "resource": _resource(sheet)}


def export(sheet: Sheet) -> None:
    """Fill in what `audit` does, and the format of the file."""
    audit(sheet)
    words = sheet.folded[sheet.clause.tokens[0].start : sheet.clause.tokens[-1].end]
    said = {form for word, form in _FORMATS.items() if re.search(rf"\b{word}\b", words)}
    said -= {"json"} if "jsonl" in said else set()
    sheet.slots["format"] = said.pop() if len(said) == 1 else None


def _stretch(sheet: Sheet) -> tuple[datetime | None, datetime | None]:
    months = [token.value for token in sheet.whole.found("period") if token.value.name in {"month", "quarter"}]
    if len(months) == 2 and re.search(r"PERIOD (?:to|-|until|and) PERIOD", sheet.whole.text):  # noqa: PLR2004
        first, last = stretch(months[0], sheet.now), stretch(months[1], sheet.now)
        return (first[0], last[1]) if first and last and first[0] < last[1] else (None, None)
    for token in sheet.whole.found("window", "since", "period", "when", "until"):
        found = _edges(sheet, token.kind, token.value)
        if found is not None:
            return found
    return None, None


def _edges(sheet: Sheet, kind: str, value: object) -> tuple[datetime | None, datetime | None] | None:
    if kind == "since" and isinstance(value, Period):
        found = stretch(value, sheet.now)
        return (found[0], sheet.now) if found else None
    if isinstance(value, Period):
        return stretch(value, sheet.now)
    if kind == "window" and isinstance(value, tuple):
        return day_bounds(value[0], sheet, end=False), day_bounds(value[1], sheet, end=True)
    if not isinstance(value, Point):
        return None
    if kind == "since":
        moment = resolve(value, sheet.now, sheet.vocabulary.conventions, alone=time(0), past=True)
        return moment, sheet.now
    if value.after_s is not None and value.after_s < 0:
        return None
    if kind == "when" and value.day is not None and value.hour is None and value.day.which != "next":
        start = day_bounds(value, sheet, end=False)
        end = day_bounds(value, sheet, end=True)
        return start, min(end, sheet.now) if end and value.day.n == 0 and value.day.kind == "offset" else end
    return None


def _subject(sheet: Sheet) -> str | None:
    mentions = [sheet.said(token).lstrip("@") for token in sheet.clause.found("mention")]
    if mentions:
        return mentions[0]
    users = [item for token in sheet.clause.named("users") for item in of_kind(token.value, "users").values()]
    if users and isinstance(users[0], UserName):
        return users[0].id
    for token in sheet.clause.named("teams"):
        at = sheet.clause.tokens.index(token)
        after = [each.pivot for each in sheet.clause.tokens[max(at - 2, 0) : at + 2]]
        alone = not any(of_kind(token.value, kind) for kind in ("datasets", "models", "pools"))
        if "team" in after or alone:
            return next(iter(of_kind(token.value, "teams")))
    return _own(sheet)


def _own(sheet: Sheet) -> str | None:
    text = _NOT_SUBJECT.sub(" ", sheet.clause.text)
    if _OWN_TEAM.search(text):
        return next((user.team for user in sheet.vocabulary.users if user.id == sheet.sender), None)
    return sheet.sender or None if _OWN.search(text) else None


def _resource(sheet: Sheet) -> str | None:
    ids = sheet.clause.found("id")
    if ids:
        return f"REQ-{ids[0].value}"
    for kind in ("datasets", "models", "pools", "gpu_types"):
        names = {name for token in sheet.clause.named(kind) for name in of_kind(token.value, kind)}
        if len(names) == 1:
            return names.pop()
    return None


def nothing(sheet: Sheet) -> None:
    """Fill in nothing: help and small talk have no slots."""
    del sheet
