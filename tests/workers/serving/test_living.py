"""Servers that do not stay alive: started again after growing pauses, told of once an outage, and over when they are steady."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest
from serving_site import SERVING, SERVING_LINE, share

from ledger.book import Write, open_memory
from ledger.streams.model import SERVERS, Drifted, Recovered, Registered
from workers.serving import checking
from workers.serving.checking import LONGEST_PAUSE_S, STEADY_S, ended, look
from workers.serving.living import PATIENCE_S, by_version, failing_of, judge
from workers.serving.orders import Phase
from workers.serving.servers import Server, Servers
from workers.serving.watching import SAMPLE_S, Watching
from workers.standin.settings import BEHAVIOUR, Behaviour

NOW = 10_000.0


def server(number=0, **rest):
    fields = {"order": "k", "version": "3.2.1", "serving": SERVING, "served": "m", "mark": "x", "key": "k"}
    return Server(line=SERVING_LINE, number=number, **fields, **rest)


def ended_often(count, since=NOW):
    found, now = server(), since
    for _ in range(count):
        found = ended(found, now, "It ended.")
        now = found.again
    return found


@pytest.fixture
def well(monkeypatch):
    """A server that runs, and whose health is what the test says."""
    health = {"good": True}
    monkeypatch.setattr(checking, "healthy", lambda _: health["good"])
    monkeypatch.setattr(checking, "serves", lambda *_: health["good"])
    monkeypatch.setattr(Servers, "runs", lambda *_: True)
    return health


# -- pauses


def test_pauses_grow_to_five_minutes_and_no_further_however_often_a_server_ends():
    found, pauses = server(), []
    for _ in range(12):
        found = ended(found, NOW, "It ended.")
        pauses.append(found.again - NOW)
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, *[LONGEST_PAUSE_S] * 3]
    assert ended(replace(found, deaths=100_000), NOW, "It ended.").again == NOW + LONGEST_PAUSE_S


def test_only_a_server_that_was_ready_for_a_while_begins_a_new_row_however_long_its_start_took(tmp_path, well):
    servers = Servers(tmp_path, ())
    began = replace(ended_often(4), pid=7, begun=NOW)
    ready_at = NOW + 3 * STEADY_S
    for at in (0.0, 1.0, STEADY_S):
        began = look(servers, began, ready_at + at, 900.0)
        assert (began.ready, began.deaths, began.why) == (True, 4, "It ended.")
    well["good"] = False
    began = look(servers, look(servers, began, ready_at + STEADY_S + 1, 900.0), ready_at + STEADY_S + 7, 900.0)
    well["good"] = True
    began = look(servers, began, ready_at + STEADY_S + 8, 900.0)
    assert (began.ready, began.deaths) == (True, 4)
    steady = look(servers, began, ready_at + 2 * STEADY_S + 9, 900.0)
    assert (steady.deaths, steady.failing_since, steady.why) == (0, 0.0, "")


def test_a_server_that_cannot_be_started_waits_longer_each_time(site, tmp_path):
    order = site.order()
    site.until_phase(order, Phase.READY)
    order = site.switch(order)
    site.until_phase(order, Phase.SERVING)
    site.command = str(tmp_path / "missing")
    site.new_keeper()
    os.killpg(site.alive()[0].pid, signal.SIGKILL)
    pauses = []
    for _ in range(4):
        deaths = site.servers()[0].deaths
        site.until(lambda: site.servers()[0].deaths > deaths)  # noqa: B023 waited for at once
        (now,) = site.servers()
        pauses.append(round(now.again - now.failing_since - sum(pauses)))
        site.ahead += now.again - site.keeper._at.clock() if now.again > site.keeper._at.clock() else 0
    assert pauses == sorted(pauses)
    assert pauses[-1] >= 8
    assert "cannot be started" in now.why


# -- what is entered


def told(servers, *, standing=(), now=NOW + 1):
    return judge(SERVING_LINE.digest, "production", servers, standing, now)


DOWN = Drifted(digest=SERVING_LINE.digest, environment="production", figure=SERVERS, expected=2, seen=1)


def test_three_ends_in_a_row_are_an_outage_and_so_is_one_that_lasts():
    fine = server(1, ready=True)
    assert told([fine, ended_often(3)]) == [DOWN]
    assert told([fine, ended_often(2)]) == []
    assert told([fine, ended_often(1)], now=NOW + PATIENCE_S) == []
    assert told([fine, ended_often(1)], now=NOW + PATIENCE_S + 1) == [DOWN]
    assert told([fine, replace(ended_often(5), ready=True)]) == []
    assert told([fine, server()], now=NOW + 999) == []  # it is being started for the first time


def test_an_outage_is_entered_once_and_is_over_when_every_server_is_steady():
    fine = server(1, ready=True)
    assert told([fine, ended_often(9)], standing=[DOWN]) == []
    assert told([fine, replace(ended_often(9), ready=True)], standing=[DOWN]) == []
    assert told([fine, server()], standing=[DOWN]) == []
    over = Recovered(digest=DOWN.digest, environment="production", figure=SERVERS, seen=2)
    assert told([fine, server(ready=True)], standing=[DOWN]) == [over]
    elsewhere = replace(DOWN, environment="dev")
    assert told([fine, server(ready=True)], standing=[elsewhere]) == []


def test_what_is_wrong_is_said_with_since_when_and_why():
    found = failing_of([server(1, ready=True), ended_often(4)])
    assert found.words == "1 of 2 ready, restarting since 01 Jan 02:46, ended 4 times: It ended."
    assert found.json()["since"] == "1970-01-01T02:46:40+00:00"
    assert failing_of([ended_often(1)]).words.startswith("down, restarting since 01 Jan 02:46, ended once: ")
    assert by_version([replace(ended_often(4), left=3)]) == {}


class Samples:
    def note(self, rows):
        assert rows

    def spans(self, *_):
        return []


def test_only_what_answers_is_told_of_and_within_seconds():
    book = open_memory()
    entry = Registered(version="3.2.1", digest=SERVING_LINE.digest, size=1)
    book.append(Write(stream="model:fraud-detector", expected=0, entries=(entry,), actor="os:root"))
    watching = Watching(book, Samples(), lambda *_: None)
    answering = {SERVING_LINE.place: frozenset({SERVING_LINE.digest})}
    servers = [replace(ended_often(3), pid=0)]
    watching.look(NOW, servers, {SERVING_LINE.place: frozenset()})
    watching.look(NOW + SAMPLE_S, [replace(each, left=4) for each in servers], answering)
    assert book.model("fraud-detector").drifts == ()
    for more in (2, 3):
        watching.look(NOW + more * SAMPLE_S, servers, answering)
    assert [(each.figure, each.seen) for each in book.model("fraud-detector").drifts] == [(SERVERS, 0)]


def test_a_version_that_keeps_dying_with_nothing_to_give_way_to_says_so_until_it_is_well(site, monkeypatch):
    book = open_memory()
    order = site.order()
    entry = Registered(version="3.2.0", digest=order.line.digest, size=1)
    book.append(Write(stream="model:fraud-detector", expected=0, entries=(entry,), actor="os:root"))
    site.watching, site.ready_s = Watching(book, Samples(), lambda *_: None), 100_000.0
    site.new_keeper()
    site.until_phase(order, Phase.READY)
    order = site.switch(order)
    site.until_phase(order, Phase.SERVING)
    monkeypatch.setenv(BEHAVIOUR, Behaviour.OUT_OF_MEMORY)
    os.killpg(site.alive()[0].pid, signal.SIGKILL)

    def hurried(true):
        """Tick until something is true, while the time goes by in larger steps."""

        def step():
            site.ahead += 2.0
            return true()

        return site.until(step, 60)

    hurried(lambda: book.model("fraud-detector").drifts)
    (down,) = site.servers()
    assert "ran out of memory" in down.why
    assert site.record.ways_back == []
    hurried(lambda: site.servers()[0].deaths >= 5)
    monkeypatch.delenv(BEHAVIOUR)
    hurried(lambda: site.servers()[0].ready)
    assert [row.digest for row in site.rows()] == [share(order).digest]
    hurried(lambda: not book.model("fraud-detector").drifts)
    kinds = [stored.kind for stored in book.store.read("model:fraud-detector")]
    assert kinds == ["model.registered", "model.drifted", "model.recovered"]
