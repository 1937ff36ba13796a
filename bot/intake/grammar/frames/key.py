"""A wish for a key to a model that is served."""

from __future__ import annotations

import re
from typing import Final

from bot.intake.grammar.frames.called import note_called
from bot.intake.grammar.frames.sheet import Sheet
from bot.intake.grammar.frames.window import fill_window
from bot.intake.reading import DoubtReason

_CALLED: Final = re.compile(
    r"\b(?:for|to|fur|zu|zum|para|de|pour|du) (?:(?:the|our|my|a|model|den|das|el|la|le) ){0,3}"
)

_SEVERAL: Final = re.compile(r"\b(?:NUM|vague|two|several) (?:\w+ )?(?:api-?)?(?:keys|schlussel|claves|llaves|cles)\b")


def key(sheet: Sheet) -> None:
    """Fill in a wish for a key."""
    model = sheet.pick("models", "model")
    unknown = [token for token in sheet.clause.found("unknown") if token.value == "models"]
    for token in unknown:
        sheet.unknown("model", sheet.said(token))
    if model is None and not unknown and not sheet.clause.named("models"):
        note_called(sheet, _CALLED, "model")
    if _SEVERAL.search(sheet.clause.text):
        sheet.doubt("model", DoubtReason.COMPETING)
    sheet.slots["model"] = model.name if model and not unknown else None
    place = sheet.pick("environments", "environment")
    sheet.slots["environment"] = place.name if place else None
    fill_window(sheet)
    sheet.slots["tokens"] = _tokens(sheet)


def _tokens(sheet: Sheet) -> int | None:
    amounts = sheet.amounts
    values = dict.fromkeys(each.value for each in amounts)
    if None in values:
        doubtful = next(each for each in amounts if each.value is None)
        sheet.doubt("tokens", DoubtReason.NOT_A_NUMBER, doubtful.said)
        return None
    if len(values) > 1:
        sheet.doubt("tokens", DoubtReason.COMPETING, candidates=tuple(str(value) for value in values))
        return None
    return next(iter(values), None)
