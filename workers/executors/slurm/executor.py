"""GPU grants as Slurm allocations: exactly the devices and the time granted, found again by what they say and not by number.

`self-ending`: Slurm ends an allocation at its limit, also while Quartermaster is down.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from ledger.book import utc_now
from ledger.nouns import Enforcement, Grant, Receipt, request_name
from workers.errors import BackendError, StaleGrantError
from workers.executors.base import Holding, Observation, Pending
from workers.executors.slurm.plan import (
    can_become,
    delay_s,
    form_of,
    gpus_of,
    limit_fits,
    limit_for,
    minutes_until,
    note_of,
    place_of,
    the_one,
)
from workers.executors.slurm.port import (
    Account,
    Change,
    Gpus,
    Job,
    Order,
    RefusedError,
    SlurmClient,
    Stage,
    UnreachableError,
)
from workers.executors.slurm.record import Record, Records
from workers.executors.slurm.script import holding_script
from workers.executors.slurm.settings import SlurmSettings, plain_name
from workers.executors.slurm.survey import holdings_of, said_of
from workers.executors.slurm.wording import why

UNSURE: Final = timedelta(seconds=60)
"""How long a submission that got no answer may still arrive."""
SAVED: Final = timedelta(seconds=6)
"""After how long slurmctld has on its disk what it did: it writes every 5 s, and forgets the rest when it is killed."""
_LOOKS: Final = 30
_BETWEEN_LOOKS_S: Final = 0.1


class SlurmExecutor:
    """Allocations in one partition.

    Safe to repeat, by several hands and after any crash: it looks before it submits, remembers what was taken back, and of two
    allocations for one key it keeps the same one whoever looks.

    Args:
        client: `SlurmCommands`, `SlurmRest` or `MemorySlurm`; `open_client` chooses by the settings.
        name: what the ledger calls it, one name for each pool.
    """

    enforcement = Enforcement.SELF_ENDING
    simulated = False

    def __init__(
        self,
        settings: SlurmSettings,
        client: SlurmClient,
        *,
        name: str = "slurm",
        clock: Callable[[], datetime] = utc_now,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self._settings = settings
        self._client = client
        self._records = Records(settings.folder)
        self._clock = clock
        self._pause = pause

    def ensure(self, grant: Grant) -> Receipt | Pending:
        """Have one allocation as granted; a receipt once it holds its devices, its place in line before."""
        gpus = gpus_of(form_of(grant), self._settings)
        with self._records.alone(grant.key):
            record = self._records.read(grant.key)
            self._refuse_stale(grant, record)
            holder = self._holder(grant)
            jobs = self._usable(grant, holder)
            until = note_of(grant).until
            since = record.held_since if self._stands(grant, gpus, jobs) else 0
            record = replace(
                record, seen=grant.generation, until=until, user=holder.user, gpus=gpus.total, held_since=since
            )
            self._records.write(grant.key, record)
            self._converge(grant, record, holder, gpus, jobs)
            said = self._answer(grant, holder, gpus)
            self._note_held(grant.key, said)
            return said

    def kept(self, grant: Grant) -> bool:
        """Return whether the allocation was as granted for so long that no crash of slurmctld undoes it."""
        record = self._records.read(grant.key)
        saved = record.held_since + SAVED.total_seconds() <= self._clock().timestamp()
        return record.seen == grant.generation and record.held_since > 0 and saved

    def observe(self, grant: Grant) -> Observation:
        """Return whether Slurm shows anything of the key: what is still ending is held."""
        try:
            if any(job.live for job in self._carrying(grant.key)):
                return Observation.HELD
            unsure = self._records.read(grant.key).unsure_until > self._clock().timestamp()
        except BackendError:
            return Observation.UNKNOWN
        return Observation.UNKNOWN if unsure else Observation.GONE

    def revoke(self, grant: Grant) -> None:
        """Remember that it is taken back, then cancel whatever carries the key; a lost record does not save an allocation."""
        with self._records.alone(grant.key):
            if self._overtaken(grant):
                return
            forgot = self._remember_end(grant)
            for job in self._carrying(grant.key):
                if job.live and job.stage is not Stage.ENDING:
                    self._cancel(job)
            if forgot is not None:
                raise forgot
        self._let_go(lambda: self._carrying(grant.key))

    def _overtaken(self, grant: Grant) -> bool:
        """Whether a later generation is on record; a holder who writes one into a comment saves nothing by it."""
        try:
            return self._records.read(grant.key).seen > grant.generation
        except BackendError:
            return False

    def _let_go(self, those: Callable[[], Sequence[Job]]) -> bool:
        """Give Slurm the seconds that an ordinary end takes, so that whoever looks next sees them gone."""
        for _ in range(_LOOKS):
            if not any(job.live for job in those()):
                return True
            self._pause(_BETWEEN_LOOKS_S)
        return False

    def holdings(self) -> tuple[Holding, ...]:
        """Return every GPU allocation of the partition, whoever made it, and what waits to become one under our keys."""
        return holdings_of(self._client.jobs(), self._records.read, self._settings.partition)

    def take_away(self, holding: Holding) -> None:
        """Cancel the job that `holdings` told of, and see it let go; a job that is over is no error.

        Raises:
            BackendError: Slurm refused, or something in the job does not end.
        """
        for job in self._told_of(holding):
            if job.stage is not Stage.ENDING:
                self._cancel(job)
        if not self._let_go(lambda: self._told_of(holding)):
            raise BackendError("the job was cancelled and what runs in it does not end yet; look again in a minute")

    def _told_of(self, holding: Holding) -> list[Job]:
        """A number alone may be another job's by now; its name, its user and its size are looked at too."""
        jobs = self._client.jobs()
        return [job for job in jobs if job.live and (said_of(job), job.user) == (holding.what, holding.who)]

    def _refuse_stale(self, grant: Grant, record: Record) -> None:
        over = grant.not_after is None or self._clock() >= grant.not_after
        if over or record.seen > grant.generation or record.ended >= grant.generation:
            raise StaleGrantError(grant.key)

    def _holder(self, grant: Grant) -> Account:
        holder = self._settings.account_of(grant.subject)
        if holder is None:
            raise BackendError("the asker has no account on the cluster; whoever runs the cluster can make one")
        if not plain_name(holder.user) or not (holder.account == "" or plain_name(holder.account)):
            raise BackendError("the asker's account on the cluster has a name that Slurm could misread")
        return holder

    def _carrying(self, key: str) -> list[Job]:
        return [job for job in self._client.jobs() if job.note is not None and job.note.key == key]

    def _usable(self, grant: Grant, holder: Account) -> list[Job]:
        """What the holder has or waits for under the key; somebody else who copies the key gets nothing by it.

        Raises:
            StaleGrantError: a hand elsewhere has ensured a later generation.
        """
        jobs = [job for job in self._carrying(grant.key) if job.user == holder.user and _usable(job)]
        if any(job.note is not None and job.note.generation > grant.generation for job in jobs):
            raise StaleGrantError(grant.key)
        return jobs

    def _converge(self, grant: Grant, record: Record, holder: Account, gpus: Gpus, jobs: Sequence[Job]) -> None:
        """Leave one allocation. Fewer GPUs than one that runs has: it ends first, and a new one takes its place."""
        keep = the_one([job for job in jobs if can_become(job, gpus)])
        for job in jobs:
            if job is not keep:
                self._cancel(job)
        if keep is None:
            self._submit(self._order(grant, holder, gpus), record)
        else:
            self._correct(keep, grant, gpus)

    def _begin(self, grant: Grant) -> datetime:
        now, start = self._clock(), form_of(grant).start
        return now if start is None else max(now, start)

    def _stands(self, grant: Grant, gpus: Gpus, jobs: Sequence[Job]) -> bool:
        """Whether nothing is left to tell Slurm of the grant."""
        keep = the_one([job for job in jobs if can_become(job, gpus)])
        return keep is not None and self._as_granted(keep, grant, gpus)

    def _note_held(self, key: str, said: Receipt | Pending) -> None:
        """Note when it was first seen held; whoever changes it afterwards takes the note away beforehand."""
        record = self._records.read(key)
        if isinstance(said, Receipt) and record.held_since == 0:
            self._records.write(key, replace(record, held_since=math.ceil(self._clock().timestamp())))

    def _as_granted(self, job: Job, grant: Grant, gpus: Gpus) -> bool:
        note = note_of(grant)
        return job.note == note and job.gpus == gpus and limit_fits(job, note.end, self._begin(grant))

    def _correct(self, job: Job, grant: Grant, gpus: Gpus) -> None:
        """Write the grant's note, end and devices into a job, if they are not what it has."""
        if self._as_granted(job, grant, gpus):
            return
        note, begin = note_of(grant), self._begin(grant)
        fewer = None if job.gpus == gpus else gpus
        self._client.change(job, Change(note=note, minutes=limit_for(job, note.end, begin), gpus=fewer))

    def _order(self, grant: Grant, holder: Account, gpus: Gpus) -> Order:
        note, begin = note_of(grant), self._begin(grant)
        return Order(
            name=f"{self._settings.prefix}-{request_name(grant.request)}",
            note=note,
            holder=holder,
            partition=self._settings.partition,
            gpus=gpus,
            delay_s=delay_s(begin, self._clock()),
            minutes=minutes_until(note.end, begin),
            script=holding_script(self._settings.bin),
        )

    def _submit(self, order: Order, record: Record) -> None:
        """Submit. Killed before the answer, or left without one, nobody says "gone" until it can no longer arrive."""
        key = order.note.key
        unsure = int((self._clock() + UNSURE).timestamp())
        self._records.write(key, replace(record, unsure_until=unsure))
        try:
            self._client.submit(order)
        except RefusedError:
            self._records.write(key, replace(record, unsure_until=0))
            raise
        self._records.write(key, replace(record, unsure_until=0))

    def _answer(self, grant: Grant, holder: Account, gpus: Gpus) -> Receipt | Pending:
        """Read the queue until Slurm has looked at the job, for a few seconds at most."""
        for _ in range(_LOOKS):
            jobs = self._client.jobs()
            job = the_one([job for job in jobs if _belongs(job, grant, holder)])
            if job is not None and not (job.stage is Stage.WAITING and job.reason == "None"):
                break
            self._pause(_BETWEEN_LOOKS_S)
        if job is None:
            raise UnreachableError("Slurm took the allocation and does not show it")
        if job.stage is Stage.HOLDING:
            return self._receipt(job, gpus)
        now = self._clock()
        estimate = job.start if job.start is not None and job.start > now else None
        return Pending(place=place_of(job, jobs) or 0, estimate=estimate, why=why(job))

    def _receipt(self, job: Job, gpus: Gpus) -> Receipt:
        if len(job.devices) != gpus.total:
            raise BackendError(f"Slurm shows {len(job.devices)} GPUs where {gpus.total} were granted")
        return Receipt(
            executor=self.name,
            enforcement=self.enforcement,
            devices=job.devices,
            note=f"Run a command in it with: srun --jobid={job.id} --overlap COMMAND",
        )

    def _cancel(self, job: Job) -> None:
        """Cancel; a job that ended meanwhile is no failure."""
        try:
            self._client.cancel(job)
        except RefusedError:
            if any(other == job for other in self._client.jobs()):
                raise

    def _remember_end(self, grant: Grant) -> BackendError | None:
        try:
            record = self._records.read(grant.key)
            self._records.write(grant.key, replace(record, ended=max(grant.generation, record.ended)))
        except BackendError as error:
            return error
        return None


def _usable(job: Job) -> bool:
    return job.stage in {Stage.WAITING, Stage.STARTING, Stage.HOLDING}


def _belongs(job: Job, grant: Grant, holder: Account) -> bool:
    return job.note == note_of(grant) and job.user == holder.user and _usable(job)
