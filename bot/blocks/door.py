"""The card of a side door: what was found, where and since when, who owns it, and how it ended."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from bot.blocks.parts import Block, Message, actions, button, context, entry_input, fields, header, modal, section
from bot.blocks.states import approvers, plain
from bot.blocks.words import Voice, either, shown
from ledger.nouns import ExplainForm
from ledger.streams.request import Request, Status
from ledger.streams.watch import Fault, Outcome

TAKE_AWAY: Final = "qm_take_away_form"
EXPLAIN: Final = "qm_explain_form"
UNTIL: Final = "until"
_SUGGESTED: Final = timedelta(days=30)
TITLES: Final = {
    Fault.UNEXPLAINED: "Access without a grant",
    Fault.LOST: "Grant without access",
    Fault.WRONG: "Access beyond its grant",
    Fault.UNSEEN: "Nobody could look",
}
_NEXT: Final = {
    Fault.UNEXPLAINED: "No request explains it. An admin can take it away, or explain it for a while; a second one approves.",
    Fault.LOST: "Its holder has nothing of it. They can release it and ask again.",
    Fault.WRONG: "Revoke the request if it should end: `/qm revoke {name}`.",
    Fault.UNSEEN: "A side door there would not be seen now. Look at the backend and at the clock's log.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What the button and the form carry: the finding and its backend, and the channel of the card."""

    backend: str
    finding: str
    channel: str = ""

    def value(self) -> str:
        """Return the button's value."""
        return json.dumps([self.backend, self.finding, self.channel], separators=(",", ":"))

    @classmethod
    def parse(cls, value: str) -> Where | None:
        """Return what a value says, None when it is not one that we made."""
        try:
            backend, finding, channel = json.loads(value)
        except (ValueError, TypeError):
            return None
        where = cls(backend=str(backend), finding=str(finding), channel=str(channel))
        return where if where.value() == value else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A finding as people see it.

    Args:
        about: the resource it is about, or the backend when that is all that is known.
        clean_at: when somebody looked last and it was not there, None if nobody did.
        owners: teams and the names of their leads, such as `platform, lead Ines`.
        seq: the ledger's entry.
    """

    backend: str
    finding: str
    fault: Fault
    request: int | None
    who: str
    what: str
    about: str
    found_at: datetime
    clean_at: datetime | None
    owners: tuple[str, ...]
    seq: int


def door_card(door: Door, voice: Voice, revert: Request | None) -> Message:
    """Return the card of a side door that stands; `revert` is the open request that asks to take it away."""
    title, words = _title(door), told(door.who, door.what)
    asked = f"\n{asked_words(revert, voice)}" if revert is not None else ""
    blocks = [
        header(title),
        section(f":door: *{words}*\n{_next(door)}{asked}"),
        fields(_facts(door, voice)),
        _small(door),
    ]
    if door.fault is Fault.UNEXPLAINED and revert is None:
        value = Where(backend=door.backend, finding=door.finding).value()
        away = button("qm_take_away", "Take it away", value, "danger")
        blocks.append(actions(away, button("qm_explain", "Explain it", value)))
    return Message(text=f"{title}: {plain(words)} {plain(_next(door))}", blocks=tuple(blocks))


def shut_card(door: Door, voice: Voice, outcome: Outcome, at: datetime, revert: Request | None, seq: int) -> Message:
    """Return the card once it is over: how, by whom, and that it was seen gone."""
    title, how = _title(door), _how(outcome, voice, revert)
    text = f":white_check_mark: *{how}*, {voice.at(at)}.\n{told(door.who, door.what)}"
    small = context(f"found {voice.at(door.found_at)}", f"ledger entries {door.seq:,} and {seq:,}")
    return Message(text=f"{title}: {plain(text)}", blocks=(header(title), section(text), small))


def take_away_modal(door: Door, where: Where) -> Block:
    """Return the form that asks once more, with a reason."""
    words = {"type": "plain_text", "text": "How do you know that nobody needs it?"}
    element = {"type": "plain_text_input", "multiline": True, "placeholder": words}
    hint = "Whoever approves reads this, and it stays in the ledger."
    blocks = [
        section(f"*{told(door.who, door.what)}*\nfound in {door.backend}"),
        entry_input("reason", "Reason", element, hint=hint),
    ]
    blocks.append(context("nothing is taken away before another admin approves"))
    return modal(TAKE_AWAY, "Take it away", "Ask", "Back", blocks, where.value())


def explain_modal(door: Door, where: Where, today: date) -> Block:
    """Return the form that says what it is, and until when everybody may know of it."""
    words = {"type": "plain_text", "text": "The nightly backup's role, run by platform."}
    reason = {"type": "plain_text_input", "multiline": True, "placeholder": words}
    end = {"type": "datepicker", "initial_date": (today + _SUGGESTED).isoformat()}
    blocks = [
        section(f"*{told(door.who, door.what)}*\nfound in {door.backend}"),
        entry_input("reason", "What it is", reason, hint="Whoever approves reads this, and it stays in the ledger."),
        entry_input(UNTIL, "Known until", end, hint="Within 90 days. Then it is found again."),
        context("it stays where it is; if it changes, it is found again at once"),
    ]
    return modal(EXPLAIN, "Explain it", "Ask", "Back", blocks, where.value())


def _title(door: Door) -> str:
    return f"{TITLES[door.fault]}: {door.about.partition(':')[2] or door.about}"


def told(who: str, what: str) -> str:
    """Return who holds what, as a sentence; names that a backend gave are text and no markup."""
    name = f"{shown(who)}: " if who else ""
    words = f"{name}{shown(what).rstrip('.')}."
    return words[0].upper() + words[1:]


def _next(door: Door) -> str:
    return _NEXT[door.fault].format(name=f"REQ-{door.request}" if door.request is not None else "")


def asked_words(revert: Request, voice: Voice) -> str:
    """Return who asks for what to become of it, and what that waits for."""
    waits = " It waits for another admin." if revert.status is Status.WAITING else " It is approved."
    asks = "asks to take it away"
    if isinstance(revert.form, ExplainForm):
        asks = f"explains it until {voice.at(revert.form.until)}: {shown(str(revert.purpose)).rstrip('.')}"
    return f":hourglass_flowing_sand: {voice.name_of(revert.asker)} {asks} ({revert.name}).{waits}"


def known_words(request: Request, voice: Voice) -> str:
    """Return until when it is known, what it is, and who said and agreed to that."""
    assert isinstance(request.form, ExplainForm)
    until, what = voice.at(request.form.until), shown(str(request.purpose)).rstrip(".")
    return f"Known until {until} ({request.name}): {what}; {_by(request, voice)}"


def _by(request: Request, voice: Voice) -> str:
    return f"asked by {voice.name_of(request.asker)}, approved by {approvers(request, voice)}"


def _how(outcome: Outcome, voice: Voice, revert: Request | None) -> str:
    if outcome is Outcome.GONE or revert is None:
        return "Gone: a later look no longer saw it"
    if outcome is Outcome.EXPLAINED:
        return known_words(revert, voice)
    return f"Taken away and seen gone ({revert.name}): {_by(revert, voice)}"


def _facts(door: Door, voice: Voice) -> list[tuple[str, str]]:
    before = f"Not there at {voice.at(door.clean_at)}" if door.clean_at is not None else "Nobody looked before"
    request = f"REQ-{door.request}" if door.request is not None else ""
    return [
        ("Found", voice.at(door.found_at)),
        ("Where", door.backend),
        ("Last look before", before if door.fault is not Fault.UNSEEN else ""),
        ("Request", request),
        ("Owner", either(list(door.owners), "and") if door.owners else ""),
    ]


def _small(door: Door) -> Block:
    return context(f"finding {door.finding[:8]}", f"ledger entry {door.seq:,}")
