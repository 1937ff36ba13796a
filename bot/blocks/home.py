"""App Home: what I hold, what waits for me, what I asked for, and what I can ask."""

from __future__ import annotations

from bot.blocks.card import Missing, state_line
from bot.blocks.parts import Block, Ref, actions, button, context, header, section
from bot.blocks.words import Voice
from ledger.streams.request import Request, Status

MOST = 10


def home(
    mine: list[tuple[Request, Missing]], waiting: list[Request], voice: Voice, *, auditor: bool, verified: str
) -> Block:
    """Return the Home view of one person."""
    blocks: list[Block] = []
    if waiting:
        blocks += [header(f"Waiting for you ({len(waiting)})"), *_waiting(waiting[:MOST], voice), {"type": "divider"}]
    held = [request for request, _ in mine if request.status in {Status.STARTING, Status.RUNNING}]
    blocks.append(header("Your access now"))
    blocks += [each for request in held[:MOST] for each in _held(request, voice)] or [
        section("You hold nothing right now.")
    ]
    rest = [(request, missing) for request, missing in mine if request not in held]
    if rest:
        blocks += [{"type": "divider"}, header("Your requests")]
        blocks += [_one(request, missing, voice) for request, missing in rest[:MOST]]
        blocks.append(context(f"Showing {min(len(rest), MOST)} of {len(rest)}"))
    blocks += [{"type": "divider"}, header("Ask for something"), _ask()]
    if auditor:
        blocks += [{"type": "divider"}, header("The ledger"), section(verified)]
        blocks.append(actions(button("qm_export", "Export everything", "all", "primary")))
    return {"type": "home", "blocks": blocks}


def _waiting(waiting: list[Request], voice: Voice) -> list[Block]:
    blocks: list[Block] = []
    for request in waiting:
        value = Ref(request=request.number, version=request.version, digest=request.form_digest).value()
        what = f"*{voice.what(request.form)}, for {voice.name_of(request.asker)}*"
        blocks.append(
            section(f":raised_hand: {what}\n{voice.when(request.form)} · {voice.cost(request.form)} · {request.name}")
        )
        buttons = [button("qm_approve", "Approve", value, "primary")]
        if hasattr(request.form, "duration_s"):
            buttons.append(button("qm_less", "Approve less", value))
        blocks.append(actions(*buttons, button("qm_deny", "Deny", value, "danger")))
    return blocks


def _held(request: Request, voice: Voice) -> list[Block]:
    devices = f", {', '.join(request.receipt.devices)}" if request.receipt and request.receipt.devices else ""
    until = f"Running until {voice.at(request.not_after)}" if request.not_after else "Starting"
    value = Ref(request=request.number, version=request.version, digest=request.form_digest).value()
    text = f":large_green_circle: *{voice.what(request.form)}*{devices}\n{until} · {request.name}"
    return [section(text), actions(button("qm_release", "Release", value))]


def _one(request: Request, missing: Missing, voice: Voice) -> Block:
    return section(f"*{voice.what(request.form)}* · {request.name}\n{state_line(request, missing, voice)}")


def _ask() -> Block:
    return actions(
        button("qm_home_gpu", "GPU time", "gpu", "primary"),
        button("qm_home_deploy", "Deployment", "deploy"),
        button("qm_home_data", "Data access", "data"),
    )
