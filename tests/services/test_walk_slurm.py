"""GPU time on a real Slurm cluster, asked for, approved, used and taken back from the desk."""

from __future__ import annotations

import getpass
import json
import time
from datetime import datetime, timedelta

import pytest
from conftest import INES, MIRA
from services.house import desk_on, rules_with, text_of

from ledger.book import open_sqlite
from ledger.streams.request import Status

pytestmark = pytest.mark.slurm
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
NODES = 'nodes = { "gpu-01" = { type = "h100-80gb", gpus = 8 }, "gpu-02" = { type = "h100-80gb", gpus = 8 } }'


@pytest.fixture
def walk(cluster, tmp_path, monkeypatch):
    """The desk on the cluster: H100s are Slurm's alone."""
    home = tmp_path / "home"
    rules_with(home, replace=[(NODES, "nodes = {}")], add=POOL)
    (home / "accounts.toml").write_text(f'[slurm]\n{MIRA} = {{ user = "{getpass.getuser()}" }}\n')
    monkeypatch.setenv("QM_SLURM_BIN", str(cluster.bin))
    monkeypatch.setenv("QM_SLURM_CONF", str(cluster.conf))
    with desk_on(home) as walk:
        walk.book = open_sqlite(home / "ledger.sqlite3")
        walk.cluster = cluster
        yield walk
        walk.book.store.close()


def jobs(walk):
    """(name, state) of what the cluster has."""
    lines = walk.cluster.command("squeue", "-h", "-o", "%j %T").stdout.splitlines()
    return sorted(tuple(line.split()) for line in lines)


def until(done, seconds=20):
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def test_asked_approved_used_and_revoked(walk):
    ts, number = walk.ask(MIRA, "4 h100 for 3 hours so I can retrain churn")
    assert jobs(walk) == []
    walk.approve(INES, number)
    running = walk.card(MIRA, ts, "Running until")
    assert jobs(walk) == [(f"qm-REQ-{number}", "RUNNING")]
    request = walk.book.request(number)
    assert request.devices == ()
    assert request.receipt.devices == tuple(f"gpu-01:{index}" for index in range(4))
    said = request.receipt.note.partition(": ")[2]
    assert said.removesuffix(" COMMAND") in text_of(running)
    used = walk.cluster.command(*said.removesuffix(" COMMAND").split(), "printenv", "CUDA_VISIBLE_DEVICES")
    assert used.stdout.strip() == "0,1,2,3"
    time.sleep(1.1)
    walk.revoke(INES, number, "the node is needed")
    walk.card(MIRA, ts, "Revoked by Ines")
    until(lambda: walk.book.request(number).status is Status.ENDED)
    assert jobs(walk) == []
    assert walk.book.request(number).usage.gpu_s > 0


def test_whoever_waits_in_the_clusters_line_gets_the_whole_window_when_it_starts(walk):
    first = walk.cluster.command(
        "sbatch", "--gres=gpu:h100:4", "--nodes=2", "--exclusive", "--wrap=sleep 300", "--time=10", "--output=/dev/null"
    )
    assert first.returncode == 0, first.stderr
    ts, number = walk.ask(MIRA, "2 h100 for 1 hour")
    waiting = walk.card(MIRA, ts, "place 1 in line")
    assert "The GPUs it needs are in use" in text_of(waiting)
    assert "Leave the line" in text_of(waiting)
    line = walk.book.request(number)
    assert (line.status, line.generation) == (Status.STARTING, 1)
    time.sleep(8)
    walk.cluster.command("scancel", first.stdout.split()[-1])
    walk.card(MIRA, ts, "Running until", 40)
    request = walk.book.request(number)
    assert request.not_after - request.started_at > timedelta(hours=1) - timedelta(seconds=15)
    assert request.not_after > line.not_after
    assert request.generation == 2
    every = json.loads(walk.cluster.command("squeue", "--json").stdout)["jobs"]
    (job,) = [each for each in every if (each["name"], each["job_state"]) == (f"qm-REQ-{number}", "RUNNING")]
    ends = datetime.fromtimestamp(job["end_time"], request.not_after.tzinfo)
    assert timedelta(0) <= ends - request.not_after <= timedelta(seconds=61)


def test_who_leaves_the_line_pays_nothing_and_leaves_no_job(walk):
    walk.cluster.command(
        "sbatch", "--gres=gpu:h100:4", "--nodes=2", "--exclusive", "--wrap=sleep 300", "--time=10", "--output=/dev/null"
    )
    ts, number = walk.ask(MIRA, "2 h100 for 1 hour")
    waiting = walk.card(MIRA, ts, "place 1 in line")
    walk.person(MIRA).click(waiting, "Leave the line")
    until(lambda: walk.book.request(number).status is Status.ENDED)
    assert [name for name, _ in jobs(walk) if name.startswith("qm-")] == []
    assert walk.book.request(number).usage.cost_minor == 0


def test_who_has_no_account_on_the_cluster_is_told_so_and_nothing_is_left(walk):
    ts, number = walk.ask(INES, "2 h100 for 1 hour")
    walk.card(INES, ts, "could not start it")
    assert walk.book.request(number).status is Status.FAILED
    assert jobs(walk) == []
