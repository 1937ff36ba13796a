"""The decision: may this person ask for this, who must agree, who may agree, and what would have passed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ledger.nouns import DataForm, Decision, DeployForm, Effect, Fact, Form, GpuForm, Seat
from policies import catalogue as catalogue_file
from policies import engine, rows
from policies.catalogue import Catalogue, load_catalogue
from policies.engine import Snapshot, load_model
from policies.limits import Part, failing, parse_limit
from policies.rows import Rule, load_rows

FILES: Final = (engine.MODEL, rows.FILE, catalogue_file.FILE)
DEFAULT_SEATS: Final = (("owner-lead", 1),)
CURRENCY_SIGNS: Final = {"EUR": "€", "USD": "$", "GBP": "£"}
SEAT_WORDS: Final = {"owner-lead": "lead", "dpo": "data protection officer", "budget": "budget owner", "peer": "peer"}
_WORKING: Final = {"tests": 0, "change_window_closed": 0, "breakglass": 0}
"""Facts that nothing supplies yet: no passing evaluation, no closed window, no emergency."""


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
        model, table, catalogue = load_model(folder), load_rows(folder), load_catalogue(folder)
        files = {name: (folder / name).read_text() for name in FILES}
        return cls(Snapshot(model, table, catalogue), catalogue, digest_of(files), files)

    # -- asking -------------------------------------------------------------------------------------------------

    def decide(self, person: str, form: Form, facts: Mapping[str, int | str]) -> Decision:
        """Return what the policy says about `form` asked by `person` (`user:<Slack id>`), and why.

        Args:
            facts: what only the ledger knows: `held_gpus`, `open_requests`, `added_s`.
        """
        if not self.catalogue.knows(form):
            return self._deny(person, (), (), "The catalogue does not list that.")
        known = self.facts(form, facts)
        values = {fact.name: fact.value for fact in known if isinstance(fact.value, int)}
        team = self.team(person)
        allowed, rule = self.snapshot.first("p", person, team, form.resource, form.action, values)
        if not allowed:
            return self._denied(person, form, values, rule, known)
        owner = self.catalogue.owner(form.resource) or ""
        needs = self.snapshot.every("p2", person, owner, form.resource, form.action, values)
        seats = _seats(needs, owner)
        return Decision(
            effect=Effect.PERMIT,
            rules=(rule, *(need.id for need in needs if seats or need.slots == "auto")),
            seats=seats,
            auto=not seats,
            policy=self.digest,
            team=team,
            facts=known,
            why=_permit_words(rule, needs, seats),
        )

    def facts(self, form: Form, given: Mapping[str, int | str]) -> tuple[Fact, ...]:
        """Return every fact about `form` with its source, in a fixed order."""
        found: list[tuple[str, int | str, str]] = []
        if isinstance(form, GpuForm):
            found += [("gpus", form.gpus, "form"), ("gpu_type", form.gpu_type, "form")]
            found += [("cost_minor", self.catalogue.price(form), "catalogue")]
        if isinstance(form, DataForm):
            dataset = self.catalogue.datasets[form.resource.removeprefix("data:")]
            found += [("level", dataset.level, "catalogue"), ("columns", len(form.columns), "form")]
        if isinstance(form, GpuForm | DataForm):
            found.append(("duration_s", form.duration_s, "form"))
        if isinstance(form, DeployForm):
            found += [(name, value, "house") for name, value in _WORKING.items()]
        known = {name for name, _, _ in found}
        found += [(name, value, "ledger") for name, value in sorted(given.items()) if name not in known]
        return tuple(Fact(name=name, value=value, source=source) for name, value, source in found)

    def nearest(self, person: str, form: Form, facts: Mapping[str, int | str]) -> Nearest | None:
        """Return the request nearest to `form` that this person would be permitted, None when there is none."""
        for rule in self._reachable(person, form):
            for lower, label in _lowered(form, parse_limit(rule.limit), self.catalogue):
                decision = self.decide(person, lower, facts)
                if decision.permitted:
                    return Nearest(form=lower, decision=decision, label=label)
        return None

    # -- deciding -----------------------------------------------------------------------------------------------

    def may_vote(self, person: str, seat: str, team: str, form: Form, *, is_self: bool = False) -> str | None:
        """Return the rule that lets `person` fill `seat` of `team` for `form`, None when none does."""
        facts = {"self": int(is_self)}
        allowed, rule = self.snapshot.first("p3", person, team, form.resource, form.action, facts, seat)
        return rule if allowed else None

    def voters(self, seat: str, team: str, form: Form) -> tuple[str, ...]:
        """Return everybody who may fill `seat` of `team` for `form`, in order of the file."""
        people = self.snapshot.roles.people()
        return tuple(person for person in people if self.may_vote(person, seat, team, form) is not None)

    def may(self, person: str, action: str, resource: str) -> str | None:
        """Return the rule that lets `person` do `action` on `resource` (export, revoke), None when none does."""
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
        words = []
        for role, team in self.snapshot.roles.roles(person)[:1]:
            name = SEAT_WORDS.get(role.removeprefix("role:"), role.removeprefix("role:"))
            words.append(name if team == "*" else f"{name}, {team.removeprefix('team:')}")
        return "; ".join(words)

    # -- words --------------------------------------------------------------------------------------------------

    def money(self, minor: int) -> str:
        """Return an amount as people read it: `€33.60`, `€2,000`."""
        sign = CURRENCY_SIGNS.get(self.catalogue.currency, f"{self.catalogue.currency} ")
        whole, cents = divmod(minor, 100)
        return f"{sign}{whole:,}" + (f".{cents:02}" if cents else "")

    def _denied(
        self, person: str, form: Form, values: Mapping[str, int], rule: str, known: tuple[Fact, ...]
    ) -> Decision:
        if rule:
            return self._deny(person, (rule,), known, f"Rule `{rule}` forbids this.")
        reachable = self._reachable(person, form)
        if not reachable:
            return self._deny(person, (), known, "No rule lets you ask for this.")
        nearest = min(reachable, key=lambda each: len(failing(values, each.limit)))
        allows = _join([self._allows(part) for part in failing(values, nearest.limit)]).replace(" and up to ", " and ")
        asked = _join([self._asked(part, values) for part in failing(values, nearest.limit)])
        return self._deny(person, (nearest.id,), known, f"Rule `{nearest.id}` allows {allows}. You asked for {asked}.")

    def _deny(self, person: str, rule_ids: tuple[str, ...], facts: tuple[Fact, ...], why: str) -> Decision:
        return Decision(
            effect=Effect.DENY, rules=rule_ids, policy=self.digest, team=self.team(person), facts=facts, why=why
        )

    def _reachable(self, person: str, form: Form) -> list[Rule]:
        """ASK rows about this action and resource that only a limit keeps from this person, the widest first."""
        team = self.team(person)
        candidates = self.snapshot.candidates("p", team, form.resource, form.action)
        found = [
            rule
            for rule in candidates
            if rule.effect == "allow" and (rule.sub == "*" or self.snapshot.roles.has_link(person, rule.sub, team))
        ]
        return sorted(found, key=lambda rule: [-part.value for part in parse_limit(rule.limit)])

    def _allows(self, part: Part) -> str:
        if part.compare in {"<=", "<"}:
            return f"up to {self._amount(part, part.value)}"
        return f"{part.fact} {part.compare} {part.shown}"

    def _asked(self, part: Part, values: Mapping[str, int]) -> str:
        value = values.get(part.fact)
        return f"an unknown {part.fact}" if value is None else self._amount(part, value)

    def _amount(self, part: Part, value: int) -> str:
        if part.fact == "cost_minor":
            return self.money(value)
        if part.fact == "duration_s":
            unit = 86400 if part.word == "days" else 3600
            return f"{value / unit:g} {'days' if unit != 3600 else 'hours'}"  # noqa: PLR2004
        word = {"gpus": "GPU" if value == 1 else "GPUs", "level": "sensitivity"}.get(part.fact, part.fact)
        return f"{word} {value}" if word == "sensitivity" else f"{value} {word}"


def digest_of(files: Mapping[str, str]) -> str:
    """Return the digest of a policy: SHA-256 over each file's name, length and bytes, in order of name."""
    digest = hashlib.sha256()
    for name in sorted(files):
        data = files[name].encode()
        digest.update(f"{name} {len(data)}\n".encode() + data)
    return digest.hexdigest()


def _seats(needs: list[Rule], owner: str) -> tuple[Seat, ...]:
    """Every row adds its seats, the highest count of each; any seat beats `auto`; no row means the default."""
    wanted: dict[str, int] = {}
    for need in needs:
        for word in () if need.slots == "auto" else need.slots.split(" "):
            name, _, count = word.partition(":")
            wanted[name] = max(wanted.get(name, 0), int(count))
    if not needs:
        wanted = dict(DEFAULT_SEATS)
    return tuple(Seat(name=name, count=count, team=owner) for name, count in wanted.items())


def _permit_words(rule: str, needs: list[Rule], seats: tuple[Seat, ...]) -> str:
    if not seats:
        return f"Rule `{rule}` allows this. Rule `{needs[0].id}` approves it."
    people = _join([f"{seat.count} {SEAT_WORDS[seat.name]} of {seat.team.removeprefix('team:')}" for seat in seats])
    because = next((need.id for need in needs if need.slots != "auto"), None)
    return f"Rule `{rule}` allows this. " + (f"Rule `{because}` needs {people}." if because else f"It needs {people}.")


def _join(words: list[str]) -> str:
    return " and ".join(words) if len(words) < 3 else ", ".join(words[:-1]) + f" and {words[-1]}"  # noqa: PLR2004


def _lowered(form: Form, parts: tuple[Part, ...], catalogue: Catalogue) -> Iterator[tuple[Form, str]]:
    """Yield lower forms within `parts`, the nearest first, with words for the change."""
    most = {part.fact: part.value for part in parts if part.compare == "<="}
    if isinstance(form, DataForm):
        days = min(form.duration_s, most.get("duration_s", form.duration_s))
        yield replace(form, duration_s=days, not_after=None), f"Ask for {days // 86400} days instead"
    if not isinstance(form, GpuForm):
        return
    gpus, held = (
        min(form.gpus, most.get("gpus", form.gpus)),
        min(form.duration_s, most.get("duration_s", form.duration_s)),
    )
    budget = most.get("cost_minor")
    for fewer in range(gpus, 0, -1):
        lower = replace(form, gpus=fewer, duration_s=held)
        if budget is None or catalogue.price(lower) <= budget:
            yield lower, _change(form, lower)
            return


def _change(form: GpuForm, lower: GpuForm) -> str:
    hours = f"{lower.duration_s / 3600:g} hours"
    if lower.duration_s == form.duration_s:
        return f"Ask for {lower.gpus} instead"
    return f"Ask for {hours} instead" if lower.gpus == form.gpus else f"Ask for {lower.gpus} for {hours} instead"
