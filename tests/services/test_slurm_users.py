"""Whose an allocation is: two people of one cluster, and a cluster whose daemons an ordinary user runs."""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from datetime import UTC, datetime, timedelta

import pytest

from ledger.nouns import GpuForm, Grant, Receipt
from tests.services.slurm import Cluster
from tests.services.slurm_software import slurm_software
from workers.errors import BackendError
from workers.executors.base import Observation
from workers.executors.slurm.executor import SlurmExecutor
from workers.executors.slurm.open import open_client
from workers.executors.slurm.port import Account
from workers.executors.slurm.settings import SlurmSettings

pytestmark = pytest.mark.slurm


@pytest.fixture(scope="module")
def people():
    """Two users of this machine, for as long as the tests run; only root can make them."""
    if os.geteuid() != 0:
        if os.environ.get("CI"):
            pytest.fail("in CI these tests run as root: they need two users")
        pytest.skip("only root can make two users")
    names = [f"qm{os.getpid()}{letter}" for letter in "ab"]
    try:
        for name in names:
            subprocess.run(["useradd", "--no-create-home", "--user-group", name], check=True, capture_output=True)
        yield names
    finally:
        for name in names:
            subprocess.run(["userdel", "--force", name], check=False, capture_output=True)


def executor_on(cluster, folder, operator="", commands=None):
    """An executor whose subjects are called as their users."""
    settings = SlurmSettings(
        folder=folder / "slurm",
        partition="gpu",
        types={"h100-80gb": "h100"},
        account_of=lambda subject: Account(user=subject.removeprefix("user:")),
        gpus_per_node=4,
        operator=operator,
        bin=commands or cluster.bin,
        conf=cluster.conf,
    )
    return SlurmExecutor(settings, open_client(settings))


def grant_for(name):
    form = GpuForm(resource="gpu:cluster", gpu_type="h100-80gb", gpus=1, duration_s=600)
    end = datetime.now(UTC) + timedelta(minutes=10)
    key = secrets.token_hex(16)
    return Grant(request=1001, key=key, subject=f"user:{name}", form=form, generation=1, not_after=end)


def by(cluster, name, *line):
    """What happens when that user types a command."""
    command = [cluster.commands_of(name) / line[0], *line[1:]]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)


def number_of(receipt):
    return receipt.note.partition("--jobid=")[2].split()[0]


@pytest.fixture
def both(cluster, people, tmp_path):
    """An allocation of each: (executor, grants, receipts)."""
    executor = executor_on(cluster, tmp_path)
    grants = [grant_for(name) for name in people]
    receipts = [executor.ensure(grant) for grant in grants]
    assert all(isinstance(each, Receipt) for each in receipts), receipts
    return executor, grants, receipts


def test_each_runs_in_their_own_allocation_under_their_own_name(cluster, people, both):
    _, _, receipts = both
    for name, receipt in zip(people, receipts, strict=True):
        done = by(cluster, name, "srun", f"--jobid={number_of(receipt)}", "--overlap", "id", "-un")
        assert done.stdout.strip() == name, done.stderr


def test_nobody_sees_uses_or_ends_what_another_holds(cluster, people, both):
    executor, (one, _), receipts = both
    number = number_of(receipts[0])
    assert by(cluster, people[1], "squeue", "-h", "-o", "%A").stdout.split() == [number_of(receipts[1])]
    assert by(cluster, people[1], "srun", f"--jobid={number}", "--overlap", "true").returncode != 0
    assert by(cluster, people[1], "scancel", number).returncode != 0
    assert by(cluster, people[1], "scontrol", "update", f"JobId={number}", "TimeLimit=1").returncode != 0
    assert executor.observe(one) is Observation.HELD


def test_of_two_people_the_end_of_one_leaves_the_other(both):
    executor, (one, other), _ = both
    executor.revoke(one)
    assert (executor.observe(one), executor.observe(other)) == (Observation.GONE, Observation.HELD)
    assert [holding.key for holding in executor.holdings()] == [other.key]


def test_run_by_an_ordinary_user_it_serves_that_user_and_refuses_everybody_else(people, tmp_path):
    with Cluster(slurm_software(), user=people[0]) as cluster:
        executor = executor_on(cluster, tmp_path, people[0], cluster.commands_of(people[0]))
        own, other = grant_for(people[0]), grant_for(people[1])
        receipt = executor.ensure(own)
        assert isinstance(receipt, Receipt)
        used = by(cluster, people[0], "srun", f"--jobid={number_of(receipt)}", "--overlap", "id", "-un")
        assert used.stdout.strip() == people[0], used.stderr
        with pytest.raises(BackendError, match="uid"):
            executor.ensure(other)
        assert executor.observe(other) is Observation.GONE
        executor.revoke(own)
        deadline = time.monotonic() + 15
        while executor.observe(own) is not Observation.GONE:
            assert time.monotonic() < deadline
            time.sleep(0.1)
