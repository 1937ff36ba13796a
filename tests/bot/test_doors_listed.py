"""Side doors as a list: what stands and what is explained, for those who may read it; and in an exported table."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import pytest
from bot_doors import SECURITY, STRANGE, known, taken
from bot_stage import text_of, whisper
from conftest import INES, KOFI, MIRA

from bot.blocks.doors import NOBODY_LOOKED, SHOWN
from ledger.export import table
from workers.executors.leases import Lease, write_lease


def test_an_admin_reads_what_stands_and_when_somebody_looked(doors):
    kofi = doors.server.person(KOFI)
    kofi.command("/qm doors", SECURITY)
    first = text_of(whisper(kofi, SECURITY, "Side doors that stand: 1"))
    assert "gpu-02:7" in first
    assert "Explained for now: 0" in first
    assert "Last look: gpu_pool" in first


def test_the_list_says_who_asks_what_to_become_of_it(doors):
    kofi = doors.server.person(KOFI)
    taken(doors, kofi)
    kofi.wait(doors.house.book.requests.last)
    kofi.command("/qm doors", SECURITY)
    whisper(kofi, SECURITY, "Kofi asks to take it away (REQ-1001). It waits for another admin.")


def test_what_is_explained_is_listed_with_its_end_until_that_is_over(doors):
    name = doors.house.book.request(known(doors)).name
    kofi = doors.server.person(KOFI)
    kofi.command("/qm doors", SECURITY)
    listed = text_of(whisper(kofi, SECURITY, "Explained for now: 1"))
    assert "Side doors that stand: 0" in listed
    assert f"({name}): The nightly backup's role; asked by Kofi, approved by Ada" in listed
    doors.pass_time(days=5)
    kofi.command("/qm doors", SECURITY)
    whisper(kofi, SECURITY, "Explained for now: 0")


@pytest.mark.parametrize(("who", "may"), [(KOFI, True), (INES, False), (MIRA, False)])
def test_the_list_is_for_admins_and_so_is_its_line_in_help(doors, who, may):
    person = doors.server.person(who)
    person.command("/qm doors", SECURITY)
    whisper(person, SECURITY, "Side doors that stand" if may else "Admins alone read which side doors stand")
    person.command("/qm help", SECURITY)
    assert ("/qm doors" in text_of(whisper(person, SECURITY, "What you can do here"))) is may


def test_a_list_that_is_too_long_says_how_much_is_left_out(doors):
    doors.quiet()
    for number in range(SHOWN + 2):
        lease = Lease(request=1, generation=1, devices=("gpu-02:6",), not_after=doors.clock() + timedelta(hours=1))
        write_lease(doors.folder, f"{number:08x}{STRANGE[8:]}", lease)
    doors.look()
    listed = doors.front.side_doors(KOFI)
    assert listed.count("Access without a grant") == SHOWN
    assert "and 3 more" in listed


def test_before_anybody_looked_the_list_says_so(stage):
    assert NOBODY_LOOKED in stage.front.side_doors(KOFI)


def test_an_exported_table_says_who_explained_what_and_until_when(doors):
    number = known(doors)
    rows = list(csv.DictReader(io.StringIO("".join(table.lines(doors.house.book.store.scan())))))
    bodies = {(row["stream"], row["kind"]): json.loads(row["body"]) for row in rows}
    closed = bodies["watch:gpu_pool", "watch.closed"]
    asked = bodies[f"request:{number}", "request.submitted"]
    assert (closed["outcome"], closed["request"]) == ("explained", number)
    assert (asked["form"]["backend"], asked["form"]["finding"]) == ("gpu_pool", closed["finding"])
    assert asked["form"]["until"] > rows[-1]["at"]
    assert asked["personal"]["purpose"] == "The nightly backup's role."
    assert "gpu-02:7" in bodies["watch:gpu_pool", "watch.found"]["personal"]["what"]
