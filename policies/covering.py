"""Which rule says all that another says: a row that changes nothing is a row that somebody will trust in vain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final

from policies.limits import parse_limit
from policies.roles import RoleClosure
from policies.rows import AUTO, Rule

_LEAST, _MOST = 0, 1 << 62
_COMPARED: Final = 50
"""Rows of one key that are compared with each other; a longer bucket has a finding of its own."""


@lru_cache(maxsize=1 << 17)
def spans(limit: str) -> dict[str, tuple[int, int]]:
    """Return the (least, most) value of each fact within a limit; least > most when none is. Shared: never changed."""
    found: dict[str, tuple[int, int]] = {}
    for part in parse_limit(limit):
        low, high = found.get(part.fact, (_LEAST, _MOST))
        if part.compare in {">=", ">", "=="}:
            low = max(low, part.value + (part.compare == ">"))
        if part.compare in {"<=", "<", "=="}:
            high = min(high, part.value - (part.compare == "<"))
        found[part.fact] = (low, high)
    return found


def wider(place: str, pool_classes: frozenset[str]) -> tuple[str, ...]:
    """Return a class or resource and every class that holds it by its very name."""
    scheme = place.partition(":")[0]
    if place == "class:any":
        return (place,)
    if place in pool_classes or scheme == "gpu":
        return (place, "class:gpu", "class:any")
    if scheme == "data":
        return (place, "class:data", "class:any")
    if scheme == "deploy":
        return (place, f"env:{place.partition('@')[2]}", "class:any")
    return (place, "class:any")


class Covers:
    """Finds, for a rule, another one that makes it say nothing new."""

    def __init__(self, rules: Iterable[Rule], roles: RoleClosure, pool_classes: frozenset[str]) -> None:
        self._roles, self._pool_classes = roles, pool_classes
        self._by_key: dict[tuple[str, str, str, str, str], list[Rule]] = {}
        self._present: dict[tuple[str, str, str], set[tuple[str, str]]] = {}
        self._known: dict[tuple[str, str, str], list[tuple[str, str, set[tuple[str, str]]]]] = {}
        for rule in rules:
            same = self._by_key.setdefault((rule.stage, rule.sub, rule.dom, rule.res, rule.act), [])
            self._present.setdefault((rule.stage, rule.res, rule.act), set()).add((rule.sub, rule.dom))
            if len(same) < _COMPARED:
                same.append(rule)

    def of(self, rule: Rule) -> Rule | None:
        """Return a rule that already says what `rule` says, or forbids all that it allows; None when there is none."""
        inside = spans(rule.limit)
        for other in self._wider(rule):
            if other is not rule and _says_more(other, rule, inside) and not _twins_before(rule, other):
                return other
        return None

    def _wider(self, rule: Rule) -> Iterator[Rule]:
        subs = {rule.sub, "*", *(role for role, team in self._roles.held(rule.sub) if team == "*")}
        for place, action, present in self._paths(rule.stage, rule.res, rule.act):
            for sub in subs:
                for team in {rule.dom, "*"}:
                    if (sub, team) in present:
                        yield from self._by_key[rule.stage, sub, team, place, action]

    def _paths(self, stage: str, place: str, act: str) -> list[tuple[str, str, set[tuple[str, str]]]]:
        """The classes and actions wider than these that have rows, each with the subjects and teams of its rows."""
        found = self._known.get((stage, place, act))
        if found is None:
            pairs = [(name, action) for name in wider(place, self._pool_classes) for action in {act, "*"}]
            found = [(n, a, self._present[stage, n, a]) for n, a in pairs if (stage, n, a) in self._present]
            self._known[stage, place, act] = found
        return found


def _twins_before(rule: Rule, other: Rule) -> bool:
    """Of two rows that say the same, the second is the one too many."""
    same = (rule.sub, rule.dom, rule.res, rule.act, rule.slots, rule.effect)
    alike = same == (other.sub, other.dom, other.res, other.act, other.slots, other.effect)
    return alike and spans(rule.limit) == spans(other.limit) and rule.line < other.line


def _says_more(other: Rule, rule: Rule, inside: Mapping[str, tuple[int, int]]) -> bool:
    if not _beats(other, rule):
        return False
    for fact, (low, high) in spans(other.limit).items():
        least, most = inside.get(fact, (_MOST, _LEAST))
        if fact not in inside or least < low or most > high:
            return False
    return True


def _beats(other: Rule, rule: Rule) -> bool:
    """Whether `other`, where it matches, leaves `rule` nothing to add."""
    if rule.stage == "p2":
        return other.slots == rule.slots if other.slots == AUTO else rule.seats.items() <= other.seats.items()
    if rule.stage == "p3" and other.slots not in {"*", rule.slots}:
        return False
    return other.effect in {rule.effect, "deny"}
