"""kill -9 of every victim with PostgreSQL as the executor: a kill of each here, at every step in `make crash-table`."""

from __future__ import annotations

import pytest
from services.crash_postgres import PostgresSite
from services.crash_table import Run, site_chain
from services.postgres import postgres_server  # noqa: F401 - a fixture

pytestmark = [pytest.mark.services, pytest.mark.timeout(200)]


def test_killed_with_postgresql_at_work_no_role_is_doubled_or_left(postgres, tmp_path):
    site = PostgresSite(postgres)
    run = Run(tmp_path / "home", [site])
    try:
        found = run.play([site_chain(site, short=True)])
    finally:
        run.place.close()
    assert run.wrong == {}
    assert found == []
