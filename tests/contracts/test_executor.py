"""One suite for every executor. A new one passes it by adding a class with three methods to BACKENDS.

`executor` opens it on a clock, `trace` tells whether anything was done for a key (it changes with every effect and with
nothing else), `breaks` makes the backend unable to answer and gives back what repairs it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import Hand

from ledger.nouns import Enforcement, GpuForm, Grant, Receipt
from workers.errors import BackendError, StaleGrantError
from workers.executors.base import Lists, Observation, Pending, TakesAway
from workers.executors.gpu_pool import GpuPoolExecutor
from workers.executors.memory import MemoryExecutor, Mood

ROOT = Path(__file__).parents[2]
HOUR = timedelta(hours=1)


class MemoryBackend:
    def __init__(self, folder):
        self.path = folder / "memory.sqlite3"

    def executor(self, clock):
        return MemoryExecutor(self.path, clock=clock)

    def trace(self, key):
        return self.executor(Hand()).effects(key)

    def breaks(self):
        self.executor(Hand()).behave(Mood.DARK)
        return lambda: self.executor(Hand()).behave(Mood.READY)

    def fills(self):
        self.executor(Hand()).behave(Mood.FULL)
        return lambda: self.executor(Hand()).behave(Mood.READY)


class GpuPoolBackend:
    def __init__(self, folder):
        self.folder = folder / "leases"

    def executor(self, clock):
        return GpuPoolExecutor(self.folder, clock=clock, grace_s=0.2)

    def trace(self, key):
        path = self.folder / f"{key}.lease"
        return (path.stat().st_ino, path.stat().st_mtime_ns) if path.exists() else None

    def breaks(self):
        aside = self.folder.rename(self.folder.with_name("unmounted"))
        return lambda: aside.rename(self.folder)


BACKENDS = [MemoryBackend, GpuPoolBackend]
THAT_QUEUE = [MemoryBackend]
"""Those whose backend may accept a grant without starting it; they have a fourth method, `fills`."""


@pytest.fixture(params=BACKENDS, ids=lambda each: each.__name__)
def backend(request, tmp_path):
    return request.param(tmp_path)


@pytest.fixture
def time():
    return Hand()


@pytest.fixture
def executor(backend, time):
    return backend.executor(time)


RUN = os.environ.setdefault("QM_TEST_RUN", secrets.token_hex(8))
"""In every key: other runs on this machine have theirs, and the processes of this one share it."""


def key_of(name):
    return hashlib.sha256(f"{name}{RUN}".encode()).hexdigest()[:32]


def grant(time, key="a", generation=1, hours=3, devices=("gpu-0", "gpu-1")):
    form = GpuForm(resource="gpu:h100-shared", gpu_type="h100-80gb", gpus=len(devices), duration_s=hours * 3600)
    return Grant(
        request=1001,
        key=key_of(key),
        subject="user:" + "0" * 32,
        form=form,
        generation=generation,
        not_after=time() + hours * HOUR,
        devices=devices,
    )


def test_what_is_ensured_is_held_and_what_is_revoked_is_gone(executor, time):
    one = grant(time)
    assert executor.observe(one) is Observation.GONE
    assert isinstance(executor.ensure(one), Receipt)
    assert executor.observe(one) is Observation.HELD
    executor.revoke(one)
    assert executor.observe(one) is Observation.GONE


def test_every_executor_says_how_firmly_it_holds_a_lease_and_its_receipt_says_the_same(executor, time):
    assert isinstance(executor.enforcement, Enforcement)
    receipt = executor.ensure(grant(time))
    assert (receipt.executor, receipt.enforcement, receipt.simulated) == (
        executor.name,
        executor.enforcement,
        executor.simulated,
    )


def test_ensuring_again_changes_nothing_also_after_a_restart(backend, executor, time):
    one = grant(time)
    receipt, trace = executor.ensure(one), backend.trace(one.key)
    assert [executor.ensure(one) for _ in range(5)] == [receipt] * 5
    assert backend.executor(time).ensure(one) == receipt
    assert backend.trace(one.key) == trace


def test_revoking_again_changes_nothing(backend, executor, time):
    one = grant(time)
    executor.ensure(one)
    executor.revoke(one)
    trace = backend.trace(one.key)
    executor.revoke(one)
    backend.executor(time).revoke(one)
    assert backend.trace(one.key) == trace
    assert executor.observe(one) is Observation.GONE


def test_revoking_the_unknown_is_safe(backend, executor, time):
    before = backend.trace(grant(time).key)
    executor.revoke(grant(time))
    assert backend.trace(grant(time).key) == before
    assert executor.observe(grant(time)) is Observation.GONE


def test_a_stale_generation_is_refused_and_what_stands_stays(backend, executor, time):
    executor.ensure(grant(time, generation=2))
    trace = backend.trace(grant(time).key)
    with pytest.raises(StaleGrantError):
        executor.ensure(grant(time, generation=1))
    assert backend.trace(grant(time).key) == trace
    assert executor.observe(grant(time)) is Observation.HELD


@pytest.mark.parametrize("late", [1, 2])
def test_what_was_revoked_never_starts_again_but_a_later_generation_does(executor, time, late):
    executor.ensure(grant(time, generation=2))
    executor.revoke(grant(time, generation=2))
    with pytest.raises(StaleGrantError):
        executor.ensure(grant(time, generation=late))
    assert executor.observe(grant(time)) is Observation.GONE
    executor.ensure(grant(time, generation=3))
    assert executor.observe(grant(time)) is Observation.HELD


def test_revoking_before_the_start_bars_that_start(executor, time):
    executor.revoke(grant(time))
    with pytest.raises(StaleGrantError):
        executor.ensure(grant(time))
    assert executor.observe(grant(time)) is Observation.GONE


def test_a_revocation_of_an_older_generation_does_not_cut_the_newer(backend, executor, time):
    executor.ensure(grant(time, generation=2))
    trace = backend.trace(grant(time).key)
    executor.revoke(grant(time, generation=1))
    assert backend.trace(grant(time).key) == trace
    assert executor.observe(grant(time)) is Observation.HELD


@pytest.mark.parametrize("late", [timedelta(0), timedelta(microseconds=1), timedelta(days=9)])
def test_nothing_starts_once_its_end_has_come(backend, executor, time, late):
    one = grant(time)
    time.now = one.not_after + late
    before = backend.trace(one.key)
    with pytest.raises(StaleGrantError):
        executor.ensure(one)
    assert backend.trace(one.key) == before
    assert executor.observe(one) is Observation.GONE


def test_a_start_just_before_its_end_is_no_late_start(executor, time):
    one = grant(time)
    time.now = one.not_after - timedelta(microseconds=1)
    assert isinstance(executor.ensure(one), Receipt)


def test_a_backend_that_does_not_answer_is_never_guessed_at(backend, executor, time):
    one, other = grant(time), grant(time, key="b", devices=("gpu-2",))
    executor.ensure(one)
    repair = backend.breaks()
    assert executor.observe(one) is Observation.UNKNOWN
    assert executor.observe(other) is Observation.UNKNOWN
    with pytest.raises(BackendError):
        executor.ensure(other)
    with pytest.raises(BackendError):
        executor.revoke(one)
    repair()
    assert executor.observe(one) is Observation.HELD
    assert executor.observe(other) is Observation.GONE


def test_overlapping_grants_of_one_subject_on_one_resource_do_not_cut_each_other(executor, time):
    one, other = grant(time), grant(time, key="b", devices=("gpu-2", "gpu-3"))
    executor.ensure(one)
    executor.ensure(other)
    executor.revoke(one)
    assert (executor.observe(one), executor.observe(other)) == (Observation.GONE, Observation.HELD)
    executor.revoke(one)
    assert executor.observe(other) is Observation.HELD


def test_the_same_grant_from_two_processes_at_once_is_one_effect(backend, time, tmp_path):
    gate = tmp_path / "go"
    children = [_other_process(backend, tmp_path, gate) for _ in range(2)]
    gate.touch()
    said = [child.communicate(timeout=60)[0].split("\n")[:-1] for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert [len(lines) for lines in said] == [20, 20]
    assert len({line for lines in said for line in lines}) == 1


def _other_process(backend, folder, gate):
    script = f"""
import sys, time
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}, {str(ROOT / "tests" / "contracts")!r}]
from pathlib import Path
from conftest import Hand
import test_executor as contract
backend = contract.{type(backend).__name__}(Path({str(folder)!r}))
executor = backend.executor(Hand())
while not Path({str(gate)!r}).exists():
    time.sleep(0.001)
for _ in range(20):
    executor.ensure(contract.grant(Hand()))
    print(backend.trace(contract.key_of("a")))
"""
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)


def test_what_an_executor_lists_is_what_it_holds(executor, time):
    assert isinstance(executor, Lists)
    one, other = grant(time), grant(time, key="b", devices=("gpu-2",))
    executor.ensure(one)
    executor.ensure(other)
    executor.revoke(one)
    assert [holding.key for holding in executor.holdings()] == [other.key]


def test_what_is_taken_away_is_no_longer_there(executor, time):
    assert isinstance(executor, TakesAway)
    one, other = grant(time), grant(time, key="b", devices=("gpu-2",))
    executor.ensure(one)
    executor.ensure(other)
    (found,) = [holding for holding in executor.holdings() if holding.key == one.key]
    executor.take_away(found)
    executor.take_away(found)
    assert [holding.key for holding in executor.holdings()] == [other.key]
    assert executor.observe(one) is Observation.GONE


def test_a_list_that_cannot_be_read_is_an_error_and_not_an_empty_list(backend, executor):
    backend.breaks()
    with pytest.raises(BackendError):
        executor.holdings()


@pytest.fixture(params=THAT_QUEUE, ids=lambda each: each.__name__)
def full(request, tmp_path, time):
    """An executor whose backend accepts and does not start, and what makes it start."""
    backend = request.param(tmp_path)
    executor = backend.executor(time)
    return backend, executor, backend.fills()


def test_what_is_accepted_and_not_started_waits_in_its_place(full, time):
    backend, executor, _ = full
    first, second = grant(time), grant(time, key="b", devices=("gpu-2",))
    nothing = backend.trace(first.key)
    said = [executor.ensure(first), executor.ensure(second), executor.ensure(first)]
    assert [(type(each), each.place) for each in said] == [(Pending, 1), (Pending, 2), (Pending, 1)]
    assert executor.observe(first) is Observation.HELD
    assert backend.trace(first.key) == nothing


def test_what_waited_starts_once(full, time):
    backend, executor, make_room = full
    executor.ensure(grant(time))
    make_room()
    assert isinstance(executor.ensure(grant(time)), Receipt)
    trace = backend.trace(grant(time).key)
    executor.ensure(grant(time))
    assert backend.trace(grant(time).key) == trace


def test_what_is_revoked_while_it_waits_never_starts(full, time):
    backend, executor, make_room = full
    nothing = backend.trace(grant(time).key)
    executor.ensure(grant(time))
    executor.revoke(grant(time))
    assert executor.observe(grant(time)) is Observation.GONE
    make_room()
    with pytest.raises(StaleGrantError):
        executor.ensure(grant(time))
    assert backend.trace(grant(time).key) == nothing


def test_a_generation_that_waits_is_not_older_than_itself(full, time):
    _, executor, _ = full
    executor.ensure(grant(time, generation=2))
    with pytest.raises(StaleGrantError):
        executor.ensure(replace(grant(time), generation=1))
