"""A booking that moves its end: later only where nobody else has booked, and back again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ledger.errors import UnlawfulError
from ledger.streams.law import Place
from ledger.streams.pool import Booked, Device, Inventoried, Leased, Rebooked, evolve

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
DEVICES = tuple(Device(id=str(n), gpu_type="t", label=str(n)) for n in range(4))


def hour(n):
    return NOW + timedelta(hours=n)


def booked(request, count, start, end):
    return Booked(request=request, gpu_type="t", count=count, start=hour(start), end=hour(end))


def folded(*entries):
    state = None
    for version, entry in enumerate((Inventoried(source="catalogue", devices=DEVICES), *entries), start=1):
        state = evolve(state, entry, Place(at=NOW, actor="svc:desk", version=version))
    return state


def test_an_end_moves_where_there_is_room_and_the_lease_moves_with_it():
    state = folded(
        booked(1, 2, 0, 3),
        Leased(request=1, devices=("0", "1"), end=hour(3)),
        booked(2, 2, 3, 5),
        Rebooked(request=1, end=hour(4)),
    )
    assert state.booking(1).end == state.lease(1).end == hour(4)
    assert state.bookable("t", hour(3), hour(4)) == 0
    assert folded(booked(1, 2, 0, 3), Rebooked(request=1, end=hour(2))).booking(1).end == hour(2)


@pytest.mark.parametrize(
    "entries",
    [
        [Rebooked(request=1, end=hour(4))],
        [booked(1, 2, 0, 3), booked(2, 3, 3, 5), Rebooked(request=1, end=hour(4))],
        [booked(1, 2, 1, 3), Rebooked(request=1, end=hour(1))],
    ],
    ids=["nothing booked", "somebody else comes next", "no window"],
)
def test_what_may_not_be(entries):
    with pytest.raises(UnlawfulError):
        folded(*entries)
