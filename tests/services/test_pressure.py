"""A broker that is gone, a backend that hangs, a message that kills, and thousands at once: with real processes."""

from __future__ import annotations

import os
import time

import pytest
from conftest import MIRA
from services.place import Place, faults

from ledger import crash
from ledger.streams.request import Status
from workers.attempts import GIVE_UP
from workers.embedded import Valkey
from workers.queue import TASK, celery_app, queue_of

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]
MANY = int(os.environ.get("QM_TEST_MANY", "300"))


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path / "home")
    yield made
    made.close()


def test_without_a_broker_approvals_land_leases_end_and_work_goes_on_when_it_is_back(place):
    place.crew.start("worker")
    place.crew.start("clock")
    ending = place.ask("gpu", seconds=8)
    place.until_status(ending, Status.RUNNING)
    place.valkey.stop()
    began = time.monotonic()
    asked = [place.ask(scheme) for scheme in ("gpu", "data", "deploy") for _ in range(3)]
    assert time.monotonic() - began < 9 * 2
    place.until_status(ending, Status.ENDED)
    time.sleep(5)
    assert {place.status(number) for number in asked} == {Status.APPROVED}
    place.valkey = Valkey(place.home / "valkey")
    place.valkey.start()
    place.until(lambda: all(place.status(number) in {Status.RUNNING, Status.DONE} for number in asked), 90)
    assert faults(place, [ending, *asked]) == []


def test_a_backend_that_hangs_delays_no_other(place):
    place.crew.start("worker")
    place.until_status(place.ask("deploy"), Status.DONE)
    stuck = []
    for _ in range(4):  # more than its shift has hands
        number = place.book.next_number()
        place.order("worker", "before-ensure", number, "hang 30")
        stuck.append(place.ask("data"))
    began = time.monotonic()
    others = [place.ask(scheme) for scheme in ("gpu", "deploy") for _ in range(5)]
    place.until(lambda: all(place.status(number) in {Status.RUNNING, Status.DONE} for number in others), 25)
    assert time.monotonic() - began < 25
    assert {place.status(number) for number in stuck} <= {Status.APPROVED, Status.STARTING}


def test_a_message_that_always_kills_its_worker_is_given_up_and_the_others_go_on(place):
    number = place.book.next_number()
    place.order("worker", "before-ensure", number, "always", crash.ITSELF)
    place.crew.start("worker")
    place.crew.start("clock")
    assert place.ask("data") == number
    place.until(lambda: place.book.request(number).stumbles >= 1, 60, lambda: place.life(number))
    good = place.ask("data")
    place.until_status(good, Status.RUNNING)
    place.until_status(number, Status.FAILED, seconds=150)
    assert place.book.request(number).stumbles == GIVE_UP
    assert place.crew.alive("worker")
    assert faults(place, [number, good]) == []


def test_thousands_approved_at_once_drain_without_loss(place):
    asking = time.monotonic()
    numbers = [place.ask(("data", "deploy")[n % 2]) for n in range(MANY)]
    print(f"{MANY} approved in {time.monotonic() - asking:.1f} s")
    began = time.monotonic()
    place.crew.start("worker")
    place.crew.start("clock")
    done = {Status.RUNNING, Status.DONE}
    place.until(lambda: all(place.status(number) in done for number in reversed(numbers)), 240)
    print(f"{MANY} drained in {time.monotonic() - began:.1f} s")
    assert len(set(numbers)) == MANY
    assert faults(place, numbers) == []


def test_a_message_in_another_queue_than_its_own_is_carried_out_all_the_same(place):
    desk = place.desk_with(lambda _: None)
    number = place.ask("data", desk=desk)
    place.crew.start("worker")
    celery_app(place.valkey.url).send_task(TASK, args=[number], queue=queue_of("gpu:"))
    place.until_status(number, Status.RUNNING)
    assert place.book.request(number).asker == place.book.people().subject(MIRA)
