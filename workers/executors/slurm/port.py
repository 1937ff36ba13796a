"""The port to a Slurm cluster: read the queue, submit, change, cancel. What is common to slurmrestd and to the commands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from workers.errors import BackendError
from workers.executors.slurm.note import Note, read_note


class RefusedError(BackendError):
    """Raised when Slurm answered and said no; nothing was changed."""


class UnreachableError(BackendError):
    """Raised when Slurm did not answer, or not in words we know; what was asked may have happened all the same."""


class Stage(StrEnum):
    """Where a job stands, as far as its devices are concerned."""

    WAITING = "waiting"
    """It has no devices."""
    STARTING = "starting"
    """It has devices, and their nodes are not ready."""
    HOLDING = "holding"
    """It has devices and its holder can use them."""
    ENDING = "ending"
    """It was ended, and its devices are not free yet."""
    OVER = "over"
    """It has nothing and will never have; Slurm only remembers it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whose allocation it is on the cluster.

    Args:
        user: the login name on the nodes.
        account: Slurm's accounting account, empty for the user's default.
    """

    user: str
    account: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpus:
    """Devices of one type: `count` on each of `nodes` nodes. `gpu_type` is Slurm's name, empty when none was named."""

    gpu_type: str
    count: int
    nodes: int = 1

    @property
    def total(self) -> int:
        """Devices on all nodes together."""
        return self.count * self.nodes

    @property
    def gres(self) -> str:
        """What `--gres` takes."""
        return f"gpu:{self.gpu_type}:{self.count}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job as Slurm tells it.

    Args:
        id: Slurm's number. It is used again after a crash of the controller, so that it never identifies a grant.
        gpus: devices asked for, of all types together when it is not ours.
        devices: devices it has now, `node:index`, in order.
        start: when it started; while it waits, when Slurm expects to start it.
        end: when its limit ends it, once it has started.
        limit: its time limit; None for no limit.
        priority: who has more goes first.
        reason: Slurm's word for why it waits, such as `Resources`.
    """

    id: int
    name: str
    comment: str
    user: str
    account: str
    partition: str
    stage: Stage
    reason: str
    gpus: Gpus
    devices: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    limit: timedelta | None = None
    priority: int = 0

    @property
    def note(self) -> Note | None:
        """Which grant it says it is; None when its comment is not one of ours."""
        return read_note(self.comment)

    @property
    def live(self) -> bool:
        """Whether it holds devices, will, or has not let go of them yet."""
        return self.stage is not Stage.OVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An allocation to ask for.

    Args:
        delay_s: seconds from now before which it may not start, 0 for at once.
        minutes: its time limit.
        script: the holding script, see `script.py`.
    """

    name: str
    note: Note
    holder: Account
    partition: str
    gpus: Gpus
    delay_s: int
    minutes: int
    script: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to be different about a job. `gpus` is None to leave them; Slurm changes them only while the job waits."""

    note: Note
    minutes: int
    gpus: Gpus | None = None


class SlurmClient(Protocol):
    """A way to talk to the controller. Every call answers within a time limit.

    Every method raises RefusedError when Slurm said no, and UnreachableError when nobody knows.
    """

    def jobs(self) -> tuple[Job, ...]:
        """Return every job that the controller knows, those that are over included."""
        ...

    def submit(self, order: Order) -> None:
        """Queue a job. Its number is not returned: it is found again by its note."""
        ...

    def change(self, job: Job, change: Change) -> None:
        """Write a new note and a new limit into a job in one step."""
        ...

    def cancel(self, job: Job) -> None:
        """Ask for the job's end; it may take a while to let go of its devices."""
        ...
