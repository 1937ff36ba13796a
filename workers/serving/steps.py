"""What follows from an order, how far it is, and what is seen of its servers: pure, so that every case can be tried."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from ledger.streams.model import WHOLE
from workers.serving.orders import LIVE, Order, Phase, Result, State, Strategy
from workers.serving.servers import Server
from workers.serving.shares import joined

MOST_DEATHS: Final = 3
"""How often a server may end by itself in a row before its version counts as unable to run."""
_COMING: Final = frozenset({Phase.STARTING, Phase.GROWING, Phase.READY})
SHOWN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What became of the calls to a version since it was switched to.

    Args:
        calls: that were answered or failed; what was refused says nothing of the version.
        answered: whether it answered the keeper's own call, which is made where there were no others.
    """

    calls: int = 0
    failed: int = 0
    answered: bool = False

    @property
    def well(self) -> bool:
        """Whether one call was answered."""
        return self.calls > self.failed if self.calls else self.answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the keeper sees of one order.

    Args:
        now: seconds since the epoch.
        share: percent of the calls that are routed to its version.
        alone: whether nothing else answers there.
        rolled: whether what answers there now came server by server, so that nothing waits for a way back.
        weights: None while they are read, empty once every byte was right, else what is wrong with them.
        servers: of its line, those that are wanted.
        evaluation: None while it is asked, what is wrong with the file, or how it went; an empty text for none.
        followed: whether what answers in its place was seen to answer.
        kept: whether all that answered before it has servers yet.
        tried: what became of the calls to it, None as long as nothing depends on it.
        ready_s: how long its servers may take to be healthy.
    """

    now: float
    share: int = 0
    alone: bool = True
    rolled: bool = False
    weights: str | None = None
    servers: tuple[Server, ...] = ()
    evaluation: Result | str | None = None
    followed: bool = True
    kept: bool = False
    tried: Tried | None = None
    ready_s: float = 900.0

    @property
    def ready(self) -> int:
        """How many of its servers are ready."""
        return sum(server.ready for server in self.servers)


def next_state(order: Order, state: State, seen: Seen) -> State:
    """Return how far the order is now; one step at most."""
    if not order.wanted:
        return state if state.phase in {Phase.FAILED, Phase.OVER} else _to(state, Phase.OVER, seen)
    if state.phase is Phase.LOADING and seen.weights is not None:
        return _failed(state, seen, seen.weights) if seen.weights else _to(state, Phase.STARTING, seen, of=1)
    if state.phase is Phase.EVALUATING:
        return _evaluated(state, seen)
    if state.phase in _COMING:
        return _coming(order, state, seen)
    return _there(order, state, seen)


def needed(order: Order, state: State, seen: Seen) -> int:
    """Return how many servers the order needs now."""
    if state.phase not in LIVE or state.phase is Phase.LOADING:
        return 0
    if state.phase in {Phase.STARTING, Phase.EVALUATING}:
        return 1
    if state.phase is Phase.KEPT:
        return 0 if seen.rolled else order.replicas
    if rolls(order, seen):
        return min(joined(order, seen.share) + 1, order.replicas)
    if state.phase is Phase.SERVING and seen.rolled:
        return joined(order, seen.share)  # it leaves, one server at a time
    return order.replicas


def rolls(order: Order, seen: Seen) -> bool:
    """Whether the order joins one server at a time."""
    return order.strategy is Strategy.ROLLING and not seen.alone and seen.share < WHOLE


def way_back(order: Order, state: State, seen: Seen) -> str:
    """Return why to go back to what answered before, empty as long as there is no reason, or no way.

    Once the version was seen to answer, the one before is not kept for longer than a while, and then a server that dies
    is started again and again.
    """
    soon = seen.now - state.since <= order.serving.keep_s or (seen.kept and not state.proved)
    way = bool(order.before) and order.strategy is not Strategy.ROLLING and not seen.rolled
    if state.phase is not Phase.SERVING or not way or not soon:
        return ""
    if seen.tried is not None and seen.tried.calls and not seen.tried.well:
        return _none_answered(seen.tried.calls, seen.now - state.since)
    if seen.ready:
        return ""
    worst = max(seen.servers, key=lambda server: server.deaths, default=None)
    return "" if worst is None or worst.deaths < MOST_DEATHS else worst.why or "Its servers ended again and again."


def told(order: Order, state: State) -> str:
    """Return what a card says while it waits, in one sentence."""
    match state.phase:
        case Phase.LOADING:
            return "Loading weights, every byte of them checked."
        case Phase.EVALUATING if state.of:
            return f"Evaluating: {state.done} of {state.of} cases."
        case Phase.EVALUATING:
            return "Evaluating."
        case Phase.GROWING if order.replicas > 1:
            return f"Starting servers: {state.done} of {order.replicas} are ready."
        case Phase.READY:
            return "Ready to be switched to."
    return "Starting its server."


def failures(result: Result) -> str:
    """Return what a card says of an evaluation that failed: how many cases, and the first few."""
    first = " ".join(f"({number}) {why}" for number, why in enumerate(result.failures[:SHOWN], 1))
    return f"{result.failed} of {result.cases} cases of its evaluation failed. {first}".strip()


def _evaluated(state: State, seen: Seen) -> State:
    if not seen.ready:  # it died over it: what it did not answer says nothing of how it answers
        return _to(state, Phase.STARTING, seen, of=1)
    if isinstance(seen.evaluation, Result):
        state = replace(state, result=seen.evaluation)
        if seen.evaluation.failed:
            return _failed(state, seen, failures(seen.evaluation))
    elif seen.evaluation is None:
        return state
    elif seen.evaluation:
        return _failed(state, seen, seen.evaluation)
    return _to(state, Phase.GROWING, seen)


def _coming(order: Order, state: State, seen: Seen) -> State:
    dead = next((server for server in seen.servers if server.deaths >= MOST_DEATHS), None)
    if dead is not None:
        return _failed(state, seen, f"{dead.why} It was tried {MOST_DEATHS} times.")
    if order.before is not None and seen.share and not rolls(order, seen):
        return _to(state, Phase.SERVING, seen)
    want = needed(order, state, seen)
    if seen.ready >= want:
        return _arrived(state, seen)
    if state.phase is Phase.READY:
        return _to(state, Phase.GROWING, seen, done=seen.ready, of=want)
    if seen.now - state.since > seen.ready_s:
        return _failed(state, seen, f"It was not healthy within {_span(seen.ready_s)}.")
    return replace(state, done=seen.ready, of=want)


def _arrived(state: State, seen: Seen) -> State:
    match state.phase:
        case Phase.STARTING:
            return _to(state, Phase.EVALUATING, seen)
        case Phase.GROWING:
            return _to(state, Phase.READY, seen)
    return state


def _none_answered(calls: int, seconds: float) -> str:
    which = f"Each of the {calls:,} calls" if calls > 1 else "The one call"
    return f"{which} to it in {_span(round(seconds))} failed."


def _there(order: Order, state: State, seen: Seen) -> State:
    if state.phase is Phase.SERVING and seen.share and seen.tried is not None and seen.tried.well:
        return replace(state, proved=True)
    if state.phase is Phase.SERVING and not seen.share:
        return _to(state, Phase.KEPT, seen)
    if state.phase is Phase.KEPT and seen.share:
        return _to(state, Phase.SERVING, seen)
    over = seen.rolled or (seen.followed and seen.now - state.since > order.serving.keep_s)
    return _to(state, Phase.OVER, seen) if state.phase is Phase.KEPT and over else state


def _to(state: State, phase: Phase, seen: Seen, *, done: int = 0, of: int = 0) -> State:
    return replace(state, phase=phase, since=seen.now, done=done, of=of, proved=False)


def _failed(state: State, seen: Seen, why: str) -> State:
    return replace(_to(state, Phase.FAILED, seen), why=why)


def _span(seconds: float) -> str:
    return f"{round(seconds / 60)} minutes" if seconds >= 120 else f"{seconds:g} seconds"  # noqa: PLR2004
