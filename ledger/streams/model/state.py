"""What is known about a model: the fold of its entries, and what follows from it alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ledger.streams.model.entries import LATEST, Adapted, Drifted, Evaluated, Profiled, Routed, Share


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

    @classmethod
    def of(cls, entry: Routed, at: datetime, seq: int) -> Routing:
        """Return what an entry says, with its time and its place."""
        return cls(
            environment=entry.environment, shares=entry.shares, request=entry.request, why=entry.why, at=at, seq=seq
        )

    @property
    def whole(self) -> Share | None:
        """The version that answers every call, None while several share them."""
        return self.shares[0] if len(self.shares) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptation:
    """An adapter that stands beside the version `base` in an environment from `at` on, or, not `loaded`, does so no more.

    Args:
        digest: of the adapter.
        base: digest of the version's weights.
        request: the change that ordered it.
        seq: the entry that says so.
    """

    environment: str
    adapter: str
    digest: str
    base: str
    loaded: bool
    request: int
    at: datetime
    seq: int

    @classmethod
    def of(cls, entry: Adapted, at: datetime, seq: int) -> Adaptation:
        """Return what an entry says, with its time and its place."""
        return cls(
            environment=entry.environment,
            adapter=entry.adapter,
            digest=entry.digest,
            base=entry.base,
            loaded=entry.loaded,
            request=entry.request,
            at=at,
            seq=seq,
        )


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
    adapters: tuple[Registration, ...] = ()
    """What each name of an adapter meant, its name as the version."""
    adapted: tuple[Adaptation, ...] = ()
    """Every adapter that was loaded or taken away."""

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

    def adapter(self, name: str) -> Registration | None:
        """Return what the name of an adapter means now; None when nobody registered it."""
        return next((each for each in reversed(self.adapters) if each.version == name), None)

    def knows_adapter(self, name: str, digest: str) -> bool:
        """Whether this name means, or once meant, the adapter with this digest."""
        return any((each.version, each.digest) == (name, digest) for each in self.adapters)

    def loaded(self, environment: str, base: str) -> tuple[Adaptation, ...]:
        """Return the adapters that stand beside a version in an environment."""
        there = (each for each in self.adapted if (each.environment, each.base) == (environment, base))
        newest = {each.adapter: each for each in there}
        return tuple(each for each in newest.values() if each.loaded)

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

    def canary(self, environment: str) -> Share | None:
        """Return the one version that shares an environment with what answered it alone before; None without one."""
        now, before = self.routing(environment), self.way_back(environment)
        if now is None or now.whole is not None or not before:
            return None
        new = [share for share in now.shares if share.digest != before[0].digest]
        return new[0] if len(new) == 1 else None

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
