"""Every behaviour of the Slurm executor, on a real controller and real node daemons. Only the devices are stand-ins."""

from __future__ import annotations

import getpass
import json
import re
import secrets
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledger.nouns import Enforcement, GpuForm, Grant, Receipt
from tests.services.slurm import Cluster
from workers.errors import BackendError, StaleGrantError
from workers.executors.base import Observation, Pending
from workers.executors.slurm.executor import SlurmExecutor
from workers.executors.slurm.open import open_client
from workers.executors.slurm.port import Account, Job, RefusedError, SlurmClient, Stage
from workers.executors.slurm.settings import SlurmSettings

pytestmark = pytest.mark.slurm

TYPES = {"h100-80gb": "h100", "l40s-48gb": "l40s"}
ONE_WAY = pytest.mark.parametrize("desk", ["commands"], indirect=True)
"""For what does not depend on how the cluster is spoken to."""
OTHER_WAY = pytest.mark.parametrize("desk", ["rest"], indirect=True)


def now() -> datetime:
    return datetime.now(UTC)


def until(done: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def a_grant(
    gpus: int = 2,
    gpu_type: str = "l40s-48gb",
    *,
    minutes: float = 10,
    start: datetime | None = None,
    request: int = 1001,
) -> Grant:
    span = timedelta(minutes=minutes)
    form = GpuForm(
        resource="gpu:slurm", gpu_type=gpu_type, gpus=gpus, duration_s=int(span.total_seconds()), start=start
    )
    return Grant(
        request=request,
        key=secrets.token_hex(16),
        subject="user:" + "0" * 32,
        form=form,
        generation=1,
        not_after=(start or now()) + span,
    )


def later(grant: Grant, *, gpus: int | None = None, minutes: float = 0) -> Grant:
    assert isinstance(grant.form, GpuForm)
    assert grant.not_after is not None
    form = replace(grant.form, gpus=gpus or grant.form.gpus)
    end = grant.not_after + timedelta(minutes=minutes)
    return replace(grant, generation=grant.generation + 1, form=form, not_after=end)


@dataclass
class Desk:
    """One executor, and what a person at the cluster sees."""

    cluster: Cluster
    settings: SlurmSettings
    client: SlurmClient
    executor: SlurmExecutor

    def beside(self, folder: Path) -> SlurmExecutor:
        """A hand on another machine, which shares the cluster and nothing else."""
        settings = replace(self.settings, folder=folder)
        return SlurmExecutor(settings, open_client(settings))

    def jobs(self, grant: Grant) -> list[Job]:
        """Live jobs of the grant."""
        return [job for job in self.client.jobs() if job.live and job.note is not None and job.note.key == grant.key]

    def job(self, grant: Grant) -> Job:
        (job,) = self.jobs(grant)
        return job

    def gone(self, grant: Grant) -> None:
        until(lambda: self.executor.observe(grant) is Observation.GONE)

    def running(self, grant: Grant) -> Receipt:
        receipt = self.executor.ensure(grant)
        assert isinstance(receipt, Receipt), receipt
        return receipt

    def becomes_running(self, grant: Grant) -> Receipt:
        """Nobody asks meanwhile: Slurm starts it by itself."""
        until(lambda: self.job(grant).stage is Stage.HOLDING)
        return self.running(grant)

    def settled(self, grant: Grant) -> None:
        """The job's script has put its limit right and given up being queued again."""
        span = timedelta(seconds=61)
        until(lambda: (end := self.job(grant).end) is not None and timedelta(0) <= end - grant.not_after <= span)
        until(lambda: "Requeue=0" in self.cluster.command("scontrol", "show", "job", str(self.job(grant).id)).stdout)


@pytest.fixture(params=["commands", "rest"])
def desk(request, cluster, tmp_path):
    me = Account(user=getpass.getuser())
    settings = SlurmSettings(
        folder=tmp_path / "slurm",
        partition="gpu",
        types=TYPES,
        account_of=lambda _: me,
        gpus_per_node=4,
        rest=f"unix:{cluster.rest_socket}" if request.param == "rest" else "",
        bin=cluster.bin,
        conf=cluster.conf,
    )
    client = open_client(settings)
    return Desk(cluster, settings, client, SlurmExecutor(settings, client))


# What a grant becomes


def test_a_receipt_names_exactly_the_devices_of_the_type_that_was_granted(desk):
    grant = a_grant(3, "h100-80gb", minutes=30)
    receipt = desk.running(grant)
    assert len(set(receipt.devices)) == 3
    assert {device.rpartition(":")[0] for device in receipt.devices} <= {"gpu-01", "gpu-02"}
    assert (receipt.executor, receipt.enforcement, receipt.simulated) == ("slurm", Enforcement.SELF_ENDING, False)
    job = desk.job(grant)
    assert (job.name, job.gpus.gres, job.comment[:37]) == ("qm-REQ-1001", "gpu:h100:3", f"qm1:{grant.key}:")
    assert job.end is not None
    assert timedelta(0) <= job.end - grant.not_after <= timedelta(seconds=61)


@ONE_WAY
def test_the_note_of_a_receipt_runs_a_command_on_the_granted_devices(desk):
    receipt = desk.running(a_grant(2, "h100-80gb"))
    words = receipt.note.partition(": ")[2].removesuffix(" COMMAND").split()
    done = desk.cluster.command(*words, "printenv", "CUDA_VISIBLE_DEVICES")
    assert done.stdout.split() == ["0,1"], done.stderr


def test_more_devices_than_a_node_has_come_as_whole_nodes(desk):
    receipt = desk.running(a_grant(8, "h100-80gb"))
    assert receipt.devices == tuple(f"gpu-0{node}:{index}" for node in (1, 2) for index in range(4))


@ONE_WAY
def test_a_number_that_is_no_number_of_whole_nodes_is_refused_in_words(desk):
    with pytest.raises(BackendError, match="whole nodes"):
        desk.executor.ensure(a_grant(6, "h100-80gb"))


def test_what_the_cluster_can_never_give_is_refused_in_slurms_words_and_leaves_nothing(desk):
    grant = a_grant(8, "l40s-48gb")
    with pytest.raises(RefusedError, match="Slurm refused: Requested node configuration is not available"):
        desk.executor.ensure(grant)
    assert desk.executor.observe(grant) is Observation.GONE


def test_a_window_that_lies_ahead_does_not_start_before_it(desk):
    start = now() + timedelta(seconds=4)
    grant = a_grant(start=start)
    pending = desk.executor.ensure(grant)
    assert isinstance(pending, Pending)
    assert (pending.place, pending.why) == (0, "Its start lies in the future.")
    assert pending.estimate is not None
    assert timedelta(0) <= pending.estimate - start <= timedelta(seconds=3)
    desk.becomes_running(grant)
    job = desk.job(grant)
    assert job.start is not None
    assert job.start >= start
    assert job.end is not None
    assert job.end - grant.not_after <= timedelta(seconds=63)


def test_whoever_does_not_fit_waits_in_line_and_starts_without_being_asked_again(desk):
    first, second, third = a_grant(4), a_grant(2, request=1002), a_grant(2, request=1003)
    desk.running(first)
    waiting = desk.executor.ensure(second)
    assert isinstance(waiting, Pending)
    assert waiting.place == 1
    assert waiting.why in {"The GPUs it needs are in use.", "Others are ahead of it in line."}
    behind = desk.executor.ensure(third)
    assert isinstance(behind, Pending)
    assert behind.place == 2

    def estimated() -> bool:
        again = desk.executor.ensure(second)
        assert isinstance(again, Pending)
        return again.estimate is not None and abs(again.estimate - first.not_after) < timedelta(minutes=2)

    until(estimated)
    desk.executor.revoke(first)
    assert len(desk.becomes_running(second).devices) == 2


@ONE_WAY
def test_who_waited_still_ends_at_the_granted_moment(desk):
    first, second = a_grant(4, minutes=30), a_grant(4, minutes=5, request=1002)
    desk.running(first)
    assert isinstance(desk.executor.ensure(second), Pending)
    # As if it had waited for 25 minutes: with the limit it was given then it would end so much too late.
    desk.cluster.command("scontrol", "update", f"JobId={desk.job(second).id}", "TimeLimit=30")
    desk.executor.revoke(first)
    desk.settled(second)


# Asked again, and by several


def test_asking_again_changes_nothing(desk):
    grant = a_grant()
    first = desk.running(grant)
    number = desk.job(grant).id
    assert desk.running(grant) == first
    assert desk.job(grant).id == number


def test_two_hands_at_once_give_one_allocation(desk, tmp_path):
    grant = a_grant()
    hands = [desk.executor, desk.executor, desk.beside(tmp_path / "elsewhere"), desk.beside(tmp_path / "there")]
    barrier = threading.Barrier(len(hands))
    most = []

    def hand(executor: SlurmExecutor) -> None:
        barrier.wait()
        executor.ensure(grant)
        most.append(sum(job.stage is Stage.HOLDING for job in desk.jobs(grant)))

    threads = [threading.Thread(target=hand, args=(executor,)) for executor in hands]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}
    desk.running(grant)
    assert len(desk.jobs(grant)) == 1


@ONE_WAY
def test_a_command_that_never_said_it_was_taken_is_found_and_not_repeated(desk):
    grant = a_grant()
    submit = desk.client.submit
    desk.client.submit = lambda order: (submit(order), _no_answer())
    with pytest.raises(BackendError):
        desk.executor.ensure(grant)
    desk.client.submit = submit
    desk.running(grant)
    assert len(desk.jobs(grant)) == 1


def _no_answer() -> None:
    raise BackendError("no answer")


# Extended, made smaller, taken back


def test_an_extension_moves_the_end_and_interrupts_nothing(desk):
    grant = a_grant(minutes=10)
    receipt = desk.running(grant)
    number = desk.job(grant).id
    desk.settled(grant)
    longer = later(grant, minutes=45)
    assert desk.running(longer).devices == receipt.devices
    job = desk.job(longer)
    assert job.id == number
    assert timedelta(0) <= job.end - longer.not_after <= timedelta(seconds=61)
    with pytest.raises(StaleGrantError):
        desk.executor.ensure(grant)


@OTHER_WAY
def test_an_extended_allocation_outlives_its_first_end(desk):
    grant = a_grant(minutes=0.1)
    desk.running(grant)
    desk.running(later(grant, minutes=10))
    until(lambda: now() > grant.not_after + timedelta(seconds=3))
    assert desk.job(grant).stage is Stage.HOLDING


def limit_of(desk: Desk, job: Job) -> timedelta:
    """The limit as Slurm's own command shows it."""
    shown = desk.cluster.command("scontrol", "show", "job", str(job.id)).stdout
    hours, minutes, seconds = re.search(r" TimeLimit=(\d+):(\d+):(\d+)", shown).groups()
    return timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds))


def test_a_sooner_end_lowers_the_limit_of_the_same_job_and_an_older_word_changes_nothing(desk):
    grant = a_grant(minutes=90)
    receipt = desk.running(grant)
    desk.settled(grant)
    job = desk.job(grant)
    assert limit_of(desk, job) >= timedelta(minutes=90)
    sooner = later(grant, minutes=-60)
    assert desk.running(sooner) == receipt
    desk.settled(sooner)
    assert desk.job(sooner).id == job.id
    lowered = limit_of(desk, job)
    assert timedelta(minutes=30) <= lowered <= timedelta(minutes=31)
    with pytest.raises(StaleGrantError):
        desk.executor.ensure(grant)
    assert limit_of(desk, job) == lowered


@ONE_WAY
def test_what_was_shortened_ends_by_itself_and_not_before_while_all_of_ours_is_down(desk):
    grant = a_grant(minutes=30)
    desk.running(grant)
    desk.settled(grant)
    end = now() + timedelta(seconds=20)
    sooner = replace(later(grant), not_after=end)
    desk.running(sooner)
    until(lambda: not [job for job in desk.jobs(sooner) if job.stage is Stage.HOLDING], 150)
    assert now() >= end
    desk.gone(sooner)


def test_fewer_gpus_while_it_waits_keep_the_place_in_line(desk):
    desk.running(a_grant(3, request=1))
    grant = a_grant(4)
    assert isinstance(desk.executor.ensure(grant), Pending)
    number = desk.job(grant).id
    desk.executor.ensure(later(grant, gpus=1))
    assert len(desk.becomes_running(later(grant, gpus=1)).devices) == 1
    assert desk.job(grant).id == number


def test_fewer_gpus_while_it_runs_are_a_new_allocation_after_the_old_one(desk):
    grant = a_grant(4)
    desk.running(grant)
    fewer = later(grant, gpus=1)
    desk.executor.ensure(fewer)
    until(lambda: [job.stage for job in desk.jobs(fewer)] == [Stage.HOLDING])
    assert len(desk.running(fewer).devices) == 1


def test_what_is_taken_back_while_it_runs_is_gone_and_stays_gone(desk):
    grant = a_grant()
    desk.running(grant)
    assert desk.executor.observe(grant) is Observation.HELD
    desk.executor.revoke(grant)
    desk.gone(grant)
    desk.executor.revoke(grant)
    with pytest.raises(StaleGrantError):
        desk.executor.ensure(grant)
    assert desk.jobs(grant) == []


@ONE_WAY
def test_an_allocation_that_still_ends_is_held(desk):
    grant = a_grant()
    receipt = desk.running(grant)
    words = receipt.note.partition(": ")[2].removesuffix(" COMMAND").split()
    stubborn = subprocess.Popen(
        [
            str(desk.cluster.bin / words[0]),
            *words[1:],
            "sh",
            "-c",
            "trap '' TERM; echo up; while :; do sleep 0.2; done",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert stubborn.stdout is not None
    assert stubborn.stdout.readline() == b"up\n"
    desk.executor.revoke(grant)
    assert desk.job(grant).stage is Stage.ENDING
    assert desk.executor.observe(grant) is Observation.HELD
    desk.gone(grant)
    stubborn.wait(timeout=10)
    stubborn.stdout.close()


@ONE_WAY
def test_what_somebody_else_cancelled_is_gone(desk):
    grant = a_grant()
    desk.running(grant)
    desk.cluster.command("scancel", str(desk.job(grant).id))
    desk.gone(grant)


@ONE_WAY
def test_an_end_that_has_passed_is_refused(desk):
    grant = a_grant(minutes=-1)
    with pytest.raises(StaleGrantError):
        desk.executor.ensure(grant)
    assert desk.jobs(grant) == []


# Failures


@OTHER_WAY
def test_a_job_the_controller_forgot_is_made_again_once(desk):
    grant = a_grant()
    saved = desk.cluster.save_state()
    desk.running(grant)
    desk.cluster.crash_back_to(saved)
    assert desk.executor.observe(grant) is Observation.GONE
    assert isinstance(desk.executor.ensure(grant), Receipt | Pending)
    desk.becomes_running(grant)
    assert len(desk.jobs(grant)) == 1
    desk.executor.revoke(grant)
    desk.gone(grant)


@ONE_WAY
def test_a_cancelled_job_that_comes_back_with_the_controller_is_reported_and_cancelled_again(desk):
    holder, grant = a_grant(4), a_grant(4, request=1002)
    desk.running(holder)
    assert isinstance(desk.executor.ensure(grant), Pending)
    saved = desk.cluster.save_state()
    desk.executor.revoke(grant)
    desk.gone(grant)
    desk.cluster.crash_back_to(saved)
    assert desk.executor.observe(grant) is Observation.HELD
    wrong = {holding.key: holding.wrong for holding in desk.executor.holdings()}
    assert wrong[grant.key] == "It was taken back and is there again."
    with pytest.raises(StaleGrantError):
        desk.executor.ensure(grant)
    desk.executor.revoke(grant)
    desk.gone(grant)


@ONE_WAY
def test_a_number_that_another_job_has_by_now_is_not_taken_for_ours(desk):
    grant = a_grant()
    saved = desk.cluster.save_state()
    desk.running(grant)
    number = desk.job(grant).id
    desk.cluster.crash_back_to(saved)
    stranger(desk, "--gres=gpu:h100:1")
    assert [job.id for job in desk.client.jobs() if job.live] == [number]
    assert desk.executor.observe(grant) is Observation.GONE
    desk.executor.revoke(grant)
    assert [job.id for job in desk.client.jobs() if job.live] == [number]


@OTHER_WAY
def test_without_a_controller_nobody_knows_and_nothing_is_lost(desk):
    grant, other = a_grant(), a_grant(request=1002)
    desk.running(grant)
    desk.cluster.save_state()
    hasty = replace(desk.settings, timeout=timedelta(seconds=2))
    executor = SlurmExecutor(hasty, open_client(hasty))
    desk.cluster.kill_controller()
    try:
        assert executor.observe(grant) is Observation.UNKNOWN
        for call in (lambda: executor.ensure(other), lambda: executor.revoke(other), executor.holdings):
            with pytest.raises(BackendError):
                call()
    finally:
        desk.cluster.start_controller()
    assert desk.executor.observe(grant) is Observation.HELD
    with pytest.raises(StaleGrantError):
        desk.executor.ensure(other)


def test_a_grant_for_nodes_that_are_down_waits_and_says_so(desk):
    desk.cluster.take_down("gpu-03")
    pending = desk.executor.ensure(a_grant())
    assert isinstance(pending, Pending)
    assert pending.why == "Nodes that it needs are out of service; it starts when they are back."


@OTHER_WAY
def test_an_allocation_whose_node_fails_is_gone_and_does_not_come_back(desk):
    grant = a_grant()
    desk.running(grant)
    desk.settled(grant)
    desk.cluster.take_down("gpu-03")
    desk.gone(grant)
    desk.cluster.command("scontrol", "update", "NodeName=gpu-03", "State=RESUME")
    time.sleep(3)
    assert desk.jobs(grant) == []


@ONE_WAY
@pytest.mark.timeout(200)
def test_slurm_ends_a_grant_while_all_of_ours_is_down(desk):
    grant = a_grant(minutes=0.2)
    desk.running(grant)
    until(lambda: not desk.jobs(grant), seconds=120)
    assert now() >= grant.not_after


# What is there that no grant explains


def stranger(desk: Desk, *options: str) -> None:
    script = desk.cluster.run / "stranger"
    script.write_text("#!/bin/sh\nsleep 60\n")
    done = desk.cluster.command("sbatch", "-t5", "-o/dev/null", *options, str(script))
    assert done.returncode == 0, done.stderr


@OTHER_WAY
def test_gpu_jobs_that_no_grant_explains_are_listed_and_others_are_not(desk):
    granted = a_grant()
    desk.running(granted)
    stranger(desk, "--gres=gpu:h100:1")
    stranger(desk, "--comment=no GPUs at all")
    until(lambda: sum(job.stage is Stage.HOLDING for job in desk.client.jobs()) == 3)
    found = {holding.key: holding for holding in desk.executor.holdings()}
    assert set(found) == {granted.key, None}
    assert found[granted.key].wrong == ""
    assert found[None].who == getpass.getuser()
    assert found[None].what.endswith(" stranger: 1 GPU h100")


@ONE_WAY
def test_a_copied_key_is_not_a_grant(desk):
    granted = a_grant()
    desk.running(granted)
    stranger(desk, "--gres=gpu:h100:1", f"--comment={replace(desk.job(granted).note, key='f' * 32)}")
    until(lambda: sum(job.stage is Stage.HOLDING for job in desk.client.jobs()) == 2)
    (forged,) = [holding for holding in desk.executor.holdings() if holding.key is None]
    assert forged.wrong == "It carries a grant key that was never given here."


def test_a_limit_that_somebody_changed_is_told(desk):
    grant = a_grant(minutes=30)
    desk.running(grant)
    desk.settled(grant)
    desk.cluster.command("scontrol", "update", f"JobId={desk.job(grant).id}", "TimeLimit=3")
    (holding,) = desk.executor.holdings()
    assert holding.wrong.startswith("It ends at ")
    desk.running(grant)
    (holding,) = desk.executor.holdings()
    assert holding.wrong == ""


@ONE_WAY
def test_nothing_of_the_workers_environment_reaches_the_job(desk, monkeypatch):
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret")
    monkeypatch.setenv("SBATCH_GRES", "gpu:l40s:4")
    monkeypatch.setenv("SBATCH_COMMENT", "no note")
    grant = a_grant(1)
    desk.running(grant)
    environments = [_environ(process) for process in Path("/proc").glob("[0-9]*")]
    ours = [
        text
        for text in environments
        if b"SLURM_JOB_NAME=qm-REQ-1001" in text and str(desk.cluster.conf).encode() in text
    ]
    assert ours
    assert not any(b"xoxb-secret" in text for text in ours)


def _environ(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""


def test_squeue_answers_without_jobs_and_without_a_fault_when_the_controller_is_down(cluster):
    """The trap that `parse.answer_of` is for; when Slurm mends it, this test says so."""
    cluster.kill_controller()
    try:
        done = cluster.command("squeue", "--json")
    finally:
        cluster.start_controller()
    body = json.loads(done.stdout)
    assert (done.returncode, body["jobs"]) == (0, [])
    assert body["errors"]
