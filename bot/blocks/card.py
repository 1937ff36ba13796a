"""The living card of a request: one message for its whole life, rebuilt from the request whoever moved it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bot.blocks.parts import Block, Message, Ref, actions, button, context, fields, header, section
from bot.blocks.parts import quote as quoted
from bot.blocks.words import Voice, duration, either, shown
from ledger.nouns import GpuForm, Seat
from ledger.streams.request import Request, Status, Verdict
from policies.decide import SEAT_WORDS

Missing = tuple[tuple[Seat, tuple[str, ...]], ...]


def card(request: Request, missing: Missing, voice: Voice) -> Message:
    """Return the card of a request as it stands."""
    state = state_line(request, missing, voice)
    blocks = [header(voice.what(request.form)), section(state)]
    facts = _facts(request, voice)
    if facts:
        blocks.append(fields(facts))
    if request.status is Status.RUNNING and request.form.resource.startswith("gpu:"):
        blocks.append(section(f"Run a command on them:\n`quartermaster gpu run {request.name} -- <command>`"))
    blocks.append(context(*_small_print(request, voice)))
    buttons = _buttons(request)
    if buttons:
        blocks.append(actions(*buttons))
    return Message(text=f"{request.name}, {voice.what(request.form)}: {plain(state)}", blocks=tuple(blocks))


def state_line(request: Request, missing: Missing, voice: Voice) -> str:
    """Return icon, state, who and when: at most two sentences, and the reason as a quotation."""
    return _STATES[request.status](request, missing, voice)


def plain(state: str) -> str:
    """Return a state line as a sentence without icon and markup, for notifications."""
    words = state[state.index(":", 1) + 1 :] if state.startswith(":") else state
    return words.strip().replace("*", "").replace("\n>", " ").replace("`", "")


def who_is_missing(missing: Missing, voice: Voice) -> str:
    """Return `1 lead of platform (Ines or Jonas)` for every open seat."""
    parts = []
    for seat, subjects in missing:
        names = either([voice.name_of(subject) for subject in subjects])
        parts.append(f"{seat.count} {SEAT_WORDS[seat.name]} of {seat.team.removeprefix('team:')} ({names})")
    return " and ".join(parts)


def _waiting(request: Request, missing: Missing, voice: Voice) -> str:
    if request.accept_pending:
        by = voice.name_of(request.lowered_by or "")
        reason = quoted(shown(str(request.lower_reason or "")))
        return f":raised_hand: *{by} approves less: {voice.what(request.form)}.* Accept it, or withdraw.{reason}"
    given, wanted = len(request.votes), sum(seat.count for seat in request.seats)
    absent = who_is_missing(missing, voice)
    return f":hourglass_flowing_sand: *Waiting for approval*, {given} of {wanted} given. Missing: {absent}."


def _approved(request: Request, _: Missing, voice: Voice) -> str:
    starts = f" Starts {voice.at(request.form.start)}." if request.form.start else " It starts now."
    at = voice.at(request.approved_at or request.since)
    return f":white_check_mark: *Approved by {_approvers(request, voice)}*, {at}.{starts}"


def _queued(request: Request, _: Missing, voice: Voice) -> str:
    queued = request.queued
    if queued is None:
        return ":hourglass_flowing_sand: *Queued.*"
    estimate = f" The next devices come free {voice.at(queued.estimate)}." if queued.estimate else ""
    return f":hourglass_flowing_sand: *Queued, place {queued.place}.* {queued.why}{estimate}"


def _running(request: Request, _: Missing, voice: Voice) -> str:
    return f":large_green_circle: *Running until {voice.at(request.not_after or request.since)}.*"


def _ending(request: Request, _: Missing, voice: Voice) -> str:
    return f":arrows_counterclockwise: *Ending*, {voice.at(request.since)}. It is being taken back and checked."


def _ended(request: Request, _: Missing, voice: Voice) -> str:
    at = voice.at(request.ended_at or request.since)
    by = voice.name_of(request.ended_by or "")
    if request.end == "request.released":
        left = (request.not_after - request.ended_at).total_seconds() if request.not_after and request.ended_at else 0
        return f":leftwards_arrow_with_hook: *Released by {by}*, {at}, {duration(int(left))} early."
    if request.end == "request.revoked":
        return f":no_entry_sign: *Revoked by {by}*, {at}.{quoted(shown(str(request.reason or '')))}"
    return f":checkered_flag: *Ended on time*, {at}. It was taken back and checked."


def _denied(request: Request, _: Missing, voice: Voice) -> str:
    if request.ended_by is None:
        return f":no_entry: *Denied by policy.* {request.why}"
    reason = quoted(shown(str(request.reason or "")))
    return f":x: *Denied by {voice.name_of(request.ended_by)}*, {voice.at(request.since)}.{reason}"


def _at(icon: str, words: str, rest: str = "") -> Callable[[Request, Missing, Voice], str]:
    return lambda request, _, voice: f"{icon} *{words}*, {voice.at(request.since)}.{rest}"


def _failed(request: Request, _: Missing, voice: Voice) -> str:
    return f":warning: *Did not start*, {voice.at(request.since)}. {request.why}"


_STATES: Final[dict[Status, Callable[[Request, Missing, Voice], str]]] = {
    Status.SUBMITTED: _at(":hourglass_flowing_sand:", "Submitted"),
    Status.WAITING: _waiting,
    Status.APPROVED: _approved,
    Status.QUEUED: _queued,
    Status.STARTING: lambda *_: (
        ":arrows_counterclockwise: *Starting.* The approval was checked again against today's policy."
    ),
    Status.RUNNING: _running,
    Status.DONE: _at(":white_check_mark:", "Done"),
    Status.ENDING: _ending,
    Status.UNCONFIRMED: _at(":warning:", "Not confirmed gone", " It is tried again until it is."),
    Status.ENDED: _ended,
    Status.DENIED: _denied,
    Status.WITHDRAWN: lambda r, _, v: (
        f":wastebasket: *Withdrawn by {v.name_of(r.asker)}*, {v.at(r.since)}. Nothing to decide."
    ),
    Status.LAPSED: _at(":zzz:", "Lapsed", " Nobody decided in time."),
    Status.MISSED: _at(":warning:", "Missed", " Its window went by before it could start. Nothing is charged."),
    Status.FAILED: _failed,
    Status.REPLACED: lambda r, *_: f":memo: *Replaced by REQ-{r.replaced_by}.* Nothing to decide.",
}


def _approvers(request: Request, voice: Voice) -> str:
    names = [voice.name_of(vote.person) for vote in request.votes]
    if names:
        return either(names, "and")
    return f"rule `{request.decision.rules[-1]}`" if request.decision and request.decision.rules else "rule"


def _facts(request: Request, voice: Voice) -> list[tuple[str, str]]:
    asked_by = f"{voice.name_of(request.asker)}, {voice.title_of(request.asker)}".rstrip(", ")
    purpose = shown(str(request.purpose))
    if request.status is Status.ENDED and request.usage is not None:
        usage = request.usage
        asked = request.form.gpus * request.form.duration_s / 3600 if isinstance(request.form, GpuForm) else 0
        used = f"{usage.gpu_s / 3600:,.3g} of {asked:,.4g} GPU-hours" if asked else duration(usage.held_s)
        return [("Used", used), ("Final cost", voice.policy.money(usage.cost_minor))]
    if request.status in {Status.RUNNING, Status.DONE} and request.receipt is not None:
        receipt = request.receipt
        how = f"{receipt.enforcement.value}{', simulated' if receipt.simulated else ''}"
        return [
            ("Devices", ", ".join(receipt.devices)),
            ("Cost", voice.cost(request.form)),
            ("Held", how),
            ("Purpose", purpose),
        ]
    if request.final and request.status is not Status.DENIED:
        return []
    return [
        ("When", voice.when(request.form)),
        ("Cost", voice.cost(request.form)),
        ("Asked by", asked_by),
        ("Purpose", purpose),
    ]


def _small_print(request: Request, voice: Voice) -> list[str]:
    parts = [request.name]
    if request.status is Status.WAITING:
        parts += [f"asked {voice.at(request.submitted_at)}", f"lapses {voice.at(request.lapse_at)} if nobody decides"]
    rules = request.decision.rules if request.decision else ()
    if rules:
        parts.append("rule " + ", ".join(f"`{rule}`" for rule in rules))
    if request.lowered_by is not None:
        parts.append(
            f"asked for {voice.what(request.asked_form)}, approved less by {voice.name_of(request.lowered_by)}"
        )
    return [*parts, f"ledger entry {request.seq}"]


def _buttons(request: Request) -> list[Block]:
    value = Ref(request=request.number, version=request.version, digest=request.form_digest).value()
    if request.status is Status.WAITING and request.accept_pending:
        return [button("qm_accept", "Accept", value, "primary"), button("qm_withdraw", "Withdraw", value)]
    if request.status is Status.WAITING:
        return [button("qm_edit_request", "Edit", value), button("qm_withdraw", "Withdraw", value)]
    if request.status in {Status.APPROVED, Status.QUEUED}:
        return [button("qm_withdraw", "Withdraw", value)]
    if request.status is Status.RUNNING:
        return [button("qm_release", "Release", value)]
    if request.status in {Status.ENDED, Status.FAILED, Status.LAPSED, Status.MISSED, Status.DENIED}:
        label = "Edit and ask again" if request.status is Status.DENIED else "Ask again"
        return [button("qm_again", label, value)]
    return []


def approval(request: Request, seat: Seat, also: list[str], voice: Voice) -> Message:
    """Return the card of a person who may fill an open seat: what a lead needs to decide in ten seconds, on a phone."""
    asker = voice.name_of(request.asker)
    what = voice.what(request.form)
    team = seat.team.removeprefix("team:")
    state = f":raised_hand: *Needs your decision* as {SEAT_WORDS[seat.name]} of {team}, before {voice.at(request.lapse_at)}."
    value = Ref(request=request.number, version=request.version, digest=request.form_digest).value()
    buttons = [button("qm_approve", "Approve", value, "primary")]
    if hasattr(request.form, "duration_s"):
        buttons.append(button("qm_less", "Approve less", value))
    buttons.append(button("qm_deny", "Deny", value, "danger"))
    others = f"also asked: {either(also, 'and')}" if also else ""
    why = request.decision.why if request.decision else ""
    blocks = (
        header(f"{what}, for {asker}"),
        section(state),
        fields(_facts(request, voice)),
        context(request.name, why, others),
        actions(*buttons),
    )
    text = f"{asker} asks for {what}, {voice.when(request.form)}. Your decision is needed ({request.name})."
    return Message(text=text, blocks=blocks)


def closed_approval(request: Request, viewer: str, missing: Missing, voice: Voice) -> Message:
    """Return an approver's card once there is nothing left for them to decide: no buttons, and who decided."""
    mine = next((r for r in request.reviews if r.reviewer == viewer), None)
    state = state_line(request, missing, voice)
    if mine is not None and mine.verdict is Verdict.APPROVE and request.status is Status.WAITING:
        state = f":white_check_mark: *Approved by you*, {voice.at(mine.at)}. {plain(state)}"
    what = f"{voice.what(request.form)}, for {voice.name_of(request.asker)}"
    text = f"{request.name}, {what}: {plain(state)}"
    return Message(
        text=text, blocks=(header(what), section(state), context(request.name, f"ledger entry {request.seq}"))
    )
