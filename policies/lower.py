"""Requests like one that was denied: a neighbour the asker might take instead, and a lower one within limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ledger.nouns import Access, DataForm, DeployForm, Form, GpuForm, KeyForm, Lease
from policies.catalogue import Catalogue
from policies.limits import Part

_HOUR: Final = 3600
_DAY: Final = 86_400
_NEIGHBOURS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Lower:
    """A lower request, `change` in words for the button, and how far it is from what was asked, 0 to 1 a part."""

    form: Form
    change: str
    distance: float


def neighbours(form: Form, catalogue: Catalogue) -> Iterator[tuple[Form, str]]:
    """Yield requests that serve the same end another way, at most six: another pool, reading, a lower environment."""
    if isinstance(form, GpuForm):
        pools = [pool for pool in catalogue.pools_of(form.gpu_type) if form.resource != f"gpu:{pool}"]
        for pool in pools[:_NEIGHBOURS]:
            yield replace(form, resource=f"gpu:{pool}"), f"Ask for {pool} instead"
    elif isinstance(form, DataForm) and form.access is Access.WRITE:
        yield replace(form, access=Access.READ), "Ask to read instead"
    elif isinstance(form, DeployForm):
        for place in _below(form.environment, catalogue):
            resource = f"deploy:{form.model}@{place}"
            yield replace(form, resource=resource, environment=place), f"Ask for {place} instead"
    elif isinstance(form, KeyForm):
        model, _, environment = form.resource.partition("@")
        for place in _below(environment, catalogue):
            yield replace(form, resource=f"{model}@{place}"), f"Ask for {place} instead"


def _below(environment: str, catalogue: Catalogue) -> list[str]:
    """The environments before this one, the nearest first."""
    order = list(catalogue.environments)
    below = order[: order.index(environment)] if environment in order else []
    return below[: -_NEIGHBOURS - 1 : -1]


def lowered(form: Form, parts: Sequence[Part], catalogue: Catalogue) -> list[Lower]:
    """Return the highest forms within `parts`, the nearest first; empty when no number of this form could be lower."""
    most = {part.fact: part.value - (part.compare == "<") for part in parts if part.compare in {"<=", "<", "=="}}
    if isinstance(form, DataForm):
        held = _whole(min(form.duration_s, most.get("duration_s", form.duration_s)), form.duration_s)
        return [_lower(form, replace(form, duration_s=held, not_after=None))] if held > 0 else []
    if isinstance(form, KeyForm):
        tokens = min(form.tokens, most.get("tokens", form.tokens))
        held = _whole(min(form.duration_s, most.get("duration_s", form.duration_s)), form.duration_s)
        fewer = replace(form, tokens=tokens, duration_s=held)
        return [_lower(form, fewer)] if min(tokens, held) > 0 else []
    if not isinstance(form, GpuForm):
        return [Lower(form=form, change="Ask for this instead", distance=0)]  # nothing to lower, maybe a neighbour's
    gpus = min(form.gpus, most.get("gpus", form.gpus))
    held = _whole(min(form.duration_s, most.get("duration_s", form.duration_s)), form.duration_s)
    whole = replace(form, gpus=gpus, duration_s=held)
    found = [
        lower for lower in _within_cost(whole, most.get("cost_minor"), catalogue) if lower.gpus > 0 < lower.duration_s
    ]
    return sorted((_lower(form, lower) for lower in found), key=lambda lower: lower.distance)


def _within_cost(form: GpuForm, budget: int | None, catalogue: Catalogue) -> list[GpuForm]:
    """The same at a price within `budget`: fewer devices, or fewer whole hours."""
    if budget is None or catalogue.price(form) <= budget:
        return [form]
    hourly = catalogue.gpu_types[form.gpu_type].price_minor
    fewer = replace(form, gpus=budget * _HOUR // (hourly * form.duration_s))
    shorter = replace(form, duration_s=budget * _HOUR // (hourly * form.gpus) // _HOUR * _HOUR)
    return [fewer, shorter]


def _whole(seconds: int, asked: int) -> int:
    """A limit that is no whole hour is cut to one, so that people can say it; what was asked stays as it is."""
    return seconds if seconds == asked or seconds < _HOUR else seconds // _HOUR * _HOUR


def _lower(form: Lease, lower: Lease) -> Lower:
    distance = 1 - lower.duration_s / form.duration_s
    if isinstance(form, GpuForm) and isinstance(lower, GpuForm):
        distance += 1 - lower.gpus / form.gpus
    if isinstance(form, KeyForm) and isinstance(lower, KeyForm):
        distance += 1 - lower.tokens / form.tokens
    return Lower(form=lower, change=_change(form, lower), distance=distance)


def _change(form: Lease, lower: Lease) -> str:
    if isinstance(form, KeyForm) and isinstance(lower, KeyForm) and lower.tokens != form.tokens:
        length = "" if lower.duration_s == form.duration_s else f" for {_span(lower.duration_s)}"
        return f"Ask for {lower.tokens:,} tokens{length} instead"
    if not isinstance(lower, GpuForm):
        return f"Ask for {_span(lower.duration_s)} instead"
    hours = f"{lower.duration_s / _HOUR:g} hours"
    if lower.duration_s == form.duration_s:
        return f"Ask for {lower.gpus} instead"
    fewer = isinstance(form, GpuForm) and lower.gpus != form.gpus
    return f"Ask for {lower.gpus} for {hours} instead" if fewer else f"Ask for {hours} instead"


def _span(seconds: int) -> str:
    return f"{seconds // _DAY} days" if seconds % _DAY == 0 else f"{seconds / _HOUR:g} hours"
