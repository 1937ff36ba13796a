"""The endpoint as a process: one address, the tables of its home, and the routes of the moment.

Any number may run on one home, also on several addresses: they share the keys and the counters. A restart loses no call
on a socket that systemd holds (`LISTEN_FDS`); whoever stops one with TERM lets what is being answered end first.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import uvicorn

from ledger.book import utc_now
from workers import apikeys
from workers.endpoint import counters, keytable, outcomes
from workers.endpoint import table as routetable
from workers.endpoint.counters import Counters
from workers.endpoint.following import Follower
from workers.endpoint.keys import TableKeys
from workers.endpoint.keytable import KeyTable
from workers.endpoint.outcomes import Outcomes
from workers.endpoint.routes import Routes
from workers.endpoint.server import Endpoint
from workers.endpoint.settings import EndpointSettings
from workers.errors import SettingsError

BEATS: Final = "endpoints"
DRAIN_S: Final = 300
"""How long answers may go on once it is told to stop."""
_FIRST_FD: Final = 3


def run_endpoint(models: Path, settings: EndpointSettings, say: Callable[[str], None]) -> None:
    """Serve until TERM or Ctrl-C.

    Args:
        models: the folder of routes, keys and counters, `<home>/models`.
        say: is told the address once it answers.
    """
    models.mkdir(parents=True, exist_ok=True)
    _check_files(settings)
    listener = listening(settings, os.environ, os.getpid())
    table, tokens, routes = KeyTable(models / keytable.FILE), Counters(models / counters.FILE), Routes()
    table.prepare()
    follower = Follower(models / routetable.FILE, routes, models / BEATS)
    keys = TableKeys(table, tokens, utc_now, secret=apikeys.house_secret(models / apikeys.HOUSE))
    became = Outcomes(models / outcomes.FILE)
    endpoint = Endpoint(keys, routes, tokens, utc_now, outcomes=became, most_bytes=settings.body_kib * 1024)
    server = server_of(endpoint, settings)
    say(f"The endpoint answers at {settings.url or _address(settings, listener)}")
    try:
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            runner.run(_serve(server, listener, follower, became))
    finally:
        follower.leave()
        listener.close()
        table.close()
        tokens.close()


def _check_files(settings: EndpointSettings) -> None:
    for path in (settings.certificate, settings.certificate_key):
        if path is not None and not path.is_file():
            raise SettingsError(f"there is no file {path}; QM_ENDPOINT_CERTIFICATE and its key name PEM files")


def listening(settings: EndpointSettings, environment: Mapping[str, str], pid: int) -> socket.socket:
    """Return the socket that was handed to this process, else one on the address of the settings.

    Raises:
        SettingsError: several were handed over, or the address cannot be had.
    """
    if environment.get("LISTEN_PID") == str(pid):
        if environment.get("LISTEN_FDS") != "1":
            raise SettingsError("hand over one socket alone; give each endpoint a unit of its own")
        return socket.socket(fileno=_FIRST_FD)
    try:
        return socket.create_server((settings.host, settings.port), backlog=2048)
    except OSError as error:
        where = f"port {settings.port} of {settings.host}"
        raise SettingsError(f"{where} cannot be had: {error.strerror}; set QM_ENDPOINT_PORT") from error


def _address(settings: EndpointSettings, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"{'https' if settings.certificate is not None else 'http'}://{host}:{port}"


class _Server(uvicorn.Server):
    """A server that does not raise the signal again that ended it, past whatever must still be done then."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on TERM and Ctrl-C; a second Ctrl-C cuts what is still being answered."""
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self.handle_exit, name, None)
        yield


def server_of(endpoint: Endpoint, settings: EndpointSettings) -> uvicorn.Server:
    """Return the server, on the fastest loop there is; it trusts no header of a proxy, as it asks nobody's address."""
    return _Server(
        uvicorn.Config(
            endpoint,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            timeout_keep_alive=30,
            timeout_graceful_shutdown=DRAIN_S,
            ssl_certfile=settings.certificate,
            ssl_keyfile=settings.certificate_key,
        )
    )


async def _serve(server: uvicorn.Server, listener: socket.socket, follower: Follower, became: Outcomes) -> None:
    """Serve with the table of the moment, and note it until the last answer has ended."""
    follower.look()
    beside = asyncio.gather(follower.run(), became.run())
    try:
        await server.serve([listener])
    finally:
        beside.cancel()
        with suppress(asyncio.CancelledError):
            await beside
        became.write()
