"""Rules by stage, team, class and action, so that a decision looks at the rows that can match and at no others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from policies.rows import Rule

Entry = tuple[int, Rule, tuple[str, ...]]
"""A rule with its place in the file and its row as Casbin takes it."""
_NONE: Final[tuple[Entry, ...]] = ()


class RowIndex:
    """Answers which rows can match; built once, never changed."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rows: dict[tuple[str, str, str, str], list[Entry]] = {}
        for place, rule in enumerate(rules):
            key = (rule.stage, rule.dom, rule.res, rule.act)
            self._rows.setdefault(key, []).append((place, rule, tuple(rule.values)))

    def find(self, stage: str, team: str, classes: Iterable[str], action: str) -> list[Entry]:
        """Return the rows of `stage` for this team, any of these classes and this action, in the file's order."""
        found: list[Entry] = []
        for name in classes:
            for where in (team, "*") if team != "*" else ("*",):
                found += self._rows.get((stage, where, name, action), _NONE)
                found += self._rows.get((stage, where, name, "*"), _NONE)
        found.sort(key=_place)
        return found


def _place(entry: Entry) -> int:
    return entry[0]
