"""The form in which an adapter is asked for, or asked to be taken away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.blocks.inputs import initial, select
from bot.blocks.parts import Block, entry_input, option
from bot.blocks.words import Voice
from bot.intake.adapters import adapter_form
from ledger.nouns import Form
from policies.catalogue import Catalogue


def adapter_blocks(slots: Mapping[str, Any], voice: Voice) -> tuple[list[Block], str]:
    """Return the inputs of the form, filled with what is known, and its title."""
    catalogue = voice.policy.catalogue
    models = [option(name, name) for name in catalogue.models]
    places = [option(name, name) for name in catalogue.environments]
    changes = [option("Load it", "load"), option("Unload it", "unload")]
    name = {"type": "plain_text_input", **initial(str(slots.get("adapter") or ""))}
    return [
        entry_input("change", "Change", select(changes, slots.get("change", "load")), live=True),
        entry_input("adapter", "Adapter", name, live=True),
        entry_input("model", "Model", select(models, slots.get("model")), live=True),
        entry_input("environment", "Environment", select(places, slots.get("environment")), live=True),
    ], "Adapter"


def form_of_adapter(values: Mapping[str, str], catalogue: Catalogue) -> tuple[Form | None, dict[str, str]]:
    """Return the form that was filled in, or the errors by block: digests are those that the names mean now."""
    missing = [name for name in ("adapter", "model", "environment") if name not in values]
    if missing:
        return None, dict.fromkeys(missing, "Say which one")
    item = catalogue.models[values["model"]]
    found = adapter_form(item, values["environment"], values["adapter"].strip(), load=values.get("change") != "unload")
    return (None, {"adapter": found}) if isinstance(found, str) else (found, {})
