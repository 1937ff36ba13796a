"""One suite for every executor, simulated or real. A new one passes it by a `Backend` and a class that names it.

    class TestOurs(ExecutorContract):
        @pytest.fixture
        def backend(self, tmp_path):
            return OurBackend(tmp_path)

An executor whose backend may accept a grant and not start it takes `QueueContract` as well.
"""

from __future__ import annotations

import pickle
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

ROOT = Path(__file__).parents[2]


class Backend:
    """What the suite asks of a backend. It is pickled: another process opens the same one.

    `clock` is what executors are opened on. It moves only when the suite moves it; a real service has time of its own
    besides, and starts it at the present.
    """

    subject = "user:" + "0" * 32
    resource = "gpu:h100-shared"
    rounds = 20
    """How often each of two processes repeats what it does."""

    def clock(self):
        return Hand()

    def form(self, duration_s):
        """What is asked for; two of these by one subject fit beside each other."""
        return GpuForm(resource=self.resource, gpu_type="h100-80gb", gpus=2, duration_s=duration_s)

    def devices(self, name):
        """What the ledger gives to grant `a` or `b`; a backend that chooses by itself does not look at it."""
        return {"a": ("gpu-0", "gpu-1"), "b": ("gpu-2", "gpu-3")}[name]

    def executor(self, clock):
        """Open an executor, as a worker that starts does."""
        raise NotImplementedError

    def trace(self, key):
        """Tell what was done for a key: it changes with every effect and with nothing else."""
        raise NotImplementedError

    def breaks(self):
        """Make the backend unable to answer, and return what repairs it."""
        raise NotImplementedError

    def fills(self):
        """Make the backend accept and not start, and return what makes it start (for `QueueContract`)."""
        raise NotImplementedError


class Contract:
    """What both suites stand on: a subclass gives the fixture `backend`."""

    @pytest.fixture
    def time(self, backend):
        return backend.clock()

    @pytest.fixture
    def executor(self, backend, time):
        return backend.executor(time)

    @pytest.fixture
    def grant(self, backend, time):
        """Makes grants; the same name is the same key, in this test alone."""
        keys = {name: secrets.token_hex(16) for name in "ab"}

        def make(name="a", generation=1):
            hours = timedelta(hours=3)
            return Grant(
                request=1001 + (name == "b"),
                key=keys[name],
                subject=backend.subject,
                form=backend.form(int(hours.total_seconds())),
                generation=generation,
                not_after=time() + hours,
                devices=backend.devices(name),
            )

        return make


class ExecutorContract(Contract):
    """What is true of every executor."""

    def test_what_is_ensured_is_held_and_what_is_revoked_is_gone(self, executor, grant):
        one = grant()
        assert executor.observe(one) is Observation.GONE
        assert isinstance(executor.ensure(one), Receipt)
        assert executor.observe(one) is Observation.HELD
        executor.revoke(one)
        assert executor.observe(one) is Observation.GONE

    def test_every_executor_says_how_firmly_it_holds_a_lease_and_its_receipt_says_the_same(self, executor, grant):
        assert isinstance(executor.enforcement, Enforcement)
        receipt = executor.ensure(grant())
        assert (receipt.executor, receipt.enforcement, receipt.simulated) == (
            executor.name,
            executor.enforcement,
            executor.simulated,
        )

    def test_ensuring_again_changes_nothing_also_after_a_restart(self, backend, executor, time, grant):
        one = grant()
        receipt, trace = executor.ensure(one), backend.trace(one.key)
        assert [executor.ensure(one) for _ in range(5)] == [receipt] * 5
        assert backend.executor(time).ensure(one) == receipt
        assert backend.trace(one.key) == trace

    def test_revoking_again_changes_nothing(self, backend, executor, time, grant):
        one = grant()
        executor.ensure(one)
        executor.revoke(one)
        trace = backend.trace(one.key)
        executor.revoke(one)
        backend.executor(time).revoke(one)
        assert backend.trace(one.key) == trace
        assert executor.observe(one) is Observation.GONE

    def test_revoking_the_unknown_is_safe(self, backend, executor, grant):
        before = backend.trace(grant().key)
        executor.revoke(grant())
        assert backend.trace(grant().key) == before
        assert executor.observe(grant()) is Observation.GONE

    def test_a_stale_generation_is_refused_and_what_stands_stays(self, backend, executor, grant):
        executor.ensure(grant(generation=2))
        trace = backend.trace(grant().key)
        with pytest.raises(StaleGrantError):
            executor.ensure(grant(generation=1))
        assert backend.trace(grant().key) == trace
        assert executor.observe(grant()) is Observation.HELD

    def test_a_sooner_end_under_a_later_generation_is_what_it_is_held_to(self, backend, executor, time, grant):
        one = grant()
        receipt = executor.ensure(one)
        sooner = replace(grant(generation=2), not_after=one.not_after - timedelta(hours=2))
        assert [executor.ensure(sooner), backend.executor(time).ensure(sooner)] == [receipt] * 2
        assert executor.observe(sooner) is Observation.HELD
        assert [(held.key, held.wrong) for held in executor.holdings()] == [(one.key, "")]
        assert {held.until for held in executor.holdings()} <= {None, sooner.not_after}
        with pytest.raises(StaleGrantError):
            executor.ensure(one)
        executor.revoke(sooner)
        assert executor.observe(sooner) is Observation.GONE

    @pytest.mark.parametrize("late", [1, 2])
    def test_what_was_revoked_never_starts_again_but_a_later_generation_does(self, executor, grant, late):
        executor.ensure(grant(generation=2))
        executor.revoke(grant(generation=2))
        with pytest.raises(StaleGrantError):
            executor.ensure(grant(generation=late))
        assert executor.observe(grant()) is Observation.GONE
        executor.ensure(grant(generation=3))
        assert executor.observe(grant()) is Observation.HELD

    def test_revoking_before_the_start_bars_that_start(self, executor, grant):
        executor.revoke(grant())
        with pytest.raises(StaleGrantError):
            executor.ensure(grant())
        assert executor.observe(grant()) is Observation.GONE

    def test_a_revocation_of_an_older_generation_does_not_cut_the_newer(self, backend, executor, grant):
        executor.ensure(grant(generation=2))
        trace = backend.trace(grant().key)
        executor.revoke(grant(generation=1))
        assert backend.trace(grant().key) == trace
        assert executor.observe(grant()) is Observation.HELD

    @pytest.mark.parametrize("late", [timedelta(0), timedelta(microseconds=1), timedelta(days=9)])
    def test_nothing_starts_once_its_end_has_come(self, backend, executor, time, grant, late):
        one = grant()
        time.now = one.not_after + late
        before = backend.trace(one.key)
        with pytest.raises(StaleGrantError):
            executor.ensure(one)
        assert backend.trace(one.key) == before
        assert executor.observe(one) is Observation.GONE

    def test_a_start_just_before_its_end_is_no_late_start(self, executor, time, grant):
        one = grant()
        time.now = one.not_after - timedelta(microseconds=1)
        assert isinstance(executor.ensure(one), Receipt)

    def test_a_backend_that_does_not_answer_is_never_guessed_at(self, backend, executor, grant):
        one, other = grant(), grant("b")
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

    def test_overlapping_grants_of_one_subject_on_one_resource_do_not_cut_each_other(self, executor, grant):
        one, other = grant(), grant("b")
        executor.ensure(one)
        executor.ensure(other)
        executor.revoke(one)
        assert (executor.observe(one), executor.observe(other)) == (Observation.GONE, Observation.HELD)
        executor.revoke(one)
        assert executor.observe(other) is Observation.HELD

    def test_the_same_grant_from_two_processes_at_once_is_one_effect(self, backend, time, grant, tmp_path):
        gate = tmp_path / "go"
        children = [_other_process(backend, time, grant(), gate) for _ in range(2)]
        gate.touch()
        said = [child.communicate(timeout=60)[0].split("\n")[:-1] for child in children]
        assert [child.returncode for child in children] == [0, 0]
        assert [len(lines) for lines in said] == [backend.rounds, backend.rounds]
        assert len({line for lines in said for line in lines}) == 1

    def test_what_an_executor_lists_is_what_it_holds(self, executor, grant):
        assert isinstance(executor, Lists)
        one, other = grant(), grant("b")
        executor.ensure(one)
        executor.ensure(other)
        executor.revoke(one)
        assert [holding.key for holding in executor.holdings()] == [other.key]

    def test_what_is_taken_away_is_no_longer_there(self, executor, grant):
        assert isinstance(executor, TakesAway)
        one, other = grant(), grant("b")
        executor.ensure(one)
        executor.ensure(other)
        (found,) = [holding for holding in executor.holdings() if holding.key == one.key]
        executor.take_away(found)
        executor.take_away(found)
        assert [holding.key for holding in executor.holdings()] == [other.key]
        assert executor.observe(one) is Observation.GONE

    def test_a_list_that_cannot_be_read_is_an_error_and_not_an_empty_list(self, backend, executor):
        repair = backend.breaks()
        with pytest.raises(BackendError):
            executor.holdings()
        repair()
        assert executor.holdings() == ()


CHILD = """
import pickle, sys, time
sys.path[:0] = sys.argv[3:]
from pathlib import Path
backend, now, grant = pickle.loads(bytes.fromhex(sys.argv[1]))
clock = backend.clock()
clock.now = now
executor = backend.executor(clock)
while not Path(sys.argv[2]).exists():
    time.sleep(0.001)
for _ in range(backend.rounds):
    executor.ensure(grant)
    print(backend.trace(grant.key))
"""


def _other_process(backend, time, grant, gate):
    what = pickle.dumps((backend, time.now, grant)).hex()
    line = [sys.executable, "-c", CHILD, what, str(gate), str(ROOT), str(ROOT / "tests")]
    return subprocess.Popen(line, stdout=subprocess.PIPE, text=True)


class QueueContract(Contract):
    """What is true besides where a backend may accept a grant without starting it."""

    @pytest.fixture
    def make_room(self, backend):
        """The backend is full, until this is called."""
        return backend.fills()

    def test_what_is_accepted_and_not_started_waits_in_its_place(self, backend, executor, grant, make_room):
        first, second = grant(), grant("b")
        nothing = backend.trace(first.key)
        said = [executor.ensure(first), executor.ensure(second), executor.ensure(first)]
        assert [(type(each), each.place) for each in said] == [(Pending, 1), (Pending, 2), (Pending, 1)]
        assert executor.observe(first) is Observation.HELD
        assert backend.trace(first.key) == nothing

    def test_what_waited_starts_once(self, backend, executor, grant, make_room):
        executor.ensure(grant())
        make_room()
        assert isinstance(executor.ensure(grant()), Receipt)
        trace = backend.trace(grant().key)
        executor.ensure(grant())
        assert backend.trace(grant().key) == trace

    def test_what_is_revoked_while_it_waits_never_starts(self, backend, executor, grant, make_room):
        nothing = backend.trace(grant().key)
        executor.ensure(grant())
        executor.revoke(grant())
        assert executor.observe(grant()) is Observation.GONE
        make_room()
        with pytest.raises(StaleGrantError):
            executor.ensure(grant())
        assert backend.trace(grant().key) == nothing

    def test_a_generation_that_waits_is_not_older_than_itself(self, executor, grant, make_room):
        executor.ensure(grant(generation=2))
        with pytest.raises(StaleGrantError):
            executor.ensure(grant(generation=1))
