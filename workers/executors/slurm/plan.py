"""What a grant means for Slurm: how many devices on how many nodes, how many minutes, and whether a job is as granted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from ledger.nouns import GpuForm, Grant
from workers.errors import BackendError
from workers.executors.slurm.note import Note
from workers.executors.slurm.port import Gpus, Job, Stage
from workers.executors.slurm.settings import SlurmSettings

MINUTE: Final = timedelta(minutes=1)
"""Slurm's limits are whole minutes: by the limit alone an end may be late by one, and never early."""
_NOT_IN_LINE: Final = frozenset({"BeginTime", "Dependency", "JobHeldAdmin", "JobHeldUser"})


def form_of(grant: Grant) -> GpuForm:
    """Return the grant's GPU form; raises BackendError for any other."""
    if not isinstance(grant.form, GpuForm):
        raise BackendError("Slurm gives GPU time and nothing else")
    return grant.form


def gpus_of(form: GpuForm, settings: SlurmSettings) -> Gpus:
    """Return the devices of a form: on one node if they fit on one, else on whole nodes.

    Raises:
        BackendError: the cluster has no such type, or the number is no number of whole nodes.
    """
    gpu_type = settings.types.get(form.gpu_type)
    if gpu_type is None:
        raise BackendError(f"the cluster has no GPUs that are called {form.gpu_type}")
    if form.gpus <= settings.gpus_per_node:
        return Gpus(gpu_type=gpu_type, count=form.gpus)
    nodes, rest = divmod(form.gpus, settings.gpus_per_node)
    if rest:
        raise BackendError(f"more than {settings.gpus_per_node} GPUs come as whole nodes; ask for a multiple of it")
    return Gpus(gpu_type=gpu_type, count=settings.gpus_per_node, nodes=nodes)


def note_of(grant: Grant) -> Note:
    """Return what a job of this grant carries; raises BackendError for a grant without an end."""
    if grant.not_after is None:
        raise BackendError("Slurm holds GPUs only for a grant that has an end")
    return Note(key=grant.key, generation=grant.generation, until=math.ceil(grant.not_after.timestamp()))


def minutes_until(end: datetime, start: datetime) -> int:
    """Return the limit that reaches `end` from `start`: whole minutes, rounded up, at least 1."""
    return max(1, -((start - end) // MINUTE))


def delay_s(begin: datetime, now: datetime) -> int:
    """Return the seconds after which a job may begin, 0 for at once; one more than needed, as Slurm cuts "now" to seconds."""
    seconds = math.ceil((begin - now).total_seconds())
    return seconds + 1 if seconds > 0 else 0


def limit_fits(job: Job, end: datetime, begin: datetime) -> bool:
    """Return whether the job ends when it should: not early, and no later than whole minutes make it.

    Args:
        begin: the moment a job that waits would start at the earliest.
    """
    if job.stage is Stage.WAITING:
        return job.limit is not None and timedelta(0) <= begin + job.limit - end < 2 * MINUTE
    return job.end is not None and timedelta(0) <= job.end - end < MINUTE


def limit_for(job: Job, end: datetime, begin: datetime) -> int:
    """Return the limit in minutes that brings the job to its end, not early and less than a minute late.

    Of a job that has started Slurm moves the end by the difference between the new limit and the old one, and does not count
    from the start: an owner may have set an end that the old limit does not give.
    """
    if job.stage is Stage.WAITING or job.start is None:
        return minutes_until(end, begin)
    if job.end is None or job.limit is None:
        return minutes_until(end, job.start)
    return max(1, job.limit // MINUTE - ((job.end - end) // MINUTE))


def can_become(job: Job, gpus: Gpus) -> bool:
    """Return whether the job has these devices or can be told to: Slurm changes them while a job waits, and never after."""
    return job.gpus == gpus or (job.stage is Stage.WAITING and job.gpus.nodes == gpus.nodes)


def the_one(jobs: Sequence[Job]) -> Job | None:
    """Return which of several to keep, the same for whoever asks: what runs before what waits, then the oldest."""
    return min(jobs, key=lambda job: (job.stage is Stage.WAITING, job.id), default=None)


def place_of(job: Job, jobs: Sequence[Job]) -> int | None:
    """Return the job's place in its partition's line, 1 for the next; None while it does not stand in line."""
    if job.stage is not Stage.WAITING or job.reason in _NOT_IN_LINE:
        return None
    line = [
        other
        for other in jobs
        if other.stage is Stage.WAITING and other.partition == job.partition and other.reason not in _NOT_IN_LINE
    ]
    return sorted(line, key=lambda other: (-other.priority, other.id)).index(job) + 1
