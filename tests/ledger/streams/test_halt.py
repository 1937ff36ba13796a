"""The kill switch: who may stop and lift what, and for how long something was stopped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ledger.errors import UnlawfulError
from ledger.nouns import Personal
from ledger.streams.halt import EVERYTHING, Halted, Halts, Lifted, evolve
from ledger.streams.law import Place

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
KOFI, ADA = "user:" + "a" * 32, "user:" + "b" * 32
POOL = "gpu:h100-shared"


def halted(resource=POOL, by=KOFI, rule="admin-halt"):
    return Halted(resource=resource, by=by, rule=rule, reason=Personal("Storage incident."))


def lifted(resource=POOL, by=ADA, rule="admin-lift"):
    return Lifted(resource=resource, by=by, rule=rule, reason=Personal("Healthy again."))


def at(minutes, actor):
    return Place(at=NOW + timedelta(minutes=minutes), actor=actor, seq=minutes, version=minutes + 1)


def after(*steps):
    state = None
    for minutes, entry in steps:
        state = evolve(state, entry, at(minutes, entry.by))
    return state


def test_a_halt_covers_its_resource_and_nothing_else():
    halts = after((0, halted()))
    assert halts.over(POOL).by == KOFI
    assert halts.over("gpu:a100-shared") is None


def test_a_halt_of_everything_covers_everything():
    halts = after((0, halted()), (5, halted(EVERYTHING, by=ADA)))
    assert halts.over("data:claims_2024").by == ADA
    assert halts.over(POOL).resource == EVERYTHING


def test_a_second_person_lifts():
    assert after((0, halted()), (45, lifted())).over(POOL) is None


@pytest.mark.parametrize(
    ("before", "entry", "actor"),
    [
        ([], lifted(), ADA),
        ([halted()], halted(by=ADA), ADA),
        ([halted()], lifted(by=KOFI), KOFI),
        ([halted()], lifted(EVERYTHING), ADA),
        ([], halted(by="svc:clock"), "svc:clock"),
        ([], halted(), ADA),
        ([], halted(rule=""), KOFI),
        ([halted()], lifted(rule=""), ADA),
        ([halted()], lifted(), KOFI),
    ],
    ids=[
        "nothing to lift",
        "twice",
        "own halt",
        "another scope",
        "a service",
        "in another name",
        "no rule",
        "no rule to lift",
        "lifted in another name",
    ],
)
def test_what_may_not_be(before, entry, actor):
    state = after(*enumerate(before)) if before else None
    with pytest.raises(UnlawfulError):
        evolve(state, entry, at(9, actor))


def test_time_under_halts_counts_once():
    halts = after(
        (10, halted()),
        (20, halted(EVERYTHING, by=ADA)),
        (30, lifted()),
        (40, lifted(EVERYTHING, by=KOFI)),
        (50, halted()),
    )
    stopped = halts.stopped_for(POOL, NOW, NOW + timedelta(minutes=60))
    assert stopped == timedelta(minutes=40)
    assert halts.stopped_for(POOL, NOW + timedelta(minutes=15), NOW + timedelta(minutes=25)) == timedelta(minutes=10)
    assert halts.stopped_for("data:x", NOW, NOW + timedelta(minutes=60)) == timedelta(minutes=20)
    assert Halts().stopped_for(POOL, NOW, NOW + timedelta(minutes=60)) == timedelta()
