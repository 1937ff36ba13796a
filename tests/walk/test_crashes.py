"""Valkey, Celery workers and the clock as real processes: forged messages, kill -9, and everything down for a while."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from conftest import INES, MIRA

from bot.crew import Crew
from bot.desk import Desk
from bot.house import open_house
from ledger.audit import verify_store
from ledger.nouns import GpuForm
from ledger.streams.request import Status, Verdict
from workers.app import build_room, take_inventories
from workers.embedded import Valkey
from workers.queue import TASK, celery_app, nudger
from workers.settings import HouseSettings

pytestmark = pytest.mark.services


class Site:
    """One home with its services."""

    def __init__(self, home):
        self.settings = HouseSettings(home=home, policies=home / "policies")
        self.house = open_house(home, home / "policies", home / "ledger.sqlite3", mode="demo", workspace="T0LOCAL")
        self.valkey = Valkey(home / "valkey")
        self.valkey.start()
        self.room = build_room(self.settings, simulate=True)
        take_inventories(self.room)
        self.crew = Crew(home, home / "policies", self.valkey.url, simulate=True)
        self.book = self.house.book
        self.desk = Desk(self.book, self.house.policy.current, nudger(self.valkey.url), self.book.clock)
        self.leases = home / "leases"

    def ask(self, gpus=4, seconds=3600):
        form = GpuForm(resource="gpu:h100-shared", gpu_type="h100-80gb", gpus=gpus, duration_s=seconds)
        return self.desk.submit(MIRA, form, purpose="x", said="y")

    def approve(self, request):
        return self.desk.review(INES, request.number, request.form_digest, Verdict.APPROVE)

    def until(self, request, status, seconds=40):
        deadline = time.monotonic() + seconds
        while (now := self.book.request(request.number)).status is not status:
            assert time.monotonic() < deadline, f"{now.name} is {now.status}, not {status}"
            time.sleep(0.05)
        return now

    def held(self):
        return sorted(path.stem for path in self.leases.glob("*.lease"))

    def close(self):
        self.crew.stop()
        self.valkey.stop()
        self.room.book.store.close()
        self.book.store.close()


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    yield made
    assert verify_store(made.book.store).sound
    made.close()


def test_a_forged_message_grants_nothing_and_the_same_one_a_hundred_times_grants_once(site):
    site.crew.start("worker")
    waiting, good = site.ask(), site.ask()
    forger = celery_app(site.valkey.url)
    for argument in (waiting.number, 4711, -1, "1001; DROP TABLE entry", None, True, {"request": waiting.number}):
        forger.send_task(TASK, args=[argument])
    forger.send_task("workers.tasks.grant_everything", args=[waiting.number])
    site.approve(good)
    for _ in range(100):
        forger.send_task(TASK, args=[good.number])
    site.until(good, Status.RUNNING)
    time.sleep(1)
    assert site.book.request(waiting.number).status is Status.WAITING
    assert len(site.held()) == 1
    kinds = [kind for kind, *_ in site.book.request(good.number).history]
    assert kinds.count("request.dispatched") == kinds.count("request.started") == 1


def test_a_worker_killed_between_dispatch_and_receipt_is_found_by_the_sweep(site, monkeypatch):
    """The dispatch is durable, the worker dies before the executor answers: the sweep goes on, and there is one effect."""
    from workers import hands

    request = site.ask()
    site.approve(request)

    def die(*_args):
        raise SystemExit(9)

    with monkeypatch.context() as patch:
        patch.setattr(hands, "_start", die)
        with pytest.raises(SystemExit):
            hands.attend(site.room, request.number)
    assert site.book.request(request.number).status is Status.STARTING
    assert site.held() == []
    site.crew.start("worker")
    site.crew.start("clock")
    running = site.until(request, Status.RUNNING)
    assert site.held() == [running.grant_key]
    assert [kind for kind, *_ in running.history].count("request.dispatched") == 1


def test_killing_the_whole_worker_loses_no_approval(site):
    site.crew.start("worker")
    site.crew.start("clock")
    first = site.ask()
    site.approve(first)
    site.until(first, Status.RUNNING)
    site.crew.kill("worker")
    second = site.ask()
    site.approve(second)
    time.sleep(0.5)
    site.crew.start("worker")
    site.until(second, Status.RUNNING)
    assert len(site.held()) == 2


def test_a_grant_that_runs_out_while_nobody_works_is_ended_on_return(site):
    from workers.hands import attend

    request = site.ask(seconds=1)
    site.approve(request)
    attend(site.room, request.number)
    assert len(site.held()) == 1
    time.sleep(1.2)
    site.crew.start("clock")
    ended = site.until(request, Status.ENDED)
    assert site.held() == []
    assert ended.ended_at - ended.not_after < timedelta(seconds=60)


def test_without_a_broker_approvals_land_and_work_goes_on_when_it_is_back(site):
    site.valkey.stop()
    request = site.ask()
    assert site.approve(request).status is Status.APPROVED
    site.valkey = Valkey(site.settings.home / "valkey")
    site.valkey.start()
    site.crew.start("worker")
    site.crew.start("clock")
    site.until(request, Status.RUNNING)


def test_gpu_run_sees_the_leased_devices_and_stops_when_the_lease_ends(site, tmp_path):
    import threading

    from workers.hands import attend
    from workers.run import NoLeaseError, run_under_lease

    request = site.ask(gpus=2)
    with pytest.raises(NoLeaseError):
        run_under_lease(site.leases, request.name, ["true"])
    attend(site.room, request.number)
    seen = tmp_path / "seen"
    assert run_under_lease(site.leases, request.name, ["sh", "-c", f"echo $CUDA_VISIBLE_DEVICES > {seen}"]) == 0
    assert seen.read_text().strip() == ",".join(site.book.request(request.number).devices)
    codes = []
    long = threading.Thread(target=lambda: codes.append(run_under_lease(site.leases, request.name, ["sleep", "60"])))
    long.start()
    time.sleep(0.5)
    site.desk.release(MIRA, request.number)
    attend(site.room, request.number)
    long.join(20)
    assert codes
    assert codes[0] != 0
    site.crew.start("clock")
    site.until(request, Status.ENDED)
