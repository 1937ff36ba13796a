"""Before anything is sent: the read-back, the question, the denial that was previewed, and how each of them closes."""

from __future__ import annotations

from bot.blocks.parts import Message, actions, button, context, fields, header, section
from bot.blocks.words import Voice, either, shown
from bot.desk import Preview
from bot.intake.reading import Doubt, DoubtReason

SIMULATED = "Nothing outside this machine carries this out yet. Here it is simulated"
NOBODY = "Nothing carries this out yet. It would be approved, and then not start"

_SLOTS = {
    "gpu_type": "which GPU type",
    "gpu_count": "how many GPUs",
    "duration_s": "for how long",
    "start": "when it starts",
    "pool": "which pool",
    "dataset": "which data set",
    "access": "read or write",
    "model": "which model",
    "version": "which version",
    "environment": "which environment",
}


def read_back(draft_id: str, preview: Preview, purpose: str, voice: Voice, *, executor_note: str = "") -> Message:
    """Return what was understood, in exact values; nothing is sent until it is confirmed."""
    form, decision = preview.form, preview.decision
    what = voice.what(form)
    facts = [
        ("When", voice.when(form)),
        ("From", f"{form.resource.partition(':')[2]}, owned by {voice.owner(form)}"),
        ("Cost", voice.cost(form)),
        ("Purpose", shown(purpose)),
    ]
    people = {subject for _, subjects in preview.voters for subject in subjects}
    names = either([voice.name_of(subject) for subject in sorted(people)], "and")
    told = f"Confirming notifies {len(people)} {'person' if len(people) == 1 else 'people'}: {names}" if people else ""
    if decision.permitted:
        lines = [header(what), section(":memo: *Is this what you mean?* Nothing is sent until you confirm.")]
        lines += [fields(facts), context(decision.why, told, executor_note)]
        confirm = button("qm_confirm", "Confirm", draft_id, "primary")
    else:
        lines = [header(what), section(f":no_entry: *Policy would deny this.* {decision.why}")]
        if preview.nearest is not None:
            near = preview.nearest
            nearest = f"{voice.what(near.form)}, {voice.cost(near.form)}".rstrip(", ")
            lines.append(section(f"*Nearest request that would pass*\n{nearest}. {near.decision.why}"))
        lines.append(context("Nothing is sent yet", "Asking all the same is entered in the ledger as denied"))
        confirm = button("qm_confirm", "Ask all the same", draft_id)
    buttons = [confirm, button("qm_edit", "Edit", draft_id), button("qm_discard", "Discard", draft_id)]
    if preview.nearest is not None:
        buttons.insert(0, button("qm_nearest", preview.nearest.label, draft_id, "primary"))
    text = f"Please confirm: {what}, {voice.when(form)}. Nothing is sent yet."
    return Message(text=text, blocks=(*lines, actions(*buttons)))


def question(text: str, doubts: tuple[Doubt, ...], token: str) -> Message:
    """Return what is not clear, and a form that is filled with what is."""
    asked = list(dict.fromkeys(_SLOTS.get(doubt.slot, doubt.slot) for doubt in doubts))
    many = f"{len(asked)} things are" if len(asked) > 1 else "One thing is"
    words = ", ".join(asked)
    reasons = " ".join(filter(None, (_reason(doubt) for doubt in doubts)))
    blocks = (
        section(f":question: *{many} not clear:* {words}. You wrote:\n>{shown(text)}"),
        context(reasons, "Nothing is sent yet"),
        actions(button("qm_open_form", "Open form", token, "primary"), button("qm_discard_question", "Discard", token)),
    )
    return Message(text=f"{many} not clear: {words}. Nothing is sent yet.", blocks=blocks)


def _reason(doubt: Doubt) -> str:
    said = f"\u201c{shown(doubt.said, 60)}\u201d"
    names = ", ".join(f"`{each}`" for each in doubt.candidates[:5])
    if doubt.reason is DoubtReason.AMBIGUOUS and doubt.said:
        return f"{said} matches {len(doubt.candidates)} names: {names}."
    if doubt.reason is DoubtReason.NOT_A_NUMBER:
        return f"{said} is not a number I can use."
    if doubt.reason is DoubtReason.UNKNOWN_NAME:
        return f"I know nothing called {said}." + (f" Close names: {names}." if names else "")
    if doubt.reason is DoubtReason.COMPETING:
        return f"You named several{f': {names}' if names else ''}. One request at a time."
    if doubt.reason is DoubtReason.PAST:
        return "That time is in the past. Give a later one."
    return ""


def line(text: str) -> Message:
    """Return a card that has become one line."""
    return Message(text=text, blocks=(section(text),))


DISCARDED = "Discarded. Nothing was sent."
EXPIRED = "Not confirmed in time. Nothing was sent. Ask again when you are ready."
