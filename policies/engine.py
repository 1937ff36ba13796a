"""The only importer of Casbin: an immutable snapshot of one policy, asked in three stages.

Casbin keeps the model, the matcher and the effect; around it stand an index that hands the matcher only the rows that
can match, in the file's order, a role closure in place of its own, and its matchers compiled once. No candidate rows
means deny, and Casbin is not called: with an empty policy its matcher runs on empty strings and can say yes.
"""

from __future__ import annotations

import importlib.metadata
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import casbin

from policies.catalogue import Catalogue
from policies.errors import PolicyError
from policies.index import Entry, RowIndex
from policies.limits import within
from policies.matcher import Matcher
from policies.roles import RoleClosure
from policies.rows import AUTO, Rows, Rule

MODEL: Final = "model.conf"
_EFFECT: Final = "some(where (p_eft == allow)) && !some(where (p_eft == deny))"
_ROW: Final = ["id", "sub", "dom", "res", "act", "limit", "eft"]
_TOKENS: Final = {"p": _ROW, "p2": [*_ROW, "slots"], "p3": [*_ROW, "slot"]}
_REMEMBERED: Final = 4096
"""Resources whose classes are remembered; more than a catalogue lists, fewer than a flood of names could fill."""


class Snapshot:
    """One policy, ready to be asked; never changes, and may be asked from many threads.

    Args:
        model: the text of model.conf.
        rows: the policy's rows.
        catalogue: what there is, for classes.
    """

    def __init__(self, model: str, rows: Rows, catalogue: Catalogue) -> None:
        _refuse_two_casbins()
        self.rows = rows
        self.roles = RoleClosure(rows.links)
        self._model = model
        self._rules = {rule.id: rule for rule in rows.rules}
        self._index = RowIndex(rows.rules)
        self.catalogue = catalogue
        self._classes: dict[str, frozenset[str]] = {}
        self._casbin = _Casbin(model, self.roles.has_link, lambda resource, name: name in self.classes(resource))

    def with_rows(self, rows: Rows) -> Snapshot:
        """Return the same house under other rows; raises PolicyError when they cannot be used."""
        return Snapshot(self._model, rows, self.catalogue)

    def rule(self, rule_id: str) -> Rule | None:
        """Return the rule with this id."""
        return self._rules.get(rule_id)

    def classes(self, resource: str) -> frozenset[str]:
        """Return every class of a resource, itself included."""
        found = self._classes.get(resource)
        if found is None:
            found = self.catalogue.classes(resource)
            if len(self._classes) < _REMEMBERED:
                self._classes[resource] = found
        return found

    def candidates(self, stage: str, team: str, resource: str, action: str) -> list[Entry]:
        """Return the rows of a stage that can match, in the file's order."""
        return self._index.find(stage, team, self.classes(resource), action)

    def first(
        self, stage: str, sub: str, team: str, resource: str, action: str, facts: Mapping[str, int], slot: str = ""
    ) -> tuple[bool, str]:
        """Return (allowed, id of the deciding rule or empty) of the stage `p` or `p3`."""
        found = self.candidates(stage, team, resource, action)
        rows = [values for _, rule, values in found if stage == "p" or rule.slots in {"*", slot}]
        if not rows or not _is_subject(sub):
            return False, ""
        request = [sub, team, resource, action, _with_kind(sub, facts), *([slot] if stage == "p3" else [])]
        return self._casbin.ask(stage, rows, request)

    def every(
        self, stage: str, sub: str, team: str, resource: str, action: str, facts: Mapping[str, int]
    ) -> list[Rule]:
        """Return every row of the stage `p2` that matches; none of them denies, so Casbin looks at them all."""
        found = self.candidates(stage, team, resource, action)
        if not found or not _is_subject(sub):
            return []
        request = [sub, team, resource, action, _with_kind(sub, facts)]
        matched = self._casbin.matches(stage, [values for _, _, values in found], request)
        return [found[place][1] for place in matched]

    def matches(self, rule: Rule, sub: str, team: str, resource: str, action: str, facts: Mapping[str, int]) -> bool:
        """Whether one rule alone matches a request, whatever its effect; for a VOTE row, for its own seat."""
        slot = [] if rule.stage != "p3" else [rule.slots]
        request = [sub, team, resource, action, _with_kind(sub, facts), *slot]
        return _is_subject(sub) and bool(self._casbin.matches(rule.stage, [rule.values], request))


def _is_subject(sub: str) -> bool:
    """A subject named like a role would be that role: Casbin's g(x, x) is always true."""
    return sub.startswith(("user:", "svc:"))


def _with_kind(sub: str, facts: Mapping[str, int]) -> dict[str, int]:
    """What kind of subject asks is read off its prefix here, so that a deny row needs no role link to bite."""
    return {**facts, "service": int(not sub.startswith("user:"))}


class _Casbin(casbin.Enforcer):  # type: ignore[misc]
    """A Casbin enforcer that is handed the rows of each question, with its matchers compiled once."""

    def __init__(self, model: str, has_role: Callable[..., bool], in_class: Callable[[str, str], bool]) -> None:
        logging.getLogger("casbin").setLevel(logging.ERROR)  # below it writes every denied request, facts and all
        super().__init__(_parsed(model))
        self._asking = threading.Lock()
        functions: dict[str, Callable[..., bool]] = {"g": has_role, "g2": in_class, "within": _within}
        self._matchers: dict[str, Matcher] = {}
        for name, assertion in self.model["m"].items():
            self._matchers[name] = Matcher(assertion.value.replace("&&", " and ").replace("||", " or "), functions)
            assertion.value = name  # from here on a matcher goes by its name: Casbin searches its text on each call
        self._contexts = {stage: self.new_enforce_context(stage[1:]) for stage in _TOKENS}

    def ask(self, stage: str, rows: Sequence[Sequence[str]], request: list[Any]) -> tuple[bool, str]:
        """Return (allowed, id of the row that decided) over `rows` alone."""
        with self._asking:
            self.model["p"][stage].policy = rows
            allowed, explain = self.enforce_ex(self._contexts[stage], *request)
        return bool(allowed), explain[0] if explain else ""

    def matches(self, stage: str, rows: Sequence[Sequence[str]], request: list[Any]) -> list[int]:
        """Return the places of the rows that match, as Casbin heard it row by row; `rows` deny nothing."""
        with self._asking:
            matcher = self._matchers[f"m{stage[1:]}"]
            heard: list[bool] = []
            matcher.heard = heard
            self.model["p"][stage].policy = rows
            try:
                self.enforce_ex(self._contexts[stage], *request)
            finally:
                matcher.heard = None
        return [place for place, matched in enumerate(heard) if matched]

    def _get_expression(self, expr: str, functions: object = None) -> Matcher:
        """Casbin's own hook for turning a matcher into something with `eval`."""
        del functions
        return self._matchers[expr]


def _within(facts: Mapping[str, int], limit: str, mode: str) -> bool:
    """The matcher's function: allow and auto rows need every fact, deny and seat rows bite without it."""
    return within(facts, limit, unknown=mode not in {"allow", AUTO})


def _parsed(text: str) -> casbin.Model:
    """Return Casbin's model of a text; raises PolicyError unless its rows and its effect are those this house uses."""
    model = casbin.Model()
    try:
        model.load_model_from_text(text)
        effect, rows = model["e"]["e"].value, {name: model["p"][name].tokens for name in _TOKENS}
        matchers = {*model["m"]} >= {"m", "m2", "m3"}
    except (RuntimeError, KeyError, ValueError, AttributeError, TypeError) as error:
        raise PolicyError(MODEL, "the file", "is no Casbin model; copy the one that ships") from error
    if effect.replace(" ", "") != _EFFECT.replace(" ", "") or not matchers:
        raise PolicyError(MODEL, "policy_effect, matchers", "are not the shipped ones; copy them back")
    wanted = {stage: [f"{stage}_{token}" for token in tokens] for stage, tokens in _TOKENS.items()}
    if rows != wanted:
        raise PolicyError(MODEL, "policy_definition", "is not the shipped one; copy it back")
    return model


def _refuse_two_casbins() -> None:
    """PyPI's frozen `casbin` and `pycasbin` overwrite each other in one environment; which one answers is luck."""
    try:
        importlib.metadata.version("casbin")
    except importlib.metadata.PackageNotFoundError:
        return
    raise PolicyError("environment", "packages", "both casbin and pycasbin are installed; remove casbin")
