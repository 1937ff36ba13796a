"""Slurm by its commands: sbatch, squeue, scontrol, scancel. No shell, a clean environment, a time limit on each."""

from __future__ import annotations

import json
import pwd
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from workers.executors.slurm.parse import jobs_of, plain
from workers.executors.slurm.port import Change, Job, Order, RefusedError, UnreachableError
from workers.executors.slurm.settings import SlurmSettings

_USUAL_PATH: Final = "/usr/local/bin:/usr/bin:/bin:/opt/slurm/bin:/usr/local/slurm/bin"


class SlurmCommands:
    """The commands of one cluster.

    Only root may submit for somebody else (`sbatch --uid`). The environment of the caller stays here: `SBATCH_` variables would
    change what is asked for, and sbatch copies what it sees into the job, secrets included.
    """

    def __init__(self, settings: SlurmSettings) -> None:
        self._bin = settings.bin
        self._conf = settings.conf
        self._timeout = settings.timeout
        self._acts_as = settings.acts_as

    def jobs(self) -> tuple[Job, ...]:
        """Return what `squeue --json` shows."""
        return jobs_of(self._json("squeue", "--json"))

    def submit(self, order: Order) -> None:
        """Run sbatch with the holding script on its standard input."""
        user = order.holder.user
        whose = () if user == self._acts_as else on_behalf(user)
        self._run(*sbatch_line(order), *whose, script=order.script)

    def change(self, job: Job, change: Change) -> None:
        """Run scontrol once: Slurm takes the note, the limit and the devices in one step."""
        words = [f"JobId={job.id}", f"Comment={change.note}", f"TimeLimit={change.minutes}"]
        if change.gpus is not None:
            words.append(f"TresPerNode=gres:{change.gpus.gres}")
        self._run("scontrol", "update", *words)

    def cancel(self, job: Job) -> None:
        """Run scancel, which checks the name too: the number may be another job's by now."""
        self._run("scancel", f"--name={job.name}", f"--user={job.user}", str(job.id))

    def _json(self, *line: str) -> Any:
        try:
            return json.loads(self._output(*line))
        except json.JSONDecodeError as error:
            raise UnreachableError(f"{line[0]} did not answer in JSON: Slurm 21.08 or later is needed") from error

    def _run(self, *line: str, script: str = "") -> None:
        """A command that fails says so in prose alone: it was refused only if the controller answers right afterwards."""
        done = self._done(*line, script=script)
        if done.returncode != 0:
            self.jobs()
            raise RefusedError(f"Slurm refused: {plain(done.stderr)}")

    def _output(self, *line: str) -> str:
        done = self._done(*line)
        if done.returncode != 0:
            raise UnreachableError(f"{line[0]} failed: {plain(done.stderr)}")
        return done.stdout

    def _done(self, *line: str, script: str = "") -> subprocess.CompletedProcess[str]:
        program = line[0] if self._bin is None else str(self._bin / line[0])
        try:
            return subprocess.run(  # noqa: S603 a fixed program, validated words, no shell
                [program, *line[1:]],
                input=script,
                capture_output=True,
                text=True,
                check=False,
                timeout=self._timeout.total_seconds(),
                env=clean_environment(self._bin, self._conf),
                cwd="/",
            )
        except subprocess.TimeoutExpired as error:
            raise UnreachableError(f"{line[0]} gave no answer within {_seconds(self._timeout)} s") from error
        except OSError as error:
            raise RefusedError(f"{line[0]} cannot be run here: {error.strerror}") from error


def sbatch_line(order: Order) -> list[str]:
    """Return the command line of an order. Every value is a word of its own behind an option's name and an equals sign."""
    line = [
        *("sbatch", "--parsable", f"--job-name={order.name}", f"--comment={order.note}"),
        *(f"--partition={order.partition}", f"--gres={order.gpus.gres}", f"--time={order.minutes}"),
        *(f"--nodes={order.gpus.nodes}", f"--ntasks={order.gpus.nodes}"),
        # Of all jobs of one name and user one runs at a time: two hands that submit at once cannot hold twice.
        "--dependency=singleton",
        # Queued anew after a node's failure it would count its time from the start again.
        "--no-requeue",
        *("--output=/dev/null", "--error=/dev/null", "--chdir=/"),
    ]
    if order.delay_s > 0:
        line.append(f"--begin=now+{order.delay_s}seconds")
    if order.holder.account:
        line.append(f"--account={order.holder.account}")
    return line


def on_behalf(user: str) -> tuple[str, str]:
    """Return the options that submit as another user; `--uid` alone would leave the job in the caller's group, which is root's.

    Raises:
        RefusedError: this machine does not know the user.
    """
    try:
        group = pwd.getpwnam(user).pw_gid
    except KeyError:
        raise RefusedError(f"this machine knows no user {user}, and allocations are asked for here") from None
    return f"--uid={user}", f"--gid={group}"


def clean_environment(bin_folder: Path | None, conf: Path | None) -> dict[str, str]:
    """Return all that a command, and with it a job, may know of us."""
    path = _USUAL_PATH if bin_folder is None else f"{bin_folder}:{_USUAL_PATH}"
    return {"PATH": path, "LC_ALL": "C", "TZ": "UTC"} | ({} if conf is None else {"SLURM_CONF": str(conf)})


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():g}"
