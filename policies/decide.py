"""The decision: may this person ask for this, who must agree, who may agree, and what would have passed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.nouns import Decision, Effect, Fact, Form, KeyForm, Seat
from policies import catalogue as catalogue_file
from policies import engine, rows, words
from policies.catalogue import Catalogue, parse_catalogue
from policies.engine import Snapshot
from policies.explain import Miss, Question, evaluated_first, misses, sentence
from policies.files import FILES, digest_of, read_files
from policies.known import facts_about, facts_of_paying
from policies.limits import parse_limit
from policies.lower import lowered, neighbours
from policies.reading import parse_rows
from policies.rows import AUTO, Rule
from policies.vocabulary import vocabulary_of
from policies.words import SEAT_WORDS

__all__ = ["FILES", "SEAT_WORDS", "Nearest", "Policy", "digest_of"]

DEFAULT_SEATS: Final = (("owner-lead", 1),)
EXTEND: Final = "extend"
"""The action of rows that speak of running longer alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """A request like the one denied that would pass; `label` names the change."""

    form: Form
    decision: Decision
    label: str


class Policy:
    """One policy, loaded and immutable: rules, catalogue and the digest that every decision names."""

    def __init__(self, snapshot: Snapshot, catalogue: Catalogue, digest: str, files: Mapping[str, str]) -> None:
        self.snapshot = snapshot
        self.catalogue = catalogue
        self.digest = digest
        self.files = files

    @classmethod
    def load(cls, folder: Path) -> Policy:
        """Return the policy of `folder`; raises PolicyError naming file and place."""
        return cls.of(read_files(folder))

    @classmethod
    def of(cls, files: Mapping[str, str]) -> Policy:
        """Return the policy that the texts of its files say; raises PolicyError naming file and place."""
        catalogue = parse_catalogue(files[catalogue_file.FILE])
        table = parse_rows(files[rows.FILE], vocabulary_of(catalogue))
        return cls(Snapshot(files[engine.MODEL], table, catalogue), catalogue, digest_of(files), files)

    def with_catalogue(self, catalogue: Catalogue) -> Policy:
        """Return the same rules over a catalogue that says more of the same resources."""
        return Policy(self.snapshot, catalogue, self.digest, self.files)

    # -- asking -------------------------------------------------------------------------------------------------

    def decide(self, person: str, form: Form, facts: Mapping[str, int | str]) -> Decision:
        """Return what the policy says about `form` asked by `person` (`user:<Slack id>`), and why.

        Args:
            facts: what only the ledger knows: `held_gpus`, `open_requests`, `added_s`.
        """
        return self._decide(person, form, facts, longer=False)

    def extend(self, person: str, form: Form, facts: Mapping[str, int | str]) -> Decision:
        """Return what the policy says about holding `form`, a running request on its new totals, and why.

        Whoever may not ask for the totals may not extend to them. Who must agree is said by the rows for `extend`
        that match, and by those of the form's own action where none does; a row may also forbid to `extend`.
        """
        return self._decide(person, form, facts, longer=True)

    def eligible(self, person: str, form: Form) -> bool:
        """Whether any rule lets `person` ask for the like of `form` at all, whatever its limits say."""
        if not _is_person(person):
            return False
        team = self.team(person)
        found = self.snapshot.candidates("p", team, form.resource, form.action)
        return self._is_any(person, {rule.sub for _, rule, _ in found if rule.effect == "allow"}, team)

    def _decide(self, person: str, form: Form, facts: Mapping[str, int | str], *, longer: bool) -> Decision:
        if not _is_person(person):
            return self._deny(person, (), (), "Only people ask; a program asks through the person who runs it.")
        if not self.catalogue.knows(form):
            return self._deny(person, (), (), _unlisted(form))
        known = facts_about(form, facts, self.catalogue)
        values = _values(known)
        team = self.team(person)
        allowed, rule = self.snapshot.first("p", person, team, form.resource, form.action, values)
        if allowed and longer:
            permitted, forbids = self.snapshot.first("p", person, team, form.resource, EXTEND, values)
            allowed, rule = (False, forbids) if forbids and not permitted else (True, rule)
        if not allowed:
            return self._denied(person, form, values, rule, known)
        owner = self.catalogue.owner(form.resource) or ""
        needs = self._needs(person, owner, form, values, longer=longer)
        seats = _seats(needs, owner)
        return Decision(
            effect=Effect.PERMIT,
            rules=(rule, *(need.id for need in needs if seats or need.slots == AUTO)),
            seats=seats,
            auto=not seats,
            policy=self.digest,
            team=team,
            facts=(*known, *facts_of_paying(team, form, self.catalogue)),
            why=_permit_words(rule, needs, seats),
        )

    def _needs(self, person: str, owner: str, form: Form, values: Mapping[str, int], *, longer: bool) -> list[Rule]:
        for action in (EXTEND, form.action) if longer else (form.action,):
            if needs := self.snapshot.every("p2", person, owner, form.resource, action, values):
                return needs
        return []

    def nearest(self, person: str, form: Form, facts: Mapping[str, int | str]) -> Nearest | None:
        """Return the request nearest to `form` that this person would be permitted, None when there is none."""
        if not _is_person(person) or not self.catalogue.knows(form):
            return None
        question = self._question(person, form, _values(facts_about(form, facts, self.catalogue)))
        return self._nearest(misses(self.snapshot, question), facts) or self._nearest(
            misses(self.snapshot, question, self._elsewhere(question, facts), wide=True), facts
        )

    def _nearest(self, near: Sequence[Miss], facts: Mapping[str, int | str]) -> Nearest | None:
        for miss in near:
            if miss.role or miss.team:
                continue
            for lower in lowered(miss.asked.form, parse_limit(miss.rule.limit), self.catalogue):
                decision = self.decide(miss.asked.person, lower.form, facts)
                if decision.permitted:
                    return Nearest(form=lower.form, decision=decision, label=miss.asked.label or lower.change)
        return None

    # -- deciding -----------------------------------------------------------------------------------------------

    def may_vote(self, person: str, seat: str, team: str, form: Form, *, is_self: bool = False) -> str | None:
        """Return the rule that lets `person` fill `seat` of `team` for `form`, None when none does.

        No row can let a program vote, or anybody on what is their own: that is said here, beside the rows that say it.
        """
        if is_self or not _is_person(person):
            return None
        allowed, rule = self.snapshot.first("p3", person, team, form.resource, form.action, {"self": 0}, seat)
        return rule if allowed else None

    def voters(self, seat: str, team: str, form: Form) -> tuple[str, ...]:
        """Return everybody who may fill `seat` of `team` for `form`, in order of the file."""
        found = self.snapshot.candidates("p3", team, form.resource, form.action)
        subs = {rule.sub for _, rule, _ in found if rule.effect == "allow" and rule.slots in {"*", seat}}
        return tuple(
            person
            for person in self.snapshot.roles.people()
            if self._is_any(person, subs, team) and self.may_vote(person, seat, team, form) is not None
        )

    def may(self, person: str, action: str, resource: str) -> str | None:
        """Return the rule that lets `person` do `action` on `resource` (export, revoke), None when none does."""
        if not _is_person(person):
            return None
        owner = self.catalogue.owner(resource)
        team = owner if owner is not None else self.team(person)
        allowed, rule = self.snapshot.first("p", person, team, resource, action, {})
        return rule if allowed else None

    # -- people -------------------------------------------------------------------------------------------------

    def people(self) -> tuple[str, ...]:
        """Return the Slack ids of everybody in the policy."""
        return tuple(person.removeprefix("user:") for person in self.snapshot.roles.people())

    def knows(self, person: str) -> bool:
        """Whether the policy lists this person."""
        return bool(self.snapshot.roles.roles(person))

    def team(self, person: str) -> str:
        """Return the team a person asks in: their first; `team:none` for those who have none."""
        teams = self.snapshot.roles.teams(person)
        return teams[0] if teams else "team:none"

    def title(self, person: str) -> str:
        """Return what a person is, in words: `engineer, vision`."""
        named = []
        for role, team in self.snapshot.roles.roles(person)[:1]:
            name = SEAT_WORDS.get(role.removeprefix("role:"), role.removeprefix("role:"))
            named.append(name if team == "*" else f"{name}, {team.removeprefix('team:')}")
        return "; ".join(named)

    def money(self, minor: int) -> str:
        """Return an amount as people read it: `€33.60`, `€2,000`."""
        return words.money(minor, self.catalogue.currency)

    # -- why not ------------------------------------------------------------------------------------------------

    def _denied(
        self, person: str, form: Form, values: Mapping[str, int], rule: str, known: tuple[Fact, ...]
    ) -> Decision:
        found = self.snapshot.rule(rule)
        if found is not None:
            why = f"Rule `{rule}` forbids this{words.whenever(parse_limit(found.limit))}."
            return self._deny(person, (rule,), known, why)
        question = self._question(person, form, values)
        near = misses(self.snapshot, question, self._elsewhere(question, {}))
        if not near:
            return self._deny(person, (), known, "No rule lets you ask for this.")
        why = sentence(self.snapshot, question, near[0], self.catalogue.currency)
        why = f"{why} {evaluated_first(form, near[0], self.catalogue)}".rstrip()
        return self._deny(person, (near[0].rule.id,), known, why)

    def _deny(self, person: str, rule_ids: tuple[str, ...], facts: tuple[Fact, ...], why: str) -> Decision:
        return Decision(
            effect=Effect.DENY, rules=rule_ids, policy=self.digest, team=self.team(person), facts=facts, why=why
        )

    def _question(self, person: str, form: Form, values: Mapping[str, int], label: str = "", rank: int = 0) -> Question:
        return Question(
            person=person,
            team=self.team(person),
            resource=form.resource,
            action=form.action,
            facts=values,
            form=form,
            label=label,
            rank=rank,
        )

    def _elsewhere(self, question: Question, given: Mapping[str, int | str]) -> Iterator[Question]:
        for rank, (form, label) in enumerate(neighbours(question.form, self.catalogue), start=1):
            if self.catalogue.knows(form):
                values = {**question.facts, **_values(facts_about(form, given, self.catalogue))}
                yield self._question(question.person, form, values, label, rank)

    def _is_any(self, person: str, subs: set[str], team: str) -> bool:
        return any(sub in {"*", person} or self.snapshot.roles.has_link(person, sub, team) for sub in subs)


def _unlisted(form: Form) -> str:
    if isinstance(form, KeyForm):
        model, _, place = form.resource.partition(":")[2].partition("@")
        return f"Nothing serves {model} in {place} for keys: the catalogue does not list it as served."
    return "The catalogue does not list that."


def seats_of(needs: Sequence[Rule]) -> dict[str, int]:
    """Return the seats of NEED rows: the highest count of each; any seat beats `auto`; no row means the default."""
    wanted: dict[str, int] = {}
    for need in needs:
        for name, count in need.seats.items():
            wanted[name] = max(wanted.get(name, 0), count)
    return wanted if needs else dict(DEFAULT_SEATS)


def _is_person(subject: str) -> bool:
    """Programs and roles never ask and never vote, whatever the rows say."""
    return subject.startswith("user:")


def _values(facts: Sequence[Fact]) -> dict[str, int]:
    return {fact.name: fact.value for fact in facts if isinstance(fact.value, int)}


def _seats(needs: list[Rule], owner: str) -> tuple[Seat, ...]:
    return tuple(Seat(name=name, count=count, team=owner) for name, count in seats_of(needs).items())


def _permit_words(rule: str, needs: list[Rule], seats: tuple[Seat, ...]) -> str:
    if not seats:
        return f"Rule `{rule}` allows this. Rule `{needs[0].id}` approves it."
    people = words.join([f"{seat.count} {SEAT_WORDS[seat.name]}{words.of_team(seat.team)}" for seat in seats])
    because = next((need.id for need in needs if need.slots != AUTO), None)
    return f"Rule `{rule}` allows this. " + (f"Rule `{because}` needs {people}." if because else f"It needs {people}.")
