"""How rules are said to people: amounts, roles and seats in words. No word here decides anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from policies.limits import Part

SEAT_WORDS: Final = {
    "owner-lead": "lead",
    "dpo": "data protection officer",
    "budget": "budget owner",
    "peer": "peer",
    "admin": "admin",
}
_SIGNS: Final = {"EUR": "€", "USD": "$", "GBP": "£"}
_ALLOWED: Final = {
    "tests==1": "a version that passed its evaluation",
    "versions_back>=1": "an earlier version",
}
_ASKED: Final = {
    ("tests", 0): "one that did not",
    ("versions_back", 0): "one that is not earlier",
}
_WHILE: Final = {
    "change_window_closed==1": "changes are closed",
    "breakglass==0": "there is no emergency",
    "self==1": "you asked for it yourself",
    "service==1": "a program asks",
}
_COUNTED: Final = {"gpus": "GPU", "held_gpus": "held GPU", "columns": "column", "open_requests": "waiting request"}
_COMPARED: Final = {"<=": "up to", "<": "less than", ">=": "at least", ">": "more than", "==": "exactly"}
_DAY, _HOUR = 86_400, 3_600


def money(minor: int, currency: str) -> str:
    """Return an amount as people read it: `€33.60`, `€2,000`."""
    sign = _SIGNS.get(currency, f"{currency} ")
    whole, cents = divmod(minor, 100)
    return f"{sign}{whole:,}" + (f".{cents:02}" if cents else "")


def join(words: Sequence[str]) -> str:
    """Return `a`, `a and b` or `a, b and c`."""
    return " and ".join(words) if len(words) < 3 else ", ".join(words[:-1]) + f" and {words[-1]}"  # noqa: PLR2004


def allows(parts: Sequence[Part], currency: str) -> str:
    """Return what limits allow: `up to 8 GPUs and €2,000`."""
    return join([_allowed(part, currency) for part in parts]).replace(" and up to ", " and ")


def asked(parts: Sequence[Part], facts: Mapping[str, int], currency: str) -> str:
    """Return what was asked for beyond limits: `16 GPUs and €3,225.60`."""
    return join([_wanted(part, facts.get(part.fact), currency) for part in parts])


def whenever(parts: Sequence[Part]) -> str:
    """Return when a forbidding rule bites: ` while changes are closed`; empty when it always does."""
    return f" while {join([_WHILE.get(str(part), str(part)) for part in parts])}" if parts else ""


def role(name: str) -> str:
    """Return a role as people say it: `role:lead` is `lead`."""
    return name.partition(":")[2]


def _allowed(part: Part, currency: str) -> str:
    said = _ALLOWED.get(str(part))
    return said or f"{_COMPARED[part.compare]} {_amount(part, part.value, currency)}"


def _wanted(part: Part, value: int | None, currency: str) -> str:
    if value is None:
        return f"an unknown {part.fact}"
    return _ASKED.get((part.fact, value)) or _amount(part, value, currency)


def _amount(part: Part, value: int, currency: str) -> str:
    if part.fact == "cost_minor":
        return money(value, currency)
    if part.fact in {"duration_s", "added_s"}:
        unit, word = (_DAY, "days") if part.word == "days" else (_HOUR, "hours")
        return f"{value / unit:g} {word}"
    if part.fact == "level":
        return f"sensitivity {value}"
    if part.fact == "tokens":
        return f"{value:,} tokens"
    counted = _COUNTED.get(part.fact)
    return f"{value} {counted}{'' if value == 1 else 's'}" if counted else f"{value} {part.fact}"


def of_team(team: str) -> str:
    """Return ` of platform`; nothing where no team owns what is asked for."""
    return f" of {team.removeprefix('team:')}" if team else ""
