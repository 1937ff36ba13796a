"""The case table: decisions written down as rows, and run against a policy.

A subject is a person (`user:U01`), a program (`svc:worker`), or `some:engineer`: anybody who holds just that role in the
case's team. A bare `role:lead` is somebody who calls themselves that, and is nobody.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from policies.decide import seats_of
from policies.engine import Snapshot
from policies.errors import PolicyError
from policies.rows import Link, Rows
from policies.vocabulary import FACTS, SEATS, UNITS, nearest_word, vocabulary_of

FILE: Final = "cases.csv"
COLUMNS: Final = ["stage", "sub", "dom", "res", "act", "req", "slot", "want", "rule"]
STAGES: Final = {"ask": "p", "need": "p2", "vote": "p3"}
_FACT: Final = re.compile(r"([a-z_]+)=(0|[1-9][0-9]{0,11})")
_SOME: Final = "some:"


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
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if reader.fieldnames != COLUMNS:
                raise PolicyError(path.name, "line 1", f"the columns are {','.join(COLUMNS)}")
            return tuple(_case(path.name, reader.line_num, row) for row in reader)
    except FileNotFoundError as error:
        raise PolicyError(path.name, str(path.parent), "there is none; write one case for each rule") from error


def _case(file: str, line: int, row: dict[str, str | None]) -> Case:
    cells = {name: value for name, value in row.items() if isinstance(value, str)}
    if set(cells) != set(COLUMNS):
        raise PolicyError(file, f"line {line}", f"a case has {len(COLUMNS)} fields")
    if cells["stage"] not in STAGES:
        raise PolicyError(file, f"line {line}", "stage is ask, need or vote")
    if cells["slot"] not in (SEATS if cells["stage"] == "vote" else {""}):
        raise PolicyError(file, f"line {line}", "a vote case names its seat, the others none")
    facts = dict(_fact(file, line, word) for word in cells["req"].split())
    names = ("stage", "sub", "dom", "res", "act", "slot", "want", "rule")
    return Case(line=line, facts=facts, **{name: cells[name] for name in names})


def _fact(file: str, line: int, word: str) -> tuple[str, int]:
    match = _FACT.fullmatch(word)
    if match is None:
        raise PolicyError(file, f"line {line}", f"{word!r}: facts are written like gpus=4 hours=3")
    name, unit = UNITS.get(match.group(1), (match.group(1), 1))
    if name not in FACTS:
        raise PolicyError(file, f"line {line}", f"no fact {name}. {nearest_word(name, {*FACTS, *UNITS})}")
    return name, int(match.group(2)) * unit


def check_cases(cases: Sequence[Case], snapshot: Snapshot) -> None:
    """Check that cases speak of what there is, so that none passes by a misspelling; raises PolicyError."""
    known = vocabulary_of(snapshot.catalogue)
    resources = set(snapshot.catalogue.resources())
    for case in cases:
        if case.res not in resources:
            fault = f"no resource {case.res}. {nearest_word(case.res, resources)}"
            raise PolicyError(FILE, f"line {case.line}", fault)
        if not known.fits(case.res, case.act):
            raise PolicyError(FILE, f"line {case.line}", f"{case.act} cannot be done to {case.res}")
        if case.rule and (wrong := [name for name in case.rule.split(" ") if snapshot.rule(name) is None]):
            raise PolicyError(FILE, f"line {case.line}", f"no rule {wrong[0]}")


def cast(rows: Rows, cases: Sequence[Case]) -> Rows:
    """Return the rows with a stand-in for each `some:` of the cases: it holds that one role in that one team."""
    wanted = {(case.sub, case.dom) for case in cases if case.sub.startswith(_SOME)}
    stand_ins = tuple(
        Link(line=0, member=_stand_in(sub, team), role=f"role:{sub.removeprefix(_SOME)}", team=team)
        for sub, team in sorted(wanted)
    )
    return Rows(rules=rows.rules, links=(*rows.links, *stand_ins))


def _stand_in(sub: str, team: str) -> str:
    """A name that no row of a file can have: it holds a space."""
    return f"user:{sub} {team}" if sub.startswith(_SOME) else sub


def run_cases(snapshot: Snapshot, cases: Sequence[Case]) -> list[Outcome]:
    """Ask the policy every case."""
    staged = snapshot.with_rows(cast(snapshot.rows, cases))
    return [run_case(staged, case) for case in cases]


def run_case(snapshot: Snapshot, case: Case) -> Outcome:
    """Ask what the case asks of a snapshot that knows its stand-ins (`cast`)."""
    sub = _stand_in(case.sub, case.dom)
    if case.stage == "need":
        needs = snapshot.every("p2", sub, case.dom, case.res, case.act, case.facts)
        seats = seats_of(needs)
        got = " ".join(f"{name}:{seats[name]}" for name in sorted(seats)) or "auto"
        return Outcome(case=case, got=got, rule=" ".join(need.id for need in needs))
    allowed, rule = snapshot.first(STAGES[case.stage], sub, case.dom, case.res, case.act, case.facts, case.slot)
    return Outcome(case=case, got="allow" if allowed else "deny", rule=rule)
