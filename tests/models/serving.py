"""Model servers for tests: a real vLLM on this machine's CPU, and the stand-in, each a process group of its own.

vLLM lives in an environment of its own, `.venv-models`, which `make test-models` makes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MAKER = Path(__file__).with_name("tiny.py")
CACHE = ROOT / ".cache" / "models"
HOST = "127.0.0.1"
CONTEXT, MAX_RANK = 1024, 8
START_S = 300.0
"""A first start on a slow machine compiles what later ones find."""
STOP_S = 20.0
QUIET = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
SMALL = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1"}
"""Two servers at a time must not fight over the cores."""


class NoVllmError(Exception):
    """Raised when `.venv-models` has not been made."""


class NotReadyError(Exception):
    """Raised when a server ended or took too long; says what it last wrote."""


class ModelServer:
    """One server, from `start` to `stop`.

    Args:
        command: the program and its flags, without address and port.
        log: where all that it writes goes.
        environment: added to ours.
    """

    def __init__(self, command: list[str], log: Path, environment: dict[str, str] | None = None) -> None:
        self.port = _free_port()
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self._command = [*command, "--host", HOST, "--port", str(self.port)]
        self._environment = {**os.environ, **QUIET, **(environment or {})}

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def begin(self) -> None:
        """Start the process, the first of a session of its own, and return at once."""
        setpriv = shutil.which("setpriv")
        die = [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*die, *self._command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment,
                cwd=ROOT, start_new_session=True,
            )  # fmt: skip

    def start(self, within_s: float = START_S) -> None:
        """Return once its health is good; raises NotReadyError, and leaves nothing running then."""
        self.begin()
        try:
            self.wait_until_ready(within_s)
        except BaseException:
            self.stop()
            raise

    def wait_until_ready(self, within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while self.health() != 200:
            if self.process.poll() is not None:
                raise NotReadyError(f"ended with {self.process.returncode}: {self.last_words()}")
            if time.monotonic() > deadline:
                raise NotReadyError(f"not ready after {within_s:g} s: {self.last_words()}")
            time.sleep(0.1)

    def health(self) -> int | None:
        """The status of its health, or None when nothing answers."""
        with closing(HTTPConnection(HOST, self.port, timeout=5)) as connection:
            try:
                connection.request("GET", "/health")
                return connection.getresponse().status
            except (OSError, HTTPException):
                return None

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2000:].strip() if self.log.exists() else ""

    def stop(self) -> None:
        """End the server and every process of its session, and wait until they are gone.

        TERM to the first lets it end its engine; what is left after that has lost its parent, and is killed.
        """
        if self.process is None:
            return
        with suppress(ProcessLookupError):
            self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_S)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        wait_for(lambda: not self.family(), STOP_S)

    def family(self) -> dict[int, str]:
        """Return the living processes of the server's session, and what each calls itself."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(session) == self.process.pid and state != "Z":
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        return found


def wait_for(what: Callable[[], Any], within_s: float = 60.0) -> Any:
    """Return what is true as soon as it is."""
    deadline = time.monotonic() + within_s
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def vllm_python() -> Path:
    """Return the interpreter that has vLLM."""
    python = ROOT / ".venv-models" / "bin" / "python"
    if not (python.parent.parent / ".ready").exists():
        raise NoVllmError("no vLLM in .venv-models: run `make test-models`")
    return python


def vllm(model: Path, log: Path, *flags: str) -> ModelServer:
    """A real vLLM that serves `model` as `tiny` and takes adapters while it runs."""
    command = [
        str(vllm_python()), "-m", "vllm.entrypoints.openai.api_server", "--model", str(model),
        *("--served-model-name", "tiny", "--max-model-len", str(CONTEXT), "--dtype", "bfloat16", "--enforce-eager"),
        *("--max-num-seqs", "8", "--num-gpu-blocks-override", "64"),
        *("--enable-lora", "--max-loras", "2", "--max-lora-rank", str(MAX_RANK), *flags),
    ]  # fmt: skip
    return ModelServer(command, log, {**SMALL, "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True"})


def stand_in(model: Path, log: Path, *flags: str) -> ModelServer:
    """The stand-in in the same place."""
    command = [
        sys.executable, "-m", "workers.standin", "--model", str(model), "--served-model-name", "tiny",
        *("--max-model-len", str(CONTEXT), "--enable-lora", "--max-lora-rank", str(MAX_RANK), *flags),
    ]  # fmt: skip
    return ModelServer(command, log, {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True"})


@contextmanager
def running(server: ModelServer) -> Iterator[ModelServer]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


def model(seed: int) -> Path:
    """Return the model of a seed; made once, and made anew when its maker changes."""
    return _made(f"model-{seed}", str(seed))


def adapter(seed: int, rank: int = MAX_RANK) -> Path:
    """Return the adapter of a seed."""
    return _made(f"adapter-{seed}-{rank}", str(seed), "--rank", str(rank))


def _made(name: str, *arguments: str) -> Path:
    folder = CACHE / f"{name}-{hashlib.sha256(MAKER.read_bytes()).hexdigest()[:12]}"
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run([vllm_python(), MAKER, folder, *arguments], check=True, capture_output=True)
    return folder


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]
