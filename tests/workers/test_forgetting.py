"""What bars a grant that was taken back is kept until nobody can be late any more, and then goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ledger.nouns import Grant
from ledger.streams.request import Status
from workers.errors import StaleGrantError
from workers.executors.gpu_pool import GpuPoolExecutor
from workers.hands import attend
from workers.reconcile import Keys
from workers.room import grant_of
from workers.watchman import FORGET_AFTER, Watchman, forget


@pytest.fixture
def pool(world, tmp_path):
    executor = GpuPoolExecutor(tmp_path / "leases", clock=world.time, grace_s=0.1)
    world.room = replace(world.room, executors={**world.room.executors, "gpu": executor})
    return executor


def released(world) -> Grant:
    """A grant that was handed back early, as its worker knew it."""
    request = world.running()
    grant = grant_of(world.now(request))
    world.desk.release(world.book.people().slack(request.asker), request.number)
    assert attend(world.room, request.number) is Status.ENDED
    return grant


def barred(tmp_path):
    return {path.stem for path in (tmp_path / "leases").glob("*.ended")}


def test_what_was_taken_back_a_day_ago_is_forgotten_and_not_before(world, pool, tmp_path):
    grant = released(world)
    world.time.now += FORGET_AFTER - timedelta(seconds=1)
    forget(world.room, pool, Keys(world.book))
    assert barred(tmp_path) == {grant.key}
    world.time.pass_time(seconds=1)
    watchman = Watchman(world.room, pause_s=0)
    watchman.tick()
    watchman.wait()
    assert barred(tmp_path) == set()
    with pytest.raises(StaleGrantError):
        pool.ensure(grant)


def test_what_is_not_over_or_unknown_stays_barred(world, pool, tmp_path):
    request = world.running()
    key = grant_of(world.now(request)).key
    for each in (key, "f" * 32):
        (tmp_path / "leases" / f"{each}.ended").write_text('{"generation": 1}')
    world.time.now += 2 * FORGET_AFTER
    forget(world.room, pool, Keys(world.book))
    assert barred(tmp_path) == {key, "f" * 32}
