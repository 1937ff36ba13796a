"""The composition root of the hands: a room from settings, the Celery app around it, and the processes that run them."""

from __future__ import annotations

import functools
import signal
import threading
from collections.abc import Callable

import structlog
from celery import Celery

from ledger.book import Book, open_sqlite, utc_now
from ledger.errors import BusyError
from policies.errors import PolicyError
from policies.inforce import PolicyInForce
from policies.watch import PolicySource
from workers.backends import backends
from workers.clock import Clock
from workers.executors.base import Executor
from workers.executors.gpu_pool import GpuPoolExecutor
from workers.executors.memory import MemoryExecutor
from workers.inventory import devices_of
from workers.journal import Journal
from workers.queue import QUEUE, celery_app, nudger
from workers.room import Room, take_inventory
from workers.settings import HouseSettings
from workers.tasks import register

logger = structlog.get_logger(__name__)


def build_room(settings: HouseSettings, *, simulate: bool) -> Room:
    """Return the room of this process; `simulate` adds the memory executor for what has none yet (demo ledgers)."""
    book = open_sqlite(settings.database)
    source = PolicySource(settings.policies_folder)
    catalogue = source.current().catalogue
    gpu = GpuPoolExecutor(settings.leases, labels=_labels(book, tuple(catalogue.pools)), simulated=simulate)
    executors: dict[str, Executor] = {"gpu": gpu, **backends(settings, catalogue, book)}
    if simulate:
        memory = MemoryExecutor(settings.home / "simulated.sqlite3")
        executors |= {"data": memory, "deploy": memory}  # what names no backend
    return Room(
        book=book,
        policy=PolicyInForce(source, book).current,
        executors=executors,
        journal=Journal(settings.home / "journal" / "endings.jsonl"),
        locks=settings.home / "locks",
        clock=utc_now,
        prices=lambda: source.current().catalogue,
    )


def take_inventories(room: Room) -> None:
    """Enter what every pool holds now; while the policy decides nothing, its catalogue changes no pool either."""
    try:
        catalogue = room.policy().catalogue
    except PolicyError as error:
        logger.warning("the pools stay as they were", detail=str(error))
        return
    for pool in catalogue.pools:
        source, devices = devices_of(catalogue, pool)
        take_inventory(room.book, pool, source, devices)


def worker(settings: HouseSettings, broker_url: str, *, simulate: bool) -> Celery:
    """Return the Celery app of a worker; its room is built on first use, in the process that works."""
    app = celery_app(broker_url)
    register(app, functools.cache(lambda: build_room(settings, simulate=simulate)))
    return app


def run_worker(settings: HouseSettings, broker_url: str, *, simulate: bool, concurrency: int = 2) -> None:
    """Work until told to stop."""
    app = worker(settings, broker_url, simulate=simulate)
    argv = ["worker", "--loglevel", "WARNING", "--pool", "prefork", "--concurrency", str(concurrency)]
    argv += ["--queues", QUEUE, "--without-gossip", "--without-mingle", "--without-heartbeat"]
    app.worker_main(argv)


def run_clock(settings: HouseSettings, broker_url: str, *, simulate: bool) -> None:
    """Tick until told to stop."""
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    room = _room_in_time(settings, stop, simulate=simulate)
    if room is not None:
        Clock(room, nudger(broker_url)).run(stop)
        room.book.store.close()


def _room_in_time(settings: HouseSettings, stop: threading.Event, *, simulate: bool) -> Room | None:
    """Return the room once the ledger lets us in: a clock that starts while it is locked still ends leases later."""
    while not stop.is_set():
        try:
            return build_room(settings, simulate=simulate)
        except BusyError:
            logger.warning("the ledger is locked; trying again")
    return None


def _labels(book: Book, pools: tuple[str, ...]) -> Callable[[str], str]:
    def label(device: str) -> str:
        names = (book.pool(pool).label(device) for pool in pools)
        return next((name for name in names if name != device), device)

    return label
