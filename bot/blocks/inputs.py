"""The inputs that forms are made of: a choice, a number, a length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bot.blocks.parts import Block, entry_input

MOST_HOURS: Final = 8760


def length(slots: Mapping[str, Any]) -> Block:
    """Return the input for how long it is to last."""
    hours = number(_hours(slots.get("duration_s")), 0, MOST_HOURS, decimal=True)
    return entry_input("hours", "Hours", hours, live=True)


def select(options: list[Block], value: Any) -> Block:
    """Return a menu, with `value` chosen where it is one of the options."""
    chosen = next((each for each in options if each["value"] == value), None)
    return {"type": "static_select", "options": options, **({"initial_option": chosen} if chosen else {})}


def number(value: Any, least: int, most: int, *, decimal: bool = False) -> Block:
    """Return an input for a number, filled unless `value` is None."""
    bounds = {"min_value": str(least), "max_value": str(most)}
    return {
        "type": "number_input",
        "is_decimal_allowed": decimal,
        **bounds,
        **initial("" if value is None else f"{value}"),
    }


def _hours(seconds: Any) -> Any:
    return None if seconds is None else f"{seconds / 3600:g}"


def initial(value: str) -> Block:
    """Return what an input is filled with; nothing for nothing."""
    return {"initial_value": value} if value else {}


def seconds_of(hours: str, errors: dict[str, str]) -> int:
    """Return the seconds of the hours entered; what cannot be is an error of the block `hours`."""
    try:
        seconds = round(float(hours) * 3600) if hours.isascii() else 0
    except (ValueError, OverflowError):
        seconds = 0
    if not 60 <= seconds <= MOST_HOURS * 3600:  # noqa: PLR2004 a minute
        errors["hours"] = f"From 0.02 to {MOST_HOURS} hours"
    return seconds
