"""GPU time on a real Slurm cluster, asked for, approved, used and taken back from the desk."""

from __future__ import annotations

import getpass
import json
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from conftest import INES, MIRA
from services.crash_slurm import POOL
from services.house import desk_on, rules_with, text_of

from ledger.book import open_sqlite
from ledger.streams.request import Status

pytestmark = pytest.mark.slurm
NODES = 'nodes = { "gpu-01" = { type = "h100-80gb", gpus = 8 }, "gpu-02" = { type = "h100-80gb", gpus = 8 } }'


@contextmanager
def desk(home, cluster, rest=""):
    """The desk on the cluster: H100s are Slurm's alone. A home that is there already is opened again."""
    if not home.exists():
        rules_with(home, replace=[(NODES, "nodes = {}")], add=POOL)
        (home / "accounts.toml").write_text(f'[slurm]\n{MIRA} = {{ user = "{getpass.getuser()}" }}\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QM_SLURM_BIN", str(cluster.bin))
        patch.setenv("QM_SLURM_CONF", str(cluster.conf))
        patch.setenv("QM_SLURM_REST", rest)
        with desk_on(home) as walk:
            walk.book = open_sqlite(home / "ledger.sqlite3")
            walk.cluster = cluster
            yield walk
            walk.book.store.close()


@pytest.fixture(scope="module")
def house(running_cluster, tmp_path_factory):
    """One desk for every walk that does not stop it."""
    running_cluster.free_everything()
    with desk(tmp_path_factory.mktemp("walk") / "home", running_cluster) as walk:
        yield walk


@pytest.fixture
def walk(house, cluster):
    """The desk with an empty cluster; whoever still holds something afterwards hands it back."""
    yield house
    for number in house.book.requests.open():
        house.person(MIRA).command(f"/qm release REQ-{number}")
    until(lambda: not house.book.requests.open())


def jobs(walk):
    """(name, state) of what the cluster has."""
    lines = walk.cluster.command("squeue", "-h", "-o", "%j %T").stdout.splitlines()
    return sorted(tuple(line.split()) for line in lines)


def end_of(walk, number):
    """When Slurm's own limit ends the allocation of a request."""
    every = json.loads(walk.cluster.command("squeue", "--json").stdout)["jobs"]
    (job,) = [each for each in every if (each["name"], each["job_state"]) == (f"qm-REQ-{number}", "RUNNING")]
    return datetime.fromtimestamp(job["end_time"], UTC)


def ends_with(walk, number):
    """Whether Slurm's limit has come to the end that the ledger ordered; the job puts it right when it starts."""
    return timedelta(0) <= end_of(walk, number) - walk.book.request(number).not_after <= timedelta(seconds=61)


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
    until(lambda: walk.book.clock() - request.started_at > timedelta(seconds=1))
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
    walk.cluster.command("scancel", first.stdout.split()[-1])
    walk.card(MIRA, ts, "Running until", 40)
    request = walk.book.request(number)
    assert request.not_after - request.started_at > timedelta(hours=1) - timedelta(seconds=15)
    assert request.not_after > line.not_after
    assert request.generation == 2
    until(lambda: ends_with(walk, number))


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


def test_extended_by_the_lead_the_same_allocation_goes_on_to_a_later_end(walk):
    ts, number = walk.ask(MIRA, "4 h100 for 3 hours so I can retrain churn")
    walk.approve(INES, number)
    card = walk.card(MIRA, ts, "qm_extend")
    before = walk.book.request(number)
    until(lambda: ends_with(walk, number))
    shown = walk.cluster.command("squeue", "-h", "-o", "%A %N").stdout
    walk.person(MIRA).select(card, "qm_extend", "14400")
    walk.person(INES).click(walk.newest(INES, walk.person(INES).dm(), "qm_extension_approve"), "qm_extension_approve")
    walk.card(MIRA, ts, "for 7 hours")
    until(lambda: walk.book.request(number).confirmed == 2, 40)
    after = walk.book.request(number)
    assert after.not_after - before.not_after == timedelta(hours=4)
    assert ends_with(walk, number)
    assert walk.cluster.command("squeue", "-h", "-o", "%A %N").stdout == shown


def test_ended_sooner_by_words_the_same_allocation_ends_then_and_the_card_says_so(walk):
    ts, number = walk.ask(MIRA, "4 h100 for 3 hours so I can retrain churn")
    walk.approve(INES, number)
    walk.card(MIRA, ts, "qm_extend")
    before = walk.book.request(number)
    until(lambda: ends_with(walk, number))
    shown = walk.cluster.command("squeue", "-h", "-o", "%A %N").stdout
    walk.person(MIRA).command(f"/qm shorten REQ-{number} by 1 hour")
    until(lambda: walk.book.request(number).confirmed == 2, 40)
    assert before.not_after - walk.book.request(number).not_after == timedelta(hours=1)
    assert ends_with(walk, number)
    assert walk.cluster.command("squeue", "-h", "-o", "%A %N").stdout == shown
    walk.card(MIRA, ts, "shortened from")
    walk.person(MIRA).command(f"/qm end REQ-{number} in 5 seconds")
    walk.card(MIRA, ts, "Ended on time", 40)
    assert jobs(walk) == []


def test_approved_for_less_slurm_gives_exactly_that(walk):
    ts, number = walk.ask(MIRA, "8 h100 for 2 hours to try more")
    ines = walk.person(INES)
    ines.click(walk.newest(INES, ines.dm(), f"REQ-{number}"), "Approve less")
    ines.submit(ines.wait(ines.modal), {"gpu_count": "3", "hours": "1", "reason": "three will do"})
    walk.person(MIRA).click(walk.card(MIRA, ts, "approves less"), "Accept")
    walk.card(MIRA, ts, "Running until")
    assert len(walk.book.request(number).receipt.devices) == 3
    assert walk.cluster.command("squeue", "-h", "-o", "%b %T").stdout.split() == ["gres:gpu:h100:3", "RUNNING"]
    until(lambda: ends_with(walk, number))


def test_the_clock_ends_it_to_the_second_though_slurm_knows_minutes(walk):
    ts, number = walk.ask(MIRA, "2 h100 for 8 seconds")
    walk.card(MIRA, ts, "Ended on time", 40)
    assert walk.book.request(number).status is Status.ENDED
    assert jobs(walk) == []


def test_through_slurmrestd_it_is_handed_back_and_what_is_left_ends_while_all_of_ours_is_down(cluster, tmp_path):
    home = tmp_path / "home"
    with desk(home, cluster, rest=f"unix:{cluster.rest_socket}") as walk:
        ts, number = walk.ask(MIRA, "1 h100 for 1 hour")
        walk.person(MIRA).click(walk.card(MIRA, ts, "Running until"), "Release")
        walk.card(MIRA, ts, "Released by Mira")
        until(lambda: walk.book.request(number).status is Status.ENDED)
        ts, number = walk.ask(MIRA, "2 h100 for 20 seconds")
        walk.card(MIRA, ts, "Running until")
        end = walk.book.request(number).not_after
        assert jobs(walk) == [(f"qm-REQ-{number}", "RUNNING")]
    assert cluster.command("squeue", "-h", "-t", "RUNNING").stdout
    until(lambda: not cluster.command("squeue", "-h").stdout, 60)
    assert end <= datetime.now(UTC) <= end + timedelta(seconds=30)
    with desk(home, cluster, rest=f"unix:{cluster.rest_socket}") as walk:
        walk.card(MIRA, ts, "Ended on time", 60)
        until(lambda: walk.book.request(number).status is Status.ENDED)
