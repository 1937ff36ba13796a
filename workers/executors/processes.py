"""What runs under a grant, as the kernel tells it: found by a mark in the environment, or by its session.

The mark finds whoever left the session; the session, noted by who started it, finds whoever's environment is not ours to
read. Linux only.
"""

from __future__ import annotations

import os
import pwd
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

KILL_S: Final = 2.0
"""How long the kernel is given to end what was killed."""
_LOOK_S: Final = 0.05


def started_at(pid: int) -> str:
    """Return the kernel's start time of a live process, empty when it is gone: tells a reused id from ours."""
    fields = _stat(pid)
    return fields[19] if fields else ""


def booted_at() -> float:
    """Return when this machine was started, seconds since the epoch: process ids from before mean nothing."""
    lines = Path("/proc/stat").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("btime ")))


def living(mark: str, sessions: Mapping[int, str], *, orphans: bool = False) -> tuple[int, ...]:
    """Return the ids of the live processes that carry `mark` or belong to one of `sessions`.

    Args:
        mark: a variable with its value, such as `QM_LEASE=<grant key>`.
        sessions: leader's process id -> its start time when it was noted.
        orphans: whether a session whose leader is gone still counts. The kernel gives its number to nobody else while
            it has members; so ask soon after the leader ended, and not once all of them may be gone for long.
    """
    now = {leader: started_at(leader) for leader, since in sessions.items() if since}
    ours = {leader for leader, found in now.items() if found == sessions[leader] or (orphans and not found)}
    wanted = mark.encode()
    pids = (int(entry.name) for entry in os.scandir("/proc") if entry.name.isdecimal())
    return tuple(
        pid for pid in pids if (fields := _stat(pid)) and (int(fields[3]) in ours or wanted in _variables(pid))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """A live process that carries a variable: its `value`, the account it runs as, its session's leader."""

    pid: int
    session: int
    user: str
    value: str
    has_also: bool


def marked(variable: str, also: str) -> tuple[Marked, ...]:
    """Return the live processes that carry `variable`, and whether each carries `also` too."""
    pids = (int(entry.name) for entry in os.scandir("/proc") if entry.name.isdecimal())
    return tuple(found for pid in pids if (found := _marked(pid, f"{variable}=".encode(), f"{also}=".encode())))


def _marked(pid: int, variable: bytes, also: bytes) -> Marked | None:
    variables = _variables(pid)
    value = next((each.removeprefix(variable) for each in variables if each.startswith(variable)), None)
    fields = _stat(pid) if value is not None else []
    if value is None or not fields:
        return None
    has_also = any(each.startswith(also) for each in variables)
    text = value.decode(errors="replace")
    return Marked(pid=pid, session=int(fields[3]), user=_user(pid), value=text, has_also=has_also)


def _user(pid: int) -> str:
    """The account's name, its number when it has none, empty when the process is gone."""
    try:
        number = Path(f"/proc/{pid}").stat().st_uid
        return pwd.getpwuid(number).pw_name
    except OSError:
        return ""
    except KeyError:
        return str(number)


def end(alive: Callable[[], tuple[int, ...]], grace_s: float) -> bool:
    """Ask them to end, kill them after `grace_s` seconds, and return whether none is left."""
    _signal(alive(), signal.SIGTERM)
    if _none(alive, grace_s):
        return True
    deadline = time.monotonic() + KILL_S
    while time.monotonic() < deadline:
        _signal(alive(), signal.SIGKILL)
        if _none(alive, _LOOK_S):
            return True
    return not alive()


def _signal(pids: tuple[int, ...], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _none(alive: Callable[[], tuple[int, ...]], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while alive():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_LOOK_S)
    return True


def _stat(pid: int) -> list[str]:
    """Fields 3 and on of /proc/<pid>/stat (state, parent, group, session, ...); none for the dead."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [] if fields[0] in {"Z", "X"} else fields


def _variables(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
