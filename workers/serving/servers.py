"""The processes of model servers: started in sessions of their own, found again by their mark, ended with all they have.

Whoever keeps them may be killed at any moment. A server is noted before it is started, and carries its mark in its
environment, so that the next keeper finds it whether or not its process id was still written down.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from policies.serving import Serving
from workers.durable import write_whole
from workers.executors.processes import booted_at, end, living, started_at
from workers.serving.launch import HOST, MARK, command, environment
from workers.serving.orders import Line

GRACE_S: Final = 20.0
"""How long a server is given to end what it is at, after nothing is routed to it any more."""
_LOG_MOST: Final = 64 * 2**20
_TAIL: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One server, as its file says.

    Args:
        number: from 0, among those of its line.
        order: key of the order by which it was started.
        served: the name under which it serves the model.
        mark: what its processes carry.
        pid, since: the process and its start time, 0 and empty while it does not run.
        begun: seconds since the epoch when it was started last.
        ready: whether it is healthy and shows the right name.
        ready_since: when it became ready; 0 while it is not.
        sick_since: when its health was bad first, since it was good; 0 while it is good.
        deaths: how often it ended by itself in a row; a server that was ready for a while begins a new row.
        failing_since: when the first of these was; 0 without any.
        why: how the last of them came, in a sentence for people.
        again: seconds since the epoch before which it is not started again.
        left: version of the route table in which it stands no more, None while it may be routed to.
        left_at: when that was.
    """

    line: Line
    number: int
    order: str
    version: str
    serving: Serving
    served: str
    mark: str
    key: str = field(repr=False)
    port: int = 0
    pid: int = 0
    since: str = ""
    begun: float = 0.0
    ready: bool = False
    ready_since: float = 0.0
    sick_since: float = 0.0
    deaths: int = 0
    failing_since: float = 0.0
    again: float = 0.0
    why: str = ""
    left: int | None = None
    left_at: float = 0.0

    @property
    def name(self) -> str:
        """Its name, and that of its file."""
        return f"{self.line.name}-{self.number}"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.port}"


_SERVER: Final = TypeAdapter(Server)


def free_port() -> int:
    """Return a port that nobody listens on now; somebody may a moment later, and then the server ends and is restarted."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Servers:
    """The servers of one home.

    Args:
        folder: `<home>/models`; servers are noted in `servers/`, what they write goes to `log/`.
        launcher: the program that starts one.
    """

    def __init__(self, folder: Path, launcher: tuple[str, ...], *, port: Callable[[], int] = free_port) -> None:
        self._folder, self._launcher, self._port = folder / "servers", launcher, port
        self._logs = folder / "log"
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        for each in (self._folder, self._logs):
            each.mkdir(parents=True, exist_ok=True, mode=0o700)

    def all(self) -> tuple[Server, ...]:
        """Return every server that is noted; a file that cannot be read is passed over: its processes are orphans."""
        return noted(self._folder.parent)

    def note(self, server: Server) -> Server:
        """Keep what is known of a server, and return it; raises OSError."""
        write_whole(self._folder / f"{server.name}.json", _SERVER.dump_json(server), mode=0o600)
        return server

    def start(self, server: Server, model: Path, now: float) -> Server:
        """Start a server and return it with its new process, port and mark.

        Raises:
            OSError: the program cannot be started.
        """
        server = replace(server, port=self._port(), mark=secrets.token_hex(16), key=secrets.token_urlsafe(32))
        fresh = replace(server, pid=0, since="", begun=now, ready=False, ready_since=0.0, sick_since=0.0)
        server = self.note(fresh)
        line = command(self._launcher, model, server.served, server.port, server.serving)
        variables = environment(server.key, server.mark, server.serving)
        with self.log(server).open("ab") as log:
            child = subprocess.Popen(  # noqa: S603 what the operator set, with the catalogue's checked arguments
                line, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=variables, start_new_session=True
            )
        self._children[server.name] = child
        return self.note(replace(server, pid=child.pid, since=started_at(child.pid)))

    def found(self, server: Server) -> Server:
        """Return a server of an earlier keeper with the process that runs under its mark, if there is one."""
        if server.pid or not server.mark:
            return server
        leader = next((pid for pid in living(f"{MARK}={server.mark}", {}) if os.getsid(pid) == pid), 0)
        return self.note(replace(server, pid=leader, since=started_at(leader))) if leader else server

    def runs(self, server: Server) -> bool:
        """Whether its first process lives."""
        child = self._children.get(server.name)
        if child is not None and child.pid == server.pid:
            return child.poll() is None
        return server.pid > 0 and started_at(server.pid) == server.since != ""

    def status(self, server: Server) -> int | None:
        """Return how it ended, None when nobody can say: it lives, or was another keeper's child."""
        child = self._children.get(server.name)
        return child.poll() if child is not None and child.pid == server.pid else None

    def family(self, server: Server) -> tuple[int, ...]:
        """Return the processes of its session, and all that carry its mark, such as an engine whose server was killed.

        vLLM's engine gives itself a title, and writes it over its environment: its session alone tells whose it is.
        """
        if not server.mark:
            return ()
        orphans = server.begun > booted_at()
        return living(f"{MARK}={server.mark}", {server.pid: server.since}, orphans=orphans)

    def stop(self, server: Server, grace_s: float = GRACE_S) -> bool:
        """End it and all that it started, and return whether nothing is left."""
        gone = end(lambda: self.family(server), grace_s)
        child = self._children.get(server.name)
        if gone and child is not None and child.pid == server.pid:
            child.wait()  # it is dead; nothing stays of it in the system's table
            del self._children[server.name]
        return gone

    def forget(self, server: Server) -> None:
        """Keep no note of a server that has ended."""
        (self._folder / f"{server.name}.json").unlink(missing_ok=True)

    def log(self, server: Server) -> Path:
        """Return the file of what it writes; never shown to people, as it may hold what callers said."""
        path = self._logs / f"{server.name}.log"
        with suppress(OSError):
            if path.stat().st_size > _LOG_MOST:
                path.replace(path.with_suffix(".old"))
        return path

    def tail(self, server: Server) -> str:
        """Return the end of its log, to be judged and not to be shown."""
        try:
            with (self._logs / f"{server.name}.log").open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
                return file.read().decode(errors="replace")
        except OSError:
            return ""


def noted(folder: Path) -> tuple[Server, ...]:
    """Return the servers that are noted in `<home>/models`."""
    return tuple(filter(None, map(_read, sorted((folder / "servers").glob("*.json")))))


def _read(path: Path) -> Server | None:
    try:
        return _SERVER.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
