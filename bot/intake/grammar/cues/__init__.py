"""Sixth phase: what a clause wants. Ordered evidence over the skeleton; the first rule that holds decides."""

from __future__ import annotations

import re
from typing import Final

from bot.intake.grammar.cues.past import PAST_REPORT, asks_past, looks_back
from bot.intake.grammar.cues.questions import HELP, RAN, STATUS, WHY, asks_readiness
from bot.intake.grammar.cues.requests import EXTEND, RELEASE, about_request
from bot.intake.grammar.cues.things import counts_devices, wants_key, wants_thing
from bot.intake.grammar.cues.votes import vote
from bot.intake.grammar.skeleton import Skeleton
from bot.intake.reading import Intent

_STILL_WISHES: Final = re.compile(r"\b(?:need|want|please|pls|can|could|give)\b|\?")
_OF_NOW: Final = re.compile(r"\b(?:yet|still|status|stand|expire|expires|left|my)\b")
_STATUS_WORD: Final = re.compile(r"\bstatus\b")
_TAKEN_AWAY: Final = re.compile(r"\bcancel\b.*ID|\brelease\b.*ID")


def intent_of(clause: Skeleton) -> Intent | None:
    """Return what the clause wants, OTHER when it is plainly no wish, None when it says nothing by itself."""
    ballot = vote(clause)
    if ballot is not None:
        return ballot
    return _question(clause) or _report(clause) or _status(clause) or about_request(clause) or _thing(clause)


def _question(clause: Skeleton) -> Intent | None:
    if clause.has(RAN):
        return Intent.MODELS_RAN
    if clause.has(HELP):
        return Intent.HELP
    if asks_readiness(clause) and not wants_key(clause):
        return Intent.READINESS_CHECK
    return Intent.POLICY_WHY if clause.has(WHY) else None


def _report(clause: Skeleton) -> Intent | None:
    """What is told of the past asks for nothing."""
    told = clause.has(PAST_REPORT) and not clause.has(_STILL_WISHES) and not clause.has(RELEASE)
    return Intent.OTHER if told else None


def _status(clause: Skeleton) -> Intent | None:
    if not clause.has(STATUS) or clause.has(_TAKEN_AWAY) or (looks_back(clause) and not clause.has(_OF_NOW)):
        return None
    extends = clause.has(EXTEND) and "ID" in clause.text and not clause.has(_STATUS_WORD)
    return None if extends else Intent.REQUEST_STATUS


def _thing(clause: Skeleton) -> Intent | None:
    past = asks_past(clause)
    if past is not None and looks_back(clause) and not counts_devices(clause):
        return past
    return wants_thing(clause) or past
