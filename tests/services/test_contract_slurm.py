"""The executors' contract on a real controller: its time is real, and the executor's clock starts at the present."""

from __future__ import annotations

import getpass
import json
import subprocess
import time
from datetime import UTC, datetime, timedelta

import pytest
from conftest import Hand
from contracts.executor import Backend, ExecutorContract, QueueContract

from workers.executors.slurm.executor import SlurmExecutor
from workers.executors.slurm.open import open_client
from workers.executors.slurm.port import Account
from workers.executors.slurm.settings import SlurmSettings

pytestmark = pytest.mark.slurm


def me(subject):
    return Account(user=getpass.getuser())


class SlurmBackend(Backend):
    rounds = 4

    def __init__(self, folder, cluster, *, rest):
        self.cluster = cluster
        self.settings = SlurmSettings(
            folder=folder / "slurm",
            partition="gpu",
            types={"h100-80gb": "h100"},
            account_of=me,
            gpus_per_node=4,
            rest=f"unix:{cluster.rest_socket}" if rest else "",
            bin=cluster.bin,
            conf=cluster.conf,
            timeout=timedelta(seconds=2),
        )

    def __getstate__(self):
        return {"settings": self.settings}

    def clock(self):
        return Hand(datetime.now(UTC))

    def devices(self, name):
        return ()

    def executor(self, clock):
        return SlurmExecutor(self.settings, open_client(self.settings), clock=clock)

    def trace(self, key):
        """Every job of the key that ever had nodes, what it says it is, and whether it runs."""
        jobs = (job for job in self._jobs() if f":{key}:" in job["comment"] and job["nodes"])
        return sorted((job["job_id"], job["comment"], job["job_state"] == "RUNNING") for job in jobs)

    def breaks(self):
        self.cluster.stop_controller()
        return self.cluster.start_controller

    def fills(self):
        done = self.cluster.command(
            *("sbatch", "--parsable", "--gres=gpu:h100:4", "--nodes=2", "--time=5"),
            *("--output=/dev/null", "--wrap=sleep 60"),
        )
        self._until(lambda states: states == ["RUNNING"])
        return lambda: self._free(done.stdout.strip())

    def _free(self, number):
        """Whatever waited has started when this returns."""
        self.cluster.command("scancel", number)
        self._until(lambda states: set(states) <= {"RUNNING"})

    def _until(self, true):
        deadline = time.monotonic() + 20
        while not true(self.cluster.command("squeue", "-h", "-o", "%T").stdout.split()):
            assert time.monotonic() < deadline, "it did not come so far"
            time.sleep(0.05)

    def _jobs(self):
        line = [self.settings.bin / "squeue", "--json"]
        return json.loads(subprocess.run(line, check=True, capture_output=True, timeout=30).stdout)["jobs"]


class TestSlurmByItsCommands(ExecutorContract, QueueContract):
    @pytest.fixture
    def backend(self, cluster, tmp_path):
        return SlurmBackend(tmp_path, cluster, rest=False)
