"""App Home: first what waits for me, what I hold, what I asked for; then my pools, and what I can ask."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from bot.blocks import extending, extension
from bot.blocks.help import May
from bot.blocks.parts import Block, Ref, actions, button, context, entry_input, fields, header, modal, section
from bot.blocks.states import Missing, state_line
from bot.blocks.words import Voice, shown
from bot.tables.messages import Nudges
from ledger.audit import Verdict
from ledger.streams.request import Request, Status

MOST: Final = 10
DIVIDER: Final[Block] = {"type": "divider"}
_ASK: Final = {"gpu": "GPU time", "deploy": "Deployment", "data": "Data access", "key": "Key to a model"}
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far each list was turned: the number of items that are before the first one shown."""

    waiting: int = 0
    held: int = 0
    asked: int = 0

    def value(self, name: str, at: int) -> str:
        """Return the value of a button that turns the list `name` to `at`."""
        turned = replace(self, **{name: max(at, 0)})
        return json.dumps([turned.waiting, turned.held, turned.asked])

    @classmethod
    def parse(cls, value: str) -> Place:
        """Return what a button says; the beginning for anything that is no button of ours."""
        try:
            waiting, held, asked = json.loads(value)
        except (ValueError, TypeError):
            return cls()
        typed = all(type(each) is int and each >= 0 for each in (waiting, held, asked))
        return cls(waiting=waiting, held=held, asked=asked) if typed else cls()


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """A request of one's own: who is missing, and whether they may be reminded now."""

    request: Request
    missing: Missing
    nudges: Nudges
    remind: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """A pool of one's team: devices, how many are leased, how many requests are queued, and what is held."""

    name: str
    total: int
    leased: int
    queued: int
    held: tuple[Request, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What was verified of the ledger last, and how many entries it has now."""

    verdict: Verdict
    size: int


def refused(sentence: str) -> Block:
    """Return the Home of somebody who is not served: the sentence and nothing else."""
    return {"type": "home", "blocks": [section(sentence)]}


def person(
    *,
    waiting: list[Request],
    held: list[Own],
    asked: list[Own],
    pools: list[PoolView],
    ledger: Ledger | None,
    may: May,
    place: Place,
    voice: Voice,
    budget: str = "",
) -> Block:
    """Return the Home view of somebody who asks or decides; `budget` is what their team has left, in words."""
    blocks: list[Block] = []
    if waiting:
        head = header(f"Waiting for you ({len(waiting)})")
        blocks += [head, *_list(waiting, place, "waiting", lambda r: _waiting(r, voice)), DIVIDER]
    nothing = [] if held else [section("You hold nothing right now.")]
    blocks += [
        header("Your access now"),
        *nothing,
        *_list(held, place, "held", lambda own: _held(own.request, own.missing, voice)),
    ]
    if asked:
        blocks += [DIVIDER, header("Your requests"), *_list(asked, place, "asked", lambda own: _asked(own, voice))]
    for pool in pools:
        blocks += [DIVIDER, header(f"Your pool, {pool.name}"), *_pool(pool, voice)]
    if ledger is not None:
        blocks += [DIVIDER, header("The ledger"), section(_verified(ledger)), _evidence()]
    if may.ask:
        blocks += [DIVIDER, header("Ask for something"), _ask(may)]
    blocks.append(context(budget, _may_words(may)))
    return {"type": "home", "blocks": blocks[:100]}


def auditor(ledger: Ledger, worth: list[tuple[str, str]], voice: Voice) -> Block:
    """Return the auditor's Home: is the record sound, and how do I take evidence with me."""
    sound = "The ledger is consistent" if ledger.verdict.sound else "The ledger is not sound"
    at = f"Read {voice.at(voice.now)}"
    blocks = [
        header(sound),
        section(f"{_verified(ledger)}\n{at}"),
        actions(button("qm_verify", "Verify again", "verify")),
        DIVIDER,
        header("Take evidence"),
        _evidence(),
        DIVIDER,
        header("Worth a look, last 7 days"),
        fields(worth),
        context("You can read everything and change nothing. What you export is entered too."),
    ]
    return {"type": "home", "blocks": blocks}


def _list(items: Sequence[T], place: Place, name: str, draw: Callable[[T], list[Block]]) -> list[Block]:
    """Ten items from where the list was turned to, with Older and Newer where there is more."""
    at: int = min(getattr(place, name), max(len(items) - 1, 0))
    blocks = [block for item in items[at : at + MOST] for block in draw(item)]
    if len(items) <= MOST:
        return blocks
    last = min(at + MOST, len(items))
    turn: list[Block] = []
    if last < len(items):
        turn.append(button(f"qm_turn_{name}_older", "Older", place.value(name, at + MOST)))
    if at:
        turn.append(button(f"qm_turn_{name}_newer", "Newer", place.value(name, at - MOST)))
    return [*blocks, context(f"Showing {at + 1} to {last} of {len(items)}"), actions(*turn)]


def _value(request: Request) -> str:
    return Ref(request=request.number, version=request.version, digest=request.form_digest).value()


def _waiting(request: Request, voice: Voice) -> list[Block]:
    if request.status is Status.RUNNING and request.extension is not None:
        return extending.waiting_item(request, request.extension, voice)
    value = _value(request)
    parts = (voice.when(request.form), voice.cost(request.form), shown(str(request.purpose or ""), 80), request.name)
    what = f"*{voice.what(request.form)}, for {voice.name_of(request.asker)}*"
    buttons = [button("qm_approve", "Approve", value, "primary")]
    if hasattr(request.form, "duration_s"):
        buttons.append(button("qm_less", "Approve less", value))
    buttons.append(button("qm_deny", "Deny", value, "danger"))
    return [section(f":raised_hand: {what}\n{' · '.join(part for part in parts if part)}"), actions(*buttons)]


def _held(request: Request, missing: Missing, voice: Voice) -> list[Block]:
    devices = f", {', '.join(request.receipt.devices)}" if request.receipt and request.receipt.devices else ""
    if request.status is Status.RUNNING:
        until = f"Running until {voice.at(request.not_after or request.since)}"
        text = f":large_green_circle: *{voice.what(request.form)}*{devices}\n{until} · {request.name}"
        spent = voice.spent(request)
        text += f"\nUsed {spent}" if spent else ""
        more = extension.open_standing(request, missing, voice)
        return [section(f"{text}\n{more}" if more else text), extension.offering(request, voice)]
    return [section(f"*{voice.what(request.form)}* · {request.name}\n{state_line(request, (), voice)}")]


def _asked(own: Own, voice: Voice) -> list[Block]:
    request, value = own.request, _value(own.request)
    state = state_line(request, own.missing, voice, own.nudges)
    text = section(f"*{voice.what(request.form)}* · {request.name}\n{state}")
    buttons: list[Block] = []
    if own.remind:
        buttons.append(button("qm_remind", "Remind", value))
    if request.status is Status.WAITING and request.accept_pending:
        buttons.append(button("qm_accept", "Accept", value, "primary"))
    if request.status in {Status.WAITING, Status.APPROVED, Status.QUEUED}:
        buttons.append(button("qm_withdraw", "Withdraw", value))
    return [text, actions(*buttons)] if buttons else [text]


def _pool(pool: PoolView, voice: Voice) -> list[Block]:
    ends = sorted((r.not_after, r.name) for r in pool.held if r.not_after is not None)
    following = f"{ends[0][1]}, {voice.at(ends[0][0])}" if ends else "nothing is held"
    facts = [
        ("In use", f"{pool.leased} of {pool.total}"),
        ("Queued", str(pool.queued)),
        ("Next to end", following),
    ]
    blocks = [fields(facts)]
    for request in pool.held[:MOST]:
        until = f" until {voice.at(request.not_after)}" if request.not_after else ""
        who = voice.name_of(request.asker)
        text = f":large_green_circle: *{voice.what(request.form)}*, held by {who}{until} · {request.name}"
        blocks += [section(text), actions(button("qm_revoke", "Revoke", _value(request), "danger"))]
    return blocks


def _ask(may: May) -> Block:
    made: list[Block] = []
    for kind in (kind for kind in _ASK if kind in may.ask):
        made.append(button(f"qm_home_{kind}", _ASK[kind], kind, "" if made else "primary"))
    return actions(*made)


def _evidence() -> Block:
    return actions(
        button("qm_export_period", "Export a period", "period", "primary"),
        button("qm_export", "Export everything", "all"),
    )


def _verified(ledger: Ledger) -> str:
    verdict = ledger.verdict
    if not verdict.sound:
        return f":warning: *Entry {verdict.bad} is wrong: {verdict.fault}.* Export what you need and tell an admin."
    newer = ledger.size - verdict.size
    since = f" {newer:,} newer entries are not verified yet." if newer > 0 else ""
    sound = f":anchor: *Consistent to entry {verdict.size - 1:,}, every entry lawful.*"
    return f"{sound}{since} Not anchored: nobody outside holds a checkpoint yet."


def _may_words(may: May) -> str:
    can = [f"ask for {_join([_ASK[kind].lower().replace('gpu', 'GPU') for kind in may.ask])}"] if may.ask else []
    rights = ((may.decide, "decide requests"), (may.revoke, "revoke access"), (may.halt, "freeze everything"))
    can += [words for holds, words in rights if holds]
    return f"You may {_join(can)} · `/qm help` says how" if can else "`/qm help` says what you may do"


def _join(words: list[str]) -> str:
    return " and ".join(words) if len(words) <= 2 else f"{', '.join(words[:-1])} and {words[-1]}"  # noqa: PLR2004


def export_modal() -> Block:
    """Return the form in which an auditor chooses a period, both days included."""
    days: Any = {"type": "datepicker"}
    blocks = [
        entry_input("from", "From", days, hint="Whole days, UTC."),
        entry_input("to", "To", days, hint="This day is included."),
        context("The export is verified before you get it, and is itself entered in the ledger."),
    ]
    return modal("qm_export_form", "Export a period", "Export", "Cancel", blocks, "")
