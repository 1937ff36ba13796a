"""The version before is kept until the new one has served: its callers say so, or the keeper's own call where there are none."""

from __future__ import annotations

import os
import signal
import time

import pytest
from served_world import MODEL, ServedWorld
from serving_site import share

from workers.app import became
from workers.endpoint import outcomes as counted
from workers.endpoint.calls import Call, Route
from workers.endpoint.outcomes import Hearing
from workers.errors import BackendError
from workers.serving import jobs
from workers.serving.drift import Outcomes
from workers.serving.orders import Phase
from workers.settings import HouseSettings
from workers.standin.settings import BEHAVIOUR, Behaviour

KEEP_S = 600


@pytest.fixture
def own_calls(monkeypatch):
    """The keeper's own calls: what they are answered with, and how many there were."""
    made = {"well": False, "calls": 0}

    def answers(*_, **__):
        made["calls"] += 1
        return made["well"]

    monkeypatch.setattr(jobs, "answers", answers)
    return made


@pytest.fixture
def switched(site):
    """Version 3.2.1 took the place of 3.2.0, and the time for which that is kept is over."""
    pair = site.replaced()
    site.ahead += KEEP_S + 1
    return pair


def ticks(site, count=5):
    for _ in range(count):
        site.keeper.tick()
        time.sleep(0.02)


def test_one_call_that_was_answered_is_enough_and_the_keeper_makes_none(site, switched, own_calls):
    old, new = switched
    site.outcomes = lambda *_: Outcomes(calls=5, refused=1, failed=3)
    site.until_phase(old, Phase.OVER)
    assert site.orders.state(new).proved
    assert site.record.ways_back == []
    assert own_calls["calls"] == 0


def test_the_calls_that_count_are_those_to_the_new_version_since_the_switch(site, switched):
    old, new = switched
    asked = []
    site.outcomes = lambda *about: asked.append(about) or Outcomes(calls=1)
    since = site.orders.state(new).since
    site.until_phase(old, Phase.OVER)
    assert [about[:3] for about in asked] == [(new.line.place, new.line.digest, since)]
    assert since + KEEP_S < asked[0][3]


@pytest.mark.parametrize("found", [Outcomes(), Outcomes(calls=3, refused=3)])
def test_where_nobody_was_answered_or_failed_the_keepers_own_call_decides(site, switched, own_calls, found):
    old, _ = switched
    site.outcomes = lambda *_: found
    ticks(site)
    assert site.phase(old) is Phase.KEPT
    assert own_calls["calls"] == 1
    own_calls["well"] = True
    ticks(site)
    assert site.phase(old) is Phase.KEPT  # it is asked again after a while, and not at every tick
    site.ahead += jobs.AGAIN_S + 1
    site.until_phase(old, Phase.OVER)
    assert own_calls["calls"] == 2
    assert site.record.ways_back == []


def test_a_version_whose_calls_all_failed_gives_way_with_figures(site, switched):
    old, new = switched
    site.outcomes = lambda *_: Outcomes(calls=13, refused=1, failed=12)
    site.until_phase(new, Phase.FAILED)
    assert site.why(new) == "Each of the 12 calls to it in 10 minutes failed."
    assert site.record.ways_back == [(new.key, (share(old),), site.why(new))]
    assert [row.digest for row in site.rows()] == [old.line.digest]
    site.until_phase(old, Phase.SERVING)


def test_before_its_time_is_over_failures_alone_are_no_reason_to_give_way(site, switched):
    old, new = switched
    site.ahead -= KEEP_S + 1
    site.outcomes = lambda *_: Outcomes(calls=12, failed=12)
    ticks(site)
    assert (site.phase(old), site.phase(new)) == (Phase.KEPT, Phase.SERVING)


def test_nothing_is_ended_while_nobody_can_say_what_became_of_calls(site, switched):
    def unreadable(*_):
        raise BackendError("disk")

    old, new = switched
    site.outcomes = unreadable
    ticks(site)
    assert (site.phase(old), site.phase(new)) == (Phase.KEPT, Phase.SERVING)


def test_a_version_that_dies_before_it_was_seen_to_answer_gives_way_however_late(
    site, switched, monkeypatch, own_calls
):
    old, new = switched
    ticks(site, 2)
    monkeypatch.setenv(BEHAVIOUR, Behaviour.OUT_OF_MEMORY)
    (server,) = [each for each in site.alive() if each.line == new.line]
    os.killpg(server.pid, signal.SIGKILL)
    site.until_phase(new, Phase.FAILED)
    assert [row.digest for row in site.rows()] == [old.line.digest]
    assert own_calls["calls"]


def test_a_version_that_was_seen_to_answer_is_not_judged_again(site, switched):
    old, new = switched
    site.outcomes = lambda *_: Outcomes(calls=1)
    site.until_phase(old, Phase.OVER)
    site.outcomes = lambda *_: Outcomes(calls=9, failed=9)
    site.new_keeper()
    ticks(site)
    assert site.phase(new) is Phase.SERVING


def test_a_canary_whose_calls_all_failed_gives_its_part_back_and_that_is_entered(tmp_path):
    served = ServedWorld(tmp_path)
    try:
        served.register("3.2.0", "3.2.1")
        served.deploy("3.2.0", "dev")
        served.deploy("3.2.1", "dev", strategy="canary", canary_percent=10)
        served.site.keeper.tick()
        served.site.outcomes = lambda *_: Outcomes(calls=1, failed=1)
        served.site.ahead += KEEP_S + 1
        served.site.until(lambda: served.routed("dev") == [("3.2.0", 100)])
        assert served.answering("dev") == [("3.2.0", 100)]
        routing = served.book.model(MODEL).routing("dev")
        assert (routing.request, routing.why) == (None, "The one call to it in 10 minutes failed.")
    finally:
        served.close()


def test_what_the_endpoint_counts_is_what_the_keeper_asks_for(tmp_path):
    settings = HouseSettings(home=tmp_path)
    settings.models.mkdir(parents=True)
    table = counted.Outcomes(settings.models / counted.FILE)
    call = Call(route=Route.CHAT, body={}, model="m", stream=False, usage=False, answers=1, sequences=1, most=1)
    for failed in (True, False):
        table.note("m@dev", "sha256:a", Hearing(call, failed=failed), 120.0)
    table.write()
    asked = became(settings)
    assert asked("m@dev", "sha256:a", 150.0, 180.0) == Outcomes(calls=2, failed=1)
    assert asked("m@dev", "sha256:a", 180.0, 240.0) == Outcomes()
    (settings.models / counted.FILE).write_bytes(b"no table at all, but long enough to be looked at" * 20)
    with pytest.raises(BackendError, match="cannot be read"):
        asked("m@dev", "sha256:a", 150.0, 180.0)
