"""The law of a model: what is registered, evaluated and routed, and what may not follow."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import UnlawfulError
from ledger.streams.law import Place
from ledger.streams.model import (
    Drifted,
    Evaluated,
    Figure,
    Model,
    Profiled,
    Recovered,
    Registered,
    Routed,
    Share,
    evolve,
)

AT = datetime(2026, 11, 24, 9, tzinfo=UTC)
A, B, C, SUITE = (f"sha256:{digit * 64}" for digit in "abc0")


def registered(version="1", digest=A):
    return Registered(version=version, digest=digest, size=7)


def evaluated(digest=A, failed=0):
    return Evaluated(
        digest=digest,
        environment="staging",
        suite=SUITE,
        cases=4,
        failed=failed,
        p50_ms=8,
        p95_ms=12,
        tokens=40,
        request=1001,
    )


def share(digest, percent=100, version=None):
    return Share(version=version or {A: "1", B: "2", C: "3"}[digest], digest=digest, percent=percent)


def routed(*shares, environment="production", request=1001, why=""):
    return Routed(environment=environment, shares=shares, request=request, why=why)


def fold(*entries):
    state = None
    for number, entry in enumerate(entries, start=1):
        state = evolve(
            state, entry, Place(at=AT + timedelta(minutes=number), actor="svc:x", seq=number, version=number)
        )
    return state


THREE = (registered("1", A), registered("2", B), registered("3", C))


def test_a_version_means_the_weights_it_was_registered_with_last():
    model = fold(registered("1", A), registered("2", B), registered("1", C))
    assert model.versions == ("1", "2")
    assert model.latest == "2"
    assert (model.resolve("1").digest, model.resolve("latest").digest) == (C, B)
    assert model.resolve("9") is None
    assert Model().resolve("latest") is None


def test_what_a_version_once_meant_stays_known():
    model = fold(registered("1", A), registered("1", C))
    assert model.knows("1", A)
    assert model.knows("1", C)
    assert not model.knows("2", A)


@pytest.mark.parametrize("version", ["", "latest", "../etc", "a b", "-x", "v" * 65, "é"])
def test_what_is_no_name_of_a_version_is_not_registered(version):
    with pytest.raises(UnlawfulError, match="no name of a version"):
        fold(registered(version))


@pytest.mark.parametrize("digest", ["", "sha256:" + "A" * 64, "sha256:" + "a" * 63, "md5:" + "a" * 64, A + "\n"])
def test_weights_are_registered_by_a_digest_alone(digest):
    with pytest.raises(UnlawfulError, match="named by their digest"):
        fold(registered("1", digest))


def test_weights_without_bytes_and_the_same_weights_again_are_refused():
    with pytest.raises(UnlawfulError, match="have a size"):
        fold(replace(registered(), size=0))
    with pytest.raises(UnlawfulError, match="means these weights already"):
        fold(registered(), registered())


def test_the_newest_evaluation_of_weights_says_whether_they_passed():
    model = fold(*THREE, evaluated(A, failed=1), evaluated(B), evaluated(A))
    assert model.passed(A)
    assert fold(*THREE, evaluated(A), evaluated(A, failed=1)).passed(A) is False
    assert model.passed(C) is False
    assert model.evaluation(B).result.p95_ms == 12


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"digest": SUITE}, "not registered"),
        ({"suite": "cases.jsonl"}, "suite is named"),
        ({"cases": 0}, "has cases"),
        ({"failed": 5}, "has cases"),
        ({"failed": -1}, "has cases"),
        ({"p50_ms": 13}, "figures"),
        ({"p50_ms": -1}, "figures"),
        ({"tokens": -1}, "figures"),
    ],
)
def test_an_evaluation_that_cannot_be_is_refused(change, why):
    with pytest.raises(UnlawfulError, match=why):
        fold(*THREE, replace(evaluated(), **change))


@pytest.mark.parametrize(
    ("shares", "why"),
    [
        ((), "100 percent"),
        ((share(A, 99),), "100 percent"),
        ((share(A, 60), share(B, 41)), "100 percent"),
        ((share(A, 110), share(B, -10)), "1 percent or more"),
        ((share(A, 100), share(B, 0)), "1 percent or more"),
        ((share(A, 50), share(A, 50)), "one share"),
        ((share(A, version="2"),), "registered"),
        ((share(SUITE, version="1"),), "registered"),
    ],
)
def test_a_routing_that_cannot_be_is_refused(shares, why):
    with pytest.raises(UnlawfulError, match=why):
        fold(*THREE, routed(*shares))


def test_an_environment_of_a_routing_is_named():
    with pytest.raises(UnlawfulError, match="environment is named"):
        fold(*THREE, routed(share(A), environment=""))


def test_once_a_model_was_evaluated_only_what_passed_comes_new_into_an_environment():
    with pytest.raises(UnlawfulError, match="has passed"):
        fold(*THREE, evaluated(A), routed(share(B)))
    with pytest.raises(UnlawfulError, match="has passed"):
        fold(*THREE, evaluated(A), evaluated(A, failed=1), routed(share(A)))
    with pytest.raises(UnlawfulError, match="has passed"):
        fold(*THREE, evaluated(A), routed(share(A)), routed(share(A, 90), share(B, 10)))
    assert fold(*THREE, evaluated(A), routed(share(A))).routing("production").whole == share(A)


def test_going_back_is_open_whatever_a_later_evaluation_said():
    model = fold(*THREE, routed(share(A)), evaluated(B), routed(share(B)), evaluated(A, failed=1), routed(share(A)))
    assert model.routing("production").whole == share(A)


def test_without_a_request_the_way_leads_back_alone():
    with pytest.raises(UnlawfulError, match="leads back"):
        fold(*THREE, routed(share(A)), routed(share(B), request=None))
    with pytest.raises(UnlawfulError, match="leads back"):
        fold(*THREE, routed(share(A), environment="staging"), routed(share(A), request=None))
    back = fold(*THREE, routed(share(A)), routed(share(B)), routed(share(A), request=None, why="It died."))
    assert back.routing("production").whole == share(A)
    assert back.routing("production").request is None


def test_each_environment_has_its_own_routing():
    model = fold(*THREE, routed(share(A)), routed(share(B), environment="staging"))
    assert model.routing("production").whole == share(A)
    assert model.routing("staging").whole == share(B)
    assert model.routing("dev") is None


def digests(shares):
    return [each.digest for each in shares]


def test_the_way_back_leads_to_what_answered_before():
    assert digests(fold(*THREE, routed(share(A)), routed(share(B)), routed(share(C))).way_back("production")) == [B, A]
    assert fold(*THREE, routed(share(A))).way_back("production") == ()
    assert fold(*THREE).way_back("production") == ()


def test_going_back_twice_never_leads_to_what_was_left():
    model = fold(*THREE, routed(share(A)), routed(share(B)), routed(share(C)), routed(share(B)))
    assert digests(model.way_back("production")) == [A]


def test_out_of_a_canary_the_way_back_leads_to_what_answered_alone():
    canary = routed(share(B, 90), share(C, 10))
    model = fold(*THREE, routed(share(A)), routed(share(B)), canary)
    assert digests(model.way_back("production")) == [B, A]
    assert digests(fold(*THREE, routed(share(A, 50), share(B, 50))).way_back("production")) == []


def test_a_drift_stands_once_until_it_is_over():
    profile = Profiled(digest=A, environment="production", figures=(Figure(name="p95_ms", value=120),))
    drift = Drifted(digest=A, environment="production", figure="p95_ms", expected=120, seen=480)
    over = Recovered(digest=A, environment="production", figure="p95_ms", seen=130)
    assert (
        fold(*THREE, profile, replace(profile, figures=(Figure(name="x", value=1),))).profiles[0].figures[0].name == "x"
    )
    assert fold(*THREE, drift).drifts == (drift,)
    assert fold(*THREE, drift, over).drifts == ()
    for entries in ((drift, drift), (over,), (drift, over, over), (replace(profile, figures=()),)):
        with pytest.raises(UnlawfulError):
            fold(*THREE, *entries)
    for entry in (profile, drift):
        with pytest.raises(UnlawfulError, match="not registered"):
            fold(entry)


def test_an_entry_of_another_stream_does_not_belong():
    from ledger.streams.holding import Claimed

    with pytest.raises(UnlawfulError, match="does not belong"):
        fold(Claimed(request=1001))


moves = st.lists(
    st.tuples(
        st.sampled_from(["staging", "production"]),
        st.sampled_from([(share(A),), (share(B),), (share(C),), (share(A, 90), share(B, 10))]),
        st.booleans(),
    ),
    max_size=12,
)


@settings(max_examples=200, deadline=None)
@given(moves=moves, asked=st.integers(0, 16))
def test_what_ran_at_a_time_is_what_replaying_up_to_then_says(moves, asked):
    entries = list(THREE)
    for environment, shares, by_request in moves:
        entry = routed(*shares, environment=environment, request=1001 if by_request else None)
        try:
            fold(*entries, entry)
        except UnlawfulError:
            continue
        entries.append(entry)
    whole, part = fold(*entries), fold(*entries[:asked]) or Model()
    for environment in ("staging", "production"):
        assert whole.routing(environment, AT + timedelta(minutes=asked)) == part.routing(environment)
