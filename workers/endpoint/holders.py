"""Who calls: what the endpoint must know of a key, from wherever keys are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A budget of tokens: its name in the counters, and how people call it."""

    name: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whoever a key was granted to.

    Args:
        key: names the grant, as by its request's number; never the key itself.
        models: what may be asked of.
        budgets: what each call takes from, all of them.
        environment: where its models answer; the caller says the model's name alone.
    """

    key: str
    models: frozenset[str]
    budgets: tuple[Budget, ...]
    environment: str = ""

    def may_ask(self, model: str) -> bool:
        """Whether it is for a model of this name; a key for a model is one for the adapters beside it."""
        return model.partition(":")[0] in self.models

    def place(self, model: str) -> str:
        """Return the name under which a model is routed for this key: `fraud-detector@production`."""
        return f"{model}@{self.environment}" if self.environment else model


class Keys(Protocol):
    """Where keys are kept. Asked for every call, so that one that was revoked is refused at once."""

    def holder(self, token: str) -> Holder:
        """Return who holds a key; raises CallError, 401, with words that say what to do."""
