"""The route table lost while calls come: it is what the ledger says again, and nothing is entered twice."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from endpoint_house import BOUNDS, House, caller, chat
from endpoint_site import until
from served_world import ServedWorld
from serving_site import SERVING, share

from ledger.errors import ReadOnlyError
from workers.errors import OccupiedError
from workers.serving.orders import ROUTES, Phase, State

PLACE = "fraud-detector@dev"


def broken(path):
    path.write_bytes(path.read_bytes()[:40])


@pytest.fixture
def served(tmp_path):
    """Version 3.2.0 answers in dev, 3.2.1 a fifth of its calls."""
    made = ServedWorld(tmp_path)
    made.register("3.2.0", "3.2.1")
    made.deploy("3.2.0", "dev")
    made.deploy("3.2.1", "dev", strategy="canary", canary_percent=20)
    yield made
    made.close()


def key(house, letter="a"):
    """Return a key to what answers in dev."""
    grant = house.grant(key=letter * 32)
    return house.key(replace(grant, form=replace(grant.form, resource=f"endpoint:{PLACE}")))


class Calls:
    """Short calls through the endpoint, one after the other, on a thread of their own."""

    def __init__(self, endpoint, key):
        self.statuses, self._over = [], threading.Event()
        self._endpoint, self._key = endpoint, key
        self._thread = threading.Thread(target=self._all, daemon=True)
        self._thread.start()

    def _all(self):
        with caller(self._endpoint.url, self._key) as http:
            while not self._over.is_set():
                self.statuses.append(chat(http, "hi", max_tokens=1).status_code)
                time.sleep(0.01)

    def more(self, count=20):
        """Wait until so many more were answered."""
        end = len(self.statuses) + count
        until(lambda: len(self.statuses) >= end, seconds=30)

    def end(self):
        self._over.set()
        self._thread.join(30)
        return set(self.statuses)


@pytest.mark.parametrize("lose", [Path.unlink, broken])
def test_calls_go_on_while_the_table_is_lost_and_nothing_is_doubled_in_the_ledger(served, tmp_path, lose):
    house = House(tmp_path)
    try:
        calls = Calls(house.endpoint(), key(house))
        calls.more()
        before, entries = served.site.table(), len(list(served.book.store.scan(0)))
        processes = {(server.pid, server.url) for server in served.site.alive()}
        lose(served.site.folder / ROUTES)
        calls.more()
        served.site.keeper.tick()
        calls.more()
        late = house.endpoint("late")
        with caller(late.url, key(house, "b")) as http:
            assert chat(http, "hi", max_tokens=1).status_code == 200
        assert calls.end() == {200}
    finally:
        house.close()
    for _ in range(3):
        served.site.keeper.tick()
    after = served.site.table()
    assert (after.routes, after.version) == (before.routes, before.version + 1)
    assert {(server.pid, server.url) for server in served.site.alive()} == processes
    assert len(list(served.book.store.scan(0))) == entries
    assert served.answering("dev") == served.routed("dev") == [("3.2.0", 80), ("3.2.1", 20)]


def test_a_server_that_is_gone_with_the_table_is_started_again_and_keeps_its_part(served):
    gone = next(server for server in served.site.alive() if server.version == "3.2.1")
    os.killpg(gone.pid, signal.SIGKILL)
    (served.site.folder / ROUTES).unlink()
    served.site.new_keeper()
    served.site.keeper.tick()
    assert served.routed("dev") == [("3.2.0", 80), ("3.2.1", 20)]
    served.site.until(lambda: [s for s in served.site.alive() if s.ready and s.version == "3.2.1"])
    served.site.keeper.tick()
    assert {row.url for row in served.site.rows(PLACE)} == {server.url for server in served.site.alive()}
    assert all(served.site.ask(row)["choices"] for row in served.site.rows(PLACE))


def test_table_servers_and_states_that_are_all_gone_are_there_again_from_orders_and_ledger(served):
    for server in served.site.alive():
        os.killpg(server.pid, signal.SIGKILL)
    for kind in ("servers", "states"):
        for path in (served.site.folder / kind).glob("*.json"):
            path.unlink()
    for path in served.site.folder.glob(f"{ROUTES}*"):
        path.unlink()
    entries = len(list(served.book.store.scan(0)))
    served.site.new_keeper()
    served.site.until(lambda: len([server for server in served.site.alive() if server.ready]) == 2)
    served.site.keeper.tick()
    assert served.routed("dev") == [("3.2.0", 80), ("3.2.1", 20)]
    assert all(served.site.ask(row)["choices"] for row in served.site.rows(PLACE))
    assert len(list(served.book.store.scan(0))) == entries


def test_what_counted_as_over_is_begun_anew_when_the_ledger_says_that_it_answers(served):
    order = served.site.orders.orders()[0]
    served.site.orders.note(State(key=order.key, attempt=order.attempt, phase=Phase.OVER))
    (served.site.folder / ROUTES).unlink()
    served.site.until_phase(order, Phase.SERVING)
    assert served.routed("dev") == [("3.2.0", 80), ("3.2.1", 20)]


def test_a_version_without_an_order_is_not_guessed_at(served):
    _, second = served.site.orders.orders()
    served.site.orders.put(replace(second, wanted=False))
    (served.site.folder / ROUTES).unlink()
    served.site.keeper.tick()
    assert served.site.table().routes == {}


def test_a_table_that_cannot_be_read_now_is_not_written_anew(served, monkeypatch):
    path, before = served.site.folder / ROUTES, served.site.table()
    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", no_descriptor(path, Path.read_bytes))
        with pytest.raises(Exception, match="cannot be read"):
            served.site.keeper.tick()
    assert served.site.table() == before


def no_descriptor(path, read):
    def refused(self):
        if self == path:
            raise OSError(24, "Too many open files")
        return read(self)

    return refused


def test_a_worker_that_moves_the_calls_now_is_waited_for(served):
    def occupied(what):
        raise OccupiedError(what)

    (served.site.folder / ROUTES).unlink()
    free, served.site.alone_on = served.site.alone_on, occupied
    with pytest.raises(OccupiedError, match=f"deploy:{PLACE}"):
        served.site.new_keeper().tick()
    assert not (served.site.folder / ROUTES).exists()
    served.site.alone_on = free
    served.site.new_keeper().tick()
    assert served.routed("dev") == [("3.2.0", 80), ("3.2.1", 20)]


def test_what_was_switched_to_and_not_entered_when_the_table_was_lost_is_switched_to_again(served):
    request, enter = served.ask("3.2.1", "dev"), served.book.append
    served.book.append = fails_at(enter, "model.routed")
    served.attend(request.number)
    served.site.until(lambda: served.routed("dev") == [("3.2.1", 100)])
    served.site.nudge = lambda _: None
    (served.site.folder / ROUTES).unlink()
    served.site.keeper.tick()
    assert served.answering("dev") == served.routed("dev") == [("3.2.0", 80), ("3.2.1", 20)]
    served.book.append, served.site.nudge = enter, served.attend
    assert served.finish(request).status == "done"
    assert served.answering("dev") == served.routed("dev") == [("3.2.1", 100)]


def fails_at(append, kind):
    def refused(*writes, **rest):
        if any(entry.kind == kind for write in writes for entry in write.entries):
            raise ReadOnlyError("disk full")
        return append(*writes, **rest)

    return refused


def test_no_server_that_waits_for_an_endpoint_is_ended_because_the_count_of_tables_began_anew(site):
    old = site.order("3.2.0", serving=replace(SERVING, keep_s=0))
    site.until_phase(old, Phase.READY)
    site.switch(old)
    assert site.record.answers[old.line.place] == (share(old),)
    beat = site.folder / "endpoints" / "1.json"
    beat.parent.mkdir()
    beat.write_text('{"version": 70}')
    for path in site.folder.glob(f"{ROUTES}*"):
        path.unlink()
    site.keeper.tick()
    assert site.table().version == 71
    assert site.rows()[0].bounds != BOUNDS
