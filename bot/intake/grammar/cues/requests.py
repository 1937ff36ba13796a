"""Verbs about a request that exists: release, cancel, extend, shorten."""

from __future__ import annotations

import re
from typing import Final

from bot.intake.grammar.moments import Point
from bot.intake.grammar.skeleton import Skeleton
from bot.intake.reading import Intent

_OBJECT: Final = r"(?:my|our|the|that|those|these|this|mine|it|them|current|running)"
_THING: Final = (
    r"(?:GPU|UNKNOWNGPU|gpus?|cards?|bookings?|reservations?|allocations?|requests?|jobs?|access"
    r"|lease|sessions?|nodes?|grants?|slots?|hold|notebooks?|instances?|permission|deployment"
    r"|h100s?|TIME|time|window|ones?|DATA|keys?|api-keys?)"
)
_MOVES_END: Final = r"\b(?:push|move|set|shift)\b(?:.{0,20}\bend(?:of)?\b.*\bID\b| ID ' s end\b)"
MOVES_END: Final = re.compile(_MOVES_END)
"""The end itself is moved: the time that is named is the new one, whatever word stands before it."""
EXTEND: Final = re.compile(
    rf"\b(?:extend|prolong|lengthen|extension|extending|renew|renewal|stretch|push back|push out)\b"
    rf"|\blonger\b.*(?:\bID\b|\b{_OBJECT} )|\b(?:ID|booking|reservation|allocation)\b.*\blonger\b"
    rf"|\b(?:give|keep|add|need|want|get|have|let|leave|hold|can|bump|increase)\b.*\bID\b.*\b(?:SPAN"
    rf"|UNTIL|NEXT)\b"
    rf"|\b(?:another|more|extra|additional)\b.{{0,20}}\bSPAN\b|\bSPAN (?:more|extra|longer|additional"
    rf"|on top)\b|\b(?:more|extra|additional)\b.*\bID\b|\bSPAN (?:for|on|to) ID\b|\b(?:give|add)\b.*\bSPAN\b.*\bID\b"
    rf"|{_MOVES_END}|^(?:please |, )*ID (?:for )?(?:UNTIL|SPAN"
    rf"|another SPAN|\+ SPAN|more SPAN)|\bkeep\b.*\b{_THING}\b.*\b(?:UNTIL|SPAN)\b|\badd\b SPAN\b.*\bto\b"
    rf"|\bUNTIL\b.*\binstead\b.*\bID\b|\bID\b.*\b(?:expire|end|finish|run)s?\b.*\b(?:later|UNTIL)\b(?! ago)"
)
RELEASE: Final = re.compile(
    rf"\b(?:release|releasing|relinquish|return|returning|free up|freeing up|free|hand back|handing back"
    rf"|handed back|give back|giving back|reclaim|surrender|let go of|drop|shut down|tear down"
    rf"|terminate|end|stop|kill)\b[^.;]{{0,30}}(?:\bID\b|\b{_OBJECT} (?:\w+ )?{_THING}\b)|\b(?:give"
    rf"|hand|giving|handing|send|bring|gib|take)\b[^.;]{{0,40}}\bback\b"
    rf"|\b(?:done|finished|through|complete) with\b[^.;]{{0,20}}(?:\bID\b|{_THING})"
    rf"|\bneed\b[^.;]{{0,40}}\bnot more\b|\bno longer (?:need"
    rf"|using|use|require)|\b(?:not|don't|dont|doesn't) (?:need|using|use)\b[^.;]{{0,40}}\b(?:anymore"
    rf"|any more|any longer)\b|\bfree again\b|\bID\b[^.;]{{0,20}}\b(?:release|back|can be freed"
    rf"|free|return|finished|is done|done)\b|\b{_THING}\b[^.;]{{0,15}} (?:can be (?:freed|released"
    rf"|returned|reclaimed))|\brelease (?:it|them|mine|ID)\b|\b(?:my|the|our) (?:\w+ )?{_THING}\b[^.;]{{0,10}}\brelease\b"
)
_ENDS: Final = (
    r"(?:end|ending|stop|terminate|finish|release|return|free|free up|(?:give|hand) back|(?:done|finished) with)"
)
_AT: Final = r"(?:UNTIL|WHEN)"
_SOONER: Final = r"(?:earlier|sooner|early)"
BY_SPAN: Final = re.compile(rf"\bby (?:about )?SPAN\b|\bshorten\b.*\bat SPAN\b|\bSPAN {_SOONER}\b")
"""A length by which an end comes sooner."""
SHORTEN: Final = re.compile(
    rf"\b(?:shorten|shortening|curtail)\b|\bcut\b[^.;]{{0,40}}\bshort\b[^.;]*(?:{_AT}|SPAN)"
    rf"|\b{_ENDS}\b[^.;]{{0,20}}\bID\b(?! ' s)[^.;]{{0,30}}(?:{_AT}|SPAN|{_SOONER})|\bgive\b ID back {_AT}"
    rf"|\b(?:need|want|use|keep|have)\b[^.;]{{0,20}}\bID\b[^.;]{{0,10}}\b(?:only|just)\b UNTIL"
    rf"|\b(?:only|just)\b (?:need|want|use|keep|have)\b[^.;]{{0,20}}\bID\b UNTIL"
)
CANCEL: Final = re.compile(
    rf"\b(?:cancel|cancelling|canceling|withdraw|withdrawing|retract|revoke|rescind|scrap|abort"
    rf"|forget(?: about)?|nevermind|never mind|pull|pull back|take back|drop|discard|void|scratch"
    rf"|undo|kill|call off|disregard|ignore|delete|remove)\b[^.;]{{0,30}}(?:\bID\b|\b{_OBJECT} (?:\w+ ){{0,2}}(?:request"
    rf"|requests|ask|application|submission|one|booking|reservation)\b)|\bID\b[^.;]{{0,25}}\b(?:cancel"
    rf"|withdraw|retract|scrap|is obsolete|is moot|is off|can go|not needed|isn't needed|not necessary"
    rf"|no longer needed)\b|\b(?:take|pull)\b[^.;]{{0,10}}\bID\b[^.;]{{0,10}}\bback\b|^(?:please "
    rf"|ok |, )*(?:cancel|withdraw)(?: (?:that|it|this|mine|please))*(?: [.!])*$|\bcancel\b.*\b(?:request"
    rf"|mine)\b|\bdon't need\b.*\bID\b|\bback\b.*\bID\b.*\bcancel\b|\b(?:changed my mind|plans changed)\b.*\bID\b"
)
_KEY: Final = re.compile(r"\b(?:api-?)?keys?\b")
_GIVES_BACK: Final = re.compile(r"\b(?:release|return|free|back|hand)\b")
_COUNTED: Final = re.compile(r"\bNUM (?:more |extra |additional |another )?(?:GPU|UNKNOWNGPU|gpus?)|\ba GPU")
_LONGER: Final = re.compile(r"\bextend\b|\blonger\b|\bprolong\b")


def about_request(clause: Skeleton) -> Intent | None:
    """Return what is done to a request that exists, if that is what the clause is about."""
    deploys = "MODEL" in clause.text and "ID" not in clause.text and not clause.has(_KEY)
    if _ends_sooner(clause):
        return Intent.REQUEST_SHORTEN
    releases, cancels = clause.has(RELEASE) and not clause.has(MOVES_END), clause.has(CANCEL)
    if not deploys and releases and (not cancels or clause.has(_GIVES_BACK)):
        return Intent.REQUEST_RELEASE
    if not deploys and cancels:
        return Intent.REQUEST_CANCEL
    if clause.has(EXTEND) and ("ID" in clause.text or not _new_thing(clause)):
        return Intent.REQUEST_EXTEND
    return None


def _ends_sooner(clause: Skeleton) -> bool:
    """Whether a time is named at which it ends; one that ends now is handed back."""
    now = any(isinstance(token.value, Point) and token.value.after_s == 0 for token in clause.found("when"))
    return clause.has(SHORTEN) and "ID" in clause.text and not clause.has(_LONGER) and not now


def _new_thing(clause: Skeleton) -> bool:
    """Whether the clause counts devices or names data: a new wish, however long it is to be."""
    return clause.has(_COUNTED) or (bool(clause.named("datasets")) and not clause.has(_LONGER))
