"""A model as law: which bytes its versions are, how they did when they were evaluated, and what answers where.

One stream a model (`model:fraud-detector`). A version is a tag that people read; what is asked for, agreed to and routed
is the digest of its weights. What ran at a time is the newest `Routed` of an environment up to then, and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, Final

from ledger.streams.codec import Entry, registry_of
from ledger.streams.law import Place, refuse, require

DIGEST: Final = re.compile("sha256:[0-9a-f]{64}")
"""What a digest of weights looks like."""
VERSION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,63}", re.ASCII)
"""What a version may be called."""
LATEST: Final = "latest"
"""The newest version by its registration; no version is called so."""
WHOLE: Final = 100
_SHORT: Final = slice(7, 19)


def short(digest: str) -> str:
    """Return the first twelve digits of a digest: enough for people to tell weights apart."""
    return digest[_SHORT]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered(Entry):
    """From now on `version` means the weights with this digest, `size` bytes of them."""

    kind: ClassVar[str] = "model.registered"
    version: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated(Entry):
    """How the weights did: `failed` of `cases` of the suite with this digest, on the way of `request` into service.

    Args:
        environment: where they were asked.
        suite: `sha256:` digest of the evaluation's file.
        p50_ms: half of the answers took no longer, whole milliseconds.
        p95_ms: of 20 answers 19 took no longer.
        tokens: made in all.
        request: whose deployment asked for it, None when nobody's did.
    """

    kind: ClassVar[str] = "model.evaluated"
    digest: str
    environment: str
    suite: str
    cases: int
    failed: int
    p50_ms: int
    p95_ms: int
    tokens: int
    request: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The part of an environment's calls that one version answers."""

    version: str
    digest: str
    percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed(Entry):
    """From now on these versions answer in this environment.

    Args:
        shares: 100 percent in all.
        request: the deployment that ordered it; None for a way back that nobody had to ask for.
        why: one plain sentence, empty if there is nothing to say.
    """

    kind: ClassVar[str] = "model.routed"
    environment: str
    shares: tuple[Share, ...]
    request: int | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number that was measured of a version, such as `p95_ms`."""

    name: str
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiled(Entry):
    """How a version behaves in an environment as long as nothing is wrong: what later figures are held against."""

    kind: ClassVar[str] = "model.profiled"
    digest: str
    environment: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted(Entry):
    """A figure left what the profile says of it, entered once while it stands."""

    kind: ClassVar[str] = "model.drifted"
    digest: str
    environment: str
    figure: str
    expected: int
    seen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered(Entry):
    """A figure that had drifted is back."""

    kind: ClassVar[str] = "model.recovered"
    digest: str
    environment: str
    figure: str
    seen: int


ENTRIES: Final = registry_of(Registered, Evaluated, Routed, Profiled, Drifted, Recovered)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A version, the weights it means or meant, and since when."""

    version: str
    digest: str
    size: int
    at: datetime
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How weights did, and when."""

    result: Evaluated
    at: datetime
    seq: int

    @property
    def passed(self) -> bool:
        """Whether no case failed."""
        return self.result.failed == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """What answers, or answered, in an environment from `at` on; `seq` is the entry that says so."""

    environment: str
    shares: tuple[Share, ...]
    request: int | None
    why: str
    at: datetime
    seq: int

    @property
    def whole(self) -> Share | None:
        """The version that answers every call, None while several share them."""
        return self.shares[0] if len(self.shares) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What is known about one model. Every tuple is in the order of the log."""

    version: int = 0
    registered: tuple[Registration, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    """The newest of each digest."""
    routings: tuple[Routing, ...] = ()
    profiles: tuple[Profiled, ...] = ()
    """The newest of each digest and environment."""
    drifts: tuple[Drifted, ...] = ()
    """Those that stand."""

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions there are, in the order in which they were first registered."""
        return tuple(dict.fromkeys(each.version for each in self.registered))

    @property
    def latest(self) -> str:
        """The version that was registered last for the first time, empty when there is none."""
        return self.versions[-1] if self.registered else ""

    def resolve(self, version: str) -> Registration | None:
        """Return what a version means now, `latest` too; None when nobody registered it."""
        name = self.latest if version == LATEST else version
        return next((each for each in reversed(self.registered) if each.version == name), None)

    def knows(self, version: str, digest: str) -> bool:
        """Whether this version means, or once meant, the weights with this digest."""
        return any((each.version, each.digest) == (version, digest) for each in self.registered)

    def evaluation(self, digest: str) -> Evaluation | None:
        """Return how these weights did when they were evaluated last, None if they never were."""
        return next((each for each in self.evaluations if each.result.digest == digest), None)

    def passed(self, digest: str) -> bool:
        """Whether these weights passed their newest evaluation."""
        found = self.evaluation(digest)
        return found is not None and found.passed

    def routing(self, environment: str, at: datetime | None = None) -> Routing | None:
        """Return what answers in an environment, or answered at a time; None before the first routing."""
        return next((each for each in reversed(self.in_environment(environment)) if at is None or each.at <= at), None)

    def in_environment(self, environment: str) -> tuple[Routing, ...]:
        """Return every routing of an environment."""
        return tuple(each for each in self.routings if each.environment == environment)

    def way_back(self, environment: str) -> tuple[Share, ...]:
        """Return the versions to go back to from what answers now, the nearest first.

        Going to a version that answered before is going back: what lay in between is no way back from it, so that
        going back twice never leads to what was left for a reason. While several versions share the calls, the one
        that answered all of them before is the nearest.
        """
        stack: list[Share] = []
        for share in filter(None, (each.whole for each in self.in_environment(environment))):
            known = [each.digest for each in stack]
            del stack[known.index(share.digest) if share.digest in known else len(stack) :]
            stack.append(share)
        now = self.routing(environment)
        return tuple(reversed(stack if now is None or now.whole is None else stack[:-1]))


def evolve(state: Model | None, entry: Entry, place: Place) -> Model:
    """Return what is known after `entry`, or raise UnlawfulError when it may not follow."""
    model = state or Model()
    if isinstance(entry, Registered):
        after = _registered(model, entry, place)
    elif isinstance(entry, Evaluated):
        after = _evaluated(model, entry, place)
    elif isinstance(entry, Routed):
        after = _routed(model, entry, place)
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
    new = Routing(
        environment=entry.environment,
        shares=entry.shares,
        request=entry.request,
        why=entry.why,
        at=place.at,
        seq=place.seq,
    )
    return replace(model, routings=(*model.routings, new))


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


def _require_weights(model: Model, digest: str) -> None:
    require(any(each.digest == digest for each in model.registered), "those weights are not registered")
