"""The rows of policy.csv as values: rules of three stages, role links, and the faults found while reading them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

FILE: Final = "policy.csv"
STAGES: Final = {"p": "ASK", "p2": "NEED", "p3": "VOTE"}
AUTO: Final = "auto"


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

    @property
    def seats(self) -> dict[str, int]:
        """The seats a NEED row adds, each with its count; none for `auto`."""
        return seats_in(self.slots) if self.stage == "p2" else {}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What keeps a row from being used: its line (1 is the first), its id or type, what is wrong and what to do."""

    line: int
    row: str
    wrong: str
    remedy: str


@lru_cache(maxsize=1024)
def seats_in(slots: str) -> dict[str, int]:
    """Return the seats of `owner-lead:1 dpo:1`; none for `auto`. Shared: never changed."""
    words = () if slots == AUTO else slots.split(" ")
    return {name: int(count) for name, _, count in (word.partition(":") for word in words)}
