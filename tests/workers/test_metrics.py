"""What the clock shows to a monitor: numbers from the ledger, at the moment they are asked for, and nobody's name."""

from __future__ import annotations

import urllib.request
from types import SimpleNamespace

import pytest
from deployed import Deployed, weights_of
from endpoint_house import free_port

from ledger.book import open_memory
from ledger.streams.model import SERVERS, Drifted, Recovered
from workers.executors.memory import Mood
from workers.hands import attend
from workers.metrics import Figures, serve


def figures(world):
    found = {}
    for family in Figures(world.book, world.time).collect():
        for sample in family.samples:
            found[sample.name.removeprefix("quartermaster_"), *sample.labels.values()] = sample.value
    return found


def test_an_empty_house_shows_zeroes(world):
    shown = figures(world)
    assert set(shown.values()) == {0}
    assert ("queue_age_seconds",) in shown


def test_the_age_of_the_queue_is_that_of_the_oldest_due_request(world):
    world.approved(gpus=3)
    world.time.pass_time(seconds=30)
    world.approved(gpus=3)
    world.time.pass_time(seconds=10)
    shown = figures(world)
    assert shown["queue_age_seconds",] == pytest.approx(40, abs=1)
    assert shown["requests_due",] == 2
    assert shown["requests_open", "approved"] == 2


def test_tries_that_failed_and_endings_that_are_late_are_counted(world):
    running, broken = world.running(), world.approved(gpus=3)
    world.executor.behave(Mood.DARK)
    world.time.pass_time(hours=3, seconds=5)
    world.clock.tick()
    world.time.pass_time(seconds=10)
    shown = figures(world)
    assert shown["endings_late",] == 1
    assert shown["ending_late_seconds",] >= 10
    assert shown["attempts",] == world.now(running).attempts == 1
    world.executor.behave(Mood.READY)
    world.time.pass_time(seconds=30)
    world.clock.tick()
    assert figures(world)["endings_late",] == 0
    assert not world.now(broken).final


def test_what_was_given_up_and_is_not_gone_is_shown(world):
    request = world.approved()
    world.executor.behave(Mood.DARK)
    world.executor.ensure = lambda _: 1 / 0
    for _ in range(5):
        attend(world.room, request.number)
    assert figures(world)["requests_given_up",] == 1


def test_versions_that_answer_and_whose_servers_do_not_stay_alive_are_counted():
    book = open_memory()
    made, stream = Deployed(book), "model:fraud-detector"
    for version, letter in (("1", "a"), ("2", "b")):
        made.register(version, letter)
        made.deploy(version, "dev")
    shown = SimpleNamespace(book=book, time=book.clock)
    assert figures(shown)["model_outages",] == 0
    about = {"environment": "dev", "figure": SERVERS}
    made.enter(stream, *(Drifted(digest=weights_of(each), expected=1, seen=0, **about) for each in "ab"))
    made.enter(
        stream, Drifted(digest=weights_of("b"), environment="dev", figure="refused_permille", expected=0, seen=9)
    )
    assert figures(shown)["model_outages",] == 1
    made.enter(stream, Recovered(digest=weights_of("b"), seen=1, **about))
    assert figures(shown)["model_outages",] == 0


def test_the_figures_are_served_on_this_machine_alone_and_name_nobody(world):
    world.approved()
    world.time.pass_time(seconds=7)
    port = free_port()
    stop = serve(world.book, world.time, port)
    try:
        page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
    finally:
        stop()
    assert "quartermaster_queue_age_seconds 7" in page
    assert "h100" not in page
    assert "user:" not in page
