"""Which way to the cluster the settings name."""

from __future__ import annotations

from workers.executors.slurm.commands import SlurmCommands
from workers.executors.slurm.port import SlurmClient
from workers.executors.slurm.rest import SlurmRest
from workers.executors.slurm.settings import SlurmSettings


def open_client(settings: SlurmSettings) -> SlurmClient:
    """Return slurmrestd where the settings name its address, else the commands. Connects to nothing yet."""
    return SlurmRest(settings) if settings.rest else SlurmCommands(settings)
