"""Random lives of leases: a thousand in every run, as many as `QM_SCHEDULES` says by `make schedules`. None early, late or twice."""

from __future__ import annotations

import os

import pytest
from conftest import RULES
from walk.schedules import play

from policies.decide import Policy

COUNT = int(os.environ.get("QM_SCHEDULES", "1000"))


@pytest.mark.timeout(400 + COUNT // 4)
def test_no_lease_ends_early_outlives_its_end_or_happens_twice(tmp_path):
    counts = play(range(COUNT), tmp_path, Policy.load(RULES))
    for kind in ("started", "extended", "prolonged", "warned", "expired", "released", "revoked", "settled"):
        assert counts[f"request.{kind}"] >= 5, kind
