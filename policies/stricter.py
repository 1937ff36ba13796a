"""Whether what is held would still be permitted under rules that were adopted since, as it stands.

Only the rules are looked at anew: how much its holder had besides, and how many requests waited, count as they did when
it was decided on. Else the holder's next request would make the last one look forbidden. A smaller budget takes nothing
away either, as it reserved its price. Whoever may not ask for the like at all is no question here: that ends the lease.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from ledger.book import Book
from ledger.nouns import Change, Decision, Fact, Seat
from ledger.streams.codec import entry_of
from ledger.streams.request import (
    ENTRIES,
    Extended,
    ExtensionDecided,
    NotProlonged,
    Outcome,
    Request,
    Verdict,
)
from policies import words
from policies.decide import Policy
from policies.explain import Miss, Question, misses
from policies.facts import first_window_s
from policies.words import SEAT_WORDS

LEDGER: Final = "ledger"
"""The source of facts that are not the form's own."""
_NOT_LISTED: Final = "The catalogue does not list it any more."
_NO_RULE: Final = "No rule lets its holder ask for it any more."


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """What the rules in force would not permit.

    Args:
        fails: the rule and the part of it that fails, in the rules' own words: `ask-gpu-eng gpus<=2`,
            `need-gpu owner-lead:1`. As long as it stays the same, so does the question.
        why: the same as a sentence.
    """

    fails: str
    why: str


def shortfall(policy: Policy, book: Book, request: Request) -> Shortfall | None:
    """Return what a held lease does not pass under `policy`, None when it passes or its end is not asked about."""
    slack, decided = book.people().slack(request.beneficiary), _decided(request)
    if slack is None or decided is None or isinstance(request.form, Change):
        return None
    person = f"user:{slack}"
    if not policy.eligible(person, request.form):
        return None
    if not policy.catalogue.knows(request.form):
        return Shortfall(fails="catalogue", why=_NOT_LISTED)
    added_s = request.form.duration_s - first_window_s(book, request.number)
    facts = {**_given(decided.facts), "added_s": added_s}
    ask = policy.extend if added_s > 0 else policy.decide
    decision = ask(person, request.form, facts)
    if not decision.permitted:
        return _denied(policy, person, request, decision, decided.rules[0] if decided.rules else "")
    return _unseated(policy, request, decision, _agreed(book, request))


def _decided(request: Request) -> Decision | None:
    """The last decision by which it is held: what the person had besides was looked at for that.

    An extension that waits or was denied was looked at with what they have now, and is not what is held.
    """
    extension = request.extension
    granted = extension is not None and extension.outcome is Outcome.GRANTED
    return extension.decision if extension is not None and granted else request.decision


def _given(facts: Sequence[Fact]) -> dict[str, int | str]:
    return {fact.name: fact.value for fact in facts if fact.source == LEDGER}


# -- denied ---------------------------------------------------------------------------------------------------------


def _denied(policy: Policy, person: str, request: Request, decision: Decision, passed: str) -> Shortfall:
    """Name the rule that it `passed` when it was decided on, if that is still there, and else the nearest one."""
    rule = policy.snapshot.rule(decision.rules[0]) if decision.rules else None
    if rule is not None and rule.effect == "deny":
        return Shortfall(fails=rule.id, why=decision.why)
    values = {fact.name: fact.value for fact in decision.facts if isinstance(fact.value, int)}
    form = request.form
    question = Question(
        person=person,
        team=policy.team(person),
        resource=form.resource,
        action=form.action,
        facts=values,
        form=form,
    )
    near = misses(policy.snapshot, question)
    if not near:
        return Shortfall(fails="no-rule", why=_NO_RULE)
    miss = next((each for each in near if each.rule.id == passed), near[0])
    return _missed(miss, policy.catalogue.currency)


def _missed(miss: Miss, currency: str) -> Shortfall:
    """What a rule allows or asks for, and what does not fit: each part of it that fails."""
    said, parts = [], [str(part) for part in miss.parts]
    if miss.parts:
        now = words.allows(miss.parts, currency)
        said.append(f"allows {now} now; this is {words.asked(miss.parts, miss.asked.facts, currency)}")
    if miss.role:
        parts.append(miss.rule.sub)
        said.append(f"is for the role {words.role(miss.rule.sub)}, which its holder does not have")
    if miss.team:
        parts.append(miss.rule.dom)
        said.append(f"is of {miss.rule.dom.removeprefix('team:')}, another of its holder's teams")
    return Shortfall(fails=" ".join([miss.rule.id, *parts]), why=f"Rule `{miss.rule.id}` {words.join(said)}.")


# -- more seats -----------------------------------------------------------------------------------------------------


def _agreed(book: Book, request: Request) -> dict[str, int]:
    """How many people filled each seat: of the request itself, or of an extension that was granted and stands."""
    had: dict[str, int] = {}
    for review in request.reviews:
        if review.verdict is Verdict.APPROVE:
            had[review.seat] = had.get(review.seat, 0) + 1
    for seats in (request.seats, *_extended(book, request)):
        for seat in seats:
            had[seat.name] = max(had.get(seat.name, 0), seat.count)
    return had


def _extended(book: Book, request: Request) -> list[tuple[Seat, ...]]:
    """The seats of every extension that stands; a request knows only the last one."""
    if all(kind != Extended.kind for kind, *_ in request.history):
        return []
    decided: dict[str, tuple[Seat, ...]] = {}
    standing: list[tuple[Seat, ...]] = []
    for stored in book.store.read(f"request:{request.number}", 0):
        entry = entry_of(stored, ENTRIES)
        if isinstance(entry, ExtensionDecided):
            decided[entry.form_digest] = entry.decision.seats
        elif isinstance(entry, Extended):
            standing.append(decided[entry.form_digest])
        elif isinstance(entry, NotProlonged):
            standing.pop()
    return standing


def _unseated(policy: Policy, request: Request, decision: Decision, had: dict[str, int]) -> Shortfall | None:
    more = [seat for seat in decision.seats if seat.count > had.get(seat.name, 0)]
    if not more:
        return None
    wanted = {seat.name: seat.count for seat in more}
    rules = [rule for rule in map(policy.snapshot.rule, decision.rules[1:]) if rule is not None]
    named = [rule.id for rule in rules if any(rule.seats.get(name) == count for name, count in wanted.items())]
    fails = " ".join([*(named or ["default"]), *(f"{name}:{count}" for name, count in wanted.items())])
    people = words.join([_people(seat) for seat in more])
    if named:
        which = f"Rule{'s' if len(named) > 1 else ''} {words.join([f'`{each}`' for each in named])}"
        needs = f"{which} now {'need' if len(named) > 1 else 'needs'} {people}"
    else:
        needs = f"No rule approves the like any more, so it needs {people}"
    return Shortfall(fails=fails, why=f"{needs}; {_had(request, had, more)}.")


def _people(seat: Seat) -> str:
    return f"{seat.count} {SEAT_WORDS[seat.name]}{'' if seat.count == 1 else 's'}{words.of_team(seat.team)}"


def _had(request: Request, had: dict[str, int], more: Sequence[Seat]) -> str:
    """Who agreed instead, as far as it is about the seats that are wanted."""
    there = [_people(replace(seat, count=had[seat.name], team="")) for seat in more if had.get(seat.name)]
    if there:
        return f"{words.join(there)} agreed"
    by_rule = request.decision is not None and request.decision.auto
    return f"rule `{request.decision.rules[-1]}` approved it" if by_rule and request.decision else "none agreed"
