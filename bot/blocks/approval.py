"""The card of somebody who may decide: what a lead needs in ten seconds on a phone, and how it closes."""

from __future__ import annotations

from bot.blocks.card import facts
from bot.blocks.parts import Message, Ref, actions, button, context, fields, header, section
from bot.blocks.states import Missing, approvers, given, plain, state_line
from bot.blocks.words import Voice, either
from ledger.nouns import Seat
from ledger.streams.request import Request, Status, Verdict
from policies.decide import SEAT_WORDS
from policies.words import of_team


def approval(
    request: Request, seat: Seat, also: list[str], voice: Voice, beside: list[tuple[str, str]] | None = None
) -> Message:
    """Return the card of a person who may fill an open seat; `beside` are facts that are not the request's own."""
    asker, what = voice.name_of(request.asker), voice.what(request.form)
    value = Ref(request=request.number, version=request.version, digest=request.form_digest).value()
    buttons = [button("qm_approve", "Approve", value, "primary")]
    if hasattr(request.form, "duration_s"):
        buttons.append(button("qm_less", "Approve less", value))
    buttons.append(button("qm_deny", "Deny", value, "danger"))
    others = f"also asked: {either(also, 'and')}" if also else ""
    why = request.decision.why if request.decision else ""
    blocks = (
        header(f"{what}, for {asker}"),
        section(_needed(request, seat, voice)),
        fields([*facts(request, voice), *(beside or [])]),
        context(request.name, why.rstrip("."), others),
        actions(*buttons),
    )
    text = f"{asker} asks for {what}, {voice.when(request.form)}. Your decision is needed ({request.name})."
    return Message(text=text, blocks=blocks)


def _needed(request: Request, seat: Seat, voice: Voice) -> str:
    seated = f"{SEAT_WORDS[seat.name]}{of_team(seat.team)}"
    words = f":raised_hand: *Needs your decision* as {seated}, before {voice.at(request.lapse_at)}."
    return f"{words} {given(request, voice)}." if request.votes else words


def reminder(request: Request, voice: Voice, *, by_itself: bool = False) -> Message:
    """Return what is said under the card when the asker or time reminds: `chat.update` alone would notify nobody."""
    asker = voice.name_of(request.asker)
    first = f"{asker} still waits for you" if by_itself else f"{asker} reminds you"
    text = (
        f":raised_hand: *{first}*: {voice.what(request.form)} waits since "
        f"{voice.at(request.submitted_at)}, and lapses {voice.at(request.lapse_at)}. Decide on the card above."
    )
    return Message(text=f"{request.name}: {plain(text)}", blocks=(section(text),))


def closed_approval(request: Request, viewer: str, missing: Missing, voice: Voice) -> Message:
    """Return an approver's card once there is nothing left for them to decide: no buttons, and who decided."""
    state = _closed_state(request, viewer, missing, voice)
    what = f"{voice.what(request.form)}, for {voice.name_of(request.asker)}"
    text = f"{request.name}, {what}: {plain(state)}"
    small = context(request.name, f"ledger entry {request.seq:,}")
    return Message(text=text, blocks=(header(what), section(state), small))


def _closed_state(request: Request, viewer: str, missing: Missing, voice: Voice) -> str:
    """Return who decided, always by name, and where the request stands since."""
    mine = next((r for r in reversed(request.reviews) if r.reviewer == viewer), None)
    state = state_line(request, missing, voice)
    if mine is not None and mine.verdict is Verdict.DENY:
        return state.replace(f"Denied by {voice.name_of(viewer)}", "Denied by you", 1)
    if mine is not None:
        by, at = "you", voice.at(mine.at)
    elif request.approved_at is not None:
        by, at = approvers(request, voice), voice.at(request.approved_at)
    else:
        return state
    now = "" if request.status is Status.APPROVED else f"\n{plain(state)}"
    return f":white_check_mark: *Approved by {by}*, {at}.{now}"
