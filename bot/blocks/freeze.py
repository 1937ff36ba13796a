"""The freeze: what stopped, what still works, and how its card closes. The ledger's word for it is halt."""

from __future__ import annotations

from typing import Final

from bot.blocks.parts import Block, Message, actions, button, context, entry_input, fields, header, modal, section
from bot.blocks.parts import quote as quoted
from bot.blocks.states import plain
from bot.blocks.words import Voice, duration, shown
from ledger.streams.halt import EVERYTHING, Spell, Stop
from ledger.streams.request import Request, Status

ICE: Final = ":ice_cube: "
LIFT: Final = "qm_lift_form"
_HELD_UP: Final = frozenset({Status.WAITING, Status.APPROVED, Status.QUEUED})


def name_of(resource: str) -> str:
    """Return what is frozen as people say it: `Quartermaster`, or the resource without its scheme."""
    return "Quartermaster" if resource == EVERYTHING else resource.partition(":")[2]


def freeze(stop: Stop, voice: Voice) -> Message:
    """Return the card of a freeze that stands."""
    name, by, reason = name_of(stop.resource), voice.name_of(stop.by), shown(str(stop.reason))
    text = (
        f'{name} is frozen by {by}: "{reason}" Approvals and starts are stopped. Running grants end as planned. '
        f"Another admin lifts it."
    )
    return Message(text=text, blocks=tuple(freeze_blocks(stop, voice)))


def freeze_blocks(stop: Stop, voice: Voice) -> list[Block]:
    """Return the blocks of a freeze: its card's, and the top of every Home."""
    by = voice.name_of(stop.by)
    return [
        header(f"{name_of(stop.resource)} is frozen"),
        section(f":ice_cube: *Frozen by {by}*, {voice.at(stop.since)}.{quoted(shown(str(stop.reason)))}"),
        fields(
            [
                ("Stopped", "Approvals, starts, extensions"),
                ("Still works", "Asking, deny, withdraw, release, expiry, export"),
            ]
        ),
        context("Running grants end as planned", f"an admin other than {by} lifts it", f"ledger entry {stop.seq:,}"),
        actions(button("qm_lift", "Lift freeze", str(stop.seq))),
    ]


def lifted(spell: Spell, going_on: int, voice: Voice) -> Message:
    """Return the card of a freeze that is over; `going_on` requests waited when it was lifted."""
    many = {0: "Nothing waited.", 1: "1 waiting request goes on."}.get(going_on, f"{going_on} waiting requests go on.")
    span = duration(int((spell.until - spell.since).total_seconds()))
    state = (
        f":white_check_mark: *Lifted by {voice.name_of(spell.lifted_by)}*, {voice.at(spell.until)}. "
        f"Frozen for {span}. {many}{quoted(shown(str(spell.reason)))}"
    )
    name = name_of(spell.resource)
    small = context(f"frozen since {voice.at(spell.since)}", f"ledger entry {spell.until_seq:,}")
    text = f"{name} is no longer frozen. {plain(state)}"
    return Message(text=text, blocks=(header(f"{name} is no longer frozen"), section(state), small))


def lift_modal(stop: Stop, waiting: int, voice: Voice) -> Block:
    """Return the form in which lifting gets its reason: what it sets going is asked twice."""
    name = name_of(stop.resource)
    words = {"type": "plain_text", "text": "What was wrong, and why is it safe to go on?"}
    element = {"type": "plain_text_input", "multiline": True, "placeholder": words}
    text = f"*{name} is frozen by {voice.name_of(stop.by)}*\nSince {voice.at(stop.since)}"
    on = {0: "Nothing waits", 1: "1 waiting request goes on"}.get(waiting, f"{waiting} waiting requests go on")
    blocks = [
        section(f"{text}{quoted(shown(str(stop.reason)))}"),
        entry_input("reason", "Reason", element, hint="Everybody reads this, and it stays in the ledger."),
        context(f"{on}, and policy decides each anew before it starts"),
    ]
    return modal(LIFT, "Lift freeze", "Lift freeze", "Back", blocks, str(stop.seq))


def iced(state: str, request: Request, stop: Stop | None, voice: Voice) -> str:
    """Return the state of a request with the freeze that holds it up, unchanged when none does."""
    if stop is None or request.status not in _HELD_UP:
        return state
    goes = state.replace(" It starts now.", "")
    return f"{goes}\n{ICE}*Frozen by {voice.name_of(stop.by)}.* It goes on by itself once the freeze is lifted."
