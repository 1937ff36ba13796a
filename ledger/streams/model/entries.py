"""What is entered about a model."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Final

from ledger.streams.codec import Entry, registry_of

DIGEST: Final = re.compile("sha256:[0-9a-f]{64}")
"""What a digest of weights looks like."""
VERSION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,63}", re.ASCII)
"""What a version may be called."""
LATEST: Final = "latest"
"""The newest version by its registration; no version is called so."""
WHOLE: Final = 100
ADAPTER: Final = "adapter:"
"""What the figure begins with that counts the servers of a version which have an adapter; the adapter's name follows."""
SERVERS: Final = "ready_servers"
"""The figure that tells whether the servers of a version stay alive."""
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

    @property
    def adapter(self) -> str:
        """The adapter whose servers the figure counts; empty for any other figure."""
        return self.figure.removeprefix(ADAPTER) if self.figure.startswith(ADAPTER) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered(Entry):
    """A figure that had drifted is back."""

    kind: ClassVar[str] = "model.recovered"
    digest: str
    environment: str
    figure: str
    seen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterRegistered(Entry):
    """From now on the name `adapter` means the LoRA adapter with this digest, `size` bytes of it."""

    kind: ClassVar[str] = "model.adapter-registered"
    adapter: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapted(Entry):
    """An adapter answers beside a version from now on, or does so no more.

    Args:
        digest: of the adapter.
        base: digest of the weights that it stands beside in this environment; another version has none of it.
        loaded: False says that it was taken away.
        request: the change that ordered it.
    """

    kind: ClassVar[str] = "model.adapted"
    environment: str
    adapter: str
    digest: str
    base: str
    loaded: bool
    request: int


ENTRIES: Final = registry_of(Registered, Evaluated, Routed, Profiled, Drifted, Recovered, AdapterRegistered, Adapted)
