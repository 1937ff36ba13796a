"""A team's budget: reserved at approval, settled by use, never overrun however requests interleave."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import UnlawfulError
from ledger.streams.budget import Allotted, Budget, HandedBack, Reserved, Span, Spent, evolve
from ledger.streams.law import Place

NOVEMBER = "2026-11"
LIMIT = Allotted(window=NOVEMBER, gpu_s=100, cost_minor=1000, currency="EUR", policy="0" * 64)


def folded(*entries):
    state = None
    for version, entry in enumerate(entries, start=1):
        state = evolve(state, entry, Place(at=datetime(2026, 11, 24, tzinfo=UTC), actor="svc:desk", version=version))
    return state


def reserved(request, gpu_s=10, cost_minor=100, window=NOVEMBER):
    return Reserved(request=request, window=window, gpu_s=gpu_s, cost_minor=cost_minor)


def test_what_is_reserved_is_no_longer_left():
    window = folded(LIMIT, reserved(1), reserved(2, 20, 50)).window(NOVEMBER)
    assert (window.left_gpu_s(), window.left_cost_minor()) == (70, 850)


def test_settling_puts_use_in_place_of_the_reservation():
    window = folded(LIMIT, reserved(1, 90, 900), Spent(request=1, gpu_s=5, cost_minor=50)).window(NOVEMBER)
    assert (window.left_gpu_s(), window.left_cost_minor()) == (95, 950)


def test_what_never_started_is_handed_back_whole():
    assert folded(LIMIT, reserved(1, 100, 1000), HandedBack(request=1)).window(NOVEMBER).left_gpu_s() == 100


def test_a_later_reservation_of_the_same_request_replaces_the_first():
    assert folded(LIMIT, reserved(1, 60, 600), reserved(1, 90, 900)).window(NOVEMBER).left_gpu_s() == 10


def test_use_beyond_the_reservation_is_entered_and_nothing_more_fits():
    budget = folded(LIMIT, reserved(1, 100, 1000), Spent(request=1, gpu_s=120, cost_minor=1200))
    assert budget.window(NOVEMBER).left_gpu_s() == -20
    assert not budget.window(NOVEMBER).fits(1, 0)


def test_no_limit_is_no_limit():
    unlimited = Allotted(window=NOVEMBER, gpu_s=None, cost_minor=10, currency="EUR", policy="")
    assert folded(unlimited, reserved(1, 10**9, 10)).window(NOVEMBER).left_gpu_s() is None


def test_a_new_allotment_keeps_what_was_used():
    more = Allotted(window=NOVEMBER, gpu_s=200, cost_minor=2000, currency="EUR", policy="1" * 64)
    assert folded(LIMIT, reserved(1), more).window(NOVEMBER).left_gpu_s() == 190


@pytest.mark.parametrize(
    "entries",
    [
        [reserved(1)],
        [LIMIT, reserved(1, 101, 0)],
        [LIMIT, reserved(1, 0, 1001)],
        [LIMIT, reserved(1, 60, 0), reserved(2, 60, 0)],
        [LIMIT, reserved(1, -1, 0)],
        [LIMIT, Spent(request=1, gpu_s=0, cost_minor=0)],
        [LIMIT, HandedBack(request=1)],
        [LIMIT, reserved(1), HandedBack(request=1), Spent(request=1, gpu_s=1, cost_minor=1)],
        [LIMIT, reserved(1), Spent(request=1, gpu_s=-1, cost_minor=0)],
        [
            LIMIT,
            Allotted(window="2026-12", gpu_s=1, cost_minor=1, currency="EUR", policy=""),
            reserved(1),
            reserved(1, window="2026-12", gpu_s=1, cost_minor=1),
        ],
        [Allotted(window=NOVEMBER, gpu_s=-1, cost_minor=0, currency="EUR", policy="")],
    ],
)
def test_what_may_not_be(entries):
    with pytest.raises(UnlawfulError):
        folded(*entries)


@given(
    st.lists(
        st.tuples(st.integers(1, 6), st.sampled_from(["reserve", "spend", "back"]), st.integers(0, 60)), max_size=60
    )
)
def test_reservations_never_exceed_what_is_allotted(steps):
    state = folded(LIMIT)
    for version, (request, step, amount) in enumerate(steps, start=2):
        held = state.reservation(request)
        entry = {
            "reserve": reserved(request, amount, amount),
            "spend": Spent(request=request, gpu_s=min(amount, held.gpu_s) if held else 0, cost_minor=0),
            "back": HandedBack(request=request),
        }[step]
        try:
            state = evolve(
                state, entry, Place(at=datetime(2026, 11, 24, tzinfo=UTC), actor="svc:desk", version=version)
            )
        except UnlawfulError:
            continue
        assert state.window(NOVEMBER).left_gpu_s() >= 0


def test_windows_have_names():
    moment = datetime(2026, 11, 24, tzinfo=UTC)
    assert [span.window(moment) for span in Span] == ["2026-W48", NOVEMBER, "2026-Q4"]
    assert Span.WEEK.window(datetime(2027, 1, 1, tzinfo=UTC)) == "2026-W53"
    assert Budget().window(NOVEMBER) is None
