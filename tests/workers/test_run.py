"""`gpu run` with real processes: what it shows them, what it passes on, and that nothing outlives a lease."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ledger.book import utc_now
from ledger.nouns import GpuForm, Grant
from workers.errors import BackendError
from workers.executors.base import Observation
from workers.executors.gpu_pool import GpuPoolExecutor
from workers.executors.leases import alive_under
from workers.executors.processes import started_at
from workers.run import NoCommandError, NoLeaseError, run_under_lease

ROOT = Path(__file__).parents[2]
KEY, OTHER = (first + secrets.token_hex(16)[1:] for first in "ab")  # in order; processes of other runs carry theirs
STUBBORN = "import signal, time, pathlib, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); pathlib.Path(sys.argv[1]).write_text('up'); time.sleep(60)"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "leases"


@pytest.fixture
def executor(folder):
    return GpuPoolExecutor(folder, grace_s=0.3)


def grant(key=KEY, devices=("GPU-7f3a", "GPU-9c1e"), seconds=60.0, request=1001):
    form = GpuForm(resource="gpu:h100-shared", gpu_type="h100-80gb", gpus=len(devices), duration_s=3600)
    end = utc_now() + timedelta(seconds=seconds)
    return Grant(request=request, key=key, subject="user:x", form=form, generation=1, not_after=end, devices=devices)


def until(true, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Runner:
    """`gpu run` in a process of its own, as a person starts it."""

    def __init__(self, folder, *command, name="REQ-1001", grace_s=0.5):
        script = "import sys; from pathlib import Path; from workers.run import run_under_lease as run; "
        script += f"sys.exit(run(Path(sys.argv[1]), sys.argv[2], sys.argv[3:], grace_s={grace_s}))"
        line = [sys.executable, "-c", script, str(folder), name, *command]
        self.words = folder.with_name("words")
        with self.words.open("a") as words:
            self.process = subprocess.Popen(line, cwd=ROOT, stderr=words)

    def status(self, seconds=20):
        return self.process.wait(seconds)


def test_a_command_sees_the_leased_devices_and_no_others(executor, folder, tmp_path):
    executor.ensure(grant())
    executor.ensure(grant(key=OTHER, devices=("GPU-0000",), request=1002))
    for name, devices in (("REQ-1001", "GPU-7f3a,GPU-9c1e"), ("1002", "GPU-0000")):
        seen = tmp_path / "seen"
        assert run_under_lease(folder, name, ["sh", "-c", f"echo $CUDA_VISIBLE_DEVICES > {seen}"]) == 0
        assert seen.read_text().strip() == devices


def test_a_lease_without_devices_shows_none_whatever_the_shell_had(executor, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    executor.ensure(grant(devices=()))
    assert run_under_lease(folder, "1001", ["sh", "-c", 'test -z "$CUDA_VISIBLE_DEVICES"']) == 0


@pytest.mark.parametrize(
    ("command", "status"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -2 $$", 130)]
)
def test_the_exit_status_is_passed_on(executor, folder, command, status):
    executor.ensure(grant())
    assert run_under_lease(folder, "REQ-1001", ["sh", "-c", command]) == status


@pytest.mark.parametrize("name", ["1002", "REQ-1002", "REQ-", "", "REQ-01001", "1001 ", "REQ-1001;", "-1"])
def test_without_a_lease_nothing_runs(executor, folder, name, tmp_path):
    executor.ensure(grant())
    with pytest.raises(NoLeaseError):
        run_under_lease(folder, name, ["touch", str(tmp_path / "ran")])
    assert not (tmp_path / "ran").exists()


def test_without_a_folder_of_leases_nothing_runs(tmp_path):
    with pytest.raises(NoLeaseError):
        run_under_lease(tmp_path / "none", "1001", ["true"])


def test_a_lease_that_is_over_starts_nothing(executor, folder, tmp_path):
    executor.ensure(grant(seconds=0.2))
    time.sleep(0.3)
    with pytest.raises(NoLeaseError):
        run_under_lease(folder, "1001", ["touch", str(tmp_path / "ran")])
    assert not (tmp_path / "ran").exists()


def test_an_unknown_command_is_said_so(executor, folder):
    executor.ensure(grant())
    with pytest.raises(NoCommandError, match="no-such-thing"):
        run_under_lease(folder, "1001", ["no-such-thing"])


def test_the_end_of_a_lease_is_enforced_by_gpu_run_alone(executor, folder, tmp_path):
    """Worker, clock and database are dead: nobody touches the lease. The command ignores being asked to end."""
    executor.ensure(grant(seconds=5))
    runner = Runner(folder, sys.executable, "-c", STUBBORN, str(tmp_path / "up"))
    until((tmp_path / "up").exists)
    assert alive_under(folder, KEY)
    assert runner.status() == 143
    assert "the lease has ended" in runner.words.read_text()
    assert alive_under(folder, KEY) == ()


def test_a_lease_that_was_made_sooner_ends_the_command_then_with_our_side_stopped(executor, folder):
    one = grant()
    executor.ensure(one)
    runner = Runner(folder, "sleep", "60")
    until(lambda: alive_under(folder, KEY))
    end = utc_now() + timedelta(seconds=1.5)
    executor.ensure(replace(one, generation=2, not_after=end))
    assert runner.status() == 143
    assert end <= utc_now() <= end + timedelta(seconds=5)


def test_revoking_kills_what_ignores_being_asked_and_observe_says_gone_only_then(executor, folder, tmp_path):
    executor.ensure(grant())
    runner = Runner(folder, sys.executable, "-c", STUBBORN, str(tmp_path / "up"), grace_s=60)
    until((tmp_path / "up").exists)
    slow = GpuPoolExecutor(folder, grace_s=1.5)
    revoking = threading.Thread(target=slow.revoke, args=(grant(),))
    revoking.start()
    until(lambda: not (folder / f"{KEY}.lease").exists())
    assert executor.observe(grant()) is Observation.HELD
    revoking.join()
    assert executor.observe(grant()) is Observation.GONE
    assert runner.status() in {137, 143}


def test_revoking_finds_what_left_its_session_while_its_runner_was_killed(executor, folder, tmp_path):
    executor.ensure(grant())
    up = tmp_path / "up"
    runner = Runner(folder, "setsid", "--fork", sys.executable, "-c", STUBBORN, str(up))
    runner.status()
    left = f'setsid {sys.executable} -c "$0" {up} & sleep 60'
    runner = Runner(folder, "sh", "-c", left, STUBBORN)
    until(lambda: len(alive_under(folder, KEY)) == 3)
    runner.process.kill()
    runner.status()
    until(lambda: len(alive_under(folder, KEY)) < 3)  # the command itself died with its runner
    assert executor.observe(grant()) is Observation.HELD
    executor.revoke(grant())
    assert executor.observe(grant()) is Observation.GONE


def test_what_cannot_be_ended_is_not_said_to_be_gone(executor, folder, tmp_path, monkeypatch):
    executor.ensure(grant())
    runner = Runner(folder, sys.executable, "-c", STUBBORN, str(tmp_path / "up"), grace_s=20)  # too late to help
    until((tmp_path / "up").exists)
    with monkeypatch.context() as patch:
        patch.setattr("workers.executors.processes.os.kill", lambda *_: None)
        patch.setattr("workers.executors.processes.KILL_S", 0.2)
        with pytest.raises(BackendError):
            executor.revoke(grant())
        assert executor.observe(grant()) is Observation.HELD
    executor.revoke(grant())
    assert executor.observe(grant()) is Observation.GONE
    runner.status()


def test_what_a_command_leaves_behind_ends_with_it(executor, folder, tmp_path):
    executor.ensure(grant())
    assert run_under_lease(folder, "1001", ["sh", "-c", "sleep 60 & setsid sleep 60 & exit 4"], grace_s=0.3) == 4
    assert alive_under(folder, KEY) == ()
    assert list(folder.glob(f"{KEY}.run.*")) == []


def test_two_commands_under_one_lease_do_not_end_each_other(executor, folder):
    executor.ensure(grant())
    long = Runner(folder, "sleep", "60")
    until(lambda: alive_under(folder, KEY))
    before = alive_under(folder, KEY)
    assert run_under_lease(folder, "1001", ["true"]) == 0
    assert alive_under(folder, KEY) == before
    executor.revoke(grant())
    assert long.status() == 143


def test_the_lease_of_another_is_not_touched_by_a_revocation(executor, folder):
    executor.ensure(grant())
    executor.ensure(grant(key=OTHER, devices=("GPU-0000",), request=1002))
    mine, others = Runner(folder, "sleep", "60"), Runner(folder, "sleep", "60", name="1002")
    until(lambda: alive_under(folder, KEY) and alive_under(folder, OTHER))
    executor.revoke(grant())
    assert mine.status() == 143
    assert alive_under(folder, OTHER)
    executor.revoke(grant(key=OTHER))
    assert others.status() == 143


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_ending_gpu_run_ends_the_command(executor, folder, told):
    executor.ensure(grant())
    runner = Runner(folder, "sleep", "60")
    until(lambda: alive_under(folder, KEY))
    runner.process.send_signal(told)
    assert runner.status() == 128 + told
    assert alive_under(folder, KEY) == ()


def test_a_lease_file_that_cannot_be_read_neither_ends_it_early_nor_lets_it_go_on(executor, folder):
    executor.ensure(grant(seconds=5))
    began = time.monotonic()
    runner = Runner(folder, "sleep", "60")
    until(lambda: alive_under(folder, KEY))
    (folder / f"{KEY}.lease").write_text("{")
    assert runner.status() == 143
    assert 3 < time.monotonic() - began < 30


def test_a_reused_process_id_is_not_ours(executor, folder):
    executor.ensure(grant())
    other = subprocess.Popen(["sleep", "60"], start_new_session=True)
    (folder / f"{KEY}.run.{other.pid}").write_text("12345")
    executor.revoke(grant())
    assert executor.observe(grant()) is Observation.GONE
    assert other.poll() is None
    other.kill()
    other.wait()
    assert started_at(other.pid) == ""
    assert started_at(os.getpid()) != ""


def test_whoever_hides_its_environment_is_found_by_its_session(executor, folder):
    executor.ensure(grant())
    runner = Runner(folder, "env", "-i", "/bin/sleep", "60")
    until(lambda: list(folder.glob(f"{KEY}.run.*")) and alive_under(folder, KEY))
    executor.revoke(grant())
    assert runner.status() == 143
