"""What a modal says while it is filled in: totals, the rule, who must agree; and which limit a value breaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bot.blocks.parts import Block, context
from bot.blocks.verdicts import lower_of
from bot.blocks.words import Voice, duration, tokens
from bot.desk import Preview
from ledger.nouns import (
    AdapterForm,
    Change,
    DataForm,
    DeployForm,
    ExplainForm,
    GpuForm,
    KeyForm,
    RevertForm,
    window_end,
)
from ledger.streams.request import Request
from policies.limits import Part, failing

INCOMPLETE: Final = "Fill in the rest to see what it costs and who must agree. Nothing is sent yet."
_KEPT: Final = ("type", "callback_id", "title", "submit", "close", "blocks", "private_metadata")
_FIELDS: Final = {
    GpuForm: {"gpus": "gpu_count", "duration_s": "hours", "cost_minor": "gpu_count"},
    DataForm: {"level": "dataset", "duration_s": "hours"},
    KeyForm: {"tokens": "tokens", "duration_s": "hours"},
    DeployForm: {"tests": "version"},
    AdapterForm: {},
    RevertForm: {},
    ExplainForm: {},
}


def with_line(view: Mapping[str, Any], text: str) -> Block:
    """Return the view, as `views.open` and `views.update` take it, with `text` as its last line."""
    kept = {name: view[name] for name in _KEPT if view.get(name) is not None}
    blocks = [block for block in view["blocks"] if block["type"] != "context"]
    return {**kept, "blocks": [*blocks, {**context(text), "block_id": "totals"}]}


def totals(preview: Preview | None, voice: Voice) -> str:
    """Return end, cost, rule and who must agree of what is filled in so far."""
    if preview is None:
        return INCOMPLETE
    form = preview.form
    start = getattr(form, "start", None)
    ends = f"Ends {voice.at(window_end(form, start))}" if start is not None and not isinstance(form, Change) else ""
    parts = [ends, voice.cost(form), preview.decision.why.rstrip(".")]
    return f"{' · '.join(part for part in parts if part)}. Nothing is sent yet."


def less_line(request: Request, values: Mapping[str, str], voice: Voice) -> str:
    """Return what a lower approval would become."""
    lower, _ = lower_of(request.form, values)
    if lower is None:
        return f"{request.name} · lower at least one value, and none above what was asked for"
    parts = (f"Becomes {voice.what(lower)}", voice.cost(lower))
    becomes = ", ".join(part for part in parts if part)
    return f"{request.name} · {becomes} · policy decides this lower request anew · the higher one is void"


def limits(preview: Preview, voice: Voice) -> dict[str, str]:
    """Return, by block, the limit that a value breaks; empty when it is permitted, or no field could mend it."""
    decision, form = preview.decision, preview.form
    rule = voice.policy.snapshot.rule(decision.rules[0]) if decision.rules and not decision.permitted else None
    if rule is None:
        return {}
    values = {fact.name: fact.value for fact in decision.facts if isinstance(fact.value, int)}
    found: dict[str, str] = {}
    for part in failing(values, rule.limit):
        block = _FIELDS[type(form)].get(part.fact)
        if block is None or block == "version":
            return {}
        words = f"Rule {rule.id} allows {_most(part, voice)}"
        found[block] = f"{found[block]} and {_most(part, voice)}" if block in found else words
    return found


def _most(part: Part, voice: Voice) -> str:
    if part.fact == "cost_minor":
        return f"up to {voice.policy.money(part.value)} in all"
    if part.fact == "duration_s":
        return f"up to {duration(part.value)}"
    if part.fact == "tokens":
        return f"up to {tokens(part.value)}"
    return f"sensitivity up to {part.value}" if part.fact == "level" else f"up to {part.value}"
