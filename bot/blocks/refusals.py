"""The fixed sentences: first what is so, then what to do. The program log has the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bot.blocks import extension
from bot.blocks.freeze import name_of
from bot.blocks.states import Missing, approvers, who_is_missing
from bot.blocks.words import Voice, either, shown
from bot.errors import Reason, Refused
from ledger.streams.request import Request, Status
from policies.directory import Stranger

NOT_UNDERSTOOD: Final = (
    'I could not read a request in that. Try "4 h100 for 6 hours tomorrow 9am to retrain churn", '
    "or open a form with `/qm gpu`."
)
NOT_YOURS_TO_CONFIRM: Final = "Only the person who asked can confirm this request. Nothing changed."
NOT_BUILT: Final = "I cannot do that yet. `/qm help` lists what I can do."
RULES_MOVED: Final = (
    "The rules on disk are not the ones that were adopted, so nothing was done. Ask an admin to look at them."
)
STALE: Final = "That button is from another time. `/qm status` shows how things stand now."
SLOW: Final = "Slack is slow to answer. Your click was counted once. The card will follow."
BROKEN: Final = (
    "That did not work, and I do not know how far it got. `/qm status` shows how things stand; then try again."
)
NO_PERIOD: Final = (
    "I could not read a period in that. Try `/qm export last month`, `/qm export 2026-11-01 to 2026-11-24`, "
    "or `/qm export REQ-1001 csv`."
)
WHICH_TIME: Final = (
    "I could not tell which model, place or time you mean. Try `/qm what ran in production last friday`, "
    "or `/qm what ran in production yesterday at 14:00`."
)
UNAVAILABLE: Final = (
    "The ledger cannot be written right now, so nothing was done. Your request is not lost: try again in a few minutes."
)


def refusal(refused: Refused, request: Request | None, voice: Voice) -> str:
    """Return the sentence for a refusal."""
    say = _SENTENCES.get(refused.reason)
    return UNAVAILABLE if say is None else say(refused, request, voice)


def _name(refused: Refused) -> str:
    return f"REQ-{refused.number}" if refused.number is not None else "It"


def _people(refused: Refused, voice: Voice) -> str:
    return either([voice.name_of(subject) for subject in refused.people])


def _settled(_: Refused, request: Request | None, voice: Voice) -> str:
    if request is None:
        return UNAVAILABLE
    return f"{request.name} {how_it_stands(request, voice)}. Nothing changed."


def how_it_stands(request: Request, voice: Voice) -> str:
    """Return `was already approved by Ines, Mon 23 Nov, 14:09 CET` and its like."""
    at = voice.at(request.since)
    if request.status is Status.DENIED:
        by = f" by {voice.name_of(request.ended_by)}" if request.ended_by else " by policy"
        return f"was already denied{by}, {at}"
    if request.status in {Status.APPROVED, Status.QUEUED, Status.STARTING, Status.RUNNING}:
        return f"was already approved by {approvers(request, voice)}, {voice.at(request.approved_at or request.since)}"
    words = {
        Status.WAITING: "still waits for approval",
        Status.ENDING: "is being taken back since",
        Status.UNCONFIRMED: "is over, and not confirmed gone since",
        Status.REPLACED: f"was replaced by REQ-{request.replaced_by},",
        Status.FAILED: "did not start,",
        Status.MISSED: "missed its window,",
        Status.DONE: "was done,",
    }.get(request.status, f"{request.status.value},")
    return words if request.status is Status.WAITING else f"{words} {at}"


def _over(refused: Refused, request: Request | None, voice: Voice) -> str:
    again = {Status.ENDED: "ended on", Status.LAPSED: "lapsed on", Status.WITHDRAWN: "was withdrawn on"}
    if request is None or request.status not in again:
        return _settled(refused, request, voice)
    at = request.ended_at or request.since
    return f"{request.name} {again[request.status]} {voice.at(at)}. Ask again if you still need it."


def _draft_gone(refused: Refused, _: Request | None, __: Voice) -> str:
    if refused.number is not None:
        return f"You confirmed that already: it is {_name(refused)}. Nothing was sent twice."
    return "That was settled already. Ask again if you still need it."


_SENTENCES: Final[dict[Reason, Callable[[Refused, Request | None, Voice], str]]] = {
    Reason.UNKNOWN_REQUEST: lambda r, *_: f"I find no request {_name(r)} that you may see. `/qm status` lists yours.",
    Reason.NOT_YOUR_SEAT: lambda r, _, v: f"You cannot decide {_name(r)}. It needs {_people(r, v)}.",
    Reason.OWN_REQUEST: lambda r, _, v: (
        f"You asked for {_name(r)}, so someone else must decide it: {_people(r, v)}."
        if r.people
        else f"You asked for {_name(r)}, so someone else must decide it."
    ),
    Reason.OWN_LEASE: lambda r, _, v: f"You hold {_name(r)}, so someone else must let it stand: {_people(r, v)}.",
    Reason.PASSES: lambda r, *_: f"The rules allow {_name(r)} again. There is nothing to decide.",
    Reason.KEPT: lambda r, _, v: f"{_people(r, v)} let {_name(r)} stand until its end already. Nothing changed.",
    Reason.ALREADY_VOTED: lambda r, *_: (
        f"You already approved {_name(r)}. The next approval must come from another person."
    ),
    Reason.ALREADY_DECIDED: _settled,
    Reason.OVER: _over,
    Reason.CHANGED: lambda r, *_: (
        f"{_name(r)} changed after this card was sent. The card now shows how it stands. Decide again."
    ),
    Reason.NOT_YOURS: lambda r, _, v: f"{_name(r)} belongs to {_people(r, v)}. Only {_people(r, v)} can do that.",
    Reason.NOT_LOWER: lambda *_: "Approving less must not ask for more. Lower the number or the hours.",
    **extension.SENTENCES,
    Reason.PAST: lambda *_: "That start is in the past. Give a later time.",
    Reason.DRAFT_GONE: _draft_gone,
    Reason.TOO_SOON: lambda r, *_: (
        f"You can remind the approvers of {_name(r)} from {r.detail}."
        if r.detail
        else f"{_name(r)} lapses before another reminder would help."
    ),
    Reason.FROZEN: lambda r, _, v: (
        f'{name_of(r.resource)} is frozen by {_people(r, v)}: "{shown(r.detail)}" '
        "Your click was not counted. Try again when the freeze is lifted."
    ),
    Reason.OVER_BUDGET: lambda r, *_: (
        f"{r.detail} Your click was not counted: approve less, or deny {_name(r)} and say when there is more."
    ),
    Reason.ALREADY_FROZEN: lambda r, _, v: (
        f"{name_of(r.resource)} is frozen already, by {_people(r, v)}. Nothing changed."
    ),
    Reason.NOT_FROZEN: lambda r, *_: f"{name_of(r.resource)} is not frozen. Nothing changed.",
    Reason.OWN_FREEZE: lambda r, _, v: (
        f"You froze {name_of(r.resource)}, so another admin must lift it: {_people(r, v)}."
    ),
    Reason.NOT_ADMIN: lambda r, _, v: (
        f"Only an admin freezes {name_of(r.resource)} or lifts that: {_people(r, v)}. Nothing changed."
    ),
    Reason.NO_FINDING: lambda *_: "That side door no longer stands. Nothing was asked.",
    Reason.ALREADY_ASKED: lambda r, *_: f"{_name(r)} asks for that already. Whoever must agree has its card.",
    Reason.DISK_LOW: lambda *_: (
        "The ledger's disk is almost full, so nothing new begins; what runs still ends on time. "
        "Tell whoever runs Quartermaster, and try again once there is room."
    ),
    Reason.NOT_ALLOWED: lambda r, *_: r.detail or f"No rule lets you do that with {_name(r)}.",
}


def stranger(why: Stranger, admins: list[str]) -> str:
    """Return the sentence for somebody whom the directory refuses."""
    whom = f" ({either(admins)})" if admins else ""
    if why is Stranger.UNKNOWN:
        return f"I do not know you yet. Ask an admin{whom} to add your Slack account to a team."
    return f"I cannot serve this account ({why.value}). Ask an admin{whom}."


def who_can(request: Request, missing: Missing, voice: Voice) -> str:
    """Return who may approve a request now, or how it stands when nobody needs to."""
    if not missing:
        return f"Nobody needs to approve {request.name}: it {how_it_stands(request, voice)}."
    return f"{request.name} needs {who_is_missing(missing, voice)}. It lapses {voice.at(request.lapse_at)} if nobody decides."
