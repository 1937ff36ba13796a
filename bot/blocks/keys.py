"""The form in which a key to a model is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bot.blocks.inputs import length, number, select
from bot.blocks.parts import Block, entry_input, option
from bot.blocks.words import Voice
from ledger.nouns import Form, KeyForm
from policies.catalogue import ENDPOINT

MOST_TOKENS: Final = 10**12
_NO_MODEL: Final = [option("No model is served", "none")]


def key_blocks(slots: Mapping[str, Any], voice: Voice) -> tuple[list[Block], str]:
    """Return the inputs of the form, filled with what is known, and its title; only served models are offered."""
    catalogue = voice.policy.catalogue
    models = [option(name, name) for name, model in catalogue.models.items() if model.serving is not None]
    places = [option(name, name) for name in catalogue.environments]
    count = slots.get("tokens")
    known = count if isinstance(count, int) and 1 <= count <= MOST_TOKENS else None
    hint = "Of prompts and answers together, until the key ends."
    return [
        entry_input("model", "Model", select(models or _NO_MODEL, slots.get("model")), live=True),
        entry_input("environment", "Environment", select(places, slots.get("environment")), live=True),
        entry_input("tokens", "Tokens", number(known, 1, MOST_TOKENS), hint=hint, live=True),
        length(slots),
    ], "Key to a model"


def key_form(values: Mapping[str, str], held: int, errors: dict[str, str]) -> tuple[Form | None, dict[str, str]]:
    """Return the form that was filled in, or the errors by block; `errors` are those found so far."""
    count = values.get("tokens", "")
    if not (count.isascii() and count.isdigit() and 1 <= int(count) <= MOST_TOKENS):
        errors["tokens"] = f"A whole number from 1 to {MOST_TOKENS:,}"
    missing = [name for name in ("model", "environment") if name not in values]
    if errors or missing:
        return None, {**dict.fromkeys(missing, "Choose one"), **errors}
    resource = f"{ENDPOINT}:{values['model']}@{values['environment']}"
    return KeyForm(resource=resource, tokens=int(count), duration_s=held), {}
