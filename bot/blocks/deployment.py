"""What a card says of a deployment beside its version: the weights, how they did, and how they come into service."""

from __future__ import annotations

from bot.blocks.words import Voice
from ledger.nouns import DeployForm, Form
from ledger.streams.model import Evaluation, short

NO_EVALUATION = "no passing evaluation yet"


def deployment_facts(form: Form, voice: Voice) -> list[tuple[str, str]]:
    """Return the facts of a deployment, label and value; none for anything else."""
    if not isinstance(form, DeployForm):
        return []
    return [*_weights(form, voice), ("Strategy", _strategy(form)), ("Replicas", str(form.replicas or ""))]


def _weights(form: DeployForm, voice: Voice) -> list[tuple[str, str]]:
    item = voice.policy.catalogue.models.get(form.model)
    if not form.digest or item is None or item.known is None:
        return []
    return [
        ("Weights", f"`{short(form.digest)}`"),
        ("Evaluation", evaluation_words(item.known.evaluation(form.digest))),
    ]


def evaluation_words(found: Evaluation | None) -> str:
    """Return `passed its evaluation (40 of 40, p95 120 ms)`, or that it did not yet."""
    if found is None:
        return NO_EVALUATION
    result = found.result
    figures = f"{result.cases - result.failed} of {result.cases}"
    if not found.passed:
        return f"{NO_EVALUATION} ({figures} in {result.environment})"
    return f"passed its evaluation ({figures}, p95 {result.p95_ms} ms)"


def _strategy(form: DeployForm) -> str:
    """`Canary, 10 % first`; empty where nothing was said."""
    first = f"{form.canary_percent} % first" if form.canary_percent else ""
    named = form.strategy.capitalize() if form.strategy else ""
    return ", ".join(part for part in (named, first) if part)
