"""The modals of those who decide: approve less, deny, revoke; and what is shown when a request moved on meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bot.blocks.inputs import initial, number, seconds_of
from bot.blocks.modals import DENY, LESS, REVOKE
from bot.blocks.parts import Block, Ref, context, entry_input, modal, section
from bot.blocks.words import Voice
from ledger.nouns import DataForm, Form, GpuForm, KeyForm
from ledger.streams.request import Request


def less_modal(request: Request, ref: Ref, voice: Voice) -> Block:
    """Return the form that lowers a request instead of refusing it."""
    form = request.form
    blocks = [_asked(request, voice)]
    if isinstance(form, GpuForm):
        fewer = number(max(1, form.gpus // 2), 1, form.gpus)
        blocks.append(entry_input("gpu_count", "Number of GPUs", fewer, hint=f"At most {form.gpus}.", live=True))
    if isinstance(form, DataForm):
        blocks.append(_fewer_columns(form, voice))
    if isinstance(form, KeyForm):
        fewer = number(max(1, form.tokens // 2), 1, form.tokens)
        blocks.append(entry_input("tokens", "Tokens", fewer, hint=f"At most {form.tokens:,}.", live=True))
    hours = getattr(form, "duration_s", 0) / 3600
    shorter = number(f"{hours:g}", 0, int(-(-hours // 1)), decimal=True)
    blocks.append(entry_input("hours", "Hours", shorter, hint=f"At most {hours:g}.", live=True))
    example = "Two are enough for a first run. Ask again if it scales."
    blocks.append(_reason(request, voice, example))
    return modal(LESS, "Approve less", "Approve less", "Back", blocks, ref.value())


def _fewer_columns(form: DataForm, voice: Voice) -> Block:
    dataset = voice.policy.catalogue.datasets[form.resource.removeprefix("data:")]
    element = {"type": "plain_text_input", **initial(", ".join(form.columns))}
    hint = f"Of: {', '.join(form.columns or dataset.columns)}."[:2000]
    return entry_input("columns", "Columns", element, hint=hint, optional=not form.columns, live=True)


def _asked(request: Request, voice: Voice) -> Block:
    asker, form = voice.name_of(request.asker), request.form
    when = ", ".join(part for part in (voice.when(form), voice.cost(form)) if part)
    return section(f"*{asker} asks for {voice.what(form)}*\n{when}")


def lower_of(form: Form, values: Mapping[str, str]) -> tuple[Form | None, dict[str, str]]:
    """Return the lower form that a reviewer entered, or the errors by block."""
    errors: dict[str, str] = {}
    seconds = seconds_of(values.get("hours", ""), errors)
    if isinstance(form, GpuForm):
        count = values.get("gpu_count", "")
        if not (count.isascii() and count.isdigit() and 1 <= int(count) <= form.gpus):
            errors["gpu_count"] = f"A whole number from 1 to {form.gpus}"
        lower: Form = form if errors else replace(form, gpus=int(count), duration_s=seconds)
    elif isinstance(form, KeyForm):
        count = values.get("tokens", "")
        if not (count.isascii() and count.isdigit() and 1 <= int(count) <= form.tokens):
            errors["tokens"] = f"A whole number from 1 to {form.tokens:,}"
        lower = form if errors else replace(form, tokens=int(count), duration_s=seconds)
    elif isinstance(form, DataForm):
        lower = _fewer(form, values, seconds, errors)
    else:
        return None, {"hours": "A deployment cannot be approved in part"}
    if not errors and seconds > form.duration_s:
        errors["hours"] = f"At most {form.duration_s / 3600:g}"
    if not errors and lower == form:
        errors["hours"] = "That is what was asked for. Lower something, or go back and approve it"
    return (None, errors) if errors else (lower, {})


def _fewer(form: DataForm, values: Mapping[str, str], seconds: int, errors: dict[str, str]) -> Form:
    columns = tuple(word.strip() for word in values.get("columns", "").split(",") if word.strip())
    unknown = [column for column in columns if form.columns and column not in form.columns]
    if unknown:
        errors["columns"] = f"{unknown[0][:40]} was not asked for. There are: {', '.join(form.columns)}"
    return form if errors else replace(form, duration_s=seconds, columns=columns or form.columns)


def deny_modal(request: Request, ref: Ref, voice: Voice, others: str = "") -> Block:
    """Return the form in which a refusal gets its reason; `others` no longer need to decide then."""
    need = "needs" if others and "and" not in others else "need"
    relieved = f"{others} no longer {need} to decide" if others else ""
    blocks = [_asked(request, voice), _reason(request, voice, "What should change for a yes?")]
    blocks.append(context(request.name, relieved))
    return modal(DENY, "Deny request", "Deny", "Back", blocks, ref.value())


def revoke_modal(request: Request, ref: Ref, voice: Voice) -> Block:
    """Return the form that takes something away from its holder: the one thing that is asked twice."""
    holder = voice.name_of(request.asker)
    until = f"Running until {voice.at(request.not_after)}" if request.not_after else "Starting"
    text = f"*{holder} holds {voice.what(request.form)}*\n{until}, {request.name}"
    blocks = [section(text), _reason(request, voice, "What happened, and what should they do now?")]
    blocks.append(context(request.name, "it ends at once, and is taken back and checked"))
    return modal(REVOKE, "Revoke access", "Revoke", "Back", blocks, ref.value())


def moved_on(text: str) -> Block:
    """Return a modal that only says what happened meanwhile."""
    return modal("qm_moved", "Nothing changed", "", "Close", [section(text)], "")


def _reason(request: Request, voice: Voice, placeholder: str) -> Block:
    words = {"type": "plain_text", "text": placeholder}
    hint = f"{voice.name_of(request.asker)[:40]} reads this, and it stays in the ledger."
    element = {"type": "plain_text_input", "multiline": True, "placeholder": words}
    return entry_input("reason", "Reason", element, hint=hint)
