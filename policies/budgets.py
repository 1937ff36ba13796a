"""Budgets by the catalogue, kept in the ledger: what is left, what does not fit and why, and the writes that reserve.

The team that asks pays, in the window that holds the request's start. The law (`ledger/streams/budget.py`) refuses
whatever would overrun; the versions in these writes make two requests on the last hours take turns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from ledger.book import Book, Write
from ledger.nouns import Decision, Effect, Form, GpuForm, Usage
from ledger.streams.budget import Allotted, HandedBack, Reserved, Span, Spent, Window
from ledger.streams.codec import Entry
from ledger.streams.request import Request
from ledger.streams.reserving import BUDGET
from policies.catalogue import BudgetItem
from policies.decide import Nearest, Policy
from policies.limits import Part
from policies.lower import lowered

ACTOR: Final = "svc:desk"
_NO_LIMITS: Final = BudgetItem(span=Span.MONTH, gpu_s=None, cost_minor=None)
_HOUR: Final = 3600
_CALLED: Final = {Span.WEEK: "this week", Span.MONTH: "this month", Span.QUARTER: "this quarter"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What a team may still spend in the window of a start: device seconds and minor units, None without a limit.

    Args:
        item: the budget by the catalogue, its limits included.
        window: its name in the ledger, `2026-11`.
        current: whether that window is the one of now.
    """

    team: str
    item: BudgetItem
    window: str
    current: bool
    gpu_s: int | None
    cost_minor: int | None

    def words(self, policy: Policy) -> str:
        """Return `Vision has €1,840 left this month`, with GPU-hours where those are limited."""
        return f"{self.team.capitalize()} has {self._amounts(policy)} left {self.when}"

    def of_words(self, policy: Policy) -> str:
        """Return `€1,840 of €6,000 and 320 of 2,400 GPU-hours left this month`."""
        parts = []
        if self.cost_minor is not None and self.item.cost_minor is not None:
            parts.append(f"{policy.money(max(self.cost_minor, 0))} of {policy.money(self.item.cost_minor)}")
        if self.gpu_s is not None and self.item.gpu_s is not None:
            parts.append(f"{hours(max(self.gpu_s, 0))} of {hours(self.item.gpu_s)} GPU-hours")
        return f"{' and '.join(parts)} left {self.when}"

    @property
    def when(self) -> str:
        """The window as people say it: `this month`, or by its name when it is not the one of now."""
        return _CALLED[self.item.span] if self.current else f"in {self.window}"

    def _amounts(self, policy: Policy) -> str:
        money = policy.money(max(self.cost_minor, 0)) if self.cost_minor is not None else ""
        time = f"{hours(max(self.gpu_s, 0))} GPU-hours" if self.gpu_s is not None else ""
        return " and ".join(part for part in (money, time) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payer:
    """Who pays for a request: `team` (`team:vision`), out of the window that holds `start`.

    Args:
        bound: its decision put it under that budget, so that the ledger's law wants a reservation.
    """

    team: str
    start: datetime
    bound: bool = False


def payer_of(decision: Decision | None, form: Form, otherwise: datetime) -> Payer:
    """Return who pays for `form` by `decision`; without a start said, out of the window of `otherwise`."""
    facts = decision.facts if decision else ()
    return Payer(
        team=decision.team if decision else "",
        start=form.start or otherwise,
        bound=any(fact.name == BUDGET for fact in facts),
    )


def payer(request: Request, now: datetime) -> Payer:
    """Return who pays for a request as it was decided: from its start, else from its approval, else from now."""
    return payer_of(request.decision, request.form, request.approved_at or now)


def hours(gpu_s: int) -> str:
    """Return device seconds as hours, never more than there are: `320`, `1,203.5`."""
    return f"{gpu_s * 10 // _HOUR / 10:,.5g}".removesuffix(".0")


def price_of(form: Form, policy: Policy) -> tuple[int, int]:
    """Return what a form may use at most: device seconds and minor units; nothing for what has no price."""
    if not isinstance(form, GpuForm):
        return 0, 0
    return form.gpus * form.duration_s, policy.catalogue.price(form)


def left(book: Book, policy: Policy, team: str, start: datetime, *, ignoring: int | None = None) -> Left | None:
    """Return what `team` (`team:vision`) may spend in the window of `start`, None when it has no budget.

    Args:
        ignoring: a request whose own reservation counts as free.
    """
    name = _name(team)
    item = policy.catalogue.budgets.get(name)
    if item is None or not item.reserves:
        return None
    window = _window(book, policy, name, item, start)
    return Left(
        team=name,
        item=item,
        window=window.name,
        current=window.name == item.span.window(book.clock()),
        gpu_s=window.left_gpu_s(ignoring=ignoring),
        cost_minor=window.left_cost_minor(ignoring=ignoring),
    )


def short(known: Left | None, form: Form, policy: Policy) -> str:
    """Return why `form` does not fit, naming the budget and what is left; empty when it fits or there is no budget."""
    gpu_s, cost_minor = price_of(form, policy)
    if known is None or not cost_minor + gpu_s:
        return ""
    over = []
    if known.cost_minor is not None and cost_minor > known.cost_minor:
        over.append(policy.money(cost_minor))
    if known.gpu_s is not None and gpu_s > known.gpu_s:
        over.append(f"{gpu_s / _HOUR:,.4g} GPU-hours")
    return f"{known.words(policy)}. This needs {' and '.join(over)}." if over else ""


def within_budget(decision: Decision, known: Left | None, form: Form, policy: Policy) -> Decision:
    """Return `decision`, or the denial that names the budget when the form does not fit in it."""
    why = short(known, form, policy) if decision.permitted else ""
    if not why or known is None:
        return decision
    return Decision(
        effect=Effect.DENY,
        rules=(f"budgets.{known.team}",),
        policy=decision.policy,
        team=decision.team,
        facts=decision.facts,
        why=why,
    )


def nearest_within(
    known: Left, person: str, form: Form, facts: Mapping[str, int | str], policy: Policy
) -> Nearest | None:
    """Return the nearest lower request that fits the budget and that the policy permits, None when there is none."""
    if not isinstance(form, GpuForm):
        return None
    for lower in lowered(form, (_limit(known, form, policy),), policy.catalogue):
        decision = policy.decide(person, lower.form, facts)
        if decision.permitted and not short(known, lower.form, policy):
            return Nearest(form=lower.form, decision=decision, label=lower.change)
    return None


def _limit(known: Left, form: GpuForm, policy: Policy) -> Part:
    """The budget as a limit on the price of this type, so that it is lowered as by a rule; free time is cut by devices."""
    hourly = policy.catalogue.gpu_types[form.gpu_type].price_minor
    seconds = known.gpu_s if known.gpu_s is not None else 1 << 60
    if not hourly:
        most = max(seconds, 0) // form.duration_s
        return Part(word="gpus", fact="gpus", compare="<=", value=most, shown=most)
    money = seconds * hourly // _HOUR
    most = max(min(money, known.cost_minor if known.cost_minor is not None else money), 0)
    return Part(word="cost_minor", fact="cost_minor", compare="<=", value=most, shown=most)


# -- writes ---------------------------------------------------------------------------------------------------------


def reserve(book: Book, policy: Policy, payer: Payer, number: int, form: Form) -> list[Write]:
    """Return the write that reserves the whole price of `form`, and allots what is new; none without a budget or price.

    A reservation that the request has already is replaced, in the window that it was made for. A budget that is no
    longer in the catalogue goes on without limits for the requests that were decided under it.
    """
    name, (gpu_s, cost_minor) = _name(payer.team), price_of(form, policy)
    state = book.budget(name)
    held = state.reservation(number)
    listed = policy.catalogue.budgets.get(name)
    item = listed if listed is not None and listed.reserves else (_NO_LIMITS if held or payer.bound else None)
    if item is None or not gpu_s + cost_minor:
        return []
    window = _window(book, policy, name, item, payer.start, held.window if held else "")
    entries: tuple[Entry, ...] = (Reserved(request=number, window=window.name, gpu_s=gpu_s, cost_minor=cost_minor),)
    if state.window(window.name) != window:
        entries = (_allot(window), *entries)
    return [Write(stream=f"budget:{name}", expected=state.version, entries=entries, actor=ACTOR)]


def reserve_less(book: Book, policy: Policy, team: str, number: int, form: Form) -> list[Write]:
    """Return the write that reserves the price of `form` alone; none where nothing is reserved, and never more than is.

    A window whose limits were lowered below what it holds keeps the reservation as it is: it is settled by what is used.
    """
    name = _name(team)
    state = book.budget(name)
    held = state.reservation(number)
    window = state.window(held.window) if held is not None else None
    if held is None or window is None:
        return []
    gpu_s, cost_minor = price_of(form, policy)
    entry = replace(held, gpu_s=min(gpu_s, held.gpu_s), cost_minor=min(cost_minor, held.cost_minor))
    if entry == held or not window.fits(entry.gpu_s, entry.cost_minor, ignoring=number):
        return []
    return [Write(stream=f"budget:{name}", expected=state.version, entries=(entry,), actor=ACTOR)]


def reserved(book: Book, team: str, number: int) -> bool:
    """Whether the request has a reservation in the budget of `team`."""
    return book.budget(_name(team)).reservation(number) is not None


def hand_back(book: Book, team: str, number: int, *, actor: str) -> list[Write]:
    """Return the write that frees what a request has reserved, none when it has nothing."""
    return _settle(book, team, number, HandedBack(request=number), actor)


def spend(book: Book, team: str, number: int, usage: Usage, *, actor: str) -> list[Write]:
    """Return the write that puts what was used in place of what a request has reserved, none when it has nothing."""
    entry = Spent(request=number, gpu_s=usage.gpu_s, cost_minor=usage.cost_minor)
    return _settle(book, team, number, entry, actor)


def _settle(book: Book, team: str, number: int, entry: Entry, actor: str) -> list[Write]:
    state = book.budget(_name(team))
    if state.reservation(number) is None:
        return []
    return [Write(stream=f"budget:{_name(team)}", expected=state.version, entries=(entry,), actor=actor)]


def _window(book: Book, policy: Policy, name: str, item: BudgetItem, start: datetime, named: str = "") -> Window:
    """The window as it stands by the catalogue in force, allotted already or not."""
    called = named or item.span.window(start)
    known = book.budget(name).window(called) or Window(name=called)
    limits = (item.gpu_s, item.cost_minor, policy.catalogue.currency)
    if known.policy and (known.gpu_s, known.cost_minor, known.currency) == limits:
        return known
    gpu_s, cost_minor, currency = limits
    return replace(known, gpu_s=gpu_s, cost_minor=cost_minor, currency=currency, policy=policy.digest)


def _allot(window: Window) -> Allotted:
    return Allotted(
        window=window.name,
        gpu_s=window.gpu_s,
        cost_minor=window.cost_minor,
        currency=window.currency,
        policy=window.policy,
    )


def _name(team: str) -> str:
    return team.removeprefix("team:")
