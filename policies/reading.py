"""policy.csv, read strictly: a short row, an unknown word or a duplicate is a fault with its line, never a wrong answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from policies.errors import PolicyError
from policies.limits import parse_limit
from policies.roles import RoleClosure
from policies.rows import AUTO, FILE, Fault, Link, Rows, Rule
from policies.vocabulary import EVERY_ACTION, MOST_IN_A_SEAT, SEATS, Vocabulary, nearest_word

_FIELDS: Final = {"p": 7, "p2": 8, "p3": 8, "g": 3}
_SHAPES: Final = {
    "p": "p, id, subject, team, class, action, limit, effect",
    "p2": "p2, id, subject, team, class, action, limit, allow, seats",
    "p3": "p3, id, subject, team, class, action, limit, effect, seat",
    "g": "g, user:U01, role:engineer, team:vision",
}
_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_SUBJECT: Final = re.compile(r"\*|(?:role|user|svc):[A-Za-z0-9][A-Za-z0-9_.-]*")
_MEMBER: Final = re.compile(r"(?:role|user|svc):[A-Za-z0-9][A-Za-z0-9_.-]*")
_ROLE: Final = re.compile(r"role:[A-Za-z0-9][A-Za-z0-9_.-]*")
_TEAM: Final = re.compile(r"\*|team:[A-Za-z0-9][A-Za-z0-9_.-]*")
_SEAT_COUNT: Final = re.compile(rf"([a-z-]+):[1-{MOST_IN_A_SEAT}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What could be read of a policy, and every fault; usable only when there is none."""

    rows: Rows
    faults: tuple[Fault, ...]


class _Wrong(Exception):  # noqa: N818
    """Raised when a row has a fault: what is wrong, and what to do."""

    def __init__(self, wrong: str, remedy: str) -> None:
        super().__init__(wrong, remedy)
        self.wrong, self.remedy = wrong, remedy


def parse_rows(text: str, words: Vocabulary) -> Rows:
    """Return the rows of a policy's text; raises PolicyError with the line of the first fault."""
    reading = read_rows(text, words)
    if not reading.faults:
        return reading.rows
    first, more = reading.faults[0], len(reading.faults) - 1
    others = f" ({more} more: `quartermaster policy lint` lists them)" if more else ""
    raise PolicyError(FILE, f"line {first.line}", f"{first.row}: {first.wrong}. {first.remedy}{others}")


def read_rows(text: str, words: Vocabulary) -> Reading:
    """Return every row that can be read and every fault, in the file's order."""
    rules: list[Rule] = []
    links: list[Link] = []
    faults: list[Fault] = []
    for number, line in enumerate(text.split("\n"), start=1):
        start = line.lstrip()
        if not start or start[0] == "#":
            continue
        cells = [cell.strip() for cell in line.split(",")]
        try:
            _check_shape(cells)
            if cells[0] == "g":
                links.append(_link(number, cells))
            else:
                rules.append(_rule(number, cells, words))
        except _Wrong as fault:
            row = cells[1] if cells[0] in {"p", "p2", "p3"} and len(cells) > 1 else cells[0]
            faults.append(Fault(line=number, row=row or "row", wrong=fault.wrong, remedy=fault.remedy))
    rows = Rows(rules=tuple(rules), links=tuple(links))
    faults += [*_twice(rows), *_circle(rows)]
    if not faults:  # a row that could not be read may be the one that speaks of a role
        faults += _unknown_roles(rows)
    return Reading(rows=rows, faults=tuple(sorted(faults, key=lambda fault: fault.line)))


def _check_shape(cells: list[str]) -> None:
    if "#" in "".join(cells):
        raise _Wrong("a note is joined to a field", "Put the note on a line of its own.")
    wanted = _FIELDS.get(cells[0])
    if wanted is None:
        raise _Wrong(f"unknown row type {cells[0]!r}", "Use p, p2, p3 or g.")
    if len(cells) != wanted + 1:
        fault = f"a {cells[0]} row has {wanted} fields, this one has {len(cells) - 1}"
        raise _Wrong(fault, f"Write it like: {_SHAPES[cells[0]]}.")
    if not all(cells):
        raise _Wrong("a field is empty", "Write * or - where nothing is meant.")


def _link(line: int, cells: list[str]) -> Link:
    _, member, role, team = cells
    if not _MEMBER.fullmatch(member):
        raise _Wrong(f"member {member!r} is not a name", f"Write it like: {_SHAPES['g']}.")
    if not _ROLE.fullmatch(role):
        raise _Wrong(f"{role!r} is not a role", f"Write it like: {_SHAPES['g']}.")
    if not _TEAM.fullmatch(team):
        raise _Wrong(f"{team!r} is not a team", "Use team: and a name, or *.")
    return Link(line=line, member=member, role=role, team=team)


def _rule(line: int, cells: list[str], words: Vocabulary) -> Rule:
    stage, rule_id, sub, dom, res, act, limit, effect = cells[:8]
    limit = " ".join(limit.split())
    slots = " ".join(cells[8].split()) if len(cells) > 8 else ""  # noqa: PLR2004
    if not _ID.fullmatch(rule_id):
        raise _Wrong(f"{rule_id!r} is not an id", "Use small letters, digits and hyphens.")
    if not _SUBJECT.fullmatch(sub):
        raise _Wrong(f"subject {sub!r} is not one", "Use role:, user: or svc: and a name, or *.")
    if not _TEAM.fullmatch(dom):
        raise _Wrong(f"{dom!r} is not a team", "Use team: and a name, or *.")
    if res not in words.places:
        raise _Wrong(f"no resource or class {res!r}", nearest_word(res, words.places))
    if act != "*" and act not in EVERY_ACTION:
        raise _Wrong(f"no action {act!r}", nearest_word(act, EVERY_ACTION))
    _check_limit(limit)
    _check_end(stage, effect, slots)
    return Rule(
        line=line,
        stage=stage,
        id=rule_id,
        sub=sub,
        dom=dom,
        res=res,
        act=act,
        limit=limit,
        effect=effect,
        slots=slots,
    )


def _check_limit(limit: str) -> None:
    try:
        parse_limit(limit)
    except PolicyError as error:
        raise _Wrong(f"{error.place}: {error.fault}", "A limit is parts joined by spaces, or -.") from error


def _check_end(stage: str, effect: str, slots: str) -> None:
    if stage == "p2":
        if effect != "allow":
            raise _Wrong(f"effect {effect!r} of a p2 row", "A p2 row adds seats; its effect is allow.")
        _check_seats(slots)
        return
    if effect not in {"allow", "deny"}:
        raise _Wrong(f"no effect {effect!r}", nearest_word(effect, ("allow", "deny")))
    if stage == "p3" and slots != "*" and slots not in SEATS:
        raise _Wrong(f"no seat {slots!r}", nearest_word(slots, SEATS))


def _check_seats(slots: str) -> None:
    names = []
    for word in () if slots == AUTO else slots.split(" "):
        match = _SEAT_COUNT.fullmatch(word)
        name = word.partition(":")[0]
        if name not in SEATS:
            raise _Wrong(f"no seat {name!r}", nearest_word(name, {*SEATS, AUTO}))
        if match is None:
            raise _Wrong(f"seat {word!r}", f"Write it like owner-lead:1, with 1 to {MOST_IN_A_SEAT}.")
        names.append(name)
    if len(names) != len(set(names)):
        raise _Wrong("a seat stands twice in one row", "Write each seat once, with its count.")


def _twice(rows: Rows) -> Iterator[Fault]:
    rules: dict[str, int] = {}
    for rule in rows.rules:
        if rule.id in rules:
            wrong = f"the id stands twice, first in line {rules[rule.id]}"
            yield Fault(line=rule.line, row=rule.id, wrong=wrong, remedy="Give each rule its own.")
        rules.setdefault(rule.id, rule.line)
    links: dict[tuple[str, str, str], int] = {}
    for link in rows.links:
        row = (link.member, link.role, link.team)
        if row in links:
            wrong = f"{link.member} stands twice with {link.role}, first in line {links[row]}"
            yield Fault(line=link.line, row="g", wrong=wrong, remedy="Take one out.")
        links.setdefault(row, link.line)


def _unknown_roles(rows: Rows) -> Iterator[Fault]:
    """A role is known when a rule or a role above names it *and* somebody or some role is linked to it."""
    linked = {link.role for link in rows.links} | {m.member for m in rows.links if m.member.startswith("role:")}
    used = {rule.sub for rule in rows.rules} | {m.member for m in rows.links if m.member.startswith("role:")}
    for rule in rows.rules:
        if rule.sub.startswith("role:") and rule.sub not in linked:
            yield Fault(line=rule.line, row=rule.id, **_nobody(rule.sub, linked))
    for link in rows.links:
        if link.role not in used:
            wrong = f"no rule speaks of {link.role}"
            yield Fault(line=link.line, row="g", wrong=wrong, remedy=nearest_word(link.role, _roles(used)))


def _nobody(role: str, linked: set[str]) -> dict[str, str]:
    return {"wrong": f"no g row knows {role}", "remedy": nearest_word(role, linked)}


def _roles(names: set[str]) -> list[str]:
    return [name for name in names if name.startswith("role:")]


def _circle(rows: Rows) -> Iterator[Fault]:
    try:
        RoleClosure(rows.links)
    except PolicyError as error:
        line = next(link.line for link in rows.links if link.member == error.place.split(" > ")[0])
        wrong, _, remedy = error.fault.partition("; ")
        yield Fault(line=line, row="g", wrong=f"{wrong}: {error.place}", remedy=remedy.capitalize() + ".")
