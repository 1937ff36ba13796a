from __future__ import annotations

import pytest
from serving_site import ServingSite


@pytest.fixture
def site(tmp_path):
    made = ServingSite(tmp_path / "home")
    yield made
    made.close()
