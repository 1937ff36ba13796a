"""What a key was used for, as law: each hour once, over before it is entered, and only of a key that was granted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import ledger_tale as tale
import pytest
import second_verifier
from hypothesis import given
from hypothesis import strategies as st

from ledger.audit import Kind, verify_bundle
from ledger.errors import UnlawfulError
from ledger.export.bundle import read_bundle
from ledger.log.checkpoint import Signer
from ledger.nouns import KeyForm
from ledger.streams import request as req
from ledger.streams.law import Place
from ledger.streams.usage import Counted, evolve

HOUR = timedelta(hours=1)
NINE = datetime(2026, 11, 24, 9, tzinfo=UTC)
KEY = KeyForm(resource="endpoint:m@production", tokens=1000, duration_s=3600)


def place(at, version=1, actor="svc:clock"):
    return Place(at=at, actor=actor, version=version, stream="usage:1001")


def counted(hour=NINE, calls=3, tokens=40):
    return Counted(hour=hour, calls=calls, tokens=tokens)


def test_what_was_used_adds_up():
    one = evolve(None, counted(), place(NINE + HOUR))
    two = evolve(one, counted(NINE + 5 * HOUR, 1, 2), place(NINE + 6 * HOUR, 2))
    assert (two.calls, two.tokens, two.until, two.version) == (4, 42, NINE + 6 * HOUR, 2)


@pytest.mark.parametrize(
    ("entry", "at", "actor"),
    [
        (counted(), NINE + HOUR - timedelta(microseconds=1), "svc:clock"),
        (counted(NINE + timedelta(minutes=1)), NINE + 3 * HOUR, "svc:clock"),
        (counted(calls=0), NINE + HOUR, "svc:clock"),
        (counted(tokens=-1), NINE + HOUR, "svc:clock"),
        (counted(), NINE + HOUR, "user:" + "a" * 32),
    ],
    ids=["not over", "no whole hour", "no calls", "negative", "by a person"],
)
def test_what_was_not_counted_by_the_clock_in_a_whole_past_hour_is_refused(entry, at, actor):
    with pytest.raises(UnlawfulError):
        evolve(None, entry, place(at, actor=actor))


@given(st.lists(st.integers(0, 20), min_size=1, max_size=30))
def test_no_hour_is_counted_twice_in_whatever_order_they_come(hours):
    state, lawful = None, []
    for n, hour in enumerate(hours, 1):
        try:
            state = evolve(state, counted(NINE + hour * HOUR, tokens=hour), place(NINE + 99 * HOUR, n))
        except UnlawfulError:
            continue
        lawful.append(hour)
    assert lawful == sorted(set(lawful))
    assert state.tokens == sum(lawful)


# -- between streams, by both verifiers -----------------------------------------------------------------------------------


def story(form=KEY, *, dispatched=True, hour=datetime(2026, 11, 24, 9, tzinfo=UTC), again=0):
    decision = replace(tale.PERMIT, seats=(), auto=True)
    steps = [
        tale.submitted(1001, form),
        tale.decided(form, decision),
        req.Approved(form_digest=tale.digest(form)),
    ]
    if dispatched:
        steps.append(replace(tale.dispatched(form), not_after=tale.START + timedelta(hours=1)))
    actors = [tale.ASKER, *["svc:desk"] * 9]
    return [
        tale.GENESIS,
        *(("request:1001", step, actor) for step, actor in zip(steps, actors, strict=False)),
        *[("usage:1001", counted(hour), "svc:clock")] * (1 + again),
    ]


GPU = replace(tale.FORM, duration_s=3600)


@pytest.mark.parametrize(
    ("told", "sound"),
    [
        (story(), True),
        (story(again=1), False),
        (story(dispatched=False), False),
        (story(GPU), False),
        (story(hour=datetime(2026, 12, 24, 9, tzinfo=UTC)), False),
        ([tale.GENESIS, ("usage:1001", counted(), "svc:clock")], False),
    ],
    ids=["counted", "twice", "never dispatched", "no key", "in the future", "no request"],
)
def test_both_verifiers_find_a_use_that_cannot_be(told, sound, tmp_path):
    path = tale.Evidence(tmp_path, Signer.at(tmp_path / "key", "quartermaster")).write(told, minutes=30)
    verdict = verify_bundle(read_bundle(path), key=None)
    assert verdict.sound is sound
    assert verdict.fault is (None if sound else Kind.UNLAWFUL)
    try:
        second_verifier.verify(path, None)
    except second_verifier.RefusedError as refused:
        assert (sound, refused.seq) == (False, verdict.bad)
    else:
        assert sound
