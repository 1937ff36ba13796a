"""The values every folder speaks in: forms, decisions, seats, grants, receipts. Frozen, and without behaviour of their own.

Identifiers are plain strings with a prefix: subjects `user:<32 hex>`, `svc:<name>`, `os:<name>`; resources
`gpu:<pool>`, `data:<data set>`, `deploy:<model>@<environment>`, `endpoint:<model>@<environment>`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

ADDED: Final = MappingProxyType({"added": True})
"""Marks a field that came later: it is in the bytes only where it says something, so that older bytes stay as they are."""


class FormKind(StrEnum):
    """What carrying out a form leaves behind."""

    LEASE = "lease"
    """Has a window and is taken back."""
    CHANGE = "change"
    """Done once, undone only by another request."""


class Action(StrEnum):
    """What may be asked for."""

    USE = "use"
    READ = "read"
    WRITE = "write"
    DEPLOY = "deploy"
    ROLLBACK = "rollback"
    REVERT = "revert"
    ADAPT = "adapt"


class Access(StrEnum):
    """How data may be touched."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuForm:
    """GPU time in a pool.

    Args:
        resource: `gpu:<pool>`.
        gpu_type: the catalogue's name of the type, such as `h100-80gb`.
        gpus: total devices, 1 or more.
        duration_s: seconds from activation.
        start: when it should begin; None means as soon as it is approved.
        not_after: an end the person named; the lease never runs past it.
    """

    resource: str
    gpu_type: str
    gpus: int
    duration_s: int
    start: datetime | None = None
    not_after: datetime | None = None

    @property
    def action(self) -> Action:
        """Using devices is the only thing a GPU form asks for."""
        return Action.USE

    @property
    def kind(self) -> FormKind:
        """A lease: it has a window and is taken back."""
        return FormKind.LEASE


@dataclass(frozen=True, slots=True, kw_only=True)
class DataForm:
    """Access to a data set for a while; `columns` empty means all of them."""

    resource: str
    access: Access
    duration_s: int
    columns: tuple[str, ...] = ()
    start: datetime | None = None
    not_after: datetime | None = None

    @property
    def action(self) -> Action:
        """Read or write, as asked."""
        return Action(self.access.value)

    @property
    def kind(self) -> FormKind:
        """A lease: it has a window and is taken back."""
        return FormKind.LEASE


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyForm:
    """A key to a model that is served: who has it may ask the model, for `tokens` in all.

    Args:
        resource: `endpoint:<model>@<environment>`.
        tokens: of prompts and answers together, 1 or more.
        duration_s: seconds from activation.
        start: when it should begin; None means as soon as it is approved.
        not_after: an end the person named; the key never works past it.
    """

    resource: str
    tokens: int
    duration_s: int
    start: datetime | None = None
    not_after: datetime | None = None

    @property
    def action(self) -> Action:
        """Using the model is the only thing a key is for."""
        return Action.USE

    @property
    def kind(self) -> FormKind:
        """A lease: it has a window and is taken back."""
        return FormKind.LEASE


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployForm:
    """A model version for an environment, or going back to an earlier one.

    Args:
        digest: `sha256:...` of the weights that the version meant when it was asked for; empty where nobody registers
            weights.
    """

    resource: str
    model: str
    version: str
    environment: str
    replicas: int | None = None
    strategy: str | None = None
    canary_percent: int | None = None
    rollback: bool = False
    digest: str = field(default="", metadata=ADDED)

    @property
    def action(self) -> Action:
        """Deploy or roll back, as asked."""
        return Action.ROLLBACK if self.rollback else Action.DEPLOY

    @property
    def kind(self) -> FormKind:
        """A change: done once, undone only by another request."""
        return FormKind.CHANGE

    @property
    def start(self) -> datetime | None:
        """Changes start when approved."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterForm:
    """An adapter to be loaded beside one version of a model in an environment, or to be taken away again.

    Args:
        resource: `deploy:<model>@<environment>`.
        digest: `sha256:...` of the adapter that the name meant when it was asked for.
        base: `sha256:...` of the weights that it is loaded beside; another version has none of it.
        load: False takes it away.
    """

    resource: str
    model: str
    environment: str
    adapter: str
    digest: str
    base: str
    load: bool

    @property
    def action(self) -> Action:
        """Loading and taking away are one right."""
        return Action.ADAPT

    @property
    def kind(self) -> FormKind:
        """A change: done once, undone only by another request."""
        return FormKind.CHANGE

    @property
    def start(self) -> datetime | None:
        """Changes start when approved."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorForm:
    """What is to become of an access that no grant explains.

    Args:
        resource: `desk:revert`: whoever may have it taken away may have it left.
        backend: the executor that found it, such as `gpu_pool`.
        finding: the finding's name in `watch:<backend>`.
    """

    resource: str
    backend: str
    finding: str

    @property
    def action(self) -> Action:
        """The right to say what becomes of a side door is one."""
        return Action.REVERT

    @property
    def kind(self) -> FormKind:
        """A change: done once."""
        return FormKind.CHANGE

    @property
    def start(self) -> datetime | None:
        """Changes start when approved."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class RevertForm(DoorForm):
    """Taking it away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainForm(DoorForm):
    """Saying that it is known, for a while.

    Args:
        until: from then on it is found again.
    """

    until: datetime


Form = GpuForm | DataForm | KeyForm | DeployForm | AdapterForm | RevertForm | ExplainForm
Lease = GpuForm | DataForm | KeyForm
"""Forms that have a window and are taken back."""
Change = DeployForm | AdapterForm | RevertForm | ExplainForm
"""Forms that are done once and have no window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A place that `count` different people must fill, such as `owner-lead`, voted in the team that owns the resource."""

    name: str
    count: int
    team: str


class Effect(StrEnum):
    """What the policy said."""

    PERMIT = "permit"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A typed value that a rule may test, and where it came from. `value` is an integer or a name."""

    name: str
    value: int | str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the policy decided about one form, and why.

    Args:
        rules: ids of the rules that decided, the ASK rule first.
        seats: who must agree; empty only when `auto` or denied.
        auto: a rule approves it without people. An empty seat list without it denies.
        policy: digest of the policy in force, 64 hex digits.
        team: the asker's team it was decided in.
        why: one plain sentence for people, without personal data.
    """

    effect: Effect
    rules: tuple[str, ...]
    seats: tuple[Seat, ...] = ()
    auto: bool = False
    policy: str = ""
    team: str = ""
    facts: tuple[Fact, ...] = ()
    why: str = ""

    @property
    def permitted(self) -> bool:
        """Whether it may be asked for at all."""
        return self.effect is Effect.PERMIT


class Enforcement(StrEnum):
    """How an executor holds a lease to its end; shown on card, receipt and export."""

    ENFORCED = "enforced"
    """The backend refuses whoever holds no grant."""
    SELF_ENDING = "self-ending"
    """The backend itself ends it at not-after, even when we are down."""
    ADVISORY = "advisory"
    """We hand out and take back; the backend does not stop a person who ignores it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a worker is told to make true: who holds what until when. `key` is random, 32 hex digits, and all a backend learns."""

    request: int
    key: str
    subject: str
    form: Form
    generation: int
    not_after: datetime | None
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What an executor says it did.

    Args:
        executor: its name, such as `gpu_pool`.
        enforcement: how the lease is held to its end.
        devices: what was handed out, as people know it (`gpu-04:0`), for GPU leases.
        simulated: nothing outside this process changed.
        note: one plain sentence, empty if there is nothing to say.
    """

    executor: str
    enforcement: Enforcement
    devices: tuple[str, ...] = ()
    simulated: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a lease took: seconds held, device seconds, money in minor units of `currency`, and tokens of a key."""

    held_s: int
    gpu_s: int
    cost_minor: int
    currency: str
    tokens: int = field(default=0, metadata=ADDED)


@dataclass(frozen=True, slots=True)
class Personal:
    """A personal value: in the leaf only as SHA-256(salt || value). `value` is None once it was erased."""

    value: str | None

    def __repr__(self) -> str:
        """Never show the value: reprs end in program logs."""
        return "Personal(erased)" if self.value is None else "Personal(...)"

    def __str__(self) -> str:
        """The value, or a plain word once it was erased."""
        return "(erased)" if self.value is None else self.value


def new_subject() -> str:
    """Return a fresh random subject id, `user:` and 32 hex digits."""
    return f"user:{secrets.token_hex(16)}"


def window_end(form: Lease, activation: datetime) -> datetime:
    """Return when a lease activated at `activation` ends: its duration later, never past an end the person named."""
    end = activation + timedelta(seconds=form.duration_s)
    return end if form.not_after is None else min(end, form.not_after)


def request_name(number: int) -> str:
    """Return what people read: `REQ-1042`."""
    return f"REQ-{number}"
