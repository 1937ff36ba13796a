"""The modals: one form for each kind of request, approve less, deny."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from bot.blocks.parts import Block, Ref, context, entry_input, modal, option, section
from bot.blocks.words import Voice, shown
from ledger.nouns import Access, DataForm, DeployForm, Form, GpuForm
from ledger.streams.request import Request
from policies.catalogue import Catalogue

FORM, LESS, DENY = "qm_form", "qm_less", "qm_deny"
MOST_GPUS: Final = 1024
MOST_HOURS: Final = 8760


def form_modal(kind: str, slots: Mapping[str, Any], catalogue: Catalogue, private: Mapping[str, Any]) -> Block:
    """Return the form of `kind` (gpu, data, deploy), filled with the slots that are known."""
    blocks, title = {"gpu": _gpu_blocks, "data": _data_blocks, "deploy": _deploy_blocks}[kind](slots, catalogue)
    purpose = {"type": "plain_text_input", **_initial(shown_plain(slots.get("purpose")))}
    blocks.append(entry_input("purpose", "Purpose", purpose, hint="Shown to the people who decide.", optional=True))
    blocks.append(context("Nothing is sent yet. You see it once more before it is"))
    return modal(FORM, title, "Review", "Cancel", blocks, json.dumps({**private, "kind": kind}))


def shown_plain(value: Any) -> str:
    """Return a prefilled text: one line, at most 300 characters."""
    return " ".join(str(value or "").split())[:300]


def _gpu_blocks(slots: Mapping[str, Any], catalogue: Catalogue) -> tuple[list[Block], str]:
    types = [
        option(f"{t.label}, {t.price_minor / 100:.2f} {catalogue.currency} per hour", t.name)
        for t in catalogue.gpu_types.values()
    ]
    return [
        entry_input("gpu_type", "GPU type", _select(types, slots.get("gpu_type"))),
        entry_input("gpu_count", "Number of GPUs", _number(slots.get("gpu_count"), 1, MOST_GPUS)),
        _start(slots),
        entry_input("hours", "Hours", _number(_hours(slots.get("duration_s")), 0, MOST_HOURS, decimal=True)),
    ], "GPU request"


def _data_blocks(slots: Mapping[str, Any], catalogue: Catalogue) -> tuple[list[Block], str]:
    datasets = [option(name, name) for name in catalogue.datasets]
    access = [option("Read", "read"), option("Write", "write")]
    columns = {"type": "plain_text_input", **_initial(", ".join(slots.get("columns") or ()))}
    return [
        entry_input("dataset", "Data set", _select(datasets, slots.get("dataset"))),
        entry_input("access", "Access", _select(access, slots.get("access"))),
        entry_input("columns", "Columns", columns, hint="Leave empty for all of them.", optional=True),
        entry_input("hours", "Hours", _number(_hours(slots.get("duration_s")), 0, MOST_HOURS, decimal=True)),
    ], "Data access"


def _deploy_blocks(slots: Mapping[str, Any], catalogue: Catalogue) -> tuple[list[Block], str]:
    models = [option(name, name) for name in catalogue.models]
    places = [option(name, name) for name in catalogue.environments]
    version = {"type": "plain_text_input", **_initial(shown_plain(slots.get("version")))}
    return [
        entry_input("model", "Model", _select(models, slots.get("model"))),
        entry_input("version", "Version", version),
        entry_input("environment", "Environment", _select(places, slots.get("environment"))),
    ], "Deployment"


def _start(slots: Mapping[str, Any]) -> Block:
    start = slots.get("start")
    picked = {"initial_date_time": int(start.timestamp())} if isinstance(start, datetime) else {}
    element = {"type": "datetimepicker", **picked}
    return entry_input("start", "Start", element, hint="Leave empty to start when it is approved.", optional=True)


def _select(options: list[Block], value: Any) -> Block:
    chosen = next((each for each in options if each["value"] == value), None)
    return {"type": "static_select", "options": options, **({"initial_option": chosen} if chosen else {})}


def _number(value: Any, least: int, most: int, *, decimal: bool = False) -> Block:
    bounds = {"min_value": str(least), "max_value": str(most)}
    return {
        "type": "number_input",
        "is_decimal_allowed": decimal,
        **bounds,
        **_initial("" if value is None else f"{value}"),
    }


def _hours(seconds: Any) -> Any:
    return None if seconds is None else f"{seconds / 3600:g}"


def _initial(value: str) -> Block:
    return {"initial_value": value} if value else {}


def slots_of(form: Form, purpose: str) -> dict[str, Any]:
    """Return the slots of a form that exists, to edit it."""
    common = {
        "purpose": purpose,
        "duration_s": getattr(form, "duration_s", None),
        "start": getattr(form, "start", None),
    }
    if isinstance(form, GpuForm):
        return {**common, "gpu_type": form.gpu_type, "gpu_count": form.gpus, "pool": form.resource.partition(":")[2]}
    if isinstance(form, DataForm):
        name = form.resource.partition(":")[2]
        return {**common, "dataset": name, "access": form.access.value, "columns": form.columns}
    return {**common, "model": form.model, "version": form.version, "environment": form.environment}


def kind_of(form: Form) -> str:
    """Return which form edits it."""
    return {GpuForm: "gpu", DataForm: "data", DeployForm: "deploy"}[type(form)]


def values_of(view: Mapping[str, Any]) -> dict[str, str]:
    """Return what a person entered, by block; empty inputs are missing."""
    found: dict[str, str] = {}
    for block, elements in view["state"]["values"].items():
        for element in elements.values():
            option_value = (element.get("selected_option") or {}).get("value")
            value = element.get("value") or option_value or element.get("selected_date_time")
            if value not in {None, ""}:
                found[block] = str(value)
    return found


def form_of_values(
    kind: str, values: Mapping[str, str], catalogue: Catalogue, now: datetime
) -> tuple[Form | None, dict[str, str]]:
    """Return the form that was filled in, or the errors by block; each says the limit."""
    errors: dict[str, str] = {}
    held = 0 if kind == "deploy" else _seconds(values.get("hours", ""), errors)
    if kind == "gpu":
        return _gpu_form(values, catalogue, now, held, errors)
    if kind == "data":
        columns = tuple(word.strip() for word in values.get("columns", "").split(",") if word.strip())
        known = catalogue.datasets[values["dataset"]].columns if values.get("dataset") in catalogue.datasets else ()
        unknown = [column for column in columns if column not in known]
        if unknown:
            errors["columns"] = f"No column {unknown[0][:40]}. There are: {', '.join(known)}"
        if errors:
            return None, errors
        return DataForm(
            resource=f"data:{values['dataset']}", access=Access(values["access"]), duration_s=held, columns=columns
        ), {}
    model = catalogue.models[values["model"]]
    version = values.get("version", "").strip().removeprefix("v")
    if version not in model.versions:
        return None, {"version": f"There is no such version. There are: {', '.join(model.versions)}"}
    environment = values["environment"]
    resource = f"deploy:{model.name}@{environment}"
    return DeployForm(resource=resource, model=model.name, version=version, environment=environment), {}


def _gpu_form(
    values: Mapping[str, str], catalogue: Catalogue, now: datetime, held: int, errors: dict[str, str]
) -> tuple[Form | None, dict[str, str]]:
    count = values.get("gpu_count", "")
    if not (count.isascii() and count.isdigit() and 1 <= int(count) <= MOST_GPUS):
        errors["gpu_count"] = f"A whole number from 1 to {MOST_GPUS}"
    start = datetime.fromtimestamp(int(values["start"]), UTC) if "start" in values else None
    if start is not None and start < now:
        errors["start"] = "That start is in the past. Give a later time"
    pools = catalogue.pools_of(values.get("gpu_type", ""))
    if not pools:
        errors["gpu_type"] = "No pool holds this type"
    if errors:
        return None, errors
    return GpuForm(
        resource=f"gpu:{pools[0]}", gpu_type=values["gpu_type"], gpus=int(count), duration_s=held, start=start
    ), {}


def _seconds(hours: str, errors: dict[str, str]) -> int:
    try:
        seconds = round(float(hours) * 3600) if hours.isascii() else 0
    except (ValueError, OverflowError):
        seconds = 0
    if not 60 <= seconds <= MOST_HOURS * 3600:  # noqa: PLR2004 a minute
        errors["hours"] = f"From 0.02 to {MOST_HOURS} hours"
    return seconds


def less_modal(request: Request, ref: Ref, voice: Voice) -> Block:
    """Return the form that lowers a request instead of refusing it."""
    form, asker = request.form, voice.name_of(request.asker)
    blocks = [section(f"*{asker} asks for {voice.what(form)}*\n{voice.when(form)}, {voice.cost(form)}".rstrip(", "))]
    if isinstance(form, GpuForm):
        fewer = _number(max(1, form.gpus // 2), 1, form.gpus)
        blocks.append(entry_input("gpu_count", "Number of GPUs", fewer, hint=f"At most {form.gpus}."))
    hours = getattr(form, "duration_s", 0) / 3600
    shorter = _number(f"{hours:g}", 0, int(-(-hours // 1)), decimal=True)
    blocks.append(entry_input("hours", "Hours", shorter, hint=f"At most {hours:g}."))
    blocks.append(
        _reason(f"{shown(asker, 40)} reads this, and it stays in the ledger.", "Two are enough for a first run.")
    )
    blocks.append(context("Policy decides this lower request anew", "the higher one is void"))
    return modal(LESS, "Approve less", "Approve less", "Back", blocks, ref.value())


def lower_of(form: Form, values: Mapping[str, str]) -> tuple[Form | None, dict[str, str]]:
    """Return the lower form that a reviewer entered, or the errors by block."""
    errors: dict[str, str] = {}
    seconds = _seconds(values.get("hours", ""), errors)
    if isinstance(form, GpuForm):
        count = values.get("gpu_count", "")
        if not (count.isascii() and count.isdigit() and 1 <= int(count) <= form.gpus):
            errors["gpu_count"] = f"A whole number from 1 to {form.gpus}"
        lower: Form = form if errors else replace(form, gpus=int(count), duration_s=seconds)
    elif isinstance(form, DataForm):
        lower = form if errors else replace(form, duration_s=seconds)
    else:
        return None, {"hours": "A deployment cannot be approved in part"}
    if not errors and seconds > form.duration_s:
        errors["hours"] = f"At most {form.duration_s / 3600:g}"
    if not errors and lower == form:
        errors["hours"] = "That is what was asked for. Lower something, or go back and approve it"
    return (None, errors) if errors else (lower, {})


def deny_modal(request: Request, ref: Ref, voice: Voice) -> Block:
    """Return the form in which a refusal gets its reason."""
    asker = voice.name_of(request.asker)
    blocks = [
        section(f"*{asker} asks for {voice.what(request.form)}*\n{voice.when(request.form)}"),
        _reason(f"{shown(asker, 40)} reads this, and it stays in the ledger.", "What should change for a yes?"),
        context(request.name),
    ]
    return modal(DENY, "Deny request", "Deny", "Back", blocks, ref.value())


def moved_on(text: str) -> Block:
    """Return a modal that only says what happened meanwhile."""
    return modal("qm_moved", "Nothing changed", "", "Close", [section(text)], "")


def _reason(hint: str, placeholder: str) -> Block:
    words = {"type": "plain_text", "text": placeholder}
    return entry_input(
        "reason", "Reason", {"type": "plain_text_input", "multiline": True, "placeholder": words}, hint=hint
    )
