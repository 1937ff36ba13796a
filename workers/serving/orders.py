"""What is to be served and how far it is: an order from the executor, a state from the keeper, a file each.

Orders are written by the executor alone and states by the keeper alone, each whole, so that neither waits for the other
and both find again what they knew after a crash. An order that was taken back stays for a week, so that no late try starts
it (`pruning.py`).
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from ledger.streams.model import Share
from policies.serving import Serving
from workers.durable import sync, write_whole
from workers.errors import BackendError

WEIGHTS: Final = "weights"
"""The folder of the weights in `<home>/models`."""
ROUTES: Final = "routes.json"
"""The route table's file in `<home>/models`."""
BEAT: Final = "keeper.json"
"""The file in which the keeper says that it runs, as `{"at": seconds since the epoch}`."""


class Strategy(StrEnum):
    """How a version takes the place of the one before."""

    BLUE_GREEN = "blue-green"
    """All calls at once; the version before stays ready for a while."""
    ROLLING = "rolling"
    """One server joins and one leaves at a time."""
    CANARY = "canary"
    """A part of the calls, until another request says more."""


class Phase(StrEnum):
    """How far an order is."""

    LOADING = "loading"
    STARTING = "starting"
    EVALUATING = "evaluating"
    GROWING = "growing"
    """It passed; more of its servers are being started."""
    READY = "ready"
    SERVING = "serving"
    KEPT = "kept"
    """Nothing is routed to it any more; it stays ready for the way back."""
    OVER = "over"
    FAILED = "failed"


LIVE: Final = frozenset(set(Phase) - {Phase.OVER, Phase.FAILED})
"""The phases in which an order has servers, or is about to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Servers that are the same: one version of a model in one environment."""

    model: str
    environment: str
    digest: str

    @property
    def place(self) -> str:
        """Where it is routed to, as the route table names it."""
        return f"{self.model}@{self.environment}"

    @property
    def name(self) -> str:
        """What its servers are called, short enough for a folder."""
        return f"{self.place}@{self.digest.removeprefix('sha256:')[:12]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A version that an approved request wants to see answering.

    Args:
        key: the grant's key.
        generation: of the dispatch that stands.
        attempt: counts the starts: one more each time it was taken back and is ordered anew.
        request: the request's number.
        replicas: how many servers.
        percent: of the calls, below 100 for a canary.
        at: seconds since the epoch when it was written first.
        wanted: False once it was taken back.
        before: what answered when this order was switched to, None as long as it was not.
        put: what answers by this order since the switch, or since the last step of one.
        switched: whether the whole switch was made.
    """

    key: str
    generation: int
    attempt: int
    request: int
    line: Line
    version: str
    serving: Serving
    replicas: int
    strategy: Strategy
    percent: int
    at: float
    wanted: bool = True
    before: tuple[Share, ...] | None = None
    put: tuple[Share, ...] = ()
    switched: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How its evaluation went, in whole numbers; `failures` are the first few, in sentences for people."""

    suite: str
    cases: int
    failed: int
    p50_ms: int
    p95_ms: int
    tokens: int
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How far the keeper is with the order of the same key and attempt.

    Args:
        since: seconds since the epoch when the phase began.
        done, of: cases that were asked, while it is evaluated; servers that are ready, while they are started.
        result: of the evaluation, None where it has none.
        why: what is wrong, in a sentence for people.
        proved: whether it was seen to answer since it was switched to, once that was asked.
    """

    key: str
    attempt: int
    phase: Phase = Phase.LOADING
    since: float = 0.0
    done: int = 0
    of: int = 0
    result: Result | None = None
    why: str = ""
    proved: bool = False


T = TypeVar("T")
_ORDER: Final = TypeAdapter(Order)
_STATE: Final = TypeAdapter(State)


class Files:
    """Files of one home's models, each written whole; every method raises BackendError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let no other executor read or write orders meanwhile; the kernel lets go for whoever dies."""
        try:
            with (self._folder / "orders.lock").open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise BackendError(f"the folder of orders cannot be used: {error.strerror}") from error

    def _all(self, kind: str) -> list[Path]:
        if not self._folder.is_dir():
            raise BackendError("the folder of orders is not there")
        return list((self._folder / kind).glob("*.json"))

    def _read(self, kind: str, key: str) -> bytes | None:
        if not self._folder.is_dir():
            raise BackendError("the folder of orders is not there")
        try:
            return (self._folder / kind / f"{key}.json").read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BackendError(f"an order cannot be read: {error.strerror}") from error

    def _take_away(self, kind: str, key: str) -> None:
        try:
            (self._folder / kind / f"{key}.json").unlink(missing_ok=True)
            sync(self._folder / kind)
        except OSError as error:
            raise BackendError(f"an order cannot be taken away: {error.strerror}") from error

    def _write(self, kind: str, key: str, data: bytes) -> None:
        try:
            (self._folder / kind).mkdir(exist_ok=True)
            write_whole(self._folder / kind / f"{key}.json", data)
        except OSError as error:
            raise BackendError(f"an order cannot be written: {error.strerror}") from error


class Orders(Files):
    """The files in `<folder>/orders` and `<folder>/states`."""

    def order(self, key: str) -> Order | None:
        """Return the order of a key, None when there is none; raises BackendError when it cannot be read."""
        data = self._read("orders", key)
        return None if data is None else parsed(_ORDER, data, key)

    def orders(self) -> tuple[Order, ...]:
        """Return every order, the oldest first; raises BackendError when they cannot be read."""
        found = (self.order(path.stem) for path in self._all("orders"))
        return tuple(sorted(filter(None, found), key=lambda order: (order.at, order.key)))

    def put(self, order: Order) -> None:
        """Keep an order; raises BackendError."""
        self._write("orders", order.key, _ORDER.dump_json(order))

    def state(self, order: Order) -> State:
        """Return how far an order is: at its beginning when nobody has begun; raises BackendError."""
        data = self._read("states", order.key)
        found = None if data is None else parsed(_STATE, data, order.key)
        return found if found and found.attempt == order.attempt else State(key=order.key, attempt=order.attempt)

    def note(self, state: State) -> None:
        """Keep a state; raises BackendError."""
        self._write("states", state.key, _STATE.dump_json(state))

    def forget(self, order: Order) -> bool:
        """Take an order away, and what is noted of it, unless an executor has changed it; return whether it is gone.

        The order goes first: without its state it would be begun anew.
        """
        with self.alone():
            if self.order(order.key) != order:
                return False
            self._take_away("orders", order.key)
        self._take_away("states", order.key)
        return True

    def forget_strays(self) -> None:
        """Take away states whose order is gone: whoever took it away died in between."""
        states = self._all("states")  # before the orders, as a state never comes before its order
        known = {path.stem for path in self._all("orders")}
        for path in states:
            if path.stem not in known:
                self._take_away("states", path.stem)


def parsed(adapter: TypeAdapter[T], data: bytes, key: str) -> T:
    """Return what a file says; raises BackendError when it says nothing that was written."""
    try:
        return adapter.validate_json(data)
    except ValidationError as error:
        raise BackendError(f"the file of {key[:8]} is not what was written") from error
