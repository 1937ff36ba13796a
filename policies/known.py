"""What is known about a request, each fact with its source: what the asker types can only tighten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ledger.nouns import AdapterForm, DataForm, DeployForm, Fact, Form, GpuForm, KeyForm, Lease
from ledger.streams.reserving import BUDGET
from policies.catalogue import Catalogue

_UNSUPPLIED: Final = {"change_window_closed": 0, "breakglass": 0}
"""Facts that nothing supplies yet: no closed window, no emergency. Of a model that is not served nobody knows of tests."""


def facts_about(form: Form, given: Mapping[str, int | str], catalogue: Catalogue) -> tuple[Fact, ...]:
    """Return every fact about `form` with its source, in a fixed order; `given` never overrides one of the form.

    Args:
        given: what only the ledger knows, such as `held_gpus`.
    """
    found = [Fact(name=name, value=value, source=source) for name, value, source in _about(form, catalogue)]
    names = {fact.name for fact in found}
    rest = [(name, value) for name, value in sorted(given.items()) if name not in names]
    return (*found, *(Fact(name=name, value=value, source="ledger") for name, value in rest))


def facts_of_paying(team: str, form: Form, catalogue: Catalogue) -> tuple[Fact, ...]:
    """Return the fact that puts a permitted `form` under its team's budget: from then on the ledger's law holds it to it."""
    name = team.removeprefix("team:")
    if not isinstance(form, GpuForm) or name not in catalogue.budgets or not catalogue.budgets[name].reserves:
        return ()
    return (Fact(name=BUDGET, value=name, source="catalogue"),)


def _about(form: Form, catalogue: Catalogue) -> Iterator[tuple[str, int | str, str]]:
    if isinstance(form, GpuForm):
        yield "gpus", form.gpus, "form"
        yield "gpu_type", form.gpu_type, "form"
        yield "cost_minor", catalogue.price(form), "catalogue"
    if isinstance(form, DataForm):
        dataset = catalogue.datasets[form.resource.removeprefix("data:")]
        yield "level", dataset.level, "catalogue"
        yield "columns", len(form.columns) or len(dataset.columns), "form"
    if isinstance(form, KeyForm):
        yield "tokens", form.tokens, "form"
        yield "environment", form.resource.partition("@")[2], "form"
    if isinstance(form, Lease):
        yield "duration_s", form.duration_s, "form"
    if isinstance(form, DeployForm):
        model = catalogue.models[form.model]
        source = "house" if model.known is None else "ledger"
        yield "tests", int(model.known is not None and model.known.passed(form.digest)), source
        yield from _unsupplied()
        yield "versions_back", model.versions_back(form), "catalogue" if model.known is None else "ledger"
        yield from _optional(form)
    if isinstance(form, AdapterForm):
        yield from _unsupplied()


def _unsupplied() -> Iterator[tuple[str, int | str, str]]:
    return ((name, value, "house") for name, value in _UNSUPPLIED.items())


def _optional(form: DeployForm) -> Iterator[tuple[str, int | str, str]]:
    for name, value in (("canary_percent", form.canary_percent), ("replicas", form.replicas)):
        if value is not None:
            yield name, value, "form"
