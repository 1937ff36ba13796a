"""A team's budget as law: what it may spend in a window, what is reserved, and what was used. Never overrun.

One stream a team. Approving a request reserves its whole price in the same transaction as `Approved`; settling turns
the reservation into what was used; a request that never starts hands it back. The window is the one that holds the
request's start, and pays for all of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Final

from ledger.streams.codec import Entry, registry_of
from ledger.streams.law import Place, refuse, require


class Span(StrEnum):
    """How long a budget lasts, in UTC."""

    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"

    def window(self, moment: datetime) -> str:
        """Return the name of the window that holds `moment` (UTC): `2026-W48`, `2026-11`, `2026-Q4`."""
        if self is Span.WEEK:
            year, week, _ = moment.isocalendar()
            return f"{year}-W{week:02}"
        if self is Span.MONTH:
            return f"{moment:%Y-%m}"
        return f"{moment.year}-Q{(moment.month + 2) // 3}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allotted(Entry):
    """What a window may cost, by the policy with this digest; None is no limit. Later ones replace earlier ones."""

    kind: ClassVar[str] = "budget.allotted"
    window: str
    gpu_s: int | None
    cost_minor: int | None
    currency: str
    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved(Entry):
    """A request may use this much; a later one for the same request replaces it (another end)."""

    kind: ClassVar[str] = "budget.reserved"
    request: int
    window: str
    gpu_s: int
    cost_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent(Entry):
    """What a request used in the end, in place of what it had reserved."""

    kind: ClassVar[str] = "budget.spent"
    request: int
    gpu_s: int
    cost_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedBack(Entry):
    """The request will not start: its reservation is free again."""

    kind: ClassVar[str] = "budget.handed-back"
    request: int


ENTRIES: Final = registry_of(Allotted, Reserved, Spent, HandedBack)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One window: its limits, what is reserved by request, and what was used."""

    name: str
    gpu_s: int | None = None
    cost_minor: int | None = None
    currency: str = ""
    policy: str = ""
    reserved: tuple[Reserved, ...] = ()
    used_gpu_s: int = 0
    used_cost_minor: int = 0

    def left_gpu_s(self, *, ignoring: int | None = None) -> int | None:
        """Return the device seconds nobody has used or reserved, None without a limit; below 0 once overspent."""
        held = sum(each.gpu_s for each in self.reserved if each.request != ignoring)
        return None if self.gpu_s is None else self.gpu_s - self.used_gpu_s - held

    def left_cost_minor(self, *, ignoring: int | None = None) -> int | None:
        """Return the money nobody has used or reserved, minor units, None without a limit; below 0 once overspent."""
        held = sum(each.cost_minor for each in self.reserved if each.request != ignoring)
        return None if self.cost_minor is None else self.cost_minor - self.used_cost_minor - held

    def fits(self, gpu_s: int, cost_minor: int, *, ignoring: int | None = None) -> bool:
        """Whether this much more can be reserved."""
        seconds, money = self.left_gpu_s(ignoring=ignoring), self.left_cost_minor(ignoring=ignoring)
        return (seconds is None or gpu_s <= seconds) and (money is None or cost_minor <= money)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A team's budget: its windows in the order they were first allotted."""

    version: int = 0
    windows: tuple[Window, ...] = ()

    def window(self, name: str) -> Window | None:
        """Return a window, None when nothing was allotted for it."""
        return next((window for window in self.windows if window.name == name), None)

    def reservation(self, request: int) -> Reserved | None:
        """Return what a request has reserved, if anything."""
        return next((r for window in self.windows for r in window.reserved if r.request == request), None)


def evolve(state: Budget | None, entry: Entry, place: Place) -> Budget:
    """Return the budget after `entry`, or raise UnlawfulError when it may not follow."""
    budget = state or Budget()
    if isinstance(entry, Allotted):
        after = _allotted(budget, entry)
    elif isinstance(entry, Reserved):
        after = _reserved(budget, entry)
    elif isinstance(entry, Spent):
        after = _spent(budget, entry)
    elif isinstance(entry, HandedBack):
        after = _without(budget, _held(budget, entry.request))
    else:
        refuse(f"{entry.kind} does not belong to a budget")
    return replace(after, version=place.version)


def _allotted(budget: Budget, entry: Allotted) -> Budget:
    require(min(entry.gpu_s or 0, entry.cost_minor or 0) >= 0, "a budget is not negative")
    known = budget.window(entry.window)
    window = replace(
        known or Window(name=entry.window),
        gpu_s=entry.gpu_s,
        cost_minor=entry.cost_minor,
        currency=entry.currency,
        policy=entry.policy,
    )
    return _with(budget, window) if known else replace(budget, windows=(*budget.windows, window))


def _reserved(budget: Budget, entry: Reserved) -> Budget:
    require(entry.gpu_s >= 0 and entry.cost_minor >= 0, "a reservation is not negative")
    window = budget.window(entry.window)
    if window is None:
        refuse(f"nothing is allotted for {entry.window}")
    before = budget.reservation(entry.request)
    require(before is None or before.window == entry.window, "a reservation stays in its window")
    require(window.fits(entry.gpu_s, entry.cost_minor, ignoring=entry.request), "the budget does not reach")
    kept = tuple(each for each in window.reserved if each.request != entry.request)
    return _with(budget, replace(window, reserved=(*kept, entry)))


def _spent(budget: Budget, entry: Spent) -> Budget:
    require(entry.gpu_s >= 0 and entry.cost_minor >= 0, "use is not negative")
    held = _held(budget, entry.request)
    after = _without(budget, held)
    window = after.window(held.window)
    if window is None:
        refuse(f"nothing is allotted for {held.window}")
    used = replace(
        window,
        used_gpu_s=window.used_gpu_s + entry.gpu_s,
        used_cost_minor=window.used_cost_minor + entry.cost_minor,
    )
    return _with(after, used)


def _held(budget: Budget, request: int) -> Reserved:
    held = budget.reservation(request)
    if held is None:
        refuse(f"request {request} has reserved nothing")
    return held


def _without(budget: Budget, held: Reserved) -> Budget:
    window = budget.window(held.window)
    if window is None:
        refuse(f"nothing is allotted for {held.window}")
    return _with(budget, replace(window, reserved=tuple(each for each in window.reserved if each is not held)))


def _with(budget: Budget, window: Window) -> Budget:
    windows = tuple(window if each.name == window.name else each for each in budget.windows)
    return replace(budget, windows=windows)
