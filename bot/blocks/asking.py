"""Before anything is sent: the read-back, the denial that was previewed, and how both close."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bot.blocks.deployment import deployment_facts
from bot.blocks.parts import Message, actions, button, context, fields, header, section
from bot.blocks.words import Voice, either, shown
from bot.desk import Preview
from bot.intake.reading import Intent
from ledger.nouns import DataForm, KeyForm

SIMULATED: Final = "Nothing outside this machine carries this out yet. Here it is simulated."
NOBODY: Final = "Nothing carries this out yet. It would be approved, and then not start."
DISCARDED: Final = "Discarded. Nothing was sent."
_ALSO: Final = {
    Intent.GPU_REQUEST: "GPU time",
    Intent.DATA_REQUEST: "data access",
    Intent.DEPLOY_REQUEST: "a deployment",
    Intent.KEY_REQUEST: "a key to a model",
    Intent.REQUEST_STATUS: "the state of a request",
}
EXPIRED: Final = "Not confirmed in time. Nothing was sent. Ask again when you are ready."


def read_back(
    draft_id: str, preview: Preview, purpose: str, voice: Voice, *, executor_note: str = "", heard: str = ""
) -> Message:
    """Return what was understood, in exact values; nothing is sent until it is confirmed.

    Args:
        heard: how it was read, and what was left out.
    """
    what = voice.what(preview.form)
    cost = voice.cost(preview.form)
    text = ", ".join(part for part in (f"Please confirm: {what}", voice.when(preview.form), cost) if part)
    if preview.decision.permitted:
        note = " · ".join(part for part in (executor_note, heard) if part)
        blocks = _permitted(draft_id, preview, purpose, voice, note)
        return Message(text=f"{text}. Nothing is sent yet.", blocks=(header(what), *blocks))
    denied = f"Policy would deny {what}: {preview.decision.why} Nothing is sent yet."
    return Message(text=denied.replace("`", ""), blocks=(header(what), *_denied(draft_id, preview, voice, heard)))


def _permitted(draft_id: str, preview: Preview, purpose: str, voice: Voice, note: str) -> tuple[dict[str, object], ...]:
    form = preview.form
    facts = [
        ("When", voice.when(form)),
        ("From", f"{form.resource.partition(':')[2]}, owned by {voice.owner(form)}"),
        ("Cost", _cost(preview, voice)),
        *deployment_facts(form, voice),
        ("Columns", (", ".join(form.columns) or "all of them") if isinstance(form, DataForm) else ""),
        ("Tokens", f"{form.tokens:,}, prompts and answers together" if isinstance(form, KeyForm) else ""),
        ("Purpose", shown(purpose)),
    ]
    people = sorted({subject for _, subjects in preview.voters for subject in subjects})
    names = either([voice.name_of(subject) for subject in people], "and")
    many = f"{len(people)} {'person' if len(people) == 1 else 'people'}"
    told = f" Confirming notifies {many}: {names}." if people else ""
    buttons = (
        button("qm_confirm", "Confirm", draft_id, "primary"),
        button("qm_edit", "Edit", draft_id),
        button("qm_discard", "Discard", draft_id),
    )
    return (
        section(":memo: *Is this what you mean?* Nothing is sent until you confirm."),
        fields(facts),
        context(f"{preview.decision.why}{told}", note),
        actions(*buttons),
    )


def _cost(preview: Preview, voice: Voice) -> str:
    """`24 GPU-hours, €67.20. Vision has €1,840 left this month`."""
    cost = voice.cost(preview.form)
    return f"{cost}. {preview.left.words(voice.policy)}" if cost and preview.left else cost


def _denied(draft_id: str, preview: Preview, voice: Voice, heard: str) -> list[dict[str, object]]:
    blocks = [section(f":no_entry: *Policy would deny this.* {preview.decision.why}")]
    buttons = [button("qm_edit", "Edit", draft_id), button("qm_confirm", "Ask all the same", draft_id)]
    near = preview.nearest
    if near is not None:
        window = voice.when(near.form) if near.form.start else ""  # its length stands in the words for what it is
        what = ", ".join(part for part in (voice.what(near.form), window, voice.cost(near.form)) if part)
        blocks.append(section(f"*Nearest request that would pass*\n{what}. {near.decision.why}"))
        buttons.insert(0, button("qm_nearest", near.label, draft_id, "primary"))
    blocks.append(context("Nothing is sent yet. Asking all the same is entered in the ledger as denied.", heard))
    return [*blocks, actions(*buttons, button("qm_discard", "Discard", draft_id))]


def left_out(also: Sequence[Intent], without: Sequence[str]) -> str:
    """Return the sentence about what was heard and is not in the form; empty when everything is."""
    words = [_ALSO.get(intent, "something else") for intent in dict.fromkeys(also)]
    sentences = [f"You also asked for {either(words, 'and')}: write that in a message of its own."] if words else []
    if "start" in without:
        sentences.append("It starts when it is approved, not at the time you named.")
    return " ".join(sentences)


def line(text: str) -> Message:
    """Return a card that has become one line."""
    return Message(text=text, blocks=(section(text),))
