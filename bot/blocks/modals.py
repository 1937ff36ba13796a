"""The modals: one form for each kind of request, approve less, deny."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from bot.blocks.adapting import adapter_blocks, form_of_adapter
from bot.blocks.inputs import initial, length, number, seconds_of, select
from bot.blocks.keys import key_blocks, key_form
from bot.blocks.parts import Block, entry_input, modal, option
from bot.blocks.question import type_label
from bot.blocks.words import Voice
from bot.intake.vocabulary import STRATEGIES
from ledger.nouns import Access, AdapterForm, DataForm, DeployForm, DoorForm, Form, GpuForm, KeyForm
from ledger.streams.model import LATEST, WHOLE
from policies.catalogue import Catalogue

FORM, LESS, DENY, REVOKE = "qm_form", "qm_less", "qm_deny", "qm_revoke"
LIVE: Final = (
    "gpu_type",
    "gpu_count",
    "start",
    "hours",
    "dataset",
    "access",
    "columns",
    "model",
    "version",
    "adapter",
    "environment",
    "tokens",
    "change",
    "strategy",
    "canary_percent",
    "replicas",
)
"""Blocks whose changes are counted up at once."""
MOST_GPUS: Final = 1024
MOST_REPLICAS: Final = 64


def form_modal(kind: str, slots: Mapping[str, Any], voice: Voice, private: Mapping[str, Any]) -> Block:
    """Return the form of `kind` (gpu, data, deploy, key, adapter), filled with the slots that are known."""
    make = {
        "gpu": _gpu_blocks,
        "data": _data_blocks,
        "deploy": _deploy_blocks,
        "key": key_blocks,
        "adapter": adapter_blocks,
    }
    blocks, title = make[kind](slots, voice)
    purpose = {"type": "plain_text_input", **initial(shown_plain(slots.get("purpose")))}
    blocks.append(entry_input("purpose", "Purpose", purpose, hint="Shown to the people who decide.", optional=True))
    return modal(FORM, title, "Review", "Cancel", blocks, json.dumps({**private, "kind": kind}))


def shown_plain(value: Any) -> str:
    """Return a prefilled text: one line, at most 300 characters."""
    return " ".join(str(value or "").split())[:300]


def _gpu_blocks(slots: Mapping[str, Any], voice: Voice) -> tuple[list[Block], str]:
    types = [option(type_label(name, voice), name) for name in voice.policy.catalogue.gpu_types]
    count = slots.get("gpu_count")
    known = count if isinstance(count, int) and 1 <= count <= MOST_GPUS else None
    return [
        entry_input("gpu_type", "GPU type", select(types, slots.get("gpu_type")), live=True),
        entry_input("gpu_count", "Number of GPUs", number(known, 1, MOST_GPUS), live=True),
        _start(slots),
        length(slots),
    ], "GPU request"


def _data_blocks(slots: Mapping[str, Any], voice: Voice) -> tuple[list[Block], str]:
    datasets = [option(name, name) for name in voice.policy.catalogue.datasets]
    access = [option("Read", "read"), option("Write", "write")]
    columns = {"type": "plain_text_input", **initial(", ".join(slots.get("columns") or ()))}
    return [
        entry_input("dataset", "Data set", select(datasets, slots.get("dataset")), live=True),
        entry_input("access", "Access", select(access, slots.get("access")), live=True),
        entry_input("columns", "Columns", columns, hint="Leave empty for all of them.", optional=True, live=True),
        length(slots),
    ], "Data access"


def _deploy_blocks(slots: Mapping[str, Any], voice: Voice) -> tuple[list[Block], str]:
    catalogue = voice.policy.catalogue
    models = [option(name, name) for name in catalogue.models]
    places = [option(name, name) for name in catalogue.environments]
    version = {"type": "plain_text_input", **initial(shown_plain(slots.get("version")))}
    return [
        entry_input("model", "Model", select(models, slots.get("model")), live=True),
        entry_input("version", "Version", version, live=True),
        entry_input("environment", "Environment", select(places, slots.get("environment")), live=True),
        _change(slots),
        *_ways(slots),
    ], "Deployment"


def _change(slots: Mapping[str, Any]) -> Block:
    options = [option("Deploy it", "deploy"), option("Go back to it", "rollback")]
    chosen = select(options, "rollback" if slots.get("rollback") else "deploy")
    return entry_input("change", "Change", chosen, live=True)


def _ways(slots: Mapping[str, Any]) -> list[Block]:
    """How it comes into service; none of it has to be said."""
    strategies = [option(each.name.capitalize(), each.name) for each in STRATEGIES]
    hint = "Of the calls, while the rest stays with what answers now. Leave empty for all of them."
    percent = number(slots.get("canary_percent"), 1, WHOLE - 1)
    replicas = number(slots.get("replicas"), 1, MOST_REPLICAS)
    return [
        entry_input("strategy", "Strategy", select(strategies, slots.get("strategy")), optional=True, live=True),
        entry_input("canary_percent", "Canary, percent", percent, hint=hint, optional=True, live=True),
        entry_input("replicas", "Replicas", replicas, optional=True, live=True),
    ]


def _start(slots: Mapping[str, Any]) -> Block:
    start = slots.get("start")
    picked = {"initial_date_time": int(start.timestamp())} if isinstance(start, datetime) else {}
    element = {"type": "datetimepicker", **picked}
    return entry_input(
        "start", "Start", element, hint="Leave empty to start when it is approved.", optional=True, live=True
    )


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
    if isinstance(form, KeyForm):
        model, _, place = form.resource.partition(":")[2].partition("@")
        return {**common, "model": model, "environment": place, "tokens": form.tokens}
    if isinstance(form, AdapterForm):
        change = "load" if form.load else "unload"
        named = {"adapter": form.adapter, "model": form.model, "environment": form.environment}
        return {**common, **named, "change": change}
    if isinstance(form, DoorForm):
        return common
    ways = {"strategy": form.strategy, "canary_percent": form.canary_percent, "replicas": form.replicas}
    named = {"model": form.model, "version": form.version, "environment": form.environment}
    return {**common, **named, **ways, "rollback": form.rollback}


def kind_of(form: Form) -> str:
    """Return which form edits it."""
    return {GpuForm: "gpu", DataForm: "data", DeployForm: "deploy", KeyForm: "key", AdapterForm: "adapter"}[type(form)]


def values_of(view: Mapping[str, Any]) -> dict[str, str]:
    """Return what a person entered, by block; empty inputs are missing."""
    found: dict[str, str] = {}
    for block, elements in view["state"]["values"].items():
        for element in elements.values():
            option_value = (element.get("selected_option") or {}).get("value")
            dated = element.get("selected_date_time") or element.get("selected_date")
            value = element.get("value") or option_value or dated
            if value not in {None, ""}:
                found[block] = str(value)
    return found


def values_shown(view: Mapping[str, Any]) -> dict[str, str]:
    """Return what a form shows: what was entered once somebody did, else what it was opened with."""
    if "state" in view:
        return values_of(view)
    found: dict[str, str] = {}
    for block in view["blocks"]:
        if block["type"] == "input":
            element = block["element"]
            chosen = (element.get("initial_option") or {}).get("value")
            value = element.get("initial_value") or chosen or element.get("initial_date_time")
            if value not in {None, ""}:
                found[block["block_id"]] = str(value)
    return found


def form_of_values(
    kind: str, values: Mapping[str, str], catalogue: Catalogue, now: datetime
) -> tuple[Form | None, dict[str, str]]:
    """Return the form that was filled in, or the errors by block; each says the limit."""
    if kind == "adapter":
        return form_of_adapter(values, catalogue)
    errors: dict[str, str] = {}
    held = 0 if kind == "deploy" else seconds_of(values.get("hours", ""), errors)
    if kind == "gpu":
        return _gpu_form(values, catalogue, now, held, errors)
    if kind == "data":
        columns = tuple(word.strip() for word in values.get("columns", "").split(",") if word.strip())
        known = catalogue.datasets[values["dataset"]].columns if values.get("dataset") in catalogue.datasets else ()
        unknown = [column for column in columns if column not in known]
        if unknown:
            errors["columns"] = f"No column {unknown[0][:40]}. There are: {', '.join(known)}"
        missing = [name for name in ("dataset", "access") if name not in values]
        if errors or missing:
            return None, {**dict.fromkeys(missing, "Choose one"), **errors}
        return DataForm(
            resource=f"data:{values['dataset']}", access=Access(values["access"]), duration_s=held, columns=columns
        ), {}
    if kind == "key":
        return key_form(values, held, errors)
    return _deploy_form(values, catalogue)


def _deploy_form(values: Mapping[str, str], catalogue: Catalogue) -> tuple[Form | None, dict[str, str]]:
    missing = [name for name in ("model", "version", "environment") if name not in values]
    if missing:
        return None, dict.fromkeys(missing, "Say which one")
    model, environment = catalogue.models[values["model"]], values["environment"]
    said, rollback = values["version"].strip().removeprefix("v"), values.get("change") == "rollback"
    meant = model.meant(model.latest if said == LATEST else said, environment, rollback=rollback, promote=False)
    if meant is None:
        there = f"There are: {', '.join(model.versions)}" if model.versions else "None is registered yet"
        return None, {"version": f"There is no such version. {there}"}
    errors: dict[str, str] = {}
    percent = _whole(values, "canary_percent", WHOLE - 1, errors)
    replicas = _whole(values, "replicas", MOST_REPLICAS, errors)
    if errors:
        return None, errors
    return DeployForm(
        resource=f"deploy:{model.name}@{environment}",
        model=model.name,
        version=meant[0],
        environment=environment,
        replicas=replicas,
        strategy=values.get("strategy"),
        canary_percent=percent,
        rollback=rollback,
        digest=meant[1],
    ), {}


def _whole(values: Mapping[str, str], name: str, most: int, errors: dict[str, str]) -> int | None:
    """Return a number that need not be there; one that cannot be is an error of its block."""
    text = values.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        errors[name] = f"A whole number from 1 to {most}"
        return None
    return int(text)


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
