"""A thousand lives of leases in every run, ten thousand where the services run: none early, none late, none twice."""

from __future__ import annotations

from collections import Counter

import pytest
from conftest import RULES
from walk.schedules import play

from policies.decide import Policy


def _everything_happened(counts: Counter[str]) -> None:
    for kind in ("started", "extended", "prolonged", "warned", "expired", "released", "revoked", "settled"):
        assert counts[f"request.{kind}"] >= 5, kind


@pytest.mark.timeout(400)
def test_no_lease_ends_early_outlives_its_end_or_happens_twice(tmp_path):
    _everything_happened(play(range(1_000), tmp_path, Policy.load(RULES)))


@pytest.mark.services
@pytest.mark.timeout(1800)
def test_ten_thousand_schedules(tmp_path):
    _everything_happened(play(range(1_000, 11_000), tmp_path, Policy.load(RULES)))
