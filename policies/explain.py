"""Why not, and what would have passed: the nearest rule that the asker may see, and the parts of it that fail.

Distance: a failed limit weighs 1, a missing role 4, another action or resource 8, another team 16; then how far beyond
its limits the request is, relative to them; then the file's order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ledger.nouns import DeployForm, Form
from policies import words
from policies.catalogue import Catalogue
from policies.engine import Snapshot
from policies.limits import Part, failing
from policies.rows import Rule

LIMIT, ROLE, OTHER, TEAM = 1, 4, 8, 16
_SHOWN: Final = 12
"""How many near rules are kept for trying; the nearest almost always passes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was asked, as the ASK stage sees it; `form` is the request it belongs to.

    Args:
        label: for a neighbour of what was asked, the way there in words.
        rank: which neighbour it is; of two equally near, the first is offered.
    """

    person: str
    team: str
    resource: str
    action: str
    facts: Mapping[str, int]
    form: Form
    label: str = ""
    rank: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """A rule that did not allow a request: what fails, and how near it is."""

    rule: Rule
    asked: Question
    parts: tuple[Part, ...]
    role: bool
    team: bool
    distance: tuple[int, float, int, int]


def misses(
    snapshot: Snapshot, question: Question, elsewhere: Iterable[Question] = (), *, wide: bool = False
) -> list[Miss]:
    """Return the near rules, the nearest first, of those the asker may see.

    Args:
        elsewhere: neighbouring questions (another action or resource), looked at only when nothing here is nearer.
        wide: look elsewhere all the same.
    """
    here = [_miss(snapshot, question, rule, 0) for rule in _rules(snapshot, question, question.team)]
    found = [miss for miss in here if miss.role or miss.parts]  # the others allow it: a forbidding rule said no
    if wide or not found or min(miss.distance for miss in found)[0] >= OTHER:
        for other in elsewhere:
            found += [_miss(snapshot, other, rule, OTHER) for rule in _rules(snapshot, other, other.team)]
        for team in snapshot.roles.teams(question.person):
            if team != question.team:
                rules = [rule for rule in _rules(snapshot, question, team) if rule.dom == team]
                found += [_miss(snapshot, question, rule, TEAM) for rule in rules]
    return sorted(found, key=lambda miss: miss.distance)[:_SHOWN]


def _rules(snapshot: Snapshot, asked: Question, team: str) -> list[Rule]:
    """Rules of one's teams and of all teams; those about one person or program are shown to that one alone."""
    rows = snapshot.candidates("p", team, asked.resource, asked.action)
    return [
        rule
        for _, rule, _ in rows
        if rule.effect == "allow" and (rule.sub.startswith("role:") or rule.sub in {"*", asked.person})
    ]


def _miss(snapshot: Snapshot, asked: Question, rule: Rule, base: int) -> Miss:
    parts = failing(asked.facts, rule.limit)
    team = base == TEAM
    has = rule.sub in {"*", asked.person} or snapshot.roles.has_link(
        asked.person, rule.sub, rule.dom if team else asked.team
    )
    weight = base + LIMIT * len(parts) + (0 if has else ROLE)
    beyond = sum(_beyond(part, asked.facts.get(part.fact)) for part in parts)
    return Miss(
        rule=rule, asked=asked, parts=parts, role=not has, team=team, distance=(weight, beyond, asked.rank, rule.line)
    )


def _beyond(part: Part, value: int | None) -> float:
    """How far a value is beyond its limit, relative to the limit; an unknown one counts as once the limit."""
    return 1.0 if value is None else abs(value - part.value) / max(part.value, 1)


def sentence(snapshot: Snapshot, question: Question, miss: Miss, currency: str) -> str:
    """Return why the nearest rule does not allow it: each part that fails, and what was asked instead."""
    rule, asked = miss.rule, miss.asked
    does, have, want = [], [], []
    if miss.team:
        does.append(f"is of {rule.dom.removeprefix('team:')}")
        want.append(f"in {question.team.removeprefix('team:')}")
    if miss.role:
        does.append(f"is for the role {words.role(rule.sub)}")
        have.append(_roles(snapshot, question))
    if asked.action != question.action:
        does.append(f"lets you {asked.action}")
        want.append(f"to {question.action}")
    if asked.resource != question.resource:
        does.append(f"is about {asked.resource}")
        want.append(f"for {question.resource}")
    if miss.parts:
        does.append(f"allows {words.allows(miss.parts, currency)}")
        want.append(f"for {words.asked(miss.parts, asked.facts, currency)}")
    asked_words = [f"You asked {words.join(want)}."] if want else []
    return " ".join([f"Rule `{rule.id}` {words.join(does)}.", *have, *asked_words])


def evaluated_first(form: Form, miss: Miss, catalogue: Catalogue) -> str:
    """Return the way to a passing evaluation that a served model still lacks; empty where it is not what fails."""
    lacks = any(part.fact == "tests" for part in miss.parts)
    item = catalogue.models.get(form.model) if isinstance(form, DeployForm) and lacks else None
    if item is None or item.serving is None or not isinstance(form, DeployForm):
        return ""
    order = list(catalogue.environments)
    below = order[: order.index(form.environment)][-1:]
    return f"Deploy it to {below[0]} first: a passing evaluation there counts." if below else ""


def _roles(snapshot: Snapshot, question: Question) -> str:
    here = [role for role, team in snapshot.roles.roles(question.person) if team in {"*", question.team}]
    if not here:
        return "You have no role in the policy."
    return f"You have the role{'s' if len(here) > 1 else ''} {words.join([words.role(role) for role in here])}."
