from __future__ import annotations

import os

import pytest

from tests.services.slurm import Cluster
from tests.services.slurm_software import SlurmMissingError, slurm_software


@pytest.fixture(scope="session")
def running_cluster():
    """A cluster for the whole run; without Slurm a skip here, and a failure in CI."""
    try:
        with Cluster(slurm_software()) as cluster:
            yield cluster
    except SlurmMissingError as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture
def cluster(running_cluster):
    """The cluster, empty and whole."""
    running_cluster.free_everything()
    return running_cluster
