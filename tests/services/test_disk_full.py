"""The ledger's disk is low, or full, on a real small file system: nothing begins, and every lease ends on time."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import count

import pytest
from conftest import INES, MIRA, Hand, make_world
from services.disk import KINDS, NoDiskError, fill, small_disk

from bot.blocks.refusals import refusal
from bot.errors import Reason, Refused
from ledger.audit import verify_store
from ledger.book import open_sqlite
from ledger.errors import DiskLowError, ReadOnlyError
from ledger.streams.request import Status, Verdict
from workers.executors.base import Observation
from workers.executors.gpu_pool import GpuPoolExecutor
from workers.hands import attend
from workers.journal import Journal
from workers.room import grant_of

pytestmark = [pytest.mark.services, pytest.mark.timeout(120)]
RESERVE = 2 * 1024 * 1024


@pytest.fixture(params=KINDS)
def disk(request, tmp_path):
    """A disk of its own. Where nothing may be mounted, a skip; in CI as root a failure."""
    try:
        with small_disk(tmp_path, request.param) as at:
            yield at
    except NoDiskError as error:
        if os.environ.get("CI") and os.geteuid() == 0:
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture
def small(disk):
    """A whole house on that disk, its journal too, with real lease files."""
    time = Hand()
    book = open_sqlite(disk / "ledger.sqlite3", clock=time, reserve=RESERVE)
    world = make_world(book, time, disk)
    pool = GpuPoolExecutor(disk / "leases", clock=time)
    journal = Journal(disk / "journal" / "endings.jsonl")
    journal.prepare()
    world.room = replace(world.room, executors={"gpu": pool}, journal=journal)
    yield world
    book.store.close()


def executor(world):
    return world.room.executors["gpu"]


def until_nothing_can_be_written(world):
    """What SQLite had left of its own files is used up too."""
    with pytest.raises(ReadOnlyError):
        for number in count():
            world.desk.subject(f"U9{number:05}")


def test_below_the_watermark_nothing_begins_and_endings_go_on(small, disk):
    runs, waits = small.running(), small.ask(gpus=3)
    approved = small.approved(gpus=3)
    fill(disk, leave=RESERVE - 64 * 1024)

    refused = small.desk.submit(MIRA, waits.form, purpose="x", said="y")
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.DISK_LOW
    assert refusal(refused, None, None).startswith("The ledger's disk is almost full, so nothing new begins")
    said = small.desk.review(INES, waits.number, waits.form_digest, Verdict.APPROVE)
    assert isinstance(said, Refused)
    with pytest.raises(DiskLowError):
        attend(small.room, approved.number)
    assert small.now(approved).status is Status.APPROVED

    small.desk.release(MIRA, runs.number)
    attend(small.room, runs.number)
    assert small.now(runs).status is Status.ENDED


def test_on_a_full_disk_leases_end_on_time_and_are_entered_once_there_is_room(small, disk):
    first, second = small.running(gpus=4), small.running(gpus=3)
    approved = small.approved(gpus=3)
    clock = small.clock
    small.time.pass_time(hours=2, minutes=59)
    clock.tick()
    filler = fill(disk)
    until_nothing_can_be_written(small)
    fill(disk)

    refused = small.desk.submit(MIRA, first.form, purpose="x", said="y")
    assert isinstance(refused, Refused)
    with pytest.raises(ReadOnlyError):
        attend(small.room, approved.number)
    assert executor(small).observe(grant_of(first)) is Observation.HELD
    end = first.not_after
    small.time.now = end
    clock.tick()
    for lease in (first, second):
        assert executor(small).observe(grant_of(lease)) is Observation.GONE
        assert small.now(lease).status is Status.RUNNING
    assert [ending.request for ending in Journal(disk / "journal" / "endings.jsonl").read()] == [
        first.number,
        second.number,
    ]
    small.time.pass_time(minutes=10)
    small.clock.tick()  # another clock, which knows nothing: taken away once, noted once

    filler.unlink()
    small.time.pass_time(minutes=1)
    small.clock.tick()
    for lease in (first, second):
        after = small.now(lease)
        assert after.status is Status.ENDED
        assert after.end == "request.ended-unlogged"
        assert after.ended_at == end
    assert small.room.journal.read() == []
    assert verify_store(small.book.store).sound
    attend(small.room, approved.number)
    assert small.now(approved).status is Status.RUNNING
