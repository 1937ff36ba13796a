"""Slurm by slurmrestd, on a private socket or over http: `v0.0.38`, which Slurm 22.05 to 23.11 speak.

On a socket slurmrestd acts for whoever calls, so that allocations are the caller's own. Over http each holder needs a token
(`scontrol token username=...`), and the operator one for reading, changing and cancelling.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from workers.executors.slurm.parse import answer_of, jobs_of
from workers.executors.slurm.port import Change, Job, Order, RefusedError, UnreachableError
from workers.executors.slurm.settings import SlurmSettings

API: Final = "/slurm/v0.0.38"
_NOT_ALLOWED: Final = (401, 403)


class SlurmRest:
    """slurmrestd at the address of the settings."""

    def __init__(self, settings: SlurmSettings) -> None:
        self._address = settings.rest
        self._timeout = settings.timeout.total_seconds()
        self._token_of = settings.token_of
        self._operator = settings.acts_as

    def jobs(self) -> tuple[Job, ...]:
        """Read every job."""
        return jobs_of(self._call("GET", "/jobs", self._operator))

    def submit(self, order: Order) -> None:
        """Submit for the holder, with their token."""
        if order.holder.user != self._operator and not self._token_of(order.holder.user):
            raise RefusedError(
                f"There is no Slurm token of {order.holder.user}; on a socket only the caller's own jobs start"
            )
        answer = self._call("POST", "/job/submit", order.holder.user, submission(order))
        # A job that was taken may come with an error beside its number, such as 2068, that its nodes are down for now.
        if not (isinstance(answer, Mapping) and answer.get("job_id")):
            answer_of(answer)

    def change(self, job: Job, change: Change) -> None:
        """Update the note, the limit and the devices in one call."""
        body: dict[str, Any] = {"comment": str(change.note), "time_limit": change.minutes}
        if change.gpus is not None:
            body["gres"] = change.gpus.gres
        answer_of(self._call("POST", f"/job/{job.id}", self._operator, body))

    def cancel(self, job: Job) -> None:
        """Delete the job."""
        answer_of(self._call("DELETE", f"/job/{job.id}", self._operator))

    def _call(self, method: str, path: str, user: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return the JSON of an answer, whatever its status: slurmrestd says 500 for a plain no, and says why in the body."""
        token = self._token_of(user)
        headers = {"X-SLURM-USER-NAME": user, "X-SLURM-USER-TOKEN": token} if token else {}
        connection = _connection(self._address, self._timeout)
        try:
            sent = None if body is None else json.dumps(body).encode()
            connection.request(method, API + path, sent, {**headers, "Content-Type": "application/json"})
            with connection.getresponse() as response:
                answer = response.read()
            if response.status in _NOT_ALLOWED:
                raise RefusedError(f"slurmrestd does not know the token of {user}")
            return json.loads(answer)
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError("slurmrestd cannot be reached") from error
        except ValueError as error:
            raise UnreachableError(f"slurmrestd did not answer in JSON; it must speak {API}") from error
        finally:
            connection.close()


def submission(order: Order) -> dict[str, Any]:
    """Return the body that submits an order; see `commands.sbatch_line` for the reasons."""
    job: dict[str, Any] = {
        "name": order.name,
        "comment": str(order.note),
        "partition": order.partition,
        "gres": order.gpus.gres,
        "time_limit": order.minutes,
        "nodes": order.gpus.nodes,  # a list, as published, is taken for one node
        "tasks": order.gpus.nodes,
        "dependency": "singleton",
        "requeue": False,  # 22.05 does not listen; the script says it again
        "standard_output": "/dev/null",
        "standard_error": "/dev/null",
        "current_working_directory": "/",
        "environment": {"PATH": "/usr/local/bin:/usr/bin:/bin"},
    }
    if order.delay_s > 0:
        job["begin_time"] = f"now+{order.delay_s}seconds"
    if order.holder.account:
        job["account"] = order.holder.account
    return {"job": job, "script": order.script}


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a socket in the file system."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the path instead of the host."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _connection(address: str, timeout: float) -> http.client.HTTPConnection:
    where = urlsplit(address)
    if where.scheme == "unix":
        return _SocketConnection(where.path, timeout)
    kind = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
    return kind(where.hostname or "", where.port, timeout=timeout)
