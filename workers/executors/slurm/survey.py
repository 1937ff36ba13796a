"""Reading a partition whole: what is held, by whom, and what of it no grant explains. Decides nothing and changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from workers.executors.base import Holding
from workers.executors.slurm.note import Note
from workers.executors.slurm.plan import MINUTE
from workers.executors.slurm.port import Job, Stage
from workers.executors.slurm.record import Record


def holdings_of(jobs: Sequence[Job], record_of: Callable[[str], Record], partition: str) -> tuple[Holding, ...]:
    """Return the live GPU jobs of a partition. What only waits counts if it carries a key: it may start at any moment."""
    shown = [job for job in jobs if job.live and job.gpus.total and partition in job.partition.split(",")]
    shown = [job for job in shown if job.stage is not Stage.WAITING or job.note is not None]
    times = Counter(job.note.key for job in shown if job.note is not None and job.stage is not Stage.ENDING)
    return tuple(_holding(job, record_of, times) for job in shown)


def _holding(job: Job, record_of: Callable[[str], Record], times: Counter[str]) -> Holding:
    """A key counts only for the one it was given to: Slurm shows everybody's comments, and anybody can copy one."""
    note = job.note
    if note is None:
        return Holding(key=None, who=job.user, what=said_of(job), wrong="")
    record = record_of(note.key)
    if record.seen == 0:
        return Holding(
            key=None, who=job.user, what=said_of(job), wrong="It carries a grant key that was never given here."
        )
    if record.user != job.user:
        return Holding(
            key=None, who=job.user, what=said_of(job), wrong=f"It carries the key of a grant to {record.user}."
        )
    return Holding(key=note.key, who=job.user, what=said_of(job), wrong=_wrong(job, note, record, times[note.key]))


def _wrong(job: Job, note: Note, record: Record, times: int) -> str:
    """What is not as granted. The record is what was granted; the comment is only what the job says."""
    if job.stage is Stage.ENDING:
        return ""
    if not record.stands:
        return "It was taken back and is there again."
    if times > 1:
        return "One grant has more than one allocation."
    if (note.generation, note.until) != (record.seen, record.until):
        return "It is not what was granted last."
    if job.gpus.total != record.gpus:
        return f"It has {job.gpus.total} GPUs; {record.gpus} were granted."
    return _wrong_end(job, note.end)


def _wrong_end(job: Job, granted: datetime) -> str:
    if job.stage is Stage.WAITING:
        return ""
    if job.end is None or job.limit is None:
        return f"It has no end; {_time(granted)} was granted."
    if abs(job.end - granted) <= MINUTE:
        return ""
    return f"It ends at {_time(job.end)}; {_time(granted)} was granted."


def said_of(job: Job) -> str:
    """Return a job in words, the same from its place in line to its end."""
    count = f"{job.gpus.total} GPU{'' if job.gpus.total == 1 else 's'}"
    return f"job {job.id} {job.name}: {count} {job.gpus.gpu_type}".rstrip()


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
