"""Every small mistake in a row, and which cases notice: a rule that nobody would miss is a rule that nobody tested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from policies.cases import STAGES, Case, cast, run_case
from policies.engine import Snapshot
from policies.errors import PolicyError
from policies.limits import parse_limit
from policies.rows import AUTO, Link, Rows, Rule
from policies.vocabulary import ACTIONS, MOST_IN_A_SEAT, SEATS, vocabulary_of

_FLIP: Final = {"allow": "deny", "deny": "allow"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One row changed or gone (`now` is None); `how` says it in words."""

    was: Rule | Link
    now: Rule | Link | None
    how: str

    @property
    def name(self) -> str:
        """The rule's id; the member of a `g` row."""
        return self.was.id if isinstance(self.was, Rule) else self.was.member

    def applied(self, rows: Rows) -> Rows:
        """Return the rows with this one mistake in them."""
        rules = tuple(self.now if rule is self.was else rule for rule in rows.rules)
        links = tuple(self.now if link is self.was else link for link in rows.links)
        return Rows(
            rules=tuple(rule for rule in rules if isinstance(rule, Rule)),
            links=tuple(link for link in links if isinstance(link, Link)),
        )


def mutants(snapshot: Snapshot) -> Iterator[Mutant]:
    """Yield every single-row mistake: dropped, flipped, a limit off by one or gone, a role, action or seat swapped."""
    rows = snapshot.rows
    roles = sorted({link.role for link in rows.links} | {rule.sub for rule in rows.rules if rule.sub[:5] == "role:"})
    places = vocabulary_of(snapshot.catalogue).places
    for rule in rows.rules:
        yield Mutant(was=rule, now=None, how="dropped")
        yield _flipped(rule)
        yield from _limits(rule)
        yield from _seats(rule)
        yield from _swapped(rule, "sub", [*roles, "*"])
        actions = sorted({action for scheme in places[rule.res] for action in ACTIONS[scheme]})
        yield from _swapped(rule, "act", [*actions, "*"])
    for link in rows.links:
        yield Mutant(was=link, now=None, how="dropped")
        for role in roles:
            if role not in {link.role, link.member}:
                yield Mutant(was=link, now=replace(link, role=role), how=f"{role} in place of {link.role}")


def _flipped(rule: Rule) -> Mutant:
    if rule.stage == "p2":
        slots = "owner-lead:1" if rule.slots == AUTO else AUTO
        return Mutant(was=rule, now=replace(rule, slots=slots), how=f"{slots} in place of {rule.slots}")
    effect = _FLIP[rule.effect]
    return Mutant(was=rule, now=replace(rule, effect=effect), how=f"{effect} in place of {rule.effect}")


def _limits(rule: Rule) -> Iterator[Mutant]:
    parts = parse_limit(rule.limit)
    for place, part in enumerate(parts):
        others = [str(each) for each in parts]
        for number in (part.shown - 1, part.shown + 1):
            if number >= 0:
                others[place] = f"{part.word}{part.compare}{number}"
                how = f"{others[place]} in place of {part}"
                yield Mutant(was=rule, now=replace(rule, limit=" ".join(others)), how=how)
        del others[place]
        yield Mutant(was=rule, now=replace(rule, limit=" ".join(others) or "-"), how=f"without {part}")


def _seats(rule: Rule) -> Iterator[Mutant]:
    if rule.stage == "p3":
        yield from _swapped(rule, "slots", [*sorted(SEATS), "*"])
    for seat, count in rule.seats.items():
        for other in (count - 1, count + 1):
            seats = {**rule.seats, seat: other}
            slots = " ".join(f"{name}:{number}" for name, number in seats.items() if number)
            if slots and other <= MOST_IN_A_SEAT:
                yield Mutant(was=rule, now=replace(rule, slots=slots), how=f"{seat}:{other} in place of {seat}:{count}")


def _swapped(rule: Rule, field: str, values: Sequence[str]) -> Iterator[Mutant]:
    was = getattr(rule, field)
    for value in values:
        if value != was:
            changed: dict[str, str] = {field: value}
            yield Mutant(was=rule, now=replace(rule, **changed), how=f"{value} in place of {was}")  # type: ignore[arg-type]


def survivors(snapshot: Snapshot, cases: Sequence[Case]) -> tuple[int, list[Mutant]]:
    """Return how many mutants there are, and those that no case notices. `cases` pass as they stand."""
    count, alive = 0, []
    for mutant in mutants(snapshot):
        count += 1
        if not _noticed(snapshot, mutant, cases):
            alive.append(mutant)
    return count, alive


def _noticed(snapshot: Snapshot, mutant: Mutant, cases: Sequence[Case]) -> bool:
    concerned = [case for case in cases if not isinstance(mutant.was, Rule) or STAGES[case.stage] == mutant.was.stage]
    concerned.sort(key=lambda case: mutant.name not in case.rule.split(" "))
    try:
        changed = snapshot.with_rows(cast(mutant.applied(snapshot.rows), cases))
    except PolicyError:
        return True
    return not all(run_case(changed, case).passed for case in concerned)
