"""Side doors: real ones are found once, entered and closed; a grant that starts or ends meanwhile is none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time as system
from dataclasses import replace
from datetime import timedelta

import pytest
from conftest import MIRA, TOMAS, Hand, make_world

from ledger.book import open_sqlite
from ledger.streams.request import Status
from ledger.streams.watch import Fault, Outcome
from workers import reconcile as reconciling
from workers.compare import EDGE
from workers.errors import BackendError
from workers.executors.gpu_pool import GpuPoolExecutor
from workers.executors.leases import Lease, note_run, read_lease, write_lease
from workers.executors.memory import Mood
from workers.hands import attend
from workers.reconcile import Keys, look, reconcile, unseen

STRANGE = "f" * 32


@pytest.fixture
def pool(tmp_path):
    """A world whose GPU grants are real lease files."""
    time = Hand()
    book = open_sqlite(tmp_path / "l.sqlite3", clock=time)
    world = make_world(book, time, tmp_path)
    executor = GpuPoolExecutor(tmp_path / "leases", clock=time, grace_s=0.2)
    world.room.executors.update({"gpu": executor})
    world.pool, world.folder = executor, tmp_path / "leases"
    yield world
    book.store.close()


def scan(world, executor=None):
    executor = executor or world.room.executors["gpu"]
    return reconcile(world.room, executor, pause_s=0)


def entries(world, backend):
    return [stored.kind for stored in world.book.store.read(f"watch:{backend}", 0)]


def faults(watch):
    return [finding.fault for finding in watch.findings]


def lease(world, key=STRANGE, **change):
    values = {
        "request": 1001,
        "generation": 1,
        "devices": ("gpu-02:7",),
        "not_after": world.time() + timedelta(hours=1),
    }
    write_lease(world.folder, key, Lease(**{**values, **change}))


def sleeper(folder=None, **variables):
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env={**os.environ, **variables})


# -- what is as ordered ---------------------------------------------------------------------------------------------


def test_a_clean_scan_is_an_entry(world):
    world.running()
    watch = scan(world)
    assert (watch.findings, watch.scanned_at) == ((), world.time())
    assert entries(world, "memory") == ["watch.reconciled"]


def test_what_is_over_and_what_was_never_started_is_in_no_doubt(world):
    done = world.running()
    world.desk.release(MIRA, done.number)
    attend(world.room, done.number)
    world.ask(slack=TOMAS)
    assert world.now(done).status is Status.ENDED
    assert scan(world).findings == ()


def test_a_grant_at_its_end_is_in_no_doubt_until_the_edge_is_over(pool):
    request = pool.running(hours=1)
    pool.time.now = request.not_after + EDGE
    assert scan(pool).findings == ()
    pool.time.pass_time(seconds=1)
    assert faults(scan(pool)) == [Fault.WRONG]


# -- side doors -----------------------------------------------------------------------------------------------------


def test_a_lease_that_nobody_ordered_is_found_once_and_closed_when_it_is_gone(pool):
    lease(pool)
    first = scan(pool)
    assert faults(first) == [Fault.UNEXPLAINED]
    assert "gpu-02:7" in str(first.findings[0].what)
    assert scan(pool).findings == first.findings
    (pool.folder / f"{STRANGE}.lease").unlink()
    assert scan(pool).findings == ()
    assert entries(pool, "gpu_pool") == [
        "watch.found",
        "watch.reconciled",
        "watch.reconciled",
        "watch.closed",
        "watch.reconciled",
    ]
    closed = [s for s in pool.book.store.read("watch:gpu_pool", 0) if s.kind == "watch.closed"]
    assert closed[0].body["outcome"] == Outcome.GONE.value


def test_a_file_that_is_no_lease_is_found(pool):
    (pool.folder / "mine.lease").write_text("{}")
    assert faults(scan(pool)) == [Fault.UNEXPLAINED]


def test_a_grant_whose_lease_was_removed_is_lost(pool):
    request = pool.running()
    (pool.folder / f"{request.grant_key}.lease").unlink()
    watch = scan(pool)
    assert [(f.fault, f.request) for f in watch.findings] == [(Fault.LOST, request.number)]


@pytest.mark.parametrize(
    "change",
    [{"devices": ("gpu-01:0",)}, {"hours": 1}, {"hours": -1}],
    ids=["other devices", "a later end", "an earlier end"],
)
def test_a_lease_beyond_its_grant_is_found(pool, change):
    request = pool.running(gpus=3)
    held = read_lease(pool.folder, request.grant_key)
    moved = timedelta(hours=change.get("hours", 0))
    lease(
        pool,
        request.grant_key,
        request=request.number,
        devices=change.get("devices", held.devices),
        not_after=held.not_after + moved,
    )
    assert [(f.fault, f.request) for f in scan(pool).findings] == [(Fault.WRONG, request.number)]


def test_a_lease_that_came_back_after_its_request_ended_is_found(pool):
    request = pool.running()
    pool.desk.release(MIRA, request.number)
    attend(pool.room, request.number)
    lease(pool, request.grant_key, request=request.number)
    watch = scan(pool)
    assert [(f.fault, f.request) for f in watch.findings] == [(Fault.UNEXPLAINED, request.number)]


def test_a_process_under_a_lease_that_no_run_started_is_found(pool):
    request = pool.running()
    child = sleeper(QM_LEASE=request.grant_key)
    try:
        watch = scan(pool)
        assert faults(watch) == [Fault.UNEXPLAINED]
        assert f"process {child.pid}" in str(watch.findings[0].what)
    finally:
        child.kill()
        child.wait()
    assert scan(pool).findings == ()


def test_a_process_that_gpu_run_started_is_in_no_doubt(pool):
    request = pool.running()
    by_name = sleeper(QM_LEASE=request.grant_key, QM_RUN="abc")
    script = [sys.executable, "-c", "import time; time.sleep(60)"]
    by_session = subprocess.Popen(script, env={**os.environ, "QM_LEASE": request.grant_key}, start_new_session=True)
    note_run(pool.folder, request.grant_key, by_session.pid)
    try:
        assert scan(pool).findings == ()
    finally:
        for child in (by_name, by_session):
            child.kill()
            child.wait()


def test_a_process_that_outlived_its_request_is_found(pool):
    request = pool.running()
    pool.desk.release(MIRA, request.number)
    attend(pool.room, request.number)
    child = sleeper(QM_LEASE=request.grant_key, QM_RUN="abc")
    try:
        assert [(f.fault, f.request) for f in scan(pool).findings] == [(Fault.UNEXPLAINED, request.number)]
    finally:
        child.kill()
        child.wait()


def test_a_process_of_another_installation_is_not_ours_to_judge(pool):
    child = sleeper(QM_LEASE="e" * 32)
    try:
        assert scan(pool).findings == ()
    finally:
        child.kill()
        child.wait()


def listed(pool, **change):
    """Let the pool list what it holds with something of it changed."""
    real = pool.pool.holdings
    pool.pool.holdings = lambda: tuple(replace(each, **change) for each in real())


def test_what_the_backend_itself_calls_wrong_is_found(pool):
    request = pool.running()
    listed(pool, wrong="It has 8 GPUs; 4 were granted.")
    watch = scan(pool)
    assert [(f.fault, f.request) for f in watch.findings] == [(Fault.WRONG, request.number)]
    assert "4 were granted" in str(watch.findings[0].what)


def test_what_is_being_taken_back_may_be_anything_for_a_while(pool):
    request = pool.running()
    pool.desk.release(MIRA, request.number)
    assert pool.now(request).status is Status.ENDING
    listed(pool, wrong="half of it is gone", devices=())
    assert scan(pool).findings == ()
    pool.time.now += EDGE + timedelta(seconds=1)
    assert faults(scan(pool)) == [Fault.WRONG]


# -- who looks ------------------------------------------------------------------------------------------------------


def test_what_only_one_look_saw_is_nothing(pool):
    lease(pool)
    keys = Keys(pool.book)

    def gone(_seconds):
        (pool.folder / f"{STRANGE}.lease").unlink()

    seen = reconciling.look_twice(pool.room, pool.pool, keys, wait=gone)
    assert seen.doubts == ()


def test_a_request_that_moves_while_the_backend_answers_is_in_no_doubt(pool):
    """What is listed was read before it ended; by the ledger it is over when the list comes back."""
    request = pool.running()
    real = pool.pool.holdings

    def slow():
        listed = real()
        pool.desk.release(MIRA, request.number)
        attend(pool.room, request.number)
        return listed

    pool.pool.holdings = slow
    assert look(pool.room, pool.pool, Keys(pool.book)).doubts == ()


def test_a_backend_that_cannot_be_read_is_no_clean_scan(world):
    world.running()
    world.executor.behave(Mood.DARK)
    with pytest.raises(BackendError):
        scan(world)
    assert entries(world, "memory") == []


def test_a_scan_that_was_missed_is_a_finding_once_until_somebody_looks(world):
    unseen(world.book, "memory", "Nobody could look.")
    unseen(world.book, "memory", "Nobody could look, again.")
    assert faults(world.book.watch("memory")) == [Fault.UNSEEN]
    assert scan(world).findings == ()
    assert entries(world, "memory") == ["watch.found", "watch.closed", "watch.reconciled"]


def test_no_name_of_a_person_is_in_the_leaf(pool):
    request = pool.running()
    child = sleeper(QM_LEASE=request.grant_key)
    try:
        scan(pool)
    finally:
        child.kill()
        child.wait()
    found = next(s for s in pool.book.store.read("watch:gpu_pool", 0) if s.kind == "watch.found")
    assert set(found.body["who"]) == set(found.body["what"]) == {"sealed"}
    assert str(child.pid) not in json.dumps(found.body)


def test_two_who_look_at_once_enter_a_finding_once(pool):
    lease(pool)
    threads = [threading.Thread(target=scan, args=(pool,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert entries(pool, "gpu_pool").count("watch.found") == 1


def test_under_load_nothing_that_was_ordered_is_accused(pool):
    """People ask, workers start and take back, all the while somebody looks; and one real side door is found."""
    stop, accused, looks = threading.Event(), [], 0

    def people():
        while not stop.is_set():
            request = pool.running(gpus=3, hours=1)
            pool.desk.release(MIRA, request.number)
            attend(pool.room, request.number)

    busy = threading.Thread(target=people)
    busy.start()
    deadline = system.monotonic() + 4
    keys = Keys(pool.book)
    while system.monotonic() < deadline:
        accused += reconcile(pool.room, pool.pool, keys, pause_s=0.02).findings
        looks += 1
    lease(pool)
    found = reconcile(pool.room, pool.pool, keys, pause_s=0.02)
    stop.set()
    busy.join()
    assert (accused, faults(found)) == ([], [Fault.UNEXPLAINED])
    assert looks > 10
