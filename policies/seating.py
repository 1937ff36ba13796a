"""Can the seats be filled: for every NEED row and owner, are there people enough who are not the asker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from policies.decide import DEFAULT_SEATS
from policies.engine import Snapshot
from policies.rows import Rule
from policies.vocabulary import ACTIONS, Vocabulary


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Seats of an owner that cannot be filled: by nobody, by nobody but the asker, or not for some askers."""

    rule: Rule | None
    owner: str
    seats: str
    kind: str
    asker: str = ""


class Seating:
    """Answers who could fill the seats of a row."""

    def __init__(self, snapshot: Snapshot, words: Vocabulary) -> None:
        self._snapshot, self._words = snapshot, words
        self._holders: dict[tuple[str, str], set[str]] = {}
        for person in snapshot.roles.people():
            for role, team in snapshot.roles.held(person):
                self._holders.setdefault((role, team), set()).add(person)
        self._by_role: dict[str, set[str]] = {}
        for (role, _), people in self._holders.items():
            self._by_role.setdefault(role, set()).update(people)
        self._asks: dict[tuple[str, str], set[tuple[str, str]]] = {}
        for rule in snapshot.rows.rules:
            if rule.stage == "p" and rule.effect == "allow":
                self._asks.setdefault((rule.res, rule.act), set()).add((rule.sub, rule.dom))
        self._homes: dict[tuple[str, str], str] = {}
        for resource in snapshot.catalogue.resources():
            owner = snapshot.catalogue.owner(resource)
            for name in snapshot.classes(resource) if owner else ():
                self._homes.setdefault((name, owner or ""), resource)
        self._known: dict[tuple[str, ...], Gap | None] = {}

    def gaps(self) -> Iterator[Gap]:
        """Yield every row and owner whose seats cannot be filled, and the default seat's."""
        for rule in self._snapshot.rows.rules:
            if rule.stage == "p2" and rule.seats:
                owners = sorted(self._words.owners.get(rule.res, ()))
                yield from self._row(rule, rule.seats, [o for o in owners if rule.dom in {"*", o}])
        yield from self._row(None, dict(DEFAULT_SEATS), sorted(self._words.owners.get("class:any", ())))

    def _row(self, rule: Rule | None, seats: Mapping[str, int], owners: Sequence[str]) -> Iterator[Gap]:
        place, act, sub = (rule.res, rule.act, rule.sub) if rule else ("class:any", "*", "*")
        for owner in owners:
            key = (place, act, sub, owner, *sorted(f"{name}:{count}" for name, count in seats.items()))
            if key not in self._known:
                self._known[key] = self._gap(rule, seats, owner)
            if (gap := self._known[key]) is not None:
                yield Gap(rule=rule, owner=gap.owner, seats=gap.seats, kind=gap.kind, asker=gap.asker)

    def _gap(self, rule: Rule | None, seats: Mapping[str, int], owner: str) -> Gap | None:
        resource = self._homes[(rule.res if rule else "class:any", owner)]
        action = rule.act if rule and rule.act != "*" else ACTIONS[resource.partition(":")[0]][0]
        chairs = [self._who("p3", resource, action, owner, seat) for seat, count in seats.items() for _ in range(count)]
        if all(len(voters) > len(chairs) for voters in chairs):
            return None  # whoever asks, there are more voters for each seat than seats
        said = " ".join(f"{name}:{count}" for name, count in seats.items())
        if not _seated(chairs, ""):
            return Gap(rule=rule, owner=owner, seats=said, kind="nobody")
        askers = self._askers(rule, resource, action, owner)
        stuck = sorted(asker for asker in askers if not _seated(chairs, asker))
        if not stuck:
            return None
        return Gap(
            rule=rule, owner=owner, seats=said, kind="all" if len(stuck) == len(askers) else "some", asker=stuck[0]
        )

    def _askers(self, rule: Rule | None, resource: str, action: str, owner: str) -> set[str]:
        askers: set[str] = set()
        for name in self._snapshot.classes(resource):
            for act in (action, "*"):
                for sub, team in self._asks.get((name, act), ()):
                    askers |= self._people(sub, team) if team != "*" else self._anywhere(sub)
        if rule is None or rule.sub == "*":
            return askers
        return askers & self._people(rule.sub, owner)

    def _who(self, stage: str, resource: str, action: str, team: str, seat: str) -> set[str]:
        rows = self._snapshot.candidates(stage, team, resource, action)
        subs = {rule.sub for _, rule, _ in rows if rule.effect == "allow" and rule.slots in {"", "*", seat}}
        return {person for sub in subs for person in self._people(sub, team)}

    def _anywhere(self, sub: str) -> set[str]:
        return self._by_role.get(sub, set()) if sub.startswith("role:") else self._people(sub, "*")

    def _people(self, sub: str, team: str) -> set[str]:
        if sub == "*":
            return set(self._snapshot.roles.people())
        if sub.startswith("user:"):
            return {sub}
        return self._holders.get((sub, team), set()) | self._holders.get((sub, "*"), set())


def _seated(chairs: Sequence[set[str]], without: str) -> bool:
    """Whether every chair gets a person of its own, `without` one of them."""
    seated: dict[str, int] = {}

    def place(chair: int, tried: set[str]) -> bool:
        for person in chairs[chair] - {without} - tried:
            tried.add(person)
            if person not in seated or place(seated[person], tried):
                seated[person] = chair
                return True
        return False

    return all(place(chair, set()) for chair in range(len(chairs)))
