"""The living card of a request: one message for its whole life, rebuilt from the request whoever moved it."""

from __future__ import annotations

from typing import Final

from bot.blocks import extension
from bot.blocks.deployment import deployment_facts
from bot.blocks.freeze import ICE, iced
from bot.blocks.parts import Block, Message, Ref, actions, button, context, fields, header, section
from bot.blocks.states import Missing, plain, state_line
from bot.blocks.words import Voice, amount, code, duration, shown, tokens
from bot.tables.messages import Nudges
from ledger.nouns import AdapterForm, DeployForm, DoorForm, GpuForm, KeyForm, Receipt, Usage
from ledger.streams.halt import Stop
from ledger.streams.request import Request, Status

__all__ = ["Missing", "card", "facts", "plain", "state_line"]

_AGAIN: Final = frozenset({Status.ENDED, Status.FAILED, Status.LAPSED, Status.MISSED, Status.WITHDRAWN})


def card(
    request: Request,
    missing: Missing,
    voice: Voice,
    *,
    nudges: Nudges | None = None,
    remind: bool = False,
    frozen: Stop | None = None,
) -> Message:
    """Return the card of a request as it stands.

    Args:
        remind: whether its asker may remind the approvers now.
        frozen: the halt that its resource is under.
    """
    known = nudges or Nudges()
    state = iced(state_line(request, missing, voice, known), request, frozen, voice)
    blocks = [header(voice.what(request.form)), section(state)]
    told = facts(request, voice)
    if told:
        blocks.append(fields(told))
    if request.status is Status.RUNNING:
        blocks += how_to_use(request)
    more = extension.open_standing(request, missing, voice)
    if more:
        blocks.append(section(more))
    blocks.append(context(*_small_print(request, voice, known)))
    if request.status is Status.RUNNING:
        blocks.append(extension.offering(request, voice))
    elif buttons := _buttons(request, remind=remind):
        blocks.append(actions(*buttons))
    return Message(
        text=f"{request.name}, {voice.what(request.form)}: {plain(state)}".replace(ICE, ""), blocks=tuple(blocks)
    )


def how_to_use(request: Request) -> list[Block]:
    """Return how the holder gets at what they hold: what the backend said, else the command of this house."""
    said = request.receipt.note if request.receipt else ""
    if said:
        words, _, command = said.partition(": ")
        return [section(f"{shown(words)}:\n`{code(command)}`" if command else shown(said))]
    if isinstance(request.form, GpuForm):
        return [section(f"Run a command on them:\n`quartermaster gpu run {request.name} -- <command>`")]
    return []


def facts(request: Request, voice: Voice) -> list[tuple[str, str]]:
    """Return the facts of a card, label and value; empty where the state says it all."""
    if request.status is Status.ENDED:
        return _spent(request, voice)
    if request.receipt is not None and request.status in {Status.RUNNING, Status.DONE, Status.UNCONFIRMED}:
        return _held(request, voice)
    if request.final and (request.status is not Status.DENIED or request.ended_by is None):
        return []
    return [
        ("When", voice.when(request.form)),
        ("Cost", voice.cost(request.form)),
        *deployment_facts(request.form, voice),
        ("Asked by", f"{voice.name_of(request.asker)}, {voice.title_of(request.asker)}".rstrip(", ")),
        ("Purpose", shown(str(request.purpose))),
    ]


def _spent(request: Request, voice: Voice) -> list[tuple[str, str]]:
    usage = request.usage
    if usage is None:
        return []
    if not isinstance(request.form, GpuForm):
        return [*_tokens_spent(request, usage), ("Held for", duration(usage.held_s))]
    asked = request.form.gpus * request.form.duration_s / 3600
    used = f"{usage.gpu_s / 3600:,.3g} of {asked:,.4g} GPU-hours"
    return [("Used", used), ("Final cost", voice.policy.money(usage.cost_minor))]


def _tokens_spent(request: Request, usage: Usage) -> list[tuple[str, str]]:
    if not isinstance(request.form, KeyForm):
        return []
    return [("Used", f"{amount(usage.tokens)} of {tokens(request.form.tokens)}")]


def _held(request: Request, voice: Voice) -> list[tuple[str, str]]:
    receipt = request.receipt
    if receipt is None:
        return []
    return [
        ("Devices", ", ".join(receipt.devices)),
        ("Cost", voice.cost(request.form)),
        ("Used", voice.spent(request)),
        *deployment_facts(request.form, voice),
        ("Result", shown(receipt.note)) if _tells(request) else _firmness(receipt),
        ("Purpose", shown(str(request.purpose))),
    ]


def _tells(request: Request) -> bool:
    """Whether the receipt says what was done, rather than how something is held."""
    note = request.receipt.note if request.receipt is not None else ""
    return isinstance(request.form, DoorForm) or (isinstance(request.form, DeployForm | AdapterForm) and bool(note))


def _firmness(receipt: Receipt) -> tuple[str, str]:
    return "Held", f"{receipt.enforcement.value}{', simulated' if receipt.simulated else ''}"


def _small_print(request: Request, voice: Voice, nudges: Nudges) -> list[str]:
    parts = [request.name]
    if request.status is Status.WAITING:
        parts += [f"asked {voice.at(request.submitted_at)}", f"lapses {voice.at(request.lapse_at)} if nobody decides"]
        if nudges.last is not None:
            parts.append(f"reminded {voice.at(nudges.last)}")
        if nudges.escalated is not None:
            parts.append(f"not answered by {voice.at(nudges.escalated)}")
    if request.status is Status.RUNNING:
        parts += extension.small_print(request, voice)
    if request.status is Status.ENDED:
        parts.append(f"taken back and checked {voice.at(request.since)}")
    rules = request.decision.rules if request.decision else ()
    if rules:
        parts.append(f"{'rule' if len(rules) == 1 else 'rules'} " + ", ".join(f"`{rule}`" for rule in rules))
    if request.lowered_by is not None:
        lowered = f"asked for {voice.what(request.asked_form)}, approved less by {voice.name_of(request.lowered_by)}"
        parts.append(lowered)
    if request.status is Status.FAILED:
        parts.append("the approval is used up")
    return [*parts, f"ledger entry {request.seq:,}"]


def _buttons(request: Request, *, remind: bool) -> list[Block]:
    value = Ref(request=request.number, version=request.version, digest=request.form_digest).value()
    withdraw = button("qm_withdraw", "Withdraw", value)
    if request.status is Status.WAITING and request.accept_pending:
        return [button("qm_accept", "Accept", value, "primary"), withdraw]
    if request.status is Status.WAITING:
        first = [button("qm_remind", "Remind", value)] if remind else []
        edit = [] if isinstance(request.form, DoorForm) else [button("qm_edit_request", "Edit", value)]
        return [*first, *edit, withdraw]
    if request.status in {Status.APPROVED, Status.QUEUED}:
        return [withdraw]
    if request.status is Status.STARTING and request.queued is not None:
        return [button("qm_release", "Leave the line", value)]
    if request.status is Status.DENIED:
        return _after_denial(request, value)
    style = "primary" if request.status in {Status.FAILED, Status.LAPSED, Status.MISSED} else ""
    again = request.status in _AGAIN and not isinstance(request.form, DoorForm | AdapterForm)
    return [button("qm_again", "Ask again", value, style)] if again else []


def _after_denial(request: Request, value: str) -> list[Block]:
    if isinstance(request.form, DoorForm):
        return [button("qm_why", "Why", value)] if request.ended_by is None else []
    if request.ended_by is None:
        return [button("qm_edit_request", "Edit and ask again", value), button("qm_why", "Why", value)]
    return [button("qm_edit_request", "Edit and ask again", value)]
