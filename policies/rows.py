"""policy.csv, read strictly: a short row, an unknown word or a duplicate is a fault with its line, never a wrong answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from policies.errors import PolicyError
from policies.limits import parse_limit

FILE: Final = "policy.csv"
_FIELDS: Final = {"p": 7, "p2": 8, "p3": 8, "g": 3}
_EFFECTS: Final = frozenset({"allow", "deny"})
SEATS: Final = frozenset({"owner-lead", "dpo", "budget", "peer"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of a stage: `slots` are the seats a NEED row adds, or the seat a VOTE row is about."""

    line: int
    stage: str
    id: str
    sub: str
    dom: str
    res: str
    act: str
    limit: str
    effect: str
    slots: str = ""

    @property
    def values(self) -> list[str]:
        """The row as Casbin takes it."""
        row = [self.id, self.sub, self.dom, self.res, self.act, self.limit, self.effect]
        return row if self.stage == "p" else [*row, self.slots]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One `g` row: `member` has `role` in `team` (or everywhere, `*`)."""

    line: int
    member: str
    role: str
    team: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Every row of a policy, in the file's order."""

    rules: tuple[Rule, ...]
    links: tuple[Link, ...]


def load_rows(folder: Path) -> Rows:
    """Return the rows of `folder`/policy.csv; raises PolicyError with the line."""
    try:
        text = (folder / FILE).read_text()
    except FileNotFoundError as error:
        raise PolicyError(FILE, str(folder), "there is none; copy the one that ships with Quartermaster") from error
    except UnicodeDecodeError as error:
        raise PolicyError(FILE, str(folder), "is not UTF-8 text") from error
    return parse_rows(text)


def parse_rows(text: str) -> Rows:
    """Return the rows of a policy's text."""
    rules: list[Rule] = []
    links: list[Link] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        cells = [" ".join(cell.split()) for cell in line.split(",")]
        _check_shape(number, cells)
        if cells[0] == "g":
            links.append(Link(line=number, member=cells[1], role=cells[2], team=cells[3]))
        else:
            rules.append(_rule(number, cells))
    _check_unique(rules, links)
    return Rows(rules=tuple(rules), links=tuple(links))


def _check_shape(line: int, cells: list[str]) -> None:
    wanted = _FIELDS.get(cells[0])
    if wanted is None:
        _fault(line, f"unknown row type {cells[0]!r}; use p, p2, p3 or g")
    if wanted is not None and len(cells) != wanted + 1:
        _fault(line, f"a {cells[0]} row has {wanted} fields, this one has {len(cells) - 1}")
    if not all(cells):
        _fault(line, "a field is empty; write * or - where nothing is meant")
    if any("#" in cell for cell in cells):
        _fault(line, "a note goes on its own line")


def _rule(line: int, cells: list[str]) -> Rule:
    rule = Rule(
        line=line,
        stage=cells[0],
        id=cells[1],
        sub=cells[2],
        dom=cells[3],
        res=cells[4],
        act=cells[5],
        limit=cells[6],
        effect=cells[7],
        slots=cells[8] if len(cells) > 8 else "",  # noqa: PLR2004
    )
    if rule.effect not in _EFFECTS:
        _fault(line, f"effect {rule.effect!r}; use allow or deny")
    if rule.sub != "*" and not rule.sub.startswith(("role:", "user:", "svc:")):
        _fault(line, f"subject {rule.sub!r}; use role:, user:, svc: or *")
    if rule.dom != "*" and not rule.dom.startswith("team:"):
        _fault(line, f"team {rule.dom!r}; use team: or *")
    try:
        parse_limit(rule.limit)
    except PolicyError as error:
        _fault(line, f"{error.place}: {error.fault}")
    _check_slots(rule)
    return rule


def _check_slots(rule: Rule) -> None:
    if rule.stage == "p3" and rule.slots not in SEATS | {"*"}:
        _fault(rule.line, f"no seat {rule.slots!r}; known: {', '.join(sorted(SEATS))}")
    if rule.stage == "p2" and rule.slots != "auto":
        for word in rule.slots.split(" "):
            name, _, count = word.partition(":")
            if name not in SEATS or count not in {"1", "2", "3", "4", "5"}:
                _fault(rule.line, f"seat {word!r}; write it like owner-lead:1")


def _check_unique(rules: list[Rule], links: list[Link]) -> None:
    seen: set[str] = set()
    for rule in rules:
        if rule.id in seen:
            _fault(rule.line, f"rule {rule.id} stands twice")
        seen.add(rule.id)
    known: set[tuple[str, str, str]] = set()
    for link in links:
        row = (link.member, link.role, link.team)
        if row in known:
            _fault(link.line, "this row stands twice")
        known.add(row)
        if not link.role.startswith("role:") or not link.member.startswith(("user:", "role:", "svc:")):
            _fault(link.line, "write it like g, user:U01, role:engineer, team:vision")
        if link.team != "*" and not link.team.startswith("team:"):
            _fault(link.line, f"team {link.team!r}; use team: or *")


def _fault(line: int, fault: str) -> None:
    raise PolicyError(FILE, f"line {line}", fault)
