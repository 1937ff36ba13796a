"""The processes that `demo` and `up` start and stop, which all end with their parent: Valkey, a Celery worker, the clock.

Where models are served, the endpoint and the keeper as well.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

STOP_S: Final = 30.0
"""How long a child may take to end; a keeper lets its model servers end what they are at."""


class Crew:
    """Children of one home; `stop` ends every one of them, the last started first.

    Args:
        home: their QM_HOME.
        broker_url: where they meet.
        simulate: demo ledgers carry out on the memory executor what has no other.
    """

    def __init__(self, home: Path, policies: Path, broker_url: str, *, simulate: bool) -> None:
        self._environment = {
            **os.environ,
            "QM_HOME": str(home),
            "QM_POLICIES": str(policies),
            "QM_BROKER_URL": broker_url,
            "QM_SIMULATE": "1" if simulate else "",
        }
        self._logs = home / "log"
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *arguments: str) -> int:
        """Start `quartermaster <name>` (worker, clock, endpoint or keeper) and return its process id."""
        self._logs.mkdir(parents=True, exist_ok=True)
        setpriv = shutil.which("setpriv")
        command = [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
        command += [sys.executable, "-m", "bot.cli", name, *arguments]
        with (self._logs / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(  # noqa: S603 our own program
                command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._children[name] = child
        return child.pid

    def alive(self, name: str) -> bool:
        """Whether the child runs."""
        child = self._children.get(name)
        return child is not None and child.poll() is None

    def kill(self, name: str) -> None:
        """End a child at once, as a crash would, with whatever it started."""
        child = self._children.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(child.pid, 9)
        child.wait()

    def stop(self) -> None:
        """Ask every child to end, and insist where one does not."""
        for child in reversed(self._children.values()):
            child.terminate()
        for child in reversed(self._children.values()):
            try:
                child.wait(STOP_S)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, 9)
                child.wait()
        self._children.clear()
