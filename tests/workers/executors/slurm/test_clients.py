"""How the cluster is spoken to, without one: command lines, request bodies, time limits, and answers that are none."""

from __future__ import annotations

import json
import os
import pwd
import threading
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

import pytest

from workers.errors import SettingsError
from workers.executors.slurm.commands import SlurmCommands, sbatch_line
from workers.executors.slurm.note import Note
from workers.executors.slurm.open import open_client
from workers.executors.slurm.port import Account, Change, Gpus, Job, Order, RefusedError, Stage, UnreachableError
from workers.executors.slurm.rest import SlurmRest, submission
from workers.executors.slurm.script import holding_script

NOTE = Note(key="a" * 32, generation=1, until=1795547347)
ORDER = Order(
    name="qm-REQ-1001",
    note=NOTE,
    holder=Account(user="mira", account="vision"),
    partition="gpu",
    gpus=Gpus(gpu_type="h100", count=4, nodes=2),
    delay_s=30,
    minutes=180,
    script=holding_script(None),
)
JOB = Job(
    id=17,
    name="qm-REQ-1001",
    comment=str(NOTE),
    user="mira",
    account="vision",
    partition="gpu",
    stage=Stage.WAITING,
    reason="Resources",
    gpus=ORDER.gpus,
)
NO_JOBS = '{"errors": [], "jobs": []}'


# Commands


@pytest.fixture
def programs(tmp_path):
    """Return a function that puts a program in place of one of Slurm's."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def make(name: str, text: str) -> Path:
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
        return folder

    return make


@pytest.fixture
def commands(settings, tmp_path):
    return SlurmCommands(replace(settings, bin=tmp_path / "bin", operator="mira", timeout=timedelta(seconds=5)))


def test_an_order_is_one_command_line():
    assert sbatch_line(ORDER) == [
        "sbatch",
        "--parsable",
        "--job-name=qm-REQ-1001",
        f"--comment={NOTE}",
        "--partition=gpu",
        "--gres=gpu:h100:4",
        "--time=180",
        "--nodes=2",
        "--ntasks=2",
        "--dependency=singleton",
        "--no-requeue",
        "--output=/dev/null",
        "--error=/dev/null",
        "--chdir=/",
        "--begin=now+30seconds",
        "--account=vision",
    ]


def test_what_is_not_asked_for_is_not_said():
    line = sbatch_line(replace(ORDER, delay_s=0, holder=Account(user="mira")))
    assert not any(word.startswith(("--begin", "--account")) for word in line)


def test_an_allocation_for_somebody_else_is_theirs_and_of_their_group(programs, commands, tmp_path):
    programs("sbatch", f'echo "$@" > {tmp_path}/words')
    other = min((each for each in pwd.getpwall() if each.pw_gid != os.getgid()), key=lambda each: each.pw_name)
    commands.submit(replace(ORDER, holder=Account(user=other.pw_name)))
    assert (tmp_path / "words").read_text().split()[-2:] == [f"--uid={other.pw_name}", f"--gid={other.pw_gid}"]
    commands.submit(replace(ORDER, holder=Account(user="mira")))
    assert "id=" not in (tmp_path / "words").read_text()


def test_nothing_is_asked_for_in_the_name_of_somebody_unknown(commands):
    with pytest.raises(RefusedError, match="knows no user qm-nobody"):
        commands.submit(replace(ORDER, holder=Account(user="qm-nobody")))


def test_a_command_sees_nothing_of_our_environment(programs, commands, tmp_path, monkeypatch):
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret")
    monkeypatch.setenv("SBATCH_PARTITION", "other")
    programs("sbatch", f"env > {tmp_path}/seen; cat > {tmp_path}/script")
    commands.submit(ORDER)
    names = {line.partition("=")[0] for line in (tmp_path / "seen").read_text().splitlines()}
    assert names <= {"PATH", "LC_ALL", "TZ", "PWD", "SHLVL", "_"}
    assert (tmp_path / "script").read_text() == ORDER.script


def test_a_change_and_a_cancellation_name_the_job(programs, commands, tmp_path):
    programs("scontrol", f'printf "%s\\n" "$@" > {tmp_path}/scontrol')
    programs("scancel", f'printf "%s\\n" "$@" > {tmp_path}/scancel')
    commands.change(JOB, Change(note=NOTE, minutes=90, gpus=Gpus(gpu_type="h100", count=2)))
    commands.cancel(JOB)
    assert (tmp_path / "scontrol").read_text().split() == [
        "update",
        "JobId=17",
        f"Comment={NOTE}",
        "TimeLimit=90",
        "TresPerNode=gres:gpu:h100:2",
    ]
    assert (tmp_path / "scancel").read_text().split() == ["--name=qm-REQ-1001", "--user=mira", "17"]


def test_a_command_that_fails_was_refused_when_the_controller_answers(programs, commands):
    programs("sbatch", "echo 'sbatch: error: Batch job submission failed: Invalid account' >&2; exit 1")
    programs("squeue", f"echo '{NO_JOBS}'")
    with pytest.raises(RefusedError, match=r"\(Slurm refused: Invalid account\)"):
        commands.submit(ORDER)


def test_a_command_that_fails_says_nothing_when_the_controller_does_not_answer(programs, commands):
    programs("sbatch", "exit 1")
    programs("squeue", """echo '{"errors": [{"error_number": -1, "error": "no"}], "jobs": []}'""")
    with pytest.raises(UnreachableError):
        commands.submit(ORDER)


def test_a_command_that_hangs_is_given_up(programs, commands, settings, tmp_path):
    programs("squeue", "exec sleep 60")
    hasty = SlurmCommands(replace(settings, bin=tmp_path / "bin", timeout=timedelta(seconds=0.2)))
    with pytest.raises(UnreachableError, match=r"no answer within 0\.2 s"):
        hasty.jobs()


def test_a_command_that_is_missing_is_named(programs, commands):
    with pytest.raises(RefusedError, match="sbatch cannot be run here: No such file or directory"):
        commands.submit(ORDER)


@pytest.mark.parametrize("text", ["echo oops", "echo '[]'", "exit 1", ":"])
def test_what_is_no_queue_is_no_answer(programs, commands, text):
    programs("squeue", text)
    with pytest.raises(UnreachableError):
        commands.jobs()


# slurmrestd


class _Handler(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        status, text = self.server.say
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 names that http.server looks for

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def server(tmp_path):
    """Something in place of slurmrestd that says what it is told to."""
    with ThreadingUnixStreamServer(str(tmp_path / "rest"), _Handler) as made:
        made.seen, made.say, made.daemon_threads = [], (200, NO_JOBS), True
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def rest(settings, tmp_path):
    return SlurmRest(replace(settings, rest=f"unix:{tmp_path}/rest", operator="mira", timeout=timedelta(seconds=2)))


def test_the_settings_choose_the_way(settings):
    assert isinstance(open_client(settings), SlurmCommands)
    assert isinstance(open_client(replace(settings, rest="unix:/run/slurmrestd")), SlurmRest)


def test_an_order_is_one_body():
    assert submission(ORDER)["job"] == {
        "name": "qm-REQ-1001",
        "comment": str(NOTE),
        "partition": "gpu",
        "gres": "gpu:h100:4",
        "time_limit": 180,
        "nodes": 2,
        "tasks": 2,
        "dependency": "singleton",
        "requeue": False,
        "standard_output": "/dev/null",
        "standard_error": "/dev/null",
        "current_working_directory": "/",
        "environment": {"PATH": "/usr/local/bin:/usr/bin:/bin"},
        "begin_time": "now+30seconds",
        "account": "vision",
    }
    assert submission(ORDER)["script"] == ORDER.script


def test_each_call_goes_to_its_place(server, rest):
    server.say = (200, '{"errors": [], "job_id": 17}')
    rest.submit(ORDER)
    rest.change(JOB, Change(note=NOTE, minutes=90, gpus=Gpus(gpu_type="h100", count=2)))
    rest.cancel(JOB)
    server.say = (200, NO_JOBS)
    assert rest.jobs() == ()
    assert [(method, path) for method, path, _, _ in server.seen] == [
        ("POST", "/slurm/v0.0.38/job/submit"),
        ("POST", "/slurm/v0.0.38/job/17"),
        ("DELETE", "/slurm/v0.0.38/job/17"),
        ("GET", "/slurm/v0.0.38/jobs"),
    ]
    assert server.seen[1][3] == {"comment": str(NOTE), "time_limit": 90, "gres": "gpu:h100:2"}


def test_a_holder_submits_with_a_token_of_their_own(server, settings, tmp_path):
    server.say = (200, '{"errors": [], "job_id": 17}')
    tokens = {"mira": "t-mira", "qm": "t-qm"}
    rest = SlurmRest(
        replace(settings, rest=f"unix:{tmp_path}/rest", operator="qm", token_of=lambda user: tokens.get(user, ""))
    )
    rest.submit(ORDER)
    rest.cancel(JOB)
    sent = [(headers["X-SLURM-USER-NAME"], headers["X-SLURM-USER-TOKEN"]) for _, _, headers, _ in server.seen]
    assert sent == [("mira", "t-mira"), ("qm", "t-qm")]
    with pytest.raises(RefusedError, match="no Slurm token of kofi"):
        rest.submit(replace(ORDER, holder=Account(user="kofi")))
    assert len(server.seen) == 2


def test_a_job_that_was_taken_is_taken_whatever_is_said_beside_it(server, rest):
    server.say = (500, '{"errors": [{"error_code": 2068, "error": "Required node not available"}], "job_id": 17}')
    rest.submit(ORDER)


def test_a_no_with_status_500_is_a_no(server, rest):
    server.say = (500, '{"errors": [{"error_code": 2000, "error": "Invalid partition name specified"}]}')
    with pytest.raises(RefusedError, match="Invalid partition name specified"):
        rest.submit(ORDER)


def test_a_token_that_is_not_known_is_refused_without_showing_it(server, settings, tmp_path):
    server.say = (401, "Authentication failure")
    rest = SlurmRest(replace(settings, rest=f"unix:{tmp_path}/rest", operator="qm", token_of=lambda _: "t-secret"))
    with pytest.raises(RefusedError, match="does not know the token of qm") as refused:
        rest.jobs()
    assert "t-secret" not in str(refused.value)


@pytest.mark.parametrize("say", [(200, "<html>"), (404, "not found"), (200, "[]"), (200, "{}")])
def test_what_is_no_answer_of_slurmrestd_is_unknown(server, rest, say):
    server.say = say
    with pytest.raises(UnreachableError):
        rest.jobs()


@pytest.mark.parametrize("address", ["unix:/nonexistent/rest", "http://127.0.0.1:1"])
def test_nobody_at_the_address_is_unknown(settings, address):
    with pytest.raises(UnreachableError):
        SlurmRest(replace(settings, rest=address)).jobs()


# Settings


@pytest.mark.parametrize(
    "change", [{"partition": "gpu --uid=0"}, {"prefix": ""}, {"types": {"h100": "h100,x"}}, {"gpus_per_node": 0}]
)
def test_settings_that_slurm_could_misread_are_refused_at_the_start(settings, change):
    with pytest.raises(SettingsError):
        replace(settings, **change)
