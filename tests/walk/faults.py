"""What goes wrong in a simulated house: processes that die or doze at any step, a full disk, a backend that is dark.

A death is an exception raised by a call to the ledger or the backend, before it landed or after. Whatever ran then is
gone, with the note that it was at work left behind, and what comes after reads the ledger alone.
"""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from conftest import Hand

from ledger.errors import ReadOnlyError
from ledger.nouns import Grant
from workers.executors.memory import _SCHEMA, MemoryExecutor

DOZE = timedelta(seconds=5), timedelta(minutes=10), timedelta(hours=2)
RARELY = 0.08


class CrashError(BaseException):
    """The process dies here."""


class Backend(MemoryExecutor):
    """The memory executor without a file, which tells `gone` of each key that stops to be held."""

    def __init__(self, time: Hand, gone: Callable[[str], None]) -> None:
        self._tx = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._tx.executescript(_SCHEMA)
        self._clock, self._gone = time, gone

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self._tx.execute("BEGIN")
        try:
            yield self._tx
            self._tx.commit()
        except BaseException:
            self._tx.rollback()
            raise

    def revoke(self, grant: Grant) -> None:
        """Let go of the key, and say so if it was held until now."""
        held = grant.key in self.alive()
        super().revoke(grant)
        if held and grant.key not in self.alive():
            self._gone(grant.key)

    def alive(self) -> set[str]:
        """Return the keys that are held now."""
        return {key for (key,) in self._tx.execute("SELECT key FROM held WHERE state = 'held'")}

    def started_twice(self) -> set[str]:
        """Return the keys whose effect happened more than once."""
        sql = "SELECT key FROM effect WHERE what = 'start' GROUP BY key HAVING count(*) > 1"
        return {key for (key,) in self._tx.execute(sql)}


@dataclass
class Faults:
    """When the next process dies or dozes, and whether the disk is full; `deaths` counts the steps they died at."""

    doze: Callable[[timedelta], None]
    dice: random.Random = field(default_factory=random.Random)
    deaths: Counter[str] = field(default_factory=Counter)
    full: bool = False
    _fuse: int = -1
    _sleepy: bool = False

    def wire(self, owner: object, *names: str) -> None:
        """Let each of these calls burn the fuse; at its end the process dies, before the effect or after it."""
        for name in names:
            setattr(owner, name, self._fused(name, getattr(owner, name)))

    def _fused(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            step = _entry(args) if name == "append" else name
            self._fuse -= 1
            dies = self._fuse == 0
            if dies and self.dice.random() < 0.5:
                self._die(f"before {step}")
            if name == "append" and self.full:
                raise ReadOnlyError("the disk is full")
            said = real(*args)
            if dies:
                self._die(f"after {step}")
            self._perhaps_doze()
            return said

        return call

    def _die(self, step: str) -> None:
        self.deaths[step] += 1
        raise CrashError

    def _perhaps_doze(self) -> None:
        """A worker stands still between two steps, for seconds or for hours, while the others go on."""
        if self._sleepy and self.dice.random() < RARELY:
            fuse, self._fuse, self._sleepy = self._fuse, -1, False
            self.doze(self.dice.choice(DOZE))
            self._fuse = fuse

    @contextmanager
    def perhaps(self, died: Callable[[], None], *, sleepy: bool = False) -> Iterator[None]:
        """Run a worker, a clock or a desk that may die at any of its steps; `died` starts it anew."""
        self._fuse = self.dice.randint(1, 8) if self.dice.random() < 0.3 else -1
        self._sleepy = sleepy
        try:
            yield
        except CrashError:
            died()
        finally:
            self._fuse, self._sleepy = -1, False


def _entry(args: tuple[Any, ...]) -> str:
    """Return which entry of a request, or of anything else, an append is about."""
    kinds = [draft.kind for move in args[0] for draft in move.drafts]
    return next((kind for kind in reversed(kinds) if kind.startswith("request.")), (kinds or ["nothing"])[-1])
