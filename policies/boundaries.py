"""Boundary cases, made from every limit: at the limit, one beyond, and with the fact unknown.

What must follow is computed here from the row alone, with whole numbers and without the engine; then the engine is
asked about that row. At the limit it holds, beyond it does not, and an unknown fact never helps the asker.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from policies.engine import Snapshot
from policies.limits import Part, parse_limit
from policies.rows import AUTO, Link, Rows, Rule

_TEAM: Final = "team:boundary case"
_PERSON: Final = "user:boundary case"
_PROGRAM: Final = "svc:boundary case"
_TRUE: Final = {
    "<=": lambda value: (value, value + 1),
    "<": lambda value: (value - 1, value),
    ">=": lambda value: (value, value - 1),
    ">": lambda value: (value + 1, value),
    "==": lambda value: (value, value + 1),
}
"""For each comparison, a value at the limit and one just beyond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """One row at one of its edges; `wants` is whether the row must match."""

    rule: Rule
    resource: str
    action: str
    facts: dict[str, int]
    edge: str
    wants: bool


def boundaries(snapshot: Snapshot) -> Iterator[Boundary]:
    """Yield the edges of every limit of every row, three a part; `service`, which the engine supplies, is left out."""
    homes: dict[str, str] = {}
    for resource in snapshot.catalogue.resources():
        for name in snapshot.classes(resource):
            homes.setdefault(name, resource)
    for rule in snapshot.rows.rules:
        if rule.res in homes:
            yield from _edges(rule, homes[rule.res])


def _edges(rule: Rule, resource: str) -> Iterator[Boundary]:
    parts = parse_limit(rule.limit)
    inside = _inside(parts)
    if inside is None:
        return
    action = "use" if rule.act == "*" else rule.act
    base = Boundary(rule=rule, resource=resource, action=action, facts=inside, edge="", wants=True)
    bites = rule.effect == "deny" or (rule.stage == "p2" and rule.slots != AUTO)
    for part in parts:
        if part.fact == "service":
            continue
        at, beyond = _TRUE[part.compare](part.value)
        yield replace(base, facts={**inside, part.fact: at}, edge=f"{part.fact}={at}", wants=_all(parts, part.fact, at))
        yield replace(base, facts={**inside, part.fact: beyond}, edge=f"{part.fact}={beyond}", wants=False)
        known = {name: value for name, value in inside.items() if name != part.fact}
        yield replace(base, facts=known, edge=f"{part.fact} unknown", wants=bites)


def _inside(parts: tuple[Part, ...]) -> dict[str, int] | None:
    """Facts within every part; None when the parts contradict each other."""
    facts: dict[str, int] = {}
    for fact in dict.fromkeys(part.fact for part in parts):
        tried = [_TRUE[part.compare](part.value)[0] for part in parts if part.fact == fact]
        good = [value for value in tried if _all(parts, fact, value)]
        if not good:
            return None
        facts[fact] = good[0]
    return facts


def _all(parts: tuple[Part, ...], fact: str, value: int) -> bool:
    return all(part.holds({fact: value}) for part in parts if part.fact == fact)


def broken(snapshot: Snapshot) -> tuple[int, list[Boundary]]:
    """Return how many boundary cases there are, and those on which the engine answers otherwise."""
    stand_in = tuple(
        Link(line=0, member=_PERSON, role=role, team="*")
        for role in sorted({rule.sub for rule in snapshot.rows.rules if rule.sub.startswith("role:")})
    )
    staged = snapshot.with_rows(Rows(rules=snapshot.rows.rules, links=(*snapshot.rows.links, *stand_in)))
    every = list(boundaries(snapshot))
    return len(every), [each for each in every if _matches(staged, each) != each.wants]


def _matches(snapshot: Snapshot, edge: Boundary) -> bool:
    rule = edge.rule
    sub = _PERSON if rule.sub == "*" or rule.sub.startswith("role:") else rule.sub
    if edge.facts.get("service") == 1:
        sub = _PROGRAM
    team = _TEAM if rule.dom == "*" else rule.dom
    return snapshot.matches(rule, sub, team, edge.resource, edge.action, edge.facts)
