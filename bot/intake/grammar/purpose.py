"""Why something is wanted, in the person's own words; those words ask for nothing and are read for nothing else."""

from __future__ import annotations

import re
from typing import Final

from bot.intake.grammar.skeleton import Skeleton

_THING: Final = re.compile(r"\b(?:GPU|UNKNOWNGPU|DATA|UNKNOWNDATA|gpus?|MODEL|access)\b")
_LEAD: Final = re.compile(
    r"(?:, )?\b(?:so (?:that )?(?:i|we)(?: can| could| may)?|because(?: of)?|in order to|weil"
    r"|damit|porque|parce que|as (?:i|we) (?:need|want) to|since (?:i|we)|(?:i|we)(?: want| need"
    r"|'re going|'d like) to|is for|(?:i|we) want)\b ?"
)
_SOFT: Final = re.compile(
    r"\b(?:for|to)\b (?!(?:the |a |my |our |an )?(?:SPAN|UNTIL|WHEN|PERIOD|NEXT|WINDOW|ENV|POOL"
    r"|PROJECT|STRATEGY|GPU|DATA|MODEL|VERSION|NUM|ID|TEAM|USER|UNKNOWN|prod|the|me|us|be|vague"
    r"|each|project|pool|percent|gpus?|node|tokens|approval|have|get|all|users|traffic))"
    r"(?!(?:read|reading|write|writing|reads|writes|query|querying)(?: access| only| and write"
    r"| and read)?(?: [,.;]| SPAN| UNTIL| WHEN|$))(?=[a-z])"
)


def purpose_of(clause: Skeleton, text: str) -> tuple[str, set[int]]:
    """Return the purpose (may be empty) and the indexes of the tokens that tell it."""
    thing = _THING.search(clause.text)
    if thing is None:
        return "", set()
    for pattern in (_LEAD, _SOFT):
        match = pattern.search(clause.text, thing.end())
        if match:
            return _words(clause, text, match, to_comma=pattern is _SOFT)
    return _trailing(clause, text)


def _words(clause: Skeleton, text: str, match: re.Match[str], *, to_comma: bool) -> tuple[str, set[int]]:
    first = clause.index(match.end() - 1) + (
        0 if match.end() < len(clause.text) and clause.text[match.end() - 1] != " " else 1
    )
    last = first
    stops = {".", "!", "?", ";"} | ({",", "SPAN", "UNTIL", "WHEN", "PERIOD", "WINDOW"} if to_comma else set())
    while last < len(clause.tokens) and clause.tokens[last].pivot not in stops:
        last += 1
    zone = set(range(clause.index(match.start()), last))
    if first >= last:
        return "", zone
    return text[clause.tokens[first].start : clause.tokens[last - 1].end].strip(" .,"), zone


# Whole words alone: were a piece of one enough, a text could make the search take exponential time.
_PLAIN: Final = re.compile(r", ((?:[a-z'-]+(?: |$)|NUM |MODEL(?: |$)|, ){1,14})(?:[.!]|$)")
_NOT_PURPOSE: Final = re.compile(
    r"\b(?:please|pls|plz|thx|thanks|pool|project|read|write|only|canary|replicas|deadline|asap"
    r"|access|env|environment|strategy|no|not|approved|columns?|just|actually|make|sorry|instead"
    r"|gpus?|use|stat)\b"
)


def _trailing(clause: Skeleton, text: str) -> tuple[str, set[int]]:
    """As in ", sweep over the new embedder": words after the last comma that say nothing else."""
    for match in _PLAIN.finditer(clause.text):
        if match.start() and not _NOT_PURPOSE.search(match.group(1)) and " " in match.group(1).strip():
            first, last = clause.index(match.start(1)), clause.index(match.start(1) + len(match.group(1).rstrip()) - 1)
            said = text[clause.tokens[first].start : clause.tokens[last].end]
            return re.sub(r"^(?:for|to) ", "", said, flags=re.IGNORECASE), set(range(first - 1, last + 1))
    return "", set()
