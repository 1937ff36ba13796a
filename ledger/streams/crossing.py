"""Law between streams, replayed in the order of the whole log: what one stream forbids another.

Inside one append the expected versions see to it that nothing halted is approved, dispatched or extended; a verifier
sees the entries alone, and finds here what was written around them, such as the use of a key that
nobody was granted, or a question asked with one that somebody else holds.
What ties requests to models is checked on both sides. What ties requests to budgets is in `reserving.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ledger.nouns import AdapterForm, DeployForm, KeyForm
from ledger.streams import halt, question, usage
from ledger.streams.codec import Entry
from ledger.streams.law import refuse, require
from ledger.streams.model import Adapted, Evaluated, Model, Routed
from ledger.streams.request import Done, Request, Status, Submitted

STOPPED: Final = frozenset({"request.approved", "request.dispatched", "request.extended"})
StateOf = Callable[[str], Any]
"""The fold of a stream, None when it has no entries."""


def check(states: Mapping[str, Any], stream: str, entry: Entry) -> None:
    """Return only if no other stream forbids `entry` of `stream`; `states` are the folds of everything before it.

    Raises:
        UnlawfulError: it is forbidden; the message names what forbids it.
    """
    if isinstance(entry, question.Asked):
        _held(states.get(f"request:{stream.removeprefix(question.PREFIX)}"), entry)
    if isinstance(entry, usage.Counted):
        _used(states, stream)
    if entry.kind in STOPPED:
        _check_halts(states, stream)
    check_models(states.get, stream, entry)


def _check_halts(states: Mapping[str, Any], stream: str) -> None:
    halts, request = states.get(halt.STREAM), states.get(stream)
    if halts is None or request is None:
        return
    stop = halts.over(request.form.resource)
    if stop is not None:
        refuse(f"{request.form.resource} is halted since entry {stop.seq}")


def _held(key: Request | None, asked: question.Asked) -> None:
    """Return only if the one who asks holds a running key for that model."""
    about = f"endpoint:{asked.model}@{asked.environment}"
    require(key is not None and key.status is Status.RUNNING, "no running key is asked with")
    assert key is not None
    require(key.beneficiary == asked.by and key.form.resource == about, "a key is for its holder and its model alone")


def _used(states: Mapping[str, Any], stream: str) -> None:
    request = states.get(f"request:{stream.removeprefix(usage.PREFIX)}")
    if request is None or not isinstance(request.form, KeyForm) or request.dispatched_at is None:
        refuse("it counts the use of a key that nobody was granted")


def check_models(state_of: StateOf, stream: str, entry: Entry) -> None:
    """Return only if a model and the deployments of it say the same; raises UnlawfulError as `check` does."""
    if isinstance(entry, Submitted):
        _check_registered(state_of, entry.form)
    elif isinstance(entry, Routed) and entry.request is not None:
        form = _ordered(state_of, stream, entry.request, entry.environment)
        carried = form.digest in {share.digest for share in entry.shares}
        require(carried, f"REQ-{entry.request} ordered other weights")
    elif isinstance(entry, Evaluated) and entry.request is not None:
        form = _ordered(state_of, stream, entry.request, entry.environment)
        require(form.digest == entry.digest, f"REQ-{entry.request} ordered other weights")
    elif isinstance(entry, Adapted):
        _check_ordered(state_of, stream, entry)
    elif isinstance(entry, Done):
        _check_routed(state_of, stream)
        _check_adapted(state_of, stream)


def _check_registered(state_of: StateOf, form: Any) -> None:
    """A deployment by digest names a version that means, or once meant, these weights."""
    if isinstance(form, DeployForm) and form.digest:
        model = state_of(f"model:{form.model}")
        known = model is not None and model.knows(form.version, form.digest)
        require(known, f"version {form.version} of {form.model} was never registered with these weights")
    elif isinstance(form, AdapterForm):
        _check_adapter_known(state_of(f"model:{form.model}"), form)


def _check_adapter_known(model: Model | None, form: AdapterForm) -> None:
    """Adapters are asked for by digest, beside weights that are registered."""
    known = model is not None and model.knows_adapter(form.adapter, form.digest)
    require(known, f"adapter {form.adapter} of {form.model} was never registered with this digest")
    assert model is not None
    require(any(each.digest == form.base for each in model.registered), "the version beside it is not registered")


def _check_ordered(state_of: StateOf, stream: str, entry: Adapted) -> None:
    """An adapter is loaded or taken away by an approved change that says the same, while it is carried out."""
    request, wanted = state_of(f"request:{entry.request}"), f"deploy:{stream.partition(':')[2]}@{entry.environment}"
    form = request.form if request is not None else None
    if not isinstance(form, AdapterForm) or form.resource != wanted:
        refuse(f"REQ-{entry.request} is no request for an adapter in {wanted}")
    require(request.status is Status.STARTING, f"REQ-{entry.request} is not being carried out")
    ordered = (form.adapter, form.digest, form.base, form.load)
    require(
        ordered == (entry.adapter, entry.digest, entry.base, entry.loaded),
        f"REQ-{entry.request} ordered something else",
    )


def _check_adapted(state_of: StateOf, stream: str) -> None:
    """A change of adapters is done once it is entered as such, at the latest in the same append."""
    request = state_of(stream)
    if request is None or not isinstance(request.form, AdapterForm):
        return
    model = state_of(f"model:{request.form.model}")
    entered = model is not None and any(each.request == request.number for each in model.adapted)
    require(entered, f"{request.name} changed no adapter")


def _ordered(state_of: StateOf, stream: str, number: int, environment: str) -> DeployForm:
    """Return the form of the deployment of this model, being carried out now, that an entry of the model names."""
    request, wanted = state_of(f"request:{number}"), f"deploy:{stream.partition(':')[2]}@{environment}"
    if request is None or not isinstance(request.form, DeployForm) or request.form.resource != wanted:
        refuse(f"REQ-{number} is no request for {wanted}")
    require(request.status is Status.STARTING, f"REQ-{number} is not being carried out")
    return request.form


def _check_routed(state_of: StateOf, stream: str) -> None:
    """A deployment by digest is done once it answers: its `Routed` comes first, at the latest in the same append."""
    request = state_of(stream)
    if request is None or not isinstance(request.form, DeployForm) or not request.form.digest:
        return
    model = state_of(f"model:{request.form.model}")
    routings = model.in_environment(request.form.environment) if model is not None else ()
    require(any(each.request == request.number for each in routings), f"{request.name} is routed nowhere")
