"""Valkey, Celery workers and the clock as real processes: forged messages, kill -9, and everything down for a while."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
import redis
from conftest import INES, MIRA

from bot.crew import Crew
from bot.desk import Desk
from bot.house import open_house
from ledger.audit import verify_store
from ledger.book import utc_now
from ledger.nouns import GpuForm
from ledger.streams.request import Status, Verdict
from workers.app import build_room, take_inventories
from workers.embedded import Valkey
from workers.executors.leases import alone
from workers.hands import attend
from workers.queue import QUEUE, TASK, celery_app, nudger
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

    def approve_without_haste(self, request):
        """Approve while nobody is nudged."""
        desk = Desk(self.book, self.house.policy.current, lambda _: None, self.book.clock)
        desk.review(INES, request.number, request.form_digest, Verdict.APPROVE)

    @contextmanager
    def unwritable(self):
        """Keep everybody from writing the ledger, as a disk that hangs would."""
        tx = sqlite3.connect(self.settings.database, isolation_level=None)
        tx.execute("PRAGMA busy_timeout = 10000")
        tx.execute("BEGIN IMMEDIATE")
        yield
        tx.execute("ROLLBACK")
        tx.close()

    def empty(self, raw):
        deadline = time.monotonic() + 20
        while raw.llen(QUEUE):
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def gpu_run(self, request, *command):
        line = [sys.executable, "-m", "bot.cli", "gpu", "run", request.name, "--", *command]
        return subprocess.Popen(line, env={**os.environ, "QM_HOME": str(self.settings.home)}, stderr=subprocess.DEVNULL)

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


def test_what_is_pushed_straight_into_valkey_grants_nothing_and_stops_no_worker(site):
    """Bytes that no client of ours would send: other tasks, other codecs, lies in the headers, and orders to the worker."""
    site.crew.start("worker")
    waiting = site.ask()
    with redis.Redis(unix_socket_path=site.valkey.url.removeprefix("redis+socket://")) as raw:
        for message in forgeries(waiting.number):
            raw.lpush(QUEUE, message)
        site.empty(raw)
    control = celery_app(site.valkey.url).control
    for order in ("shutdown", "pool_restart", "cancel_consumer"):
        control.broadcast(order, arguments={"queue": QUEUE} if order == "cancel_consumer" else None)
    time.sleep(1)
    assert site.held() == []
    assert site.book.request(waiting.number).status is Status.WAITING
    assert site.crew.alive("worker")
    good = site.ask()
    site.approve(good)
    site.until(good, Status.RUNNING)


def test_a_worker_killed_between_dispatch_and_receipt_is_found_by_the_sweep(site):
    """The dispatch is durable; the worker waits for the folder of leases, and dies there by `kill -9`."""
    site.crew.start("worker")
    request = site.ask()
    with alone(site.leases):
        site.approve(request)
        site.until(request, Status.STARTING)
        time.sleep(0.5)
        site.crew.kill("worker")
    assert site.held() == []
    site.crew.start("worker")
    site.crew.start("clock")
    running = site.until(request, Status.RUNNING)
    assert site.held() == [running.grant_key]
    assert [kind for kind, *_ in running.history].count("request.dispatched") == 1


def test_a_ledger_that_cannot_be_written_grants_nothing_until_it_can(site):
    site.crew.start("worker")
    site.crew.start("clock")
    request = site.ask(seconds=3600)
    site.approve_without_haste(request)
    with site.unwritable():
        nudger(site.valkey.url)(request.number)
        time.sleep(3)
        assert site.held() == []
    site.until(request, Status.RUNNING)
    assert len(site.held()) == 1


def test_without_a_ledger_a_lease_ends_all_the_same_and_is_entered_afterwards(site):
    site.crew.start("clock")
    for seconds in (1, 3):
        request = site.ask(seconds=seconds)
        site.approve(request)
        attend(site.room, request.number)
        if seconds == 1:
            site.until(request, Status.ENDED)  # the clock is up
    with site.unwritable():
        assert len(site.held()) == 1
        deadline = time.monotonic() + 40
        while site.held():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert site.book.request(request.number).status is Status.RUNNING
    ended = site.until(request, Status.ENDED)
    assert ended.end == "request.ended-unlogged"
    assert ended.ended_at >= ended.not_after


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
    site.crew.start("worker")
    request = site.ask(seconds=3)
    site.approve(request)
    running = site.until(request, Status.RUNNING)
    site.crew.kill("worker")
    time.sleep(max(0.0, (running.not_after - utc_now()).total_seconds()) + 0.5)
    assert site.held() == [running.grant_key]
    site.crew.start("clock")
    ended = site.until(request, Status.ENDED)
    assert site.held() == []
    assert ended.end == "request.expired"
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


def test_a_person_runs_on_the_devices_they_hold_until_they_hand_them_back(site, tmp_path):
    """Through the commands that people use: `quartermaster gpu run`, in a process of its own."""
    request = site.ask(gpus=2)
    refused = site.gpu_run(request, "true")
    assert refused.wait(30) == 1
    attend(site.room, request.number)
    seen = tmp_path / "seen"
    assert site.gpu_run(request, "sh", "-c", f"echo $CUDA_VISIBLE_DEVICES > {seen}; exit 7").wait(30) == 7
    assert seen.read_text().strip() == ",".join(site.book.request(request.number).devices)
    long = site.gpu_run(request, "sh", "-c", f"touch {tmp_path / 'up'}; sleep 60")
    deadline = time.monotonic() + 30
    while not (tmp_path / "up").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    site.desk.release(MIRA, request.number)
    site.crew.start("clock")
    site.until(request, Status.ENDED)
    assert long.wait(20) == 143


def forgeries(number):
    """Messages as they lie in the broker, none of which a client of ours would send."""
    body = base64.b64encode(json.dumps([[number], {}, {}]).encode()).decode()

    def envelope(task=TASK, kind="application/json", **rest):
        properties = {
            "delivery_tag": "x",
            "body_encoding": "base64",
            "delivery_info": {"exchange": "", "routing_key": QUEUE},
        }
        headers = {"lang": "py", "task": task, "id": "forged", "root_id": "forged", "parent_id": None, "group": None}
        whole = {"body": body, "content-encoding": "utf-8", "content-type": kind, "headers": headers}
        return json.dumps(whole | {"properties": properties} | rest)

    yield envelope()
    yield envelope(actor="user:admin", approved=True)
    yield envelope(task="celery.chord_unlock")
    yield envelope(task="workers.hands.attend")
    yield envelope(task="os.system")
    yield envelope(kind="application/x-python-serialize")
    yield envelope(kind="application/x-yaml")
    yield envelope(body=base64.b64encode(b"\x80\x04not a pickle").decode())
    yield envelope(body=base64.b64encode(json.dumps([[number, "extra"], {"room": 1}, {}]).encode()).decode())
