"""A wish for data access: writing is read only where it is said of the data, never out of a purpose."""

from __future__ import annotations

import re
from typing import Final

from bot.intake.grammar.frames.called import note_called
from bot.intake.grammar.frames.sheet import Sheet
from bot.intake.grammar.frames.window import fill_window
from bot.intake.vocabulary import DatasetName

_WRITE: Final = re.compile(
    r"\b(?:write|writing|writes|update|updating|delete|deleting|load|loading|edit|editing|modify"
    r"|modifying|append|insert|r / w|rw|r - w|r-w|read-write|overwrite|upload|ingest|full access"
    r"|full rights|full)\b"
)
_READ: Final = re.compile(
    r"\b(?:read|reading|reads|see|query|querying|look|looking|pull|pulling|view|viewing|read-only"
    r"|readonly|browse|inspect|select|peek|ro)\b"
)
_NO_WRITE: Final = re.compile(
    r"\b(?:no|not|without|don't need|never|nothing to|instead of|rather than|needn't|no need to)(?: any"
    r"| the| to| need| for){0,2} (?:write|writing|update|edit|delete|modify|full|load)(?: access)?\b"
)
_NO_READ: Final = re.compile(r"\b(?:not(?: just| only)?|instead of|rather than) read\b")
_READ_ONLY: Final = re.compile(r"\bread(?:ing)?(?:-| - | )only\b|\bonly (?:to )?read\b|\bjust (?:to )?read\b")
_CHANGED: Final = re.compile(r"\b(?:no|sorry|actually|rather|wait|make (?:it|that)|i mean|instead)\b")
_CALLED: Final = re.compile(
    r"\b(?:access to|access on|read|write|query|pull|see|need|want|get|reading|rights (?:for"
    r"|on|to)|permissions? (?:for|on|to)|look at|open up|load)\b (?:(?:access|from|to|of|the"
    r"|a|my|our|into|in|on|for|some) ){0,3}"
)


def data(sheet: Sheet) -> None:
    """Fill in a wish for data access."""
    item = sheet.pick("datasets", "dataset")
    unknown = [token for token in sheet.clause.found("unknown") if token.value == "datasets"]
    for token in unknown:
        sheet.unknown("dataset", sheet.said(token))
    if item is None and not unknown and not sheet.clause.named("datasets"):
        note_called(sheet, _CALLED, "dataset")
    sheet.slots["dataset"] = item.name if item and not unknown else None
    sheet.slots["access"] = _access(sheet)
    fill_window(sheet, starts=False)
    sheet.slots["columns"] = _columns(sheet, item) if isinstance(item, DatasetName) else None


def _access(sheet: Sheet) -> str | None:
    text = _NO_WRITE.sub(" ", sheet.clause.text)
    if _READ_ONLY.search(text):
        return None if _WRITE.search(_READ_ONLY.sub(" ", text)) else "read"
    text = _NO_READ.sub(" ", text)
    writes, reads = list(_WRITE.finditer(text)), list(_READ.finditer(text))
    if (
        writes
        and reads
        and _CHANGED.search(text, min(writes[0].start(), reads[0].start()), max(writes[-1].start(), reads[-1].start()))
    ):
        return "write" if writes[-1].start() > reads[-1].start() else "read"
    return "write" if writes else "read" if reads else None


def _columns(sheet: Sheet, item: DatasetName) -> tuple[str, ...] | None:
    only = re.search(r"\b(?:only|just|columns?|fields?|spalten?|columnas?|colonnes?)\b", sheet.clause.text)
    words = set(re.findall(r"\w+", sheet.folded[sheet.clause.tokens[0].start : sheet.clause.tokens[-1].end]))
    said = tuple(each for each in item.columns if each.lower() in words and (only or "_" in each))
    return said or None
