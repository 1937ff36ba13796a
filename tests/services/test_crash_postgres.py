"""kill -9 of every victim with PostgreSQL as the executor: a kill of each here, at every step in `make crash-table`."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from conftest import MIRA
from services.crash_cases import site_chain
from services.crash_postgres import PostgresSite
from services.crash_table import Run
from services.place import faults
from services.postgres import postgres_server  # noqa: F401 - a fixture

from ledger.streams.request import Status

pytestmark = [pytest.mark.services, pytest.mark.timeout(200)]
CREW = ("worker", "clock")


@pytest.fixture(scope="module")
def run(postgres, tmp_path_factory):
    """One house for all that is done to it."""
    run = Run(tmp_path_factory.mktemp("crash") / "home", [PostgresSite(postgres)])
    yield run
    run.place.close()


def test_killed_with_postgresql_at_work_no_role_is_doubled_or_left(run):
    found = run.play([site_chain(run.place.sites["postgres"], short=True)])
    assert run.wrong == {}
    assert found == []


@contextmanager
def unreadable(place):
    """Meanwhile the catalogue has a key that nobody knows: the file ends with the table of the backend."""
    path = place.home / "policies" / "catalogue.toml"
    good = path.read_text()
    path.write_text(good + 'colour = "blue"\n')
    yield
    path.write_text(good)


def test_an_edit_of_its_backend_that_cannot_be_read_keeps_no_restarted_process_from_ending_what_runs(run):
    place = run.place
    released, timed = place.ask("postgres"), place.ask("postgres", seconds=12)
    place.man()
    for number in (released, timed):
        place.until_status(number, Status.RUNNING)
    for name in CREW:
        place.crew.kill(name)
    with unreadable(place):
        place.man()
        place.desk.release(MIRA, released)
        for number in (released, timed):
            place.until_status(number, Status.ENDED)
        another = place.ask("postgres")
        place.until_status(another, Status.RUNNING)
    assert faults(place, [*run.numbers.values(), released, timed, another]) == []
    for name in CREW:
        said = (place.home / "log" / f"{name}.log").read_text()
        assert "The rules changed and cannot be used; the ones before go on." in said
        assert "backends.warehouse" in said
        assert "colour" in said
