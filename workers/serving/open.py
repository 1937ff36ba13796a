"""The composition root of a keeper, and the lock that lets there be one."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from workers.errors import SettingsError
from workers.models.weights import WeightStore
from workers.serving.fleet import Fleet
from workers.serving.jobs import Jobs
from workers.serving.keeper import Keeper, Place
from workers.serving.orders import WEIGHTS
from workers.serving.servers import Servers, free_port


def open_keeper(place: Place, launcher: tuple[str, ...], *, port: Callable[[], int] = free_port) -> Keeper:
    """Return a keeper that knows again whatever an earlier one left running.

    Args:
        launcher: the program that starts a server.
    """
    jobs = Jobs(WeightStore(place.folder / WEIGHTS), place.evaluations)
    return Keeper(place, Fleet(place.folder, Servers(place.folder, launcher, port=port), jobs), jobs)


@contextmanager
def only_keeper(folder: Path) -> Iterator[None]:
    """Be the one keeper of a home; raises SettingsError when there is one. The kernel lets go for whoever dies."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "keeper.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SettingsError("a keeper runs already for this home: end it, or leave it to its work") from error
        yield
