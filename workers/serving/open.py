"""The composition root of a keeper."""

from __future__ import annotations

from collections.abc import Callable

from workers.models.weights import WeightStore
from workers.serving.fleet import Fleet
from workers.serving.jobs import Jobs
from workers.serving.keeper import Keeper, Place
from workers.serving.servers import Servers, free_port

WEIGHTS = "weights"


def open_keeper(place: Place, launcher: tuple[str, ...], *, port: Callable[[], int] = free_port) -> Keeper:
    """Return a keeper that knows again whatever an earlier one left running.

    Args:
        launcher: the program that starts a server.
    """
    jobs = Jobs(WeightStore(place.folder / WEIGHTS), place.evaluations)
    return Keeper(place, Fleet(place.folder, Servers(place.folder, launcher, port=port), jobs), jobs)
