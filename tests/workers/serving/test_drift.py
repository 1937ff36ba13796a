"""A version is held against its profile: told once when it leaves it, and once when it is well back."""

from __future__ import annotations

import math

import pytest

from ledger.streams.model import Drifted, Recovered
from workers.serving.drift import LEAST, LIMITS, Outcomes, figures_of, judge, profile_of
from workers.serving.figures import Window

DIGEST = "sha256:" + "a" * 64
PROFILE = profile_of(DIGEST, "production", {"first_token_p95_ms": 120, "between_tokens_p95_us": 8000})


def drifted(figure="first_token_p95_ms", expected=120, seen=900):
    return Drifted(digest=DIGEST, environment="production", figure=figure, expected=expected, seen=seen)


def test_a_profile_expects_what_was_seen_and_no_failures():
    assert {each.name: each.value for each in PROFILE.figures} == {
        "first_token_p95_ms": 120,
        "between_tokens_p95_us": 8000,
        "refused_permille": 0,
        "failed_permille": 0,
        "unfit_permille": 0,
    }


@pytest.mark.parametrize(("seen", "told"), [(370, False), (371, True), (120, False), (0, False)])
def test_beyond_the_multiple_and_the_margin_it_has_drifted(seen, told):
    assert judge(PROFILE, [], {"first_token_p95_ms": seen}) == ([drifted(seen=seen)] if told else [])


def test_what_stands_is_not_told_again_and_is_back_only_when_well_within():
    assert judge(PROFILE, [drifted()], {"first_token_p95_ms": 900}) == []
    assert judge(PROFILE, [drifted()], {"first_token_p95_ms": 350}) == []
    (back,) = judge(PROFILE, [drifted()], {"first_token_p95_ms": 296})
    assert back == Recovered(digest=DIGEST, environment="production", figure="first_token_p95_ms", seen=296)


def test_what_was_not_seen_says_nothing():
    assert judge(PROFILE, [drifted()], {}) == []
    assert judge(PROFILE, [], {"unheard_of": 10**9}) == []


def test_a_drift_of_another_version_or_place_is_not_this_ones():
    other = Drifted(
        digest="sha256:" + "b" * 64, environment="production", figure="first_token_p95_ms", expected=1, seen=2
    )
    elsewhere = Drifted(digest=DIGEST, environment="staging", figure="first_token_p95_ms", expected=1, seen=2)
    assert len(judge(PROFILE, [other, elsewhere], {"first_token_p95_ms": 900})) == 1


@pytest.mark.parametrize("figure", [name for name in LIMITS if "permille" in name])
def test_too_many_refusals_failures_and_unfit_answers_are_a_drift(figure):
    limit = LIMITS[figure].of(0)
    assert judge(PROFILE, [], {figure: limit}) == []
    assert [each.figure for each in judge(PROFILE, [], {figure: limit + 1})] == [figure]


def test_figures_are_taken_from_enough_requests_alone():
    buckets = ((0.1, float(LEAST)), (math.inf, float(LEAST)))
    window = Window(seconds=300, finished=LEAST, first_token=buckets, between_tokens=buckets)
    few = Window(seconds=300, finished=LEAST - 1, first_token=buckets, between_tokens=buckets)
    assert set(figures_of(window, Outcomes())) == {"first_token_p95_ms", "between_tokens_p95_us"}
    assert figures_of(window, Outcomes())["first_token_p95_ms"] == 95
    assert figures_of(few, Outcomes(calls=LEAST - 1, failed=LEAST - 1)) == {}
    counted = Outcomes(calls=40, refused=4, failed=2, asked_for_schema=20, unfit=5)
    assert figures_of(few, counted) == {"refused_permille": 100, "failed_permille": 50, "unfit_permille": 250}
    assert figures_of(Window(finished=LEAST), Outcomes()) == {}
