"""What people who decide about an extension see: their card, how it closes, and the form of a refusal."""

from __future__ import annotations

from typing import Final

from bot.blocks.extension import agreed_by, by, price, standing
from bot.blocks.parts import Block, Message, Ref, actions, button, context, entry_input, fields, header, modal, section
from bot.blocks.states import Missing, plain, state_line
from bot.blocks.words import Voice, either, shown
from ledger.nouns import GpuForm, Seat
from ledger.streams.request import Extension, Outcome, Request, Status
from policies.decide import SEAT_WORDS

APPROVE: Final = "qm_extension_approve"
DENY: Final = "qm_extension_deny"
DENY_FORM: Final = "qm_extension_deny_form"


def extension_approval(
    request: Request, extension: Extension, seat: Seat, also: list[str], voice: Voice, beside: list[tuple[str, str]]
) -> Message:
    """Return the card of a person who may agree to an extension; `beside` are facts that are not the request's own."""
    what, asker = _what(request, voice), voice.name_of(request.asker)
    team, before = seat.team.removeprefix("team:"), voice.at(extension.before)
    state = f":raised_hand: *Needs your decision* as {SEAT_WORDS[seat.name]} of {team}, before {before}."
    why = extension.decision.why.rstrip(".") if extension.decision else ""
    others = f"also asked: {either(also, 'and')}" if also else ""
    told = [*_facts(request, extension, voice), *beside]
    blocks = (
        header(what),
        section(f"{state}\n{asker} asks for {by(extension)} more. Without an answer it ends as planned."),
        fields(told),
        context(request.name, why, others),
        actions(*buttons(request, extension)),
    )
    until = voice.at(extension.not_after)
    text = f"{asker} asks to keep {what} until {until}, {by(extension)} more. Your decision is needed ({request.name})."
    return Message(text=text, blocks=blocks)


def buttons(request: Request, extension: Extension) -> list[Block]:
    """Return Approve and Deny of an extension."""
    value = Ref(request=request.number, version=request.version, digest=extension.form_digest).value()
    return [button(APPROVE, "Approve", value, "primary"), button(DENY, "Deny", value, "danger")]


def waiting_item(request: Request, extension: Extension, voice: Voice) -> list[Block]:
    """Return an extension that waits for this person, as Home shows it."""
    until = f"Until {voice.at(extension.not_after)} instead of {voice.at(extension.before)}"
    text = f":raised_hand: *{by(extension)} more: {_what(request, voice)}*\n{until} · {request.name}"
    return [section(text), actions(*buttons(request, extension))]


def closed_extension(request: Request, viewer: str, digest: str, missing: Missing, voice: Voice) -> Message:
    """Return that card once there is nothing left for them to decide: no buttons, and who decided."""
    state = _closed(request, viewer, digest, missing, voice)
    what = _what(request, voice)
    small = context(request.name, f"ledger entry {request.seq:,}")
    text = f"{request.name}, {what}: {plain(state)}"
    return Message(text=text, blocks=(header(what), section(state), small))


def _closed(request: Request, viewer: str, digest: str, missing: Missing, voice: Voice) -> str:
    extension = request.extension
    if extension is None or extension.form_digest != digest:
        return f":white_check_mark: *That extension was settled.* {plain(state_line(request, (), voice))}"
    if extension.outcome is Outcome.LAPSED:
        return f":zzz: *Nobody decided in time.* {plain(state_line(request, (), voice))}"
    if extension.outcome is Outcome.GRANTED:
        mine = any(vote.person == viewer for vote in extension.votes)
        who = "you" if mine else agreed_by(request, extension, voice)
        now = standing(request, missing, voice) if request.status is Status.RUNNING else state_line(request, (), voice)
        return f":white_check_mark: *Approved by {who}.* {plain(now)}"
    said = standing(request, missing, voice)
    return (
        said.replace(f"denied by {voice.name_of(viewer)}", "denied by you", 1)
        if extension.denied_by == viewer
        else said
    )


def deny_extension_modal(request: Request, extension: Extension, ref: Ref, voice: Voice) -> Block:
    """Return the form in which a refusal of more time gets its reason."""
    asker = voice.name_of(request.asker)
    words = {"type": "plain_text", "text": "What should change for a yes?"}
    element = {"type": "plain_text_input", "multiline": True, "placeholder": words}
    hint = f"{asker[:40]} reads this, and it stays in the ledger."
    blocks = [
        section(
            f"*{asker} asks for {by(extension)} more*\n{_what(request, voice)}, until {voice.at(extension.not_after)}"
        ),
        entry_input("reason", "Reason", element, hint=hint),
        context(request.name, f"it ends {voice.at(extension.before)} as planned"),
    ]
    return modal(DENY_FORM, "Deny extension", "Deny", "Back", blocks, ref.value())


def _what(request: Request, voice: Voice) -> str:
    return f"{voice.what(request.form)}, held by {voice.name_of(request.asker)}"


def _facts(request: Request, extension: Extension, voice: Voice) -> list[tuple[str, str]]:
    title = f"{voice.name_of(request.asker)}, {voice.title_of(request.asker)}".rstrip(", ")
    told = [
        ("Ends now", voice.at(extension.before)),
        ("Would end", voice.at(extension.not_after)),
        ("In all", voice.what(extension.form)),
    ]
    if isinstance(request.form, GpuForm):
        told.append(("Cost", f"{price(request, extension.added_s, voice)} more, {voice.cost(extension.form)} in all"))
    return [*told, ("Asked by", title), ("Purpose", shown(str(request.purpose)))]
