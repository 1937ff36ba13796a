"""Whether the servers of a version that answers stay alive, and what is entered when they do not: pure.

An outage is a drift of the number of ready servers: entered once, told where the version was deployed from, and over when
every server has run steadily for a while. A server that dies anew before that belongs to the same outage.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from ledger.streams.model import SERVERS, Drifted, Recovered
from workers.serving.servers import Server
from workers.serving.steps import MOST_DEATHS

PATIENCE_S: Final = 60.0
"""How long a server that ended may take to be ready again before that is an outage, where it ended less than three times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """Servers of one version that ended by themselves and have not run steadily since.

    Args:
        since: seconds since the epoch when the first of them ended.
        ended: how often they did, all together.
        ready, servers: how many answer now, of how many.
        why: the last that is known of the one that ended most often, in a sentence for people.
    """

    since: float
    ended: int
    ready: int
    servers: int
    why: str

    @property
    def words(self) -> str:
        """Since when, and why, such as `down, restarting since 24 Nov 09:12, ended 4 times: Its server ran out of memory.`."""
        state = f"{self.ready} of {self.servers} ready" if self.ready else "down"
        times = "once" if self.ended == 1 else f"{self.ended:,} times"
        return f"{state}, restarting since {self._since:%d %b %H:%M}, ended {times}: {self.why}"

    def json(self) -> dict[str, Any]:
        """Return it for programs."""
        return {**asdict(self), "since": self._since.isoformat(timespec="seconds")}

    @property
    def _since(self) -> datetime:
        return datetime.fromtimestamp(self.since, UTC)


def failing_of(servers: Sequence[Server]) -> Failing | None:
    """Return what is wrong with the servers of a version, None when all of them are steady."""
    worst = max(servers, key=lambda server: server.deaths, default=None)
    if worst is None or not worst.deaths:
        return None
    return Failing(
        since=min(server.failing_since or server.begun for server in servers if server.deaths),
        ended=sum(server.deaths for server in servers),
        ready=sum(server.ready for server in servers),
        servers=len(servers),
        why=worst.why,
    )


def by_version(servers: Iterable[Server]) -> dict[tuple[str, str], tuple[str, Failing]]:
    """Return the version and what is wrong with its servers, by place and digest, where something is."""
    lines: dict[tuple[str, str], list[Server]] = {}
    for server in servers:
        if server.left is None:
            lines.setdefault((server.line.place, server.line.digest), []).append(server)
    seen = {where: (there[0].version, failing_of(there)) for where, there in lines.items()}
    return {where: (version, failing) for where, (version, failing) in seen.items() if failing is not None}


def judge(
    digest: str, environment: str, servers: Sequence[Server], standing: Iterable[Drifted], now: float
) -> list[Drifted | Recovered]:
    """Return what is to be entered of the servers of a version that answers.

    Args:
        standing: the model's drifts that were entered and stand.
    """
    about = (digest, environment, SERVERS)
    told = any((each.digest, each.environment, each.figure) == about for each in standing)
    failing, where = failing_of(servers), {"digest": digest, "environment": environment, "figure": SERVERS}
    if told and failing is None and all(server.ready for server in servers):
        return [Recovered(**where, seen=len(servers))]
    if told or failing is None or failing.ready == failing.servers:
        return []
    again = any(server.deaths >= MOST_DEATHS for server in servers)
    if not again and now - failing.since <= PATIENCE_S:
        return []
    return [Drifted(**where, expected=failing.servers, seen=failing.ready)]
