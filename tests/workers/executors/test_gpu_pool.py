"""Lease files that are not what we wrote, and devices that stand in two of them."""

from __future__ import annotations

import secrets
import threading
from datetime import timedelta

import pytest
from conftest import Hand

from ledger.nouns import GpuForm, Grant
from workers.errors import BackendError, StaleGrantError
from workers.executors import leases
from workers.executors.base import Holding, Observation
from workers.executors.gpu_pool import GpuPoolExecutor

KEY, OTHER = (first + secrets.token_hex(16)[1:] for first in "ab")  # in order; processes of other runs carry theirs


@pytest.fixture
def time():
    return Hand()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "leases"


@pytest.fixture
def executor(folder, time):
    return GpuPoolExecutor(folder, clock=time, grace_s=0.2)


def grant(key=KEY, devices=("GPU-0",), generation=1, **rest):
    form = GpuForm(resource="gpu:h100-shared", gpu_type="h100-80gb", gpus=len(devices), duration_s=3600)
    end = Hand()() + timedelta(hours=1)
    return Grant(
        **{"request": 1001, "not_after": end} | rest,
        key=key,
        subject="user:x",
        form=form,
        generation=generation,
        devices=devices,
    )


FOREIGN = ["", "{", '{"request": 1001, "gener', "null", "[]", '{"request": 1001}', "\x00"]
FOREIGN += ['{"request": "1", "generation": 1, "devices": [], "not_after": "2026-11-24T10:00:00.000000Z"}']
FOREIGN += ['{"request": 1, "generation": 1, "devices": [7], "not_after": "2026-11-24T10:00:00.000000Z"}']
FOREIGN += ['{"request": 1, "generation": 1, "devices": [], "not_after": "tomorrow"}']


@pytest.mark.parametrize("text", FOREIGN)
def test_a_file_that_is_no_lease_says_nothing_until_it_is_revoked(executor, folder, text):
    (folder / f"{KEY}.lease").write_text(text)
    assert executor.observe(grant()) is Observation.UNKNOWN
    with pytest.raises(BackendError):
        executor.ensure(grant())
    executor.revoke(grant())
    assert executor.observe(grant()) is Observation.GONE


@pytest.mark.parametrize("text", ["", "{", "null", '{"generation": "9"}'])
def test_a_bar_that_cannot_be_read_bars_everything(executor, folder, text):
    (folder / f"{KEY}.ended").write_text(text)
    with pytest.raises(StaleGrantError):
        executor.ensure(grant(generation=1000))
    executor.revoke(grant())
    with pytest.raises(StaleGrantError):
        executor.ensure(grant(generation=1000))


def test_a_foreign_note_of_a_run_is_not_taken_for_nothing(executor, folder):
    executor.ensure(grant())
    (folder / f"{KEY}.run.me").write_text("")
    (folder / f"{KEY}.lease").unlink()
    assert executor.observe(grant()) is Observation.UNKNOWN


def test_a_foreign_file_does_not_keep_others_from_their_devices(executor, folder):
    (folder / f"{OTHER}.lease").write_text("{")
    executor.ensure(grant())
    assert executor.observe(grant()) is Observation.HELD
    mine, foreign = executor.holdings()
    assert (mine.key, mine.devices, mine.until) == (KEY, ("GPU-0",), grant().not_after)
    assert foreign == Holding(key=None, what=f"{OTHER}.lease")


def test_no_device_stands_in_two_leases(executor, folder):
    executor.ensure(grant(devices=("GPU-0", "GPU-1")))
    with pytest.raises(BackendError, match="REQ-1001"):
        executor.ensure(grant(key=OTHER, devices=("GPU-1", "GPU-2")))
    assert leases.read_lease(folder, OTHER) is None
    executor.revoke(grant())
    executor.ensure(grant(key=OTHER, devices=("GPU-1", "GPU-2")))


@pytest.mark.parametrize("act", ["ensure", "revoke"])
def test_nobody_changes_leases_while_somebody_else_does(executor, folder, act):
    executor.ensure(grant(key=OTHER, devices=("GPU-9",)))
    before = sorted(path.name for path in folder.iterdir())
    one = grant() if act == "ensure" else grant(key=OTHER)
    other = threading.Thread(target=getattr(executor, act), args=(one,))
    with leases.alone(folder):
        other.start()
        other.join(0.3)
        assert other.is_alive()
        assert sorted(path.name for path in folder.iterdir()) == before
    other.join(10)
    assert executor.observe(one) is (Observation.HELD if act == "ensure" else Observation.GONE)


def test_a_crash_between_the_bar_and_the_end_of_the_lease_starts_nothing_again(executor, folder, monkeypatch):
    executor.ensure(grant())

    def crash(*_args, **_rest):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(leases.Path, "unlink", crash)
        with pytest.raises(KeyboardInterrupt):
            executor.revoke(grant())
    with pytest.raises(StaleGrantError):
        executor.ensure(grant())
    assert executor.observe(grant()) is Observation.HELD
    executor.revoke(grant())
    assert executor.observe(grant()) is Observation.GONE


def test_a_crash_while_a_lease_is_written_leaves_none(executor, folder, monkeypatch):
    def crash(*_args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(leases.os, "fsync", crash)
        with pytest.raises(BackendError, match="No space left"):
            executor.ensure(grant())
    assert executor.observe(grant()) is Observation.GONE
    executor.ensure(grant())


def test_a_later_generation_moves_the_end_of_the_lease(executor, folder):
    executor.ensure(grant())
    later = Hand()() + timedelta(hours=2)
    executor.ensure(grant(generation=2, not_after=later))
    assert leases.read_lease(folder, KEY).not_after == later


def test_a_lease_without_an_end_is_refused(executor):
    with pytest.raises(StaleGrantError):
        executor.ensure(grant(not_after=None))


def test_a_lease_that_is_over_is_nobodys(executor, folder, time):
    executor.ensure(grant())
    assert leases.lease_of(folder, 1001, time())[0] == KEY
    assert leases.lease_of(folder, 1002, time()) is None
    time.pass_time(hours=1)
    assert leases.lease_of(folder, 1001, time()) is None
