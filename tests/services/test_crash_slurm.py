"""kill -9 of every victim with Slurm as the executor: a kill of each here, at every step in `make crash-table`."""

from __future__ import annotations

import pytest
from services.crash_cases import site_chain
from services.crash_slurm import SlurmSite
from services.crash_table import Run

pytestmark = [pytest.mark.services, pytest.mark.slurm, pytest.mark.timeout(200)]


def test_killed_with_slurm_at_work_no_allocation_is_doubled_or_left(cluster, tmp_path):
    site = SlurmSite(cluster)
    run = Run(tmp_path / "home", [site])
    try:
        found = run.play([site_chain(site, short=True)])
    finally:
        run.place.close()
    assert run.wrong == {}
    assert found == []
