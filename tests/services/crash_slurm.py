"""Slurm's part of the crash table: its pool, its kills, and what must be so of its allocations afterwards."""

from __future__ import annotations

import getpass
import json
from contextlib import contextmanager
from itertools import pairwise

from conftest import MIRA
from services import crash_longer
from services.place import RAVI

from ledger.nouns import GpuForm
from ledger.streams.request import Status
from tests.services.slurm import Cluster
from tests.services.slurm_software import slurm_software

POOL = """
[pools.cluster]
owner = "team:platform"
class = "class:gpu/shared"
aliases = ["cluster"]
source = "slurm"
[pools.cluster.slurm]
partition = "gpu"
types = { h100-80gb = "h100" }
gpus_per_node = 4
"""
FOREVER = float("inf")
LIVE = ("PENDING", "RUNNING")


class SlurmSite:
    """A cluster as one more backend of the place."""

    scheme, name = "slurm", "Slurm"
    catalogue = POOL
    starts = ("after-dispatched", "before-ensure", "after-ensure")
    ends = ("before-revoke", "after-revoke")
    dies = ("after-ensure", *ends)
    dies_longer, saves_late = crash_longer.STEPS[:2], True

    def __init__(self, cluster):
        self.cluster = cluster
        self.environment = {"QM_SLURM_BIN": str(cluster.bin), "QM_SLURM_CONF": str(cluster.conf)}

    @classmethod
    @contextmanager
    def opened(cls):
        with Cluster(slurm_software()) as cluster:
            yield cls(cluster)

    def prepare(self, home):
        rows = "".join(f'{slack} = {{ user = "{getpass.getuser()}" }}\n' for slack in (MIRA, RAVI))
        (home / "accounts.toml").write_text(f"[slurm]\n{rows}")

    def form(self, seconds):
        return GpuForm(resource="gpu:cluster", gpu_type="h100-80gb", gpus=1, duration_s=seconds)

    def victim(self):
        """The process id that dies at a step in the place of ours: what it did in the last 5 s it forgets.

        What the case before was seen to end is saved first: that a crash brings it back is Slurm's limit and no case here.
        """
        self.cluster.wait_saved()
        return self.cluster.controller_pid

    def restart(self):
        self.cluster.kill_controller()
        self.cluster.start_controller()

    def faults(self, request):
        """Say what is not so: two allocations at one moment, or one that outlives its request."""
        answer = self.cluster.command("squeue", "--json").stdout
        jobs = [job for job in json.loads(answer)["jobs"] if f":{request.grant_key}:" in job["comment"]]
        spans = sorted(_span(job) for job in jobs if job["nodes"])
        if any(start < end for (_, end), (start, _) in pairwise(spans)):
            yield f"two allocations at once: {spans}"
        live = [job["job_id"] for job in jobs if job["job_state"] in LIVE]
        if bool(live) != (request.status is Status.RUNNING):
            yield f"{request.status}, with allocations {live}"


def _span(job):
    """From when to when it had its devices."""
    return job["start_time"], FOREVER if job["job_state"] == "RUNNING" else job["end_time"]
