"""One look at a server: whether it runs, is healthy, and is the one that was started; what ended is cleared away."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from workers.serving.asking import healthy, serves
from workers.serving.deaths import why_it_ended
from workers.serving.servers import Server, Servers

UNWELL_S: Final = 5.0
"""How long a server's health may be bad before nothing new is routed to it, where others are ready."""
SICK_S: Final = 30.0
"""How long until it is ended and started anew."""
STEADY_S: Final = 300.0
"""How long a server must have been ready for its earlier ends to be forgotten."""
LONGEST_PAUSE_S: Final = 300.0
_DOUBLED: Final = 16
"""How often the pause is doubled at most: what dies for months is counted on, and no power of two is that large."""


def look(servers: Servers, server: Server, now: float, ready_s: float) -> Server:
    """Return what is seen of a server now; one that ended by itself is counted, and all that it left is ended."""
    server = servers.found(server)
    if not server.pid:
        return server
    if not servers.runs(server):
        return _dead(servers, server, now, why_it_ended(servers.status(server), servers.tail(server)))
    well = healthy(server.port) and (server.ready or serves(server.port, server.key, server.served))
    if well:
        server = replace(server, ready=True, ready_since=server.ready_since or now, sick_since=0.0)
        steady = server.deaths and now - server.ready_since > STEADY_S
        return replace(server, deaths=0, failing_since=0.0, why="") if steady else server
    if not server.ready and not server.sick_since:
        return server if now - server.begun <= ready_s else _dead(servers, server, now, "It was not healthy in time.")
    since = server.sick_since or now
    if now - since > SICK_S:
        return _dead(servers, server, now, "Its health was bad for too long.")
    ready = server.ready and now - since <= UNWELL_S
    return replace(server, sick_since=since, ready=ready, ready_since=server.ready_since if ready else 0.0)


def ended(server: Server, now: float, why: str) -> Server:
    """Return a server that ended by itself, or could not be started: it is started again after a pause that grows."""
    deaths = server.deaths + 1
    return replace(
        server,
        pid=0,
        since="",
        ready=False,
        ready_since=0.0,
        sick_since=0.0,
        deaths=deaths,
        failing_since=server.failing_since or now,
        again=now + min(2.0 ** min(deaths - 1, _DOUBLED), LONGEST_PAUSE_S),
        why=why,
    )


def _dead(servers: Servers, server: Server, now: float, why: str) -> Server:
    servers.stop(server, grace_s=0.0)
    return ended(server, now, why)
