"""A real Slurm cluster on this machine: munge, slurmctld, three slurmd, slurmrestd. Stand-in devices, real scheduler.

`python -m tests.services.slurm` starts one, prints how to reach it and keeps it until Ctrl-C. Eight `h100` on gpu-01 and gpu-02
and four `l40s` on gpu-03. Nothing isolates the devices. Jobs run as whoever they are for if root starts it, else as whoever does.
"""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Final, Self

from tests.services.slurm_software import SlurmMissingError, slurm_software

START_S: Final = 20.0
SAVE_S: Final = 6.0
"""What slurmctld did is on its disk after 5 s; it writes nothing while nothing happens."""
NODES: Final = {"gpu-01": ("h100", 4), "gpu-02": ("h100", 4), "gpu-03": ("l40s", 4)}
COMMANDS: Final = ("sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun")
DAEMONS: Final = ("slurmctld", "slurmd", "slurmstepd")
CONF: Final = """
ClusterName=standin
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={run}/munge/socket
CredType=cred/munge
PluginDir={plugins}
StateSaveLocation={run}/state
SlurmdSpoolDir={run}/spool/%n
SlurmctldPidFile={run}/slurmctld.pid
SlurmdPidFile={run}/%n.pid
MailProg=/bin/true
MpiDefault=none
SwitchType=switch/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
GresTypes=gpu
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=1
ReturnToService=2
PrivateData=jobs
KillWait=1
MinJobAge=300
"""


class Cluster:
    """One cluster in a folder of its own; a `with` statement starts and stops it.

    Args:
        software: what `slurm_software()` returned.
        user: who runs the daemons, if root starts it for somebody else.
    """

    def __init__(self, software: Path, user: str = "") -> None:
        self._user = user or getpass.getuser()
        self._usr = software / "usr"
        # Every parent of munge's socket must be open to all; a socket's path is shorter than 108 bytes.
        self.run = Path(tempfile.mkdtemp(prefix="qm-slurm-"))
        self.run.chmod(0o755)
        self.bin = self.run / "bin"
        self.conf = self.run / "slurm.conf"
        self.rest_socket = self.run / "rest"
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._reaper: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._lay_out()
            self._reaper = subprocess.Popen(
                [sys.executable, __file__, "--reap", self.run], stdin=subprocess.PIPE, start_new_session=True
            )
            self._start_munge()
            self.start_controller()
            for node in NODES:
                self.start_node(node)
            self._start_rest()
            self._wait_for(self._all_idle, "every node idle")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start_controller(self) -> None:
        """Start slurmctld from the state it has saved."""
        self._spawn("slurmctld", self.bin / "slurmctld", "-D")
        self._wait_for(lambda: self.command("scontrol", "ping").returncode == 0, "a controller that answers")

    @property
    def controller_pid(self) -> int:
        """The process of slurmctld."""
        return self._children["slurmctld"].pid

    def stop_controller(self) -> None:
        """End slurmctld in good order: it saves what it knows."""
        self._kill("slurmctld", signal.SIGTERM)

    def kill_controller(self) -> None:
        """End slurmctld with -9: what it did not save, it forgets."""
        self._kill("slurmctld", signal.SIGKILL)

    def save_state(self) -> Path:
        """Have slurmctld write its state now, and return a copy of it; otherwise it writes up to 5 s late."""
        self.stop_controller()
        copy = Path(tempfile.mkdtemp(dir=self.run)) / "state"
        shutil.copytree(self.run / "state", copy)
        self.start_controller()
        self._wait_for(self._all_answer, "every node back")
        return copy

    def wait_saved(self) -> None:
        """Return once slurmctld has saved what it knew when this was called; at the latest after the time it takes."""
        state, deadline = self.run / "state" / "job_state", time.time() + SAVE_S
        asked = time.time()
        while time.time() < deadline and not (state.exists() and state.stat().st_mtime > asked):
            time.sleep(0.1)

    def crash_back_to(self, saved: Path) -> None:
        """Kill slurmctld with -9 and start it from `saved`, as when it dies before it wrote what happened since."""
        self.kill_controller()
        shutil.rmtree(self.run / "state")
        shutil.copytree(saved, self.run / "state")
        self.start_controller()

    def start_node(self, node: str) -> None:
        """Start the slurmd of one node."""
        self._spawn(node, self.bin / "slurmd", "-D", "-d", self.bin / "slurmstepd", "-N", node)

    def take_down(self, node: str) -> None:
        """Put a node out of service, and return once the controller says that it is: a busy one may first refuse."""
        update = ("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
        state = ("sinfo", "-h", "-n", node, "-o", "%t")
        self._wait_for(
            lambda: self.command(*update).returncode == 0 and self.command(*state).stdout.startswith("down"),
            f"{node} that is down",
        )

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of Slurm's commands against this cluster."""
        line = [str(self.bin / arguments[0]), *arguments[1:]]
        return subprocess.run(
            line, check=False, capture_output=True, text=True, timeout=30, env={"PATH": os.defpath, "TZ": "UTC"}
        )

    def free_everything(self) -> None:
        """Cancel every job and wait until none is left, and put every node back in service."""
        if "slurmctld" not in self._children:
            self.start_controller()
        if numbers := self.command("squeue", "-h", "-o", "%A").stdout.split():
            self.command("scancel", *numbers)
        self._wait_for(lambda: not self.command("squeue", "-h").stdout.strip(), "an empty queue")
        for node in NODES:
            self.command("scontrol", "update", f"NodeName={node}", "State=RESUME")
        self._wait_for(self._all_idle, "every node idle")

    def stop(self) -> None:
        """End every process of the cluster, those of its jobs included, and forget its folder. Safe to call twice."""
        for name in reversed(list(self._children)):
            self._kill(name, signal.SIGTERM)
        if self._reaper is not None and self._reaper.stdin is not None:
            self._reaper.stdin.close()
            self._reaper.wait(timeout=START_S)
            self._reaper = None
        shutil.rmtree(self.run, ignore_errors=True)

    def _lay_out(self) -> None:
        plugins = next((self._usr / "lib").glob("*/slurm-wlm"))
        self._libraries = f"{plugins.parent}:{plugins}"
        for folder in ("bin", "state", "munge", "log", "dev", *(f"spool/{node}" for node in NODES)):
            (self.run / folder).mkdir(parents=True)
        port, *ports = _free_ports(1 + len(NODES))
        text = CONF.format(host=socket.gethostname(), port=port, user=self._user, run=self.run, plugins=plugins)
        self.conf.write_text(text + "".join(self._node_line(*pair) for pair in zip(NODES, ports, strict=True)))
        with self.conf.open("a") as file:
            file.write("PartitionName=gpu Nodes=ALL Default=YES MaxTime=7-0 State=UP\n")
        (self.run / "gres.conf").write_text("".join(map(self._gres_line, NODES)))
        for name in DAEMONS:  # under their proper names, or every node's devices are dropped without a word
            shutil.copy(self._usr / "sbin" / f"{name}-wlm", self.bin / name)
        for name in COMMANDS:
            self._wrap(name)
        owner = pwd.getpwnam(self._user).pw_uid
        for path in (self.run, *self.run.rglob("*")):
            os.chown(path, owner, -1, follow_symlinks=False)  # what stands for a device leads to /dev/null

    def _node_line(self, node: str, port: int) -> str:
        gpu_type, count = NODES[node]
        return (
            f"NodeName={node} NodeHostname={socket.gethostname()} NodeAddr=127.0.0.1 Port={port} CPUs=64 RealMemory=1000"
            f" Gres=gpu:{gpu_type}:{count} State=UNKNOWN\n"
        )

    def _gres_line(self, node: str) -> str:
        gpu_type, count = NODES[node]
        for index in range(count):
            (self.run / "dev" / f"{node}-{index}").symlink_to("/dev/null")  # a real device, or no job is told its own
        return f"NodeName={node} Name=gpu Type={gpu_type} File={self.run}/dev/{node}-[0-{count - 1}]\n"

    def _wrap(self, name: str) -> None:
        """A command that finds its libraries and its cluster whatever the caller's environment is."""
        script = self.bin / name
        script.write_text(
            f'#!/bin/sh\nLD_LIBRARY_PATH={self._libraries} SLURM_CONF={self.conf} exec {self._usr}/bin/{name} "$@"\n'
        )
        script.chmod(0o755)

    def commands_of(self, user: str) -> Path:
        """Return a folder of Slurm's commands that run as another user, as they would type them; only for root."""
        folder = self.run / f"bin-{user}"
        folder.mkdir(exist_ok=True)
        for name in COMMANDS:
            (folder / name).write_text(f'#!/bin/sh\nexec {" ".join(_become(user))} {self.bin / name} "$@"\n')
            (folder / name).chmod(0o755)
        return folder

    def _start_munge(self) -> None:
        folder = self.run / "munge"
        (folder / "key").write_bytes(os.urandom(128))
        (folder / "key").chmod(0o600)
        shutil.chown(folder / "key", self._user)
        self._spawn(
            *("munged", self._usr / "sbin" / "munged", "--foreground", "--force"),
            *(f"--{name}={folder / path}" for name, path in (("key-file", "key"), ("socket", "socket"))),
            *(f"--{name}={folder / path}" for name, path in (("pid-file", "pid"), ("log-file", "log"))),
            f"--seed-file={folder / 'seed'}",
        )
        self._wait_for((folder / "socket").exists, "munge")

    def _start_rest(self) -> None:
        line = ("-s", "openapi/v0.0.38", "-a", "rest_auth/local", f"unix:{self.rest_socket}")
        self._spawn("slurmrestd", self._usr / "sbin" / "slurmrestd", *line)
        self._wait_for(self.rest_socket.exists, "slurmrestd")

    def _spawn(self, name: str, *line: str | Path) -> None:
        """Start a child that dies with this process."""
        log = self.run / "log" / name
        environment = {
            "PATH": f"{self.bin}:{os.defpath}",
            "LD_LIBRARY_PATH": self._libraries,
            "SLURM_CONF": str(self.conf),
            "SLURMRESTD_SECURITY": "disable_user_check",  # it refuses root and Slurm's own user otherwise
            "TZ": "UTC",
        }
        with log.open("ab") as output:
            become = () if self._user == getpass.getuser() else _become(self._user)
            self._children[name] = _child((*become, *line), environment, output)

    def _kill(self, name: str, sign: signal.Signals) -> None:
        child = self._children.pop(name, None)
        if child is None:
            return
        child.send_signal(sign)
        try:
            child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(timeout=5)

    def _all_idle(self) -> bool:
        return self._states() == ["idle"] * len(NODES)

    def _all_answer(self) -> bool:
        return set(self._states()) <= {"idle", "mix", "alloc"}

    def _states(self) -> list[str]:
        return self.command("sinfo", "-h", "-N", "-o", "%t").stdout.split()

    def _wait_for(self, done: object, what: str) -> None:
        assert callable(done)
        deadline = time.monotonic() + START_S
        while not done():
            if time.monotonic() > deadline:
                raise SlurmMissingError(f"The stand-in cluster did not come up: no {what}.\n{self._last_words()}")
            time.sleep(0.1)

    def _last_words(self) -> str:
        return "\n".join(f"{log.name}: {log.read_text()[-300:]}" for log in sorted((self.run / "log").iterdir()))


def _become(user: str) -> tuple[str, ...]:
    return ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--")


def _child(line: tuple[str | Path, ...], environment: dict[str, str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    command = ["setpriv", "--pdeathsig", "TERM", "--", *line]
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
    )


def _free_ports(count: int) -> list[int]:
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in taken]
    for server in taken:
        server.close()
    return ports


def reap(run: Path) -> None:
    """Wait until whoever started us is gone, then end what the cluster in `run` left: Slurm's job steps outlive its daemons."""
    sys.stdin.buffer.read()
    mark = f"SLURM_CONF={run}/slurm.conf".encode()
    for _ in range(2):
        for process in Path("/proc").glob("[0-9]*"):
            if int(process.name) != os.getpid() and _belongs(process, mark):
                _end(int(process.name))
        time.sleep(0.1)


def _belongs(process: Path, mark: bytes) -> bool:
    try:
        return mark in (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def main() -> None:
    """Start a cluster, print how to reach it, and keep it until Ctrl-C."""
    with Cluster(slurm_software()) as cluster:
        print(f"export PATH={cluster.bin}:$PATH", f"export SLURM_CONF={cluster.conf}", sep="\n")
        print(f"# slurmrestd: unix:{cluster.rest_socket}\n# Ctrl-C stops the cluster.", flush=True)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            signal.pause()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    if sys.argv[1:2] == ["--reap"]:
        reap(Path(sys.argv[2]))
    else:
        main()
