"""The only importer of Casbin: an immutable snapshot of one policy, asked in three stages.

Casbin keeps the model, the matcher and the effect; around it stand an index that hands the matcher only the rows that
can match, in the file's order, and a role closure in place of its own. No candidate rows means deny, and Casbin is not
called: with an empty policy its matcher runs on empty strings and can say yes.
"""

from __future__ import annotations

import importlib.metadata
import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import casbin

from policies.catalogue import Catalogue
from policies.errors import PolicyError
from policies.limits import within
from policies.roles import ClassLinks, RoleClosure
from policies.rows import Rows, Rule

MODEL: Final = "model.conf"
_STAGE: Final = {"p": "", "p2": "2", "p3": "3"}


class Snapshot:
    """One policy, ready to be asked; never changes, and may be asked from many threads.

    Args:
        model: the text of model.conf.
        rows: the policy's rows.
        catalogue: what there is, for classes.
    """

    def __init__(self, model: str, rows: Rows, catalogue: Catalogue) -> None:
        _refuse_two_casbins()
        self._model = model
        self._catalogue = catalogue
        self.rows = rows
        self.roles = RoleClosure(rows.links)
        self._rules = {rule.id: rule for rule in rows.rules}
        self._buckets: dict[tuple[str, str], list[tuple[int, Rule]]] = {}
        for place, rule in enumerate(rows.rules):
            self._buckets.setdefault((rule.stage, rule.res), []).append((place, rule))
        self._enforcers: dict[tuple[str, ...], _Asked] = {}
        self._lock = threading.Lock()

    def rule(self, rule_id: str) -> Rule | None:
        """Return the rule with this id."""
        return self._rules.get(rule_id)

    def candidates(self, stage: str, team: str, resource: str, action: str) -> list[Rule]:
        """Return the rows of a stage that can match, in the file's order."""
        classes = self._catalogue.classes(resource)
        found = [each for name in classes for each in self._buckets.get((stage, name), ())]
        return [rule for _, rule in sorted(found, key=_place) if rule.dom in {"*", team} and rule.act in {"*", action}]

    def first(
        self, stage: str, sub: str, team: str, resource: str, action: str, facts: Mapping[str, int], slot: str = ""
    ) -> tuple[bool, str]:
        """Return (allowed, id of the deciding rule or empty) of the stage `p` or `p3`."""
        rows = [r for r in self.candidates(stage, team, resource, action) if stage != "p3" or r.slots in {"*", slot}]
        return self._ask(stage, rows, sub, team, resource, action, facts, slot)

    def every(
        self, stage: str, sub: str, team: str, resource: str, action: str, facts: Mapping[str, int]
    ) -> list[Rule]:
        """Return every row of the stage that matches, each asked of Casbin on its own."""
        rows = self.candidates(stage, team, resource, action)
        return [row for row in rows if self._ask(stage, [row], sub, team, resource, action, facts, "")[0]]

    def _ask(
        self,
        stage: str,
        rows: list[Rule],
        sub: str,
        team: str,
        resource: str,
        action: str,
        facts: Mapping[str, int],
        slot: str,
    ) -> tuple[bool, str]:
        if not sub.startswith(("user:", "svc:")) or not rows:
            return False, ""
        key = (stage, *(row.id for row in rows))
        with self._lock:
            asked = self._enforcers.get(key)
            if asked is None:
                asked = self._enforcers[key] = _Asked(self._model, stage, rows, self.roles)
        links = ClassLinks({resource: self._catalogue.classes(resource)})
        request = [sub, team, resource, action, facts, *([slot] if stage == "p3" else [])]
        return asked.ask(links, request)


def _place(numbered: tuple[int, Rule]) -> int:
    return numbered[0]


class _Asked:
    """A Casbin enforcer over a few rows; one request at a time."""

    def __init__(self, model: str, stage: str, rows: list[Rule], roles: RoleClosure) -> None:
        logging.getLogger("casbin").setLevel(logging.WARNING)
        self._lock = threading.Lock()
        parsed = casbin.Model()
        parsed.load_model_from_text(model)
        self._casbin = casbin.Enforcer(parsed)
        self._casbin.add_function("within", _within)
        for row in rows:
            parsed.add_policy("p", stage, row.values)
        parsed["g"]["g"].rm = roles
        self._links = parsed["g"]["g2"]
        self._context = self._casbin.new_enforce_context(_STAGE[stage]) if _STAGE[stage] else None

    def ask(self, links: ClassLinks, request: list[Any]) -> tuple[bool, str]:
        with self._lock:
            self._links.rm = links
            arguments = request if self._context is None else [self._context, *request]
            allowed, explain = self._casbin.enforce_ex(*arguments)
        return bool(allowed), explain[0] if explain else ""


def _within(facts: Mapping[str, int], limit: str, mode: str) -> bool:
    """The matcher's function: allow and auto rows need every fact, deny and seat rows bite without it."""
    return within(facts, limit, unknown=mode not in {"allow", "auto"})


def load_model(folder: Path) -> str:
    """Return the text of model.conf."""
    try:
        return (folder / MODEL).read_text()
    except FileNotFoundError as error:
        raise PolicyError(MODEL, str(folder), "there is none; copy the one that ships with Quartermaster") from error


def _refuse_two_casbins() -> None:
    """PyPI's frozen `casbin` and `pycasbin` overwrite each other in one environment; which one answers is luck."""
    try:
        importlib.metadata.version("casbin")
    except importlib.metadata.PackageNotFoundError:
        return
    raise PolicyError("environment", "packages", "both casbin and pycasbin are installed; remove casbin")
