"""How the processes of the hands are built."""

from __future__ import annotations

import shutil
import threading

import pytest

from ledger.book import RESERVE, Write
from ledger.errors import BusyError, DiskLowError, UnlawfulError
from ledger.streams.request import Expired, Queued
from policies.errors import PolicyError
from workers import app
from workers.settings import HouseSettings


@pytest.fixture
def settings(house):
    return HouseSettings(home=house.home, policies=house.home / "policies")


@pytest.fixture
def room(settings):
    built = app.build_room(settings, simulate=True)
    yield built
    built.book.store.close()


def test_the_hands_decide_by_adopted_rules_alone_and_still_know_the_prices(house, room):
    assert room.policy().digest == house.policy.current().digest
    path = house.home / "policies" / "policy.csv"
    path.write_text(path.read_text().replace("gpus<=8", "gpus<=64"))
    with pytest.raises(PolicyError, match="adopt"):
        room.policy()
    assert room.price_list().pools


def test_a_catalogue_that_nobody_adopted_changes_no_pool(house, room):
    app.take_inventories(room)
    before = room.book.store.size()
    path = house.home / "policies" / "catalogue.toml"
    path.write_text(path.read_text() + "# nobody adopted this\n")
    app.take_inventories(room)
    assert room.book.store.size() == before


def test_only_a_demo_simulates_what_nothing_carries_out_yet(settings, room):
    assert set(room.executors) == {"gpu", "data", "deploy", "desk"}
    real = app.build_room(settings, simulate=False)
    assert set(real.executors) == {"gpu", "desk"}
    real.book.store.close()


def test_a_clock_that_starts_while_the_ledger_is_locked_tries_again(settings, monkeypatch):
    built, ran = app.build_room, []

    def locked_at_first(*arguments, **rest):
        ran.append("try")
        if len(ran) == 1:
            raise BusyError("locked")
        return built(*arguments, **rest)

    class Once:
        def __init__(self, *_args, **_rest):
            ran.append("clock")

        def run(self, _stop):
            ran.append("run")

    monkeypatch.setattr(app, "build_room", locked_at_first)
    monkeypatch.setattr(app, "Clock", Once)
    monkeypatch.setattr(app.signal, "signal", lambda *_: None)
    app.run_clock(settings, "memory://", simulate=True)
    assert ran == ["try", "try", "clock", "run"]


def test_a_clock_that_is_told_to_stop_while_the_ledger_is_locked_stops(settings, monkeypatch):
    stop = threading.Event()

    def locked(*_args, **_rest):
        stop.set()
        raise BusyError("locked")

    monkeypatch.setattr(app, "build_room", locked)
    assert app._room_in_time(settings, stop, simulate=True) is None


def test_nothing_begins_below_the_free_room_that_the_setting_names(house, settings):
    assert settings.disk_reserve == RESERVE
    free_mb = shutil.disk_usage(house.home).free // 2**20
    wanting = settings.model_copy(update={"disk_reserve_mb": 2 * free_mb})
    book = app.build_room(wanting, simulate=True).book

    def append(entry):
        book.append(Write(stream="request:1001", expected=0, entries=(entry,), actor="svc:worker"))

    with pytest.raises(DiskLowError):
        append(Queued(place=1, estimate=None, why="full"))
    with pytest.raises(UnlawfulError):  # an ending is refused for what it is alone
        append(Expired())
    book.store.close()
