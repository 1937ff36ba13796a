"""The composition root of the hands: a room from settings, the Celery app around it, and the processes that run them."""

from __future__ import annotations

import functools
import importlib
import os
import signal
import socket
import sqlite3
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import structlog
from celery import Celery

from ledger.book import Book, open_sqlite, utc_now
from ledger.errors import BusyError
from policies.errors import PolicyError
from policies.inforce import PolicyInForce, source_of
from workers.answering import Answering
from workers.apikeys import HOUSE, house_secret, house_token
from workers.backends import backends, model_keys
from workers.clock import Clock
from workers.endpoint import outcomes
from workers.endpoint.settings import EndpointSettings
from workers.errors import BackendError
from workers.executors.base import Executor
from workers.executors.gpu_pool import GpuPoolExecutor
from workers.executors.memory import MemoryExecutor
from workers.inventory import devices_of
from workers.journal import Journal
from workers.metrics import serve
from workers.outages import FILE, Outages
from workers.queue import QUESTIONS, QUEUE, SCHEMES, asker, celery_app, nudger, queue_of
from workers.revert import SCHEME, RevertExecutor
from workers.room import Room, alone_on, take_inventory
from workers.serving import samples
from workers.serving.drift import Outcomes as Became
from workers.serving.keeper import Place
from workers.serving.launch import launcher
from workers.serving.open import only_keeper, open_keeper
from workers.serving.record import Record
from workers.serving.samples import Samples
from workers.serving.watching import OutcomesOf, Watching
from workers.settings import HouseSettings
from workers.shifts import keep
from workers.tasks import register
from workers.watchman import Watchman

logger = structlog.get_logger(__name__)

WATCH_ENDS_S: Final = 2.0
KEEPER_S: Final = 5.0
"""How long the keeper waits for a worker that switches the same model; then its next tick tries again."""
_SHARED: Final = ("celery.apps.worker", "celery.worker.consumer", "celery.concurrency.solo", "kombu.transport.redis")
"""What every shift would import for itself after the fork: several seconds of one core."""


def build_room(settings: HouseSettings, *, simulate: bool) -> Room:
    """Return the room of this process; `simulate` adds the memory executor for what has none yet (demo ledgers)."""
    book = _book(settings)
    source = source_of(settings.policies_folder, book)
    catalogue = source.current().catalogue
    gpu = GpuPoolExecutor(settings.leases, labels=_labels(book, tuple(catalogue.pools)), simulated=simulate)
    executors: dict[str, Executor] = {"gpu": gpu, **backends(settings, catalogue, book)}
    executors |= model_keys(settings, lambda: source.current().catalogue, book, lambda: EndpointSettings().address)
    if simulate:
        memory = MemoryExecutor(settings.home / "simulated.sqlite3")
        executors |= {"data": memory, "deploy": memory}  # what names no backend
    journal = Journal(settings.home / "journal" / "endings.jsonl")
    _make_room(journal)
    room = Room(
        book=book,
        policy=PolicyInForce(source, book).current,
        executors=executors,
        journal=journal,
        locks=settings.home / "locks",
        outages=Outages(settings.home / FILE),
        clock=utc_now,
        prices=lambda: source.current().catalogue,
    )
    executors[SCHEME] = RevertExecutor(lambda: room)
    return room


def _make_room(journal: Journal) -> None:
    """Make the journal's room while there is any; without it endings go on, and may be entered late."""
    try:
        journal.prepare()
    except OSError as error:
        logger.warning("no room for the journal of endings; free some", detail=error.strerror)


def _book(settings: HouseSettings) -> Book:
    return open_sqlite(settings.database, reserve=settings.disk_reserve)


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
    room = functools.cache(lambda: build_room(settings, simulate=simulate))
    register(app, room, functools.cache(lambda: answering(settings, room().book)))
    return app


def answering(settings: HouseSettings, book: Book) -> Answering:
    """Return what answers questions to models, through the endpoint of this house."""
    secret = house_secret(settings.models / HOUSE)
    return Answering(
        book=book,
        endpoint=EndpointSettings().address,
        token=lambda grant_key: house_token(secret, grant_key),
        locks=settings.home / "locks",
        clock=utc_now,
    )


def run_worker(settings: HouseSettings, broker_url: str, *, simulate: bool, concurrency: int = 2) -> None:
    """Work until told to stop: `concurrency` processes for each kind of resource, each with one message at a time."""

    def work(queues: str) -> None:
        at_work = worker(settings, broker_url, simulate=simulate).Worker(
            hostname=f"{os.getpid()}@{socket.gethostname()}",
            queues=queues,
            concurrency=1,
            pool="solo",
            use_eventloop=False,  # it was seen to forget its broker: connected to nothing, and idle ever after
            loglevel="WARNING",
            quiet=True,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )
        at_work.start()
        sys.exit(at_work.exitcode)

    for module in _SHARED:
        importlib.import_module(module)
    first, *others = (queue_of(f"{scheme}:") for scheme in SCHEMES)
    keep((f"{QUEUE},{first}", *others, QUESTIONS) * concurrency, work, _told_to_stop())


def run_clock(settings: HouseSettings, broker_url: str, *, simulate: bool) -> None:
    """Tick until told to stop."""
    stop = _told_to_stop()
    room = _room_in_time(settings, stop, simulate=simulate)
    if room is not None:
        book = room.book
        hide = serve(book, room.clock, settings.metrics_port) if settings.metrics_port else lambda: None
        watchman = Watchman(room, each=timedelta(seconds=settings.reconcile_s))
        beside = threading.Thread(target=watchman.run, args=(stop,), name="watchman", daemon=True)
        beside.start()
        Clock(room, nudger(broker_url, book.requests.resource), ask=asker(broker_url)).run(stop)
        beside.join(WATCH_ENDS_S)
        hide()
        book.store.close()


def run_keeper(settings: HouseSettings, broker_url: str, *, end_servers: bool) -> None:
    """Keep model servers until told to stop; they go on answering afterwards, unless `end_servers`.

    Raises:
        SettingsError: one runs already.
    """
    stop = _told_to_stop()
    with only_keeper(settings.models):
        book = _book(settings)
        place = Place(
            folder=settings.models,
            evaluations=settings.evaluations,
            record=Record(book),
            nudge=nudger(broker_url, book.requests.resource),
            alone_on=functools.partial(alone_on, settings.home / "locks", patience_s=KEEPER_S),
            ready_s=settings.model_ready_s,
            outcomes=became(settings),
            watching=Watching(book, Samples(settings.models / samples.FILE), became(settings)),
        )
        keeper = open_keeper(place, launcher(settings.vllm_command))
        keeper.run(stop)
        if end_servers:
            keeper.end_all()
        book.store.close()


def became(settings: HouseSettings) -> OutcomesOf:
    """Return who says what became of the calls to a version, or raises BackendError."""
    counted = outcomes.Outcomes(settings.models / outcomes.FILE)

    def between(place: str, digest: str, since: float, until: float) -> Became:
        try:
            return Became(**counted.between(place, digest, since, until))
        except sqlite3.Error as error:
            raise BackendError(f"the table of outcomes cannot be read: {error}") from error

    return between


def _told_to_stop() -> threading.Event:
    """Return an event that TERM and Ctrl-C set."""
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    return stop


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
