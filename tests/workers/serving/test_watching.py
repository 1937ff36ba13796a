"""What is served is watched: figures kept, a profile entered once enough was seen, a drift told and taken back."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from ledger.book import Write, open_memory
from ledger.streams.model import Drifted, Profiled, Recovered, Registered
from workers.serving import watching as module
from workers.serving.drift import LEAST, Outcomes
from workers.serving.figures import Reading
from workers.serving.orders import Line
from workers.serving.samples import Samples
from workers.serving.watching import JUDGE_S, SAMPLE_S, Watching

DIGEST = "sha256:" + "a" * 64
LINE = Line(model="fraud-detector", environment="production", digest=DIGEST)
PLACE = LINE.place
ANSWERING = {PLACE: frozenset({DIGEST})}


class World:
    """A ledger with one version, and servers whose figures are told."""

    def __init__(self, folder, monkeypatch):
        self.now, self.became, self.readings, self.asked = 1000.0, Outcomes(), {}, 0
        self.book = open_memory()
        entry = Registered(version="3.2.1", digest=DIGEST, size=10)
        self.book.append(Write(stream="model:fraud-detector", expected=0, entries=(entry,), actor="os:root"))
        self.samples = Samples(folder / "samples.sqlite3")
        self.watching = Watching(self.book, self.samples, lambda *_: self.became)
        self.server = SimpleNamespace(
            name="s-0", line=LINE, version="3.2.1", port=8001, pid=7, ready=True, left=None, deaths=0
        )
        monkeypatch.setattr(module, "_reading", self._reading)

    def _reading(self, server, now):
        self.asked += 1
        reading = self.readings.get(server.name)
        return None if reading is None else replace(reading, at=now)

    def look(self, finished=None, first_s=0.1, after=SAMPLE_S, answering=ANSWERING):
        """Look after so many seconds, with so many requests finished until then."""
        self.now += after
        if finished is not None:
            bounds = (0.1, 0.5, 5.0, math.inf)
            buckets = tuple((bound, float(finished) if bound >= first_s else 0.0) for bound in bounds)
            known = self.readings.get("s-0")
            if known is not None:
                added = finished - known.finished
                buckets = tuple(
                    (bound, count + (added if bound >= first_s else 0.0)) for bound, count in known.first_token
                )
            self.readings["s-0"] = Reading(at=0, finished=finished, first_token=buckets)
        self.watching.look(self.now, [self.server], answering)

    def entered(self, *kinds):
        model = self.book.store.read("model:fraud-detector")
        return [stored.kind for stored in model if stored.kind in {kind.kind for kind in kinds}]


@pytest.fixture
def world(tmp_path, monkeypatch):
    made = World(tmp_path, monkeypatch)
    made.look(0)
    return made


def test_servers_are_read_every_few_seconds_and_no_more_often(world):
    for _ in range(4):
        world.look(0, after=SAMPLE_S / 2)
    assert world.asked == 3
    (span,) = world.samples.spans(0, world.now)
    assert (span.place, span.version, span.window.seconds) == (PLACE, "3.2.1", 2 * SAMPLE_S)


def test_a_profile_is_entered_once_enough_was_seen_and_never_again(world):
    world.look(LEAST - 1, after=JUDGE_S)
    assert world.entered(Profiled) == []
    world.look(LEAST, after=JUDGE_S)
    world.look(3 * LEAST, after=JUDGE_S)
    assert world.entered(Profiled) == ["model.profiled"]
    (profile,) = world.book.model("fraud-detector").profiles
    assert (profile.digest, profile.environment) == (DIGEST, "production")
    assert {each.name for each in profile.figures} >= {"first_token_p95_ms", "failed_permille"}


def test_a_version_that_slows_down_is_told_of_once_and_taken_back_when_it_is_well(world):
    world.look(LEAST, after=JUDGE_S)
    for more in range(1, 8):
        world.look(LEAST + more * LEAST, first_s=5.0, after=JUDGE_S)
    assert world.entered(Drifted, Recovered) == ["model.drifted"]
    (drift,) = world.book.model("fraud-detector").drifts
    assert (drift.figure, drift.expected) == ("first_token_p95_ms", 95)
    assert drift.seen > 250
    for more in range(1, 9):
        world.look(8 * LEAST + more * 10 * LEAST, after=JUDGE_S)
    assert world.entered(Drifted, Recovered) == ["model.drifted", "model.recovered"]
    assert world.book.model("fraud-detector").drifts == ()


def test_failures_that_callers_see_are_a_drift_too(world):
    world.look(LEAST, after=JUDGE_S)
    world.became = Outcomes(calls=100, failed=30)
    world.look(LEAST, after=JUDGE_S)
    assert [each.figure for each in world.book.model("fraud-detector").drifts] == ["failed_permille"]


def test_what_answers_nobody_is_not_judged(world):
    world.look(5 * LEAST, after=JUDGE_S, answering={PLACE: frozenset()})
    assert world.entered(Profiled) == []


def test_a_server_that_is_not_ready_or_says_nothing_is_passed_over(world):
    before = world.asked
    world.server.ready = False
    world.look(1)
    assert world.asked == before
    world.server.ready, world.readings = True, {}
    world.look()
    assert world.asked == before + 1


def test_a_model_that_moved_meanwhile_is_judged_at_the_next_look(world, monkeypatch):
    world.look(LEAST, after=JUDGE_S)
    world.became = Outcomes(calls=100, failed=30)
    stale = replace(world.book.model("fraud-detector"), version=1)
    with monkeypatch.context() as patched:
        patched.setattr(world.book, "model", lambda _: stale)
        world.look(LEAST, after=JUDGE_S)
    assert world.entered(Drifted) == []
    world.look(LEAST, after=JUDGE_S)
    assert world.entered(Drifted) == ["model.drifted"]
