"""What servers said is kept for a day, and added up by version and place."""

from __future__ import annotations

import math

import pytest

from workers.serving.figures import Reading
from workers.serving.samples import KEPT_S, Samples, Source

PLACE = "fraud-detector@production"
DIGEST, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def source(number=0, version="3.2.1", digest=DIGEST, place=PLACE):
    return Source(server=f"{place}-{digest[7:12]}-{number}", place=place, version=version, digest=digest)


def reading(at, finished, **rest):
    buckets = ((0.1, float(finished)), (math.inf, float(finished)))
    return Reading(at=at, finished=finished, made_tokens=10 * finished, first_token=buckets, **rest)


@pytest.fixture
def samples(tmp_path):
    return Samples(tmp_path / "samples.sqlite3")


def test_the_servers_of_a_version_are_added_up_and_stand_as_they_stood_last(samples):
    samples.note([(source(0), reading(10, 5, running=9)), (source(1), reading(10, 1))])
    samples.note([(source(0), reading(20, 7, running=1, kv_cache=0.5)), (source(1), reading(20, 4, waiting=2))])
    (span,) = samples.spans(0, 30)
    assert (span.place, span.version, span.digest, span.servers) == (PLACE, "3.2.1", DIGEST, 2)
    assert (span.running, span.waiting, span.kv_cache) == (1, 2, 0.5)
    assert (span.window.seconds, span.window.finished, span.window.made_tokens) == (10, 11, 110)
    assert span.window.first_token == ((0.1, 11.0), (math.inf, 11.0))


def test_versions_and_places_are_told_apart(samples):
    samples.note(
        [
            (source(), reading(10, 5)),
            (source(version="3.3.0", digest=OTHER), reading(10, 6)),
            (source(place="fraud-detector@staging"), reading(10, 7)),
        ]
    )
    assert [(span.place.partition("@")[2], span.version) for span in samples.spans(0, 30)] == [
        ("production", "3.2.1"),
        ("production", "3.3.0"),
        ("staging", "3.2.1"),
    ]


def test_a_server_that_was_started_anew_in_between_loses_nothing_that_was_seen(samples):
    for at, finished in ((10, 5), (20, 8), (30, 2), (40, 3)):
        samples.note([(source(), reading(at, finished))])
    (span,) = samples.spans(0, 50)
    assert (span.window.finished, span.window.seconds) == (5 + 3 + 2 + 1, 30)


def test_only_what_lies_between_the_times_counts(samples):
    for at, finished in ((10, 5), (20, 8), (30, 20)):
        samples.note([(source(), reading(at, finished))])
    (span,) = samples.spans(15, 30)
    assert span.window.finished == 12
    assert samples.spans(31, 40) == []


def test_what_a_server_did_before_the_first_look_counts_to_that_look_alone(samples):
    for at, finished in ((10, 20), (20, 21)):
        samples.note([(source(), reading(at, finished))])
    (whole,), (later,) = samples.spans(0, 30), samples.spans(15, 30)
    assert (whole.window.finished, later.window.finished) == (21, 0)


def test_what_is_older_than_a_day_is_dropped(samples):
    samples.note([(source(), reading(10, 5))])
    samples.note([(source(), reading(11 + KEPT_S, 6))])
    (span,) = samples.spans(0, 20 + KEPT_S)
    assert span.window.seconds == 0
