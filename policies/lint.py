"""What is wrong with rules that can be read: each finding names its line and rule, and says what to do."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from policies import catalogue as catalogue_file
from policies import engine, rows
from policies.catalogue import parse_catalogue
from policies.covering import Covers, spans, wider
from policies.engine import Snapshot
from policies.files import read_files
from policies.hours import Hours
from policies.limits import parse_limit
from policies.reading import read_rows
from policies.rows import AUTO, Rule
from policies.seating import Gap, Seating
from policies.vocabulary import ACTIONS, Vocabulary, nearest_word, vocabulary_of

WIDEST_BUCKET: Final = 50
_NO_SELF: Final = "p3, no-self, *, *, class:any, *, self==1, deny, *"


class Level(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    """The policy must not be used like this."""
    WARNING = "warning"
    """It works, and is not what somebody meant."""
    NOTE = "note"
    """True of many small houses; worth knowing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong; `line` starts at 1."""

    line: int
    row: str
    level: Level
    wrong: str
    remedy: str
    file: str = rows.FILE

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.row}: {self.wrong}. {self.remedy}"


def lint(folder: Path) -> list[Finding]:
    """Return everything that is wrong with the rules of `folder`, in the file's order.

    Rows that cannot be read come alone: what the others mean is only known without them.

    Raises:
        PolicyError: a file cannot be read, or model.conf or catalogue.toml cannot be used.
    """
    collecting = gc.isenabled()
    gc.disable()  # nothing here is garbage before the end, and looking for it takes a quarter of the time
    try:
        return lint_files(read_files(folder))
    finally:
        if collecting:
            gc.enable()


def lint_files(files: Mapping[str, str]) -> list[Finding]:
    """Return everything that is wrong with the rows of a policy's texts by file name."""
    catalogue = parse_catalogue(files[catalogue_file.FILE])
    words = vocabulary_of(catalogue)
    reading = read_rows(files[rows.FILE], words)
    if reading.faults:
        return [
            Finding(line=fault.line, row=fault.row, level=Level.ERROR, wrong=fault.wrong, remedy=fault.remedy)
            for fault in reading.faults
        ]
    snapshot = Snapshot(files[engine.MODEL], reading.rows, catalogue)
    found = [finding for rule in reading.rows.rules for finding in _rule(rule, words)]
    found += [*_teams(snapshot, words), *_covered(snapshot), *_self_approval(snapshot), *_buckets(snapshot)]
    found += [_gap(gap) for gap in Seating(snapshot, words).gaps()]
    found += _hours(files[catalogue_file.FILE], catalogue.hours)
    return sorted(found, key=lambda finding: (finding.file != rows.FILE, finding.line))


def _at(rule: Rule, level: Level, wrong: str, remedy: str) -> Finding:
    return Finding(line=rule.line, row=rule.id, level=level, wrong=wrong, remedy=remedy)


def _hours(text: str, hours: Hours) -> Iterator[Finding]:
    """A holiday on a day that is free anyway is one that somebody meant for another day."""
    line = next((number for number, each in enumerate(text.splitlines(), 1) if each.strip() == "[hours]"), 1)
    for day in sorted(hours.holidays):
        if day.weekday() not in hours.days:
            wrong = f"nobody works on {day:%a} {day} anyway"
            remedy = "Take it out of holidays, or name the day that was meant."
            yield Finding(
                line=line, row="hours", level=Level.WARNING, wrong=wrong, remedy=remedy, file=catalogue_file.FILE
            )


# -- one row by itself ------------------------------------------------------------------------------------------


def _rule(rule: Rule, words: Vocabulary) -> Iterator[Finding]:
    if not words.fits(rule.res, rule.act):
        can = sorted({action for scheme in words.places[rule.res] for action in ACTIONS[scheme]})
        yield _at(rule, Level.ERROR, f"{rule.act} cannot be done to {rule.res}", nearest_word(rule.act, can))
    if any(low > high for low, high in spans(rule.limit).values()):
        yield _at(rule, Level.ERROR, f"{rule.limit} can never hold", "Widen one of its parts.")
    if rule.effect == "deny" and rule.sub.startswith("role:"):
        remedy = "Write * as its subject, and say whom it is about by a fact."
        yield _at(rule, Level.ERROR, f"it forbids nothing to whoever lacks the link to {rule.sub}", remedy)
    if rule.effect == "allow" and rule.sub.startswith("svc:"):
        yield _at(rule, Level.WARNING, "programs never ask and never vote", "Take the row out.")
    if rule.slots == AUTO:
        yield from _unbounded(rule, words)


def _unbounded(rule: Rule, words: Vocabulary) -> Iterator[Finding]:
    bounded = {part.fact for part in parse_limit(rule.limit) if part.compare in {"<=", "<", "=="}}
    wanted = ["open_requests", *(["held_gpus"] if "gpu" in words.places[rule.res] else [])]
    for fact in wanted:
        if fact not in bounded:
            wrong = f"it approves by itself without a bound on {fact}, so many small requests pass as one large one"
            yield _at(rule, Level.ERROR, wrong, f"Add {fact}<= and a number.")


# -- rows among each other --------------------------------------------------------------------------------------


def _teams(snapshot: Snapshot, words: Vocabulary) -> Iterator[Finding]:
    known = {link.team for link in snapshot.rows.links} | words.owners.get("class:any", frozenset()) | {"*"}
    for rule in snapshot.rows.rules:
        if rule.dom not in known:
            wrong = f"nobody is in {rule.dom}, and it owns nothing"
            yield _at(rule, Level.WARNING, wrong, nearest_word(rule.dom, known - {"*"}))


def _covered(snapshot: Snapshot) -> Iterator[Finding]:
    pool_classes = frozenset(pool.resource_class for pool in snapshot.catalogue.pools.values())
    covers = Covers(snapshot.rows.rules, snapshot.roles, pool_classes)
    for rule in snapshot.rows.rules:
        other = covers.of(rule)
        if other is None:
            continue
        shadowed = other.effect != rule.effect or (rule.slots == AUTO and other.slots != AUTO)
        said = "forbids all that it allows" if other.effect != rule.effect else "needs people wherever it matches"
        wrong = f"{other.id} (line {other.line}) {said if shadowed else 'already says this'}"
        yield _at(rule, Level.WARNING, wrong, "Take one of the two out, or change what they say.")


def _self_approval(snapshot: Snapshot) -> Iterator[Finding]:
    guards = [
        rule
        for rule in snapshot.rows.rules
        if (rule.stage, rule.effect, rule.sub, rule.limit) == ("p3", "deny", "*", "self==1")
    ]
    if any((guard.dom, guard.res, guard.act, guard.slots) == ("*", "class:any", "*", "*") for guard in guards):
        return
    wrong = "no row forbids everybody to vote on what is their own"
    yield Finding(line=1, row="no-self", level=Level.ERROR, wrong=wrong, remedy=f"Add: {_NO_SELF}")
    pool_classes = frozenset(pool.resource_class for pool in snapshot.catalogue.pools.values())
    asks = [rule for rule in snapshot.rows.rules if (rule.stage, rule.effect) == ("p", "allow")]
    for vote in snapshot.rows.rules:
        if vote.stage == "p3" and vote.effect == "allow" and not any(_guards(g, vote, pool_classes) for g in guards):
            own = next((ask for ask in asks if _same_people(snapshot, ask, vote, pool_classes)), None)
            if own is not None:
                wrong = f"{vote.sub} can approve its own asks of {own.id} (line {own.line})"
                yield _at(vote, Level.ERROR, wrong, f"Add: {_NO_SELF}")


def _guards(guard: Rule, vote: Rule, pool_classes: frozenset[str]) -> bool:
    return (
        guard.res in wider(vote.res, pool_classes)
        and guard.dom in {"*", vote.dom}
        and guard.act in {"*", vote.act}
        and guard.slots in {"*", vote.slots}
    )


def _same_people(snapshot: Snapshot, ask: Rule, vote: Rule, pool_classes: frozenset[str]) -> bool:
    one = "*" in {ask.sub, vote.sub} or ask.sub == vote.sub
    above = any(role == ask.sub for role, _ in snapshot.roles.held(vote.sub))
    below = any(role == vote.sub for role, _ in snapshot.roles.held(ask.sub))
    place = vote.res in wider(ask.res, pool_classes) or ask.res in wider(vote.res, pool_classes)
    return (one or above or below) and place and (vote.act in {"*", ask.act} or ask.act == "*")


def _buckets(snapshot: Snapshot) -> Iterator[Finding]:
    """A decision costs what the rows cost that can match it: more than fifty in one place is a finding."""
    chains: dict[str, set[frozenset[str]]] = {}
    for resource in snapshot.catalogue.resources():
        classes = snapshot.classes(resource)
        for name in classes:
            chains.setdefault(name, set()).add(classes - {resource})
    count: dict[tuple[str, str, str, str], int] = {}
    last: dict[tuple[str, str, str, str], Rule] = {}
    for rule in snapshot.rows.rules:
        key = (rule.stage, rule.dom, rule.res, rule.act)
        count[key] = count.get(key, 0) + 1
        last[key] = rule
    seen: set[tuple[str, str, str, frozenset[str]]] = set()
    for (stage, team, place, action), rule in last.items():
        for chain in chains.get(place, ()):
            if (stage, team, action, chain) not in seen:
                seen.add((stage, team, action, chain))
                yield from _bucket(rule, _sum(count, stage, team, chain | {place}, action), _where(team, place, action))


def _sum(count: dict[tuple[str, str, str, str], int], stage: str, team: str, chain: frozenset[str], action: str) -> int:
    teams, actions = dict.fromkeys([team, "*"]), dict.fromkeys([action, "*"])
    return sum(count.get((stage, t, name, a), 0) for t in teams for name in chain for a in actions)


def _where(team: str, place: str, action: str) -> str:
    return f"{'any action' if action == '*' else action} on {place} in {'every team' if team == '*' else team}"


def _bucket(rule: Rule, size: int, where: str) -> Iterator[Finding]:
    if size > WIDEST_BUCKET:
        wrong = f"{size} rows can match one request, {where}"
        yield _at(rule, Level.WARNING, wrong, f"Split them by team or class, to at most {WIDEST_BUCKET}.")


def _gap(gap: Gap) -> Finding:
    line, row = (gap.rule.line, gap.rule.id) if gap.rule else (1, "default-seat")
    if gap.kind == "some":
        wrong = f"{gap.asker}'s own requests find nobody else for {gap.seats} of {gap.owner}"
        remedy = "Give one more person a role that may fill it."
        return Finding(line=line, row=row, level=Level.NOTE, wrong=wrong, remedy=remedy)
    who = "only those who ask" if gap.kind == "all" else "nobody, or too few people,"
    wrong = f"{who} could fill {gap.seats} of {gap.owner}"
    return Finding(line=line, row=row, level=Level.ERROR, wrong=wrong, remedy="Add a g row, or a p3 row for that seat.")
