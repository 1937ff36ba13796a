"""Law between streams, replayed in the order of the whole log: what one stream forbids another.

Inside one append the expected versions see to it that nothing halted is approved, dispatched or extended; a verifier
sees the entries alone, and finds here what was written around them, such as the use of a key that nobody was granted.
What ties requests to models is checked on both sides. What ties requests to budgets is in `reserving.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ledger.nouns import DeployForm, KeyForm
from ledger.streams import halt, usage
from ledger.streams.codec import Entry
from ledger.streams.law import refuse, require
from ledger.streams.model import Evaluated, Routed
from ledger.streams.request import Done, Status, Submitted

STOPPED: Final = frozenset({"request.approved", "request.dispatched", "request.extended"})
StateOf = Callable[[str], Any]
"""The fold of a stream, None when it has no entries."""


def check(states: Mapping[str, Any], stream: str, entry: Entry) -> None:
    """Return only if no other stream forbids `entry` of `stream`; `states` are the folds of everything before it.

    Raises:
        UnlawfulError: it is forbidden; the message names what forbids it.
    """
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
    elif isinstance(entry, Done):
        _check_routed(state_of, stream)


def _check_registered(state_of: StateOf, form: Any) -> None:
    """A deployment by digest names a version that means, or once meant, these weights."""
    if isinstance(form, DeployForm) and form.digest:
        model = state_of(f"model:{form.model}")
        known = model is not None and model.knows(form.version, form.digest)
        require(known, f"version {form.version} of {form.model} was never registered with these weights")


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
