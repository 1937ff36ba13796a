"""A cluster in memory that starts jobs in the order they came: the twin of the port, for tests and for a desk without Slurm."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from workers.executors.slurm.port import Change, Gpus, Job, Order, RefusedError, Stage, UnreachableError


class MemorySlurm:
    """One partition of nodes with devices of one type each.

    Args:
        nodes: (type, count) by name.
        clock: now; jobs begin and end by it whenever the queue is read.
        operator: the holder of jobs that are put in from outside.
    """

    def __init__(self, nodes: dict[str, tuple[str, int]], clock: Callable[[], datetime]) -> None:
        self._nodes = nodes
        self._clock = clock
        self._begin: dict[int, datetime] = {}
        self._jobs: dict[int, Job] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self.reachable = True
        self.lets_go = True
        """False: what is cancelled stays `ENDING` until it is set again."""
        self.submitted = 0

    def jobs(self) -> tuple[Job, ...]:
        """Return every job after time has done its work."""
        with self._lock:
            self._work()
            return tuple(self._jobs.values())

    def submit(self, order: Order) -> None:
        """Put a job at the end of the line."""
        with self._lock:
            self._work()
            if order.gpus.total > self._most(order.gpus):
                raise RefusedError("Slurm refused: Requested node configuration is not available")
            number = next(self._numbers)
            self.submitted += 1
            self._begin[number] = self._clock() + timedelta(seconds=order.delay_s)
            self._jobs[number] = Job(
                id=number,
                name=order.name,
                comment=str(order.note),
                user=order.holder.user,
                account=order.holder.account,
                partition=order.partition,
                stage=Stage.WAITING,
                reason="None",
                gpus=order.gpus,
                limit=timedelta(minutes=order.minutes),
                priority=1_000_000 - number,
            )
            self._work()

    def change(self, job: Job, change: Change) -> None:
        """Change note, limit and, while it waits, devices."""
        with self._lock:
            self._work()
            now = self._live(job)
            if change.gpus is not None and now.stage is not Stage.WAITING:
                raise RefusedError("Slurm refused: Job is no longer pending execution")
            limit = timedelta(minutes=change.minutes)
            end = None if now.end is None or now.limit is None else now.end + limit - now.limit
            self.put(replace(now, comment=str(change.note), limit=limit, end=end, gpus=change.gpus or now.gpus))
            self._work()

    def cancel(self, job: Job) -> None:
        """End a job."""
        with self._lock:
            self._work()
            held = self._live(job).stage is not Stage.WAITING
            stage = Stage.ENDING if held and not self.lets_go else Stage.OVER
            self.put(replace(self._jobs[job.id], stage=stage, devices=()))

    def put(self, job: Job) -> None:
        """Set what the cluster knows of one job, as an accident or a stranger would."""
        self._jobs[job.id] = job

    def _live(self, job: Job) -> Job:
        found = self._jobs.get(job.id)
        if found is None or not found.live:
            raise RefusedError("Slurm refused: Invalid job id specified")
        return found

    def _work(self) -> None:
        if not self.reachable:
            raise UnreachableError("Slurm did not answer: it was told not to")
        now = self._clock()
        for job in list(self._jobs.values()):
            over = job.end is not None and now >= job.end
            if over or (job.stage is Stage.ENDING and self.lets_go):
                self.put(replace(job, stage=Stage.OVER, devices=()))
        for job in list(self._jobs.values()):
            if job.stage is Stage.WAITING:
                self.put(self._tried(job, now))

    def _tried(self, job: Job, now: datetime) -> Job:
        """The job as it is after the scheduler came by."""
        begin = self._begin.get(job.id, now)
        if now < begin:
            return replace(job, reason="BeginTime", start=begin)
        if any(other.name == job.name and other.live and other.id < job.id for other in self._jobs.values()):
            return replace(job, reason="Dependency", start=None)
        free = self._free(job.gpus)
        if len(free) < job.gpus.total:
            ends = sorted(other.end for other in self._jobs.values() if other.end is not None and other.devices)
            return replace(job, reason="Resources", start=ends[0] if ends else None)
        return replace(
            job,
            stage=Stage.HOLDING,
            reason="None",
            devices=tuple(free[: job.gpus.total]),
            start=now,
            end=now + (job.limit or timedelta(days=365)),
        )

    def _free(self, gpus: Gpus) -> list[str]:
        """Devices on as many nodes as are asked for, each with enough of them."""
        taken = {device for job in self._jobs.values() for device in job.devices}
        each = [self._free_on(node, gpus, taken) for node in self._nodes]
        fitting = [devices[: gpus.count] for devices in each if len(devices) >= gpus.count][: gpus.nodes]
        return [device for devices in fitting for device in devices]

    def _free_on(self, node: str, gpus: Gpus, taken: set[str]) -> list[str]:
        gpu_type, count = self._nodes[node]
        own = [f"{node}:{index}" for index in range(count)] if gpu_type == gpus.gpu_type else []
        return [device for device in own if device not in taken]

    def _most(self, gpus: Gpus) -> int:
        fitting = [n for kind, n in self._nodes.values() if kind == gpus.gpu_type and n >= gpus.count]
        return gpus.count * min(len(fitting), gpus.nodes)
