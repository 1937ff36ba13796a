"""What may follow what in the stream of a model."""

from __future__ import annotations

from dataclasses import replace

from ledger.streams.codec import Entry
from ledger.streams.law import Place, refuse, require
from ledger.streams.model.entries import (
    DIGEST,
    LATEST,
    VERSION,
    WHOLE,
    Adapted,
    AdapterRegistered,
    Drifted,
    Evaluated,
    Profiled,
    Recovered,
    Registered,
    Routed,
)
from ledger.streams.model.state import Adaptation, Evaluation, Model, Registration, Routing


def evolve(state: Model | None, entry: Entry, place: Place) -> Model:
    """Return what is known after `entry`, or raise UnlawfulError when it may not follow."""
    model = state or Model()
    if isinstance(entry, Registered):
        after = _registered(model, entry, place)
    elif isinstance(entry, Evaluated):
        after = _evaluated(model, entry, place)
    elif isinstance(entry, Routed):
        after = _routed(model, entry, place)
    elif isinstance(entry, AdapterRegistered):
        after = _adapter_registered(model, entry, place)
    elif isinstance(entry, Adapted):
        after = _adapted(model, entry, place)
    elif isinstance(entry, Profiled | Drifted | Recovered):
        after = _watched(model, entry)
    else:
        refuse(f"{entry.kind} does not belong to a model")
    return replace(after, version=place.version)


def _registered(model: Model, entry: Registered, place: Place) -> Model:
    require(VERSION.fullmatch(entry.version) is not None and entry.version != LATEST, "that is no name of a version")
    require(DIGEST.fullmatch(entry.digest) is not None, "weights are named by their digest")
    require(entry.size > 0, "weights have a size")
    known = model.resolve(entry.version)
    require(known is None or known.digest != entry.digest, "that version means these weights already")
    new = Registration(version=entry.version, digest=entry.digest, size=entry.size, at=place.at, seq=place.seq)
    return replace(model, registered=(*model.registered, new))


def _evaluated(model: Model, entry: Evaluated, place: Place) -> Model:
    _require_weights(model, entry.digest)
    require(DIGEST.fullmatch(entry.suite) is not None, "a suite is named by its digest")
    require(0 <= entry.failed <= entry.cases and entry.cases > 0, "an evaluation has cases, of which some may fail")
    require(min(entry.p50_ms, entry.tokens) >= 0 and entry.p50_ms <= entry.p95_ms, "its figures are counted")
    rest = (each for each in model.evaluations if each.result.digest != entry.digest)
    return replace(model, evaluations=(*rest, Evaluation(result=entry, at=place.at, seq=place.seq)))


def _routed(model: Model, entry: Routed, place: Place) -> Model:
    require(bool(entry.environment), "an environment is named")
    require(sum(share.percent for share in entry.shares) == WHOLE, "shares are 100 percent in all")
    require(all(share.percent > 0 for share in entry.shares), "a share is 1 percent or more")
    digests = [share.digest for share in entry.shares]
    require(len(set(digests)) == len(digests), "each version has one share")
    require(all(model.knows(share.version, share.digest) for share in entry.shares), "only what is registered answers")
    before = model.in_environment(entry.environment)
    if entry.request is None:
        require(entry.shares in [each.shares for each in before], "without a request the way leads back alone")
    else:
        _require_passed(model, {each.digest for routing in before for each in routing.shares}, digests)
    return replace(model, routings=(*model.routings, Routing.of(entry, place.at, place.seq)))


def _require_passed(model: Model, served: set[str], digests: list[str]) -> None:
    """Once a model has been evaluated, weights that are new to an environment passed; a way back stays open."""
    for digest in digests if model.evaluations else ():
        require(digest in served or model.passed(digest), "what is new in an environment has passed its evaluation")


def _watched(model: Model, entry: Profiled | Drifted | Recovered) -> Model:
    _require_weights(model, entry.digest)
    where = (entry.digest, entry.environment)
    if isinstance(entry, Profiled):
        require(bool(entry.figures), "a profile has figures")
        rest = (each for each in model.profiles if (each.digest, each.environment) != where)
        return replace(model, profiles=(*rest, entry))
    standing = [each for each in model.drifts if (each.digest, each.environment, each.figure) == (*where, entry.figure)]
    if isinstance(entry, Drifted):
        require(not standing, "that drift stands already")
        return replace(model, drifts=(*model.drifts, entry))
    require(bool(standing), "no such drift stands")
    return replace(model, drifts=tuple(each for each in model.drifts if each not in standing))


def _adapter_registered(model: Model, entry: AdapterRegistered, place: Place) -> Model:
    fits = VERSION.fullmatch(entry.adapter) is not None and entry.adapter != LATEST
    require(fits, "that is no name of an adapter")
    require(DIGEST.fullmatch(entry.digest) is not None, "adapters are named by their digest")
    require(entry.size > 0, "adapters have a size")
    known = model.adapter(entry.adapter)
    require(known is None or known.digest != entry.digest, "that name means this adapter already")
    new = Registration(version=entry.adapter, digest=entry.digest, size=entry.size, at=place.at, seq=place.seq)
    return replace(model, adapters=(*model.adapters, new))


def _adapted(model: Model, entry: Adapted, place: Place) -> Model:
    """One adapter of a name stands beside a version at a time, and what is taken away stood there."""
    require(model.knows_adapter(entry.adapter, entry.digest), "that adapter is not registered")
    standing = {each.adapter: each.digest for each in model.loaded(entry.environment, entry.base)}
    if entry.loaded:
        routing = model.routing(entry.environment)
        answers = routing is not None and entry.base in {share.digest for share in routing.shares}
        require(answers, "an adapter is loaded beside a version that answers there")
        require(entry.adapter not in standing, "an adapter of that name is loaded already")
    else:
        require(standing.get(entry.adapter) == entry.digest, "that adapter is not loaded")
    return replace(model, adapted=(*model.adapted, Adaptation.of(entry, place.at, place.seq)))


def _require_weights(model: Model, digest: str) -> None:
    require(any(each.digest == digest for each in model.registered), "those weights are not registered")
