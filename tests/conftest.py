"""The world that tests play in: a ledger, the shipped rules, a desk, the hands and a clock that only moves when told."""

from __future__ import annotations

import gc
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.desk import Desk
from bot.errors import Reason, Refused
from bot.house import open_house
from ledger.book import Book, open_memory, open_sqlite
from ledger.nouns import GpuForm
from ledger.streams.request import Request, Verdict
from policies.decide import FILES, Policy
from workers.clock import Clock
from workers.executors.memory import MemoryExecutor
from workers.hands import attend
from workers.journal import Journal
from workers.outages import FILE, Outages
from workers.room import Room, take_inventory

pytest.register_assert_rewrite("contracts.executor")
RULES = Path(__file__).parent.parent / "policies"
MIRA, INES, TOMAS, NOOR, ODILE = "U01MIRA", "U02INES", "U03TOMAS", "U04NOOR", "U05ODILE"
KOFI, ADA = "U06KOFI", "U07ADA"


def pytest_collection_finish() -> None:
    """Thousands of collected tests live until the end; without them each collection of garbage is a tenth shorter."""
    gc.collect()
    gc.freeze()


@dataclass
class Hand:
    """A clock that stands still until it is moved."""

    now: datetime = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class World:
    book: Book
    desk: Desk
    room: Room
    time: Hand
    executor: MemoryExecutor
    policy: Policy
    nudged: list[int] = field(default_factory=list)

    @property
    def clock(self) -> Clock:
        return Clock(self.room, self.nudged.append)

    def ask(self, slack: str = MIRA, gpus: int = 4, hours: float = 3, **rest) -> Request:
        form = GpuForm(
            resource="gpu:h100-shared", gpu_type="h100-80gb", gpus=gpus, duration_s=int(hours * 3600), **rest
        )
        outcome = self.desk.submit(slack, form, purpose="retrain churn", said="4 h100")
        assert isinstance(outcome, Request), outcome
        return outcome

    def approve(self, request: Request, slack: str = INES):
        return self.desk.review(slack, request.number, request.form_digest, Verdict.APPROVE)

    def approved(self, **rest) -> Request:
        request = self.ask(**rest)
        outcome = self.approve(request)
        assert isinstance(outcome, Request), outcome
        return outcome

    def running(self, **rest) -> Request:
        request = self.approved(**rest)
        attend(self.room, request.number)
        return self.now(request)

    def now(self, request: Request) -> Request:
        found = self.book.request(request.number)
        assert found is not None
        return found

    def effects(self) -> list[str]:
        return [what for _, what in self.executor.effects()]


def kinds(world: World, request: Request) -> list[str]:
    """What happened to a request, in order, without the `request.` of each."""
    return [kind.removeprefix("request.") for kind, *_ in world.now(request).history]


def refused(outcome: object) -> Reason:
    """Why a verb was refused."""
    assert isinstance(outcome, Refused), outcome
    return outcome.reason


def make_world(book: Book, time: Hand, folder: Path, policy: Policy | None = None) -> World:
    policy = policy or Policy.load(RULES)
    executor = MemoryExecutor(folder / "simulated.sqlite3", clock=time)
    nudged: list[int] = []
    room = Room(
        book=book,
        policy=lambda: world.policy,
        executors={"gpu": executor, "data": executor, "deploy": executor},
        journal=Journal(folder / "journal.jsonl"),
        locks=folder / "locks",
        outages=Outages(folder / FILE),
        clock=time,
    )
    desk = Desk(book, lambda: world.policy, nudged.append, time)
    world = World(book=book, desk=desk, room=room, time=time, executor=executor, policy=policy, nudged=nudged)
    for pool in policy.catalogue.pools:
        take_inventory(book, pool, "catalogue", policy.catalogue.devices(pool))
    return world


@pytest.fixture(params=["memory", "sqlite"])
def world(request, tmp_path):
    time = Hand()
    book = open_memory(clock=time) if request.param == "memory" else open_sqlite(tmp_path / "l.sqlite3", clock=time)
    yield make_world(book, time, tmp_path)
    book.store.close()


@pytest.fixture
def rules(tmp_path):
    """A copy of the shipped rules that a test may spoil."""
    folder = tmp_path / "policies"
    folder.mkdir()
    for name in (*FILES, "cases.csv"):
        shutil.copy(RULES / name, folder / name)
    return folder


@pytest.fixture
def house(tmp_path):
    home = tmp_path / "home"
    opened = open_house(home, home / "policies", home / "ledger.sqlite3", mode="demo", workspace="T0LOCAL")
    yield opened
    opened.book.store.close()
