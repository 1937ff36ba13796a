"""The case table: decisions written down as rows, and run against a policy."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from policies.decide import Policy
from policies.errors import PolicyError

FILE: Final = "cases.csv"
COLUMNS: Final = ["stage", "sub", "dom", "res", "act", "req", "slot", "want", "rule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row: what is asked, and what must be answered by which rule."""

    line: int
    stage: str
    sub: str
    dom: str
    res: str
    act: str
    facts: dict[str, int]
    slot: str
    want: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a case got; `passed` when it is what it wanted."""

    case: Case
    got: str
    rule: str

    @property
    def passed(self) -> bool:
        """Whether the answer, and the rule where one is named, are those wanted."""
        return self.got == self.case.want and self.rule == self.case.rule


def load_cases(path: Path) -> tuple[Case, ...]:
    """Return the cases of a CSV file; raises PolicyError naming the line that is not one."""
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != COLUMNS:
            raise PolicyError(path.name, "line 1", f"the columns are {','.join(COLUMNS)}")
        return tuple(_case(path.name, reader.line_num, row) for row in reader)


def _case(file: str, line: int, row: dict[str, str | None]) -> Case:
    cells = {name: value for name, value in row.items() if isinstance(value, str)}
    if set(cells) != set(COLUMNS):
        raise PolicyError(file, f"line {line}", f"a case has {len(COLUMNS)} fields")
    if cells["stage"] not in {"ask", "need", "vote"}:
        raise PolicyError(file, f"line {line}", "stage is ask, need or vote")
    pairs = [word.partition("=") for word in cells["req"].split()]
    try:
        facts = {name: int(value) for name, _, value in pairs}
    except ValueError as error:
        raise PolicyError(file, f"line {line}", "facts are written like gpus=4 duration_s=3600") from error
    names = ("stage", "sub", "dom", "res", "act", "slot", "want", "rule")
    return Case(line=line, facts=facts, **{name: cells[name] for name in names})


def run_case(policy: Policy, case: Case) -> Outcome:
    """Ask the policy what the case asks."""
    snapshot = policy.snapshot
    if case.stage == "need":
        needs = snapshot.every("p2", case.sub, case.dom, case.res, case.act, case.facts)
        seats = sorted({word for need in needs for word in need.slots.split(" ") if word != "auto"})
        got = " ".join(seats) or ("auto" if needs else "owner-lead:1")
        return Outcome(case=case, got=got, rule=" ".join(need.id for need in needs))
    stage = {"ask": "p", "vote": "p3"}[case.stage]
    allowed, rule = snapshot.first(stage, case.sub, case.dom, case.res, case.act, case.facts, case.slot)
    return Outcome(case=case, got="allow" if allowed else "deny", rule=rule)
