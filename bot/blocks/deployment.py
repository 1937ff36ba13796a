"""What a card says of a deployment beside its version: the weights, how they did, and how they come into service."""

from __future__ import annotations

from bot.blocks.words import Voice
from ledger.nouns import AdapterForm, DeployForm, Form
from ledger.streams.model import Evaluation, Model, short

NO_EVALUATION = "no passing evaluation yet"


def deployment_facts(form: Form, voice: Voice) -> list[tuple[str, str]]:
    """Return the facts of a deployment, label and value; none for anything else."""
    if isinstance(form, AdapterForm):
        return _adapter(form, voice)
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
        ("Adapters", _left_behind(form, item.known)),
    ]


def _left_behind(form: DeployForm, model: Model) -> str:
    """What callers lose by it: adapters stand beside the version that answers now, and not beside the next one."""
    routing = model.routing(form.environment)
    shares = routing.shares if routing is not None else ()
    names = {each.adapter for share in shares for each in model.loaded(form.environment, share.digest)}
    lost = names - {each.adapter for each in model.loaded(form.environment, form.digest)}
    return f"without {', '.join(sorted(lost))} until asked for again" if lost else ""


def _adapter(form: AdapterForm, voice: Voice) -> list[tuple[str, str]]:
    item = voice.policy.catalogue.models.get(form.model)
    known = item.known if item is not None else None
    version = next((each.version for each in known.registered if each.digest == form.base), "") if known else ""
    return [("Adapter", f"`{short(form.digest)}`"), ("Beside", f"{version} `{short(form.base)}`".strip())]


def loaded_words(model: Model, environment: str) -> str:
    """Return the adapters that stand beside what answers in an environment, each with the beginning of its digest."""
    routing = model.routing(environment)
    shares = routing.shares if routing is not None else ()
    found = [each for share in shares for each in model.loaded(environment, share.digest)]
    return ", ".join(f"{each.adapter} `{short(each.digest)}`" for each in found) or "no adapter"


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
