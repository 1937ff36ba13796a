"""kill -9 of every victim at every labelled step, as `make crash-table` plays it for workers/README.md."""

from __future__ import annotations

import pytest
from services import crash_table
from services.crash_cases import Case, chains, every_chain, longer_chain
from services.crash_table import Run, publish, table, write

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]


def test_killed_at_every_step_every_request_is_over_or_goes_on_and_no_effect_is_doubled(tmp_path):
    run = Run(tmp_path / "home")
    try:
        found = run.play([*chains(short=True), longer_chain("gpu", short=True)])
    finally:
        run.place.close()
    assert run.wrong == {}
    assert found == []


def test_the_published_table_has_a_cell_for_every_case_and_no_failure():
    begin, end = crash_table.MARKS
    published = crash_table.README.read_text().partition(begin)[2].partition(end)[0]
    every = [case for chain in every_chain(short=True) for case in chain]
    assert table(every, {}) in published


def test_a_failed_case_is_shown_as_failed(tmp_path):
    case = Case(victim="worker", step="after-ensure", scheme="gpu")
    page = tmp_path / "README.md"
    page.write_text("before\n{}\n{}\nafter".format(*crash_table.MARKS))
    write(table([case], {case: "it died"}), page)
    assert "**gpu_pool FAILED**" in page.read_text()
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("\nafter")


def test_what_was_not_played_now_is_published_only_if_it_stood_there_before(tmp_path):
    old, new = (Case(victim="worker", step=step, scheme="gpu") for step in ("after-ensure", "after-prolong"))
    page = tmp_path / "README.md"
    page.write_text("{}\n{}".format(*crash_table.MARKS))
    publish([old, new], [new], page)
    assert "after" not in page.read_text()
    publish([old], [old], page)
    publish([old, new], [new], page)
    assert table([old, new], {}) in page.read_text()
