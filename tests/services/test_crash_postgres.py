"""kill -9 of every victim with PostgreSQL as the executor: a kill of each here, at every step in `make crash-table`."""

from __future__ import annotations

import pytest
from conftest import MIRA
from services.crash_postgres import PostgresSite
from services.crash_table import Run, site_chain
from services.place import Place, faults
from services.postgres import postgres_server  # noqa: F401 - a fixture

from ledger.streams.request import Status

pytestmark = [pytest.mark.services, pytest.mark.timeout(200)]


@pytest.fixture(scope="module")
def site(postgres):
    return PostgresSite(postgres)


def test_killed_with_postgresql_at_work_no_role_is_doubled_or_left(site, tmp_path):
    run = Run(tmp_path / "home", [site])
    try:
        found = run.play([site_chain(site, short=True)])
    finally:
        run.place.close()
    assert run.wrong == {}
    assert found == []


def test_an_edit_of_its_backend_that_cannot_be_read_keeps_no_restarted_process_from_ending_what_runs(site, tmp_path):
    place = Place(tmp_path / "home", [site])
    try:
        for name in ("worker", "clock"):
            place.crew.start(name)
        released, timed = place.ask("postgres"), place.ask("postgres", seconds=12)
        for number in (released, timed):
            place.until_status(number, Status.RUNNING)
        for name in ("worker", "clock"):
            place.crew.kill(name)
        with (place.home / "policies" / "catalogue.toml").open("a") as catalogue:
            catalogue.write('colour = "blue"\n')  # the file ends with the table of the backend
        for name in ("worker", "clock"):
            place.crew.start(name)
        place.desk.release(MIRA, released)
        for number in (released, timed):
            place.until_status(number, Status.ENDED)
        another = place.ask("postgres")
        place.until_status(another, Status.RUNNING)
        assert faults(place, [released, timed, another]) == []
        for name in ("worker", "clock"):
            said = (place.home / "log" / f"{name}.log").read_text()
            assert "The rules changed and cannot be used; the ones before go on." in said
            assert "colour" in said
    finally:
        place.close()
