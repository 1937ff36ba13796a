"""Random lives of leases, as many as fit in a few seconds; ten thousand by `make schedules`, for workers/README.md."""

from __future__ import annotations

import pytest
from conftest import RULES
from walk.schedules import play
from walk.tally import ROWS

from policies.decide import Policy

COUNT = 240


@pytest.mark.timeout(200)
def test_no_lease_ends_early_outlives_its_end_or_happens_twice(tmp_path):
    tally = play(range(COUNT), tmp_path, Policy.load(RULES))
    assert tally.broken == []
    happened = tally.counts | {"crashes": tally.deaths.total(), "crash steps": len(tally.deaths)}
    assert [name for name in ROWS if happened[name] < 3] == []
