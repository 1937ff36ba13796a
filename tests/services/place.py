"""One home with real services, under rules that let a test ask for much at once; and the one check of what it did."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

from conftest import MIRA

from bot.crew import Crew
from bot.desk import Desk
from bot.house import open_house
from ledger import crash
from ledger.audit import verify_store
from ledger.nouns import Access, DataForm, DeployForm, GpuForm
from ledger.streams.request import Status
from policies.decide import FILES
from workers.app import build_room, take_inventories
from workers.embedded import Valkey
from workers.executors.leases import ended
from workers.queue import nudger
from workers.settings import HouseSettings

RULES = Path(__file__).parents[2] / "policies"
OPEN = {
    "policy.csv": (
        ("gpus<=2 hours<=8 cost<=50 held_gpus<=2 open_requests<=3", "gpus<=2"),
        ("hours<=24 cost<=300 held_gpus<=4 open_requests<=3", "hours<=24"),
        ("level==0 open_requests<=10", "level<=3"),
        ("level>=1,", "level>=9,"),
        ("level>=2,   allow, dpo:1", "level>=9,   allow, dpo:1"),
        ("deploy,   open_requests<=10", "deploy,   -"),
    ),
    "catalogue.toml": (
        ('"gpu-01" = { type = "h100-80gb", gpus = 8 }', '"gpu-01" = { type = "h100-80gb", gpus = 99 }'),
    ),
}
FORMS = {
    "gpu": lambda seconds: GpuForm(resource="gpu:h100-shared", gpu_type="h100-80gb", gpus=1, duration_s=seconds),
    "data": lambda seconds: DataForm(resource="data:claims_2024", access=Access.READ, duration_s=seconds),
    "deploy": lambda seconds: DeployForm(
        resource="deploy:fraud-detector@dev", model="fraud-detector", version="3.2.1", environment="dev"
    ),
}


RAVI = "U08RAVI"
"""Asks where the clock dies: nobody else holds up what is his."""


def write_open_rules(folder):
    """Write the shipped rules, opened so far that a test can ask for much at once."""
    folder.mkdir(parents=True)
    for name in FILES:
        text = (RULES / name).read_text()
        for old, new in OPEN.get(name, ()):
            assert text.count(old) == 1 or name == "policy.csv", old
            assert old in text, old
            text = text.replace(old, new)
        (folder / name).write_text(text)


class Place:
    """A house, its desk in this process, and the processes of the hands beside it.

    `sites` are real backends besides: each adds its `catalogue`, wants an `environment` and a word with `prepare`, is
    asked for by its `scheme` with a `form`, and says by `faults` what is not so of a request on it.
    """

    def __init__(self, home, sites=()):
        self.sites = {site.scheme: site for site in sites}
        self.asking = threading.Lock()
        self.ending = threading.Lock()
        """Held by whoever ends a lease, and by whoever must not see one end meanwhile."""
        write_open_rules(home / "policies")
        with (home / "policies" / "catalogue.toml").open("a") as catalogue:
            catalogue.writelines(site.catalogue for site in sites)
        for site in sites:
            site.prepare(home)
        self.home, self.orders = home, home / "orders"
        self.orders.mkdir()
        self.valkey = Valkey(home / "valkey")
        with lent(*(site.environment for site in sites), {crash.VARIABLE: str(self.orders)}):
            self._open(home)

    def _open(self, home):
        self.settings = HouseSettings(home=home, policies=home / "policies")
        self.house = open_house(home, home / "policies", home / "ledger.sqlite3", mode="demo", workspace="T0LOCAL")
        self.book = self.house.book
        self.valkey.start()
        self.room = build_room(self.settings, simulate=True)
        take_inventories(self.room)
        self.desk = self.desk_with(nudger(self.valkey.url, self.book.requests.resource))
        self.crew = Crew(home, home / "policies", self.valkey.url, simulate=True)

    def man(self):
        """Start whichever of the hands does not run."""
        for name in ("worker", "clock"):
            if not self.crew.alive(name):
                self.crew.start(name)

    def desk_with(self, nudge):
        return Desk(self.book, self.house.policy.current, nudge, self.book.clock)

    def ask(self, scheme, seconds=3600, desk=None, who=MIRA):
        form = (self.sites[scheme].form if scheme in self.sites else FORMS[scheme])(seconds)
        request = (desk or self.desk).submit(who, form, purpose="x", said="y")
        assert getattr(request, "approved_at", None) is not None, request  # it may be further by now
        return request.number

    def order(self, role, step, number, *victims):
        """Have `role` kill `victims` when this request comes to `step`."""
        beside = self.orders / f".{number}"
        beside.write_text("\n".join(str(victim) for victim in victims))
        beside.rename(self.orders / f"{role}.{step}.{number}")

    def status(self, number):
        return self.book.request(number).status

    def until(self, true, seconds=60.0, what="it did not come so far"):
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, what() if callable(what) else what
            time.sleep(0.05)

    def until_status(self, number, *wanted, seconds=60.0):
        self.until(lambda: self.status(number) in wanted, seconds, lambda: self.life(number))

    def life(self, number):
        return f"REQ-{number} is {self.status(number)}: {[kind for kind, *_ in self.book.request(number).history]}"

    def close(self):
        self.crew.stop()
        self.valkey.stop()
        self.room.book.store.close()
        self.book.store.close()


@contextmanager
def lent(*environments):
    """Let what is opened or described meanwhile see these variables."""
    for each in environments:
        os.environ.update(each)
    try:
        yield
    finally:
        for name in {name for each in environments for name in each}:
            del os.environ[name]


def armed(orders):
    """Let processes that are described meanwhile be killed by the orders in this folder."""
    return lent({crash.VARIABLE: str(orders)})


def faults(place, numbers):
    """The one invariant: every request is over or goes on, each effect has one earlier `Dispatched`, none is doubled.

    Returns what is not so, a sentence each; a sound house returns nothing.
    """
    memory, found = place.room.executors["data"], []
    effects = Counter(memory.effects())
    keys = {place.book.request(number).grant_key for number in numbers}
    for number in numbers:
        request = place.book.request(number)
        kinds = Counter(kind.removeprefix("request.") for kind, *_ in request.history)
        if not request.final and request.status is not Status.RUNNING:
            found.append(f"{place.life(number)}: it stands still")
        if (kinds["dispatched"] > 1 and not kinds["queued"]) or kinds["started"] + kinds["done"] > 1:
            found.append(f"{place.life(number)}: dispatched or started twice")
        if kinds["started"] + kinds["done"] and not kinds["dispatched"]:
            found.append(f"{place.life(number)}: started without a dispatch")
        found += [f"REQ-{number}: {what}" for what in _of_backend(place, request, effects)]
    found += [f"an effect of {key} that no request explains" for key, _ in effects if key not in keys]
    held = {path.stem for path in (place.home / "leases").glob("*.lease")}
    found += [f"a lease of {key} that no request explains" for key in held - keys]
    report = verify_store(place.book.store)
    return found if report.sound else [*found, f"the ledger is not sound: {report}"]


def _of_backend(place, request, effects):
    site = place.sites.get((request.executor or "").partition(":")[0])
    if site is not None:
        return site.faults(request)
    return (_leases if request.executor == "gpu_pool" else _memory)(place, request, effects)


def _memory(place, request, effects):
    starts, ends = effects[(request.grant_key, "start")], effects[(request.grant_key, "end")]
    held = request.status in {Status.RUNNING, Status.DONE}
    if starts > 1 or ends > 1 or ends > starts:
        yield f"{starts} starts and {ends} ends"
    if held and (starts, ends) != (1, 0):
        yield f"{request.status}, with {starts} starts and {ends} ends"
    if request.status is Status.ENDED and starts != ends:
        yield f"ended, with {starts} starts and {ends} ends"


def _leases(place, request, effects):
    stands = (place.home / "leases" / f"{request.grant_key}.lease").exists()
    if stands != (request.status is Status.RUNNING):
        yield f"{request.status}, and its lease {'stands' if stands else 'does not stand'}"
    if request.status is Status.ENDED and ended(place.home / "leases", request.grant_key) < request.generation:
        yield "ended, and its lease could be started again"
