"""What stands where a name is expected and is none that is known."""

from __future__ import annotations

import re

from bot.intake.grammar.frames.sheet import Sheet


def note_called(sheet: Sheet, pattern: re.Pattern[str], slot: str) -> None:
    """Note what stands where a name is expected and is none."""
    match = pattern.search(sheet.clause.text)
    if match is None or match.end() >= len(sheet.clause.text):
        return
    first = sheet.clause.index(match.end())
    last = first
    stops = {",", ".", "?", "!", ";", "for", "to", "please", "pls", "plz", "and", "on", "in", "with", "from", "access"}
    while (
        last < len(sheet.clause.tokens)
        and sheet.clause.tokens[last].kind in {"word", "num", "punct"}
        and sheet.clause.tokens[last].pivot not in stops
    ):
        last += 1
    if last > first:
        said = sheet.text[sheet.clause.tokens[first].start : sheet.clause.tokens[last - 1].end]
        if said.lower() not in {
            "access",
            "data",
            "it",
            "that",
            "them",
            "this",
            "read",
            "write",
            "model",
            "the model",
            "some data",
            "the data",
        }:
            sheet.unknown(slot, said)
