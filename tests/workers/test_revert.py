"""Taking a side door away: asked by one admin, approved by another, seen gone before it is done."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from conftest import ADA, INES, KOFI, MIRA, Hand, make_world

from bot.errors import Reason, Refused
from ledger.audit import verify_store
from ledger.book import open_sqlite
from ledger.nouns import Grant, RevertForm, Seat
from ledger.streams.request import Request, Status, Verdict
from ledger.streams.watch import Fault, Outcome
from workers.errors import BackendError
from workers.executors.base import Holding
from workers.executors.gpu_pool import GpuPoolExecutor
from workers.executors.leases import Lease, write_lease
from workers.hands import attend
from workers.reconcile import reconcile
from workers.revert import RevertExecutor

STRANGE = "f" * 32


@pytest.fixture
def pool(tmp_path):
    time = Hand()
    book = open_sqlite(tmp_path / "l.sqlite3", clock=time)
    world = make_world(book, time, tmp_path)
    world.folder = tmp_path / "leases"
    gpu = GpuPoolExecutor(world.folder, clock=time, grace_s=0.2)
    world.room.executors.update({"gpu": gpu, "desk": RevertExecutor(lambda: world.room)})
    yield world
    book.store.close()


def scan(pool):
    return reconcile(pool.room, pool.room.executors["gpu"], pause_s=0).findings


def lease(pool, key=STRANGE):
    values = {"request": 1001, "generation": 1, "devices": ("gpu-02:7",)}
    write_lease(pool.folder, key, Lease(**values, not_after=pool.time() + timedelta(hours=1)))


def asked(pool):
    (finding,) = scan(pool)
    request = pool.desk.revert(KOFI, "gpu_pool", finding.finding, "Nobody knows it.")
    assert isinstance(request, Request), request
    return request


def carried_out(pool, request):
    assert isinstance(pool.approve(request, ADA), Request)
    attend(pool.room, request.number)
    return pool.now(request)


def closed(pool):
    entries = pool.book.store.read("watch:gpu_pool", 0)
    return [(s.body["outcome"], s.body["request"]) for s in entries if s.kind == "watch.closed"]


def test_a_side_door_is_taken_away_seen_gone_and_closed_by_its_request(pool):
    lease(pool)
    request = asked(pool)
    assert request.seats == (Seat(name="admin", count=1, team=""),)
    assert (pool.folder / f"{STRANGE}.lease").exists()
    done = carried_out(pool, request)
    assert (done.status, done.receipt.note) == (Status.DONE, "Taken away from gpu_pool, and seen gone.")
    assert not (pool.folder / f"{STRANGE}.lease").exists()
    assert closed(pool) == [(Outcome.REVERTED.value, request.number)]
    assert scan(pool) == ()


def test_a_foreign_process_is_ended_and_the_lease_it_used_stays(pool):
    mine = pool.running()
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], env={**os.environ, "QM_LEASE": mine.grant_key}
    )
    try:
        assert carried_out(pool, asked(pool)).status is Status.DONE
        assert child.wait(5) < 0
    finally:
        child.kill()
        child.wait()
    assert (pool.folder / f"{mine.grant_key}.lease").exists()
    assert scan(pool) == ()


def test_a_foreign_file_is_removed(pool):
    (pool.folder / "mine.lease").write_text("{}")
    assert carried_out(pool, asked(pool)).status is Status.DONE
    assert not (pool.folder / "mine.lease").exists()


def test_nobody_takes_away_alone(pool):
    lease(pool)
    request = asked(pool)
    assert pool.approve(request, KOFI).reason is Reason.OWN_REQUEST
    assert pool.approve(request, INES).reason is Reason.NOT_YOUR_SEAT
    attend(pool.room, request.number)
    assert (pool.folder / f"{STRANGE}.lease").exists()


@pytest.mark.parametrize("slack", [MIRA, INES])
def test_only_an_admin_asks_for_it(pool, slack):
    lease(pool)
    (finding,) = scan(pool)
    outcome = pool.desk.revert(slack, "gpu_pool", finding.finding, "")
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.NOT_ALLOWED


def test_it_is_asked_once_while_it_waits(pool):
    lease(pool)
    request = asked(pool)
    (finding,) = scan(pool)
    again = pool.desk.revert(ADA, "gpu_pool", finding.finding, "")
    assert (again.reason, again.number) == (Reason.ALREADY_ASKED, request.number)


def test_a_finding_that_no_longer_stands_cannot_be_asked_for(pool):
    assert pool.desk.revert(KOFI, "gpu_pool", "f" * 32, "").reason is Reason.NO_FINDING


def test_a_grant_is_never_taken_away_as_a_side_door(pool):
    """What is beyond its grant is still somebody's: they are told, and the request is revoked."""
    request = pool.running()
    (pool.folder / f"{request.grant_key}.lease").unlink()
    (finding,) = scan(pool)
    assert finding.fault is Fault.LOST
    assert pool.desk.revert(KOFI, "gpu_pool", finding.finding, "").reason is Reason.NO_FINDING


def test_the_hands_take_nothing_away_that_a_grant_explains(pool):
    """Whatever asked for it: the finding that stands says that it is somebody's."""
    request = pool.running()
    (pool.folder / f"{request.grant_key}.lease").unlink()
    (finding,) = scan(pool)
    form = RevertForm(resource="desk:revert", backend="gpu_pool", finding=finding.finding)
    grant = Grant(request=1, key=STRANGE, subject="user:x", form=form, generation=1, not_after=None)
    with pytest.raises(BackendError, match="revoke"):
        pool.room.executors["desk"].ensure(grant)


def test_a_name_that_leads_out_of_the_folder_removes_nothing(pool, tmp_path):
    (tmp_path / "x.lease").write_text("mine")
    with pytest.raises(BackendError):
        pool.room.executors["gpu"].take_away(Holding(key=None, what="../x.lease"))
    assert (tmp_path / "x.lease").exists()


def test_what_was_gone_before_is_done_and_takes_nothing_else(pool):
    lease(pool)
    request = asked(pool)
    (pool.folder / f"{STRANGE}.lease").unlink()
    other = "e" * 32
    lease(pool, other)
    done = carried_out(pool, request)
    assert (done.status, done.receipt.note) == (Status.DONE, "It was gone already.")
    assert (pool.folder / f"{other}.lease").exists()


def test_what_comes_back_is_not_done(pool):
    lease(pool)
    request = asked(pool)
    gpu = pool.room.executors["gpu"]
    real = gpu.take_away
    gpu.take_away = lambda holding: (real(holding), lease(pool))
    failed = carried_out(pool, request)
    assert failed.status is Status.FAILED
    assert closed(pool) == []


def test_a_revert_is_verified_like_every_history(pool):
    lease(pool)
    carried_out(pool, asked(pool))
    assert verify_store(pool.book.store).sound


def test_a_denied_revert_changes_nothing(pool):
    lease(pool)
    request = asked(pool)
    pool.desk.review(ADA, request.number, request.form_digest, Verdict.DENY, "It is known.")
    attend(pool.room, request.number)
    assert (pool.folder / f"{STRANGE}.lease").exists()
    assert len(scan(pool)) == 1
