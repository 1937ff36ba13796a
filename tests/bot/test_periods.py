"""Periods in people's words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.evidence import wish_in
from bot.periods import period_in

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "days"),
    [
        ("last month", "1 Oct 2026 to 31 Oct 2026"),
        ("this month", "1 Nov 2026 to 30 Nov 2026"),
        ("2026-11-01 to 2026-11-24", "1 Nov 2026 to 24 Nov 2026"),
        ("from 2026-11-01 until 2026-11-24", "1 Nov 2026 to 24 Nov 2026"),
        ("since 2026-11-20", "20 Nov 2026 to 24 Nov 2026"),
        ("2026-11-05", "5 Nov 2026"),
        ("2026-02", "1 Feb 2026 to 28 Feb 2026"),
        ("last 7 days", "18 Nov 2026 to 24 Nov 2026"),
        ("last week", "16 Nov 2026 to 22 Nov 2026"),
        ("yesterday", "23 Nov 2026"),
        ("last quarter", "1 Jul 2026 to 30 Sep 2026"),
        ("Q3 2026", "1 Jul 2026 to 30 Sep 2026"),
        ("last year", "1 Jan 2025 to 31 Dec 2025"),
        ("December", "1 Dec 2025 to 31 Dec 2025"),
        ("august 2026", "1 Aug 2026 to 31 Aug 2026"),
    ],
)
def test_a_period_is_read_as_people_mean_it(words, days):
    assert str(period_in(words, NOW)) == days


def test_both_days_of_a_period_are_whole():
    period = period_in("2026-11-01 to 2026-11-24", NOW)
    assert period.since == datetime(2026, 11, 1, tzinfo=UTC)
    assert period.until == datetime(2026, 11, 25, tzinfo=UTC)


@pytest.mark.parametrize("words", ["", "soon", "2026-13-01", "2026-11-24 to 2026-11-01", "0000"])
def test_what_is_no_period_is_none(words):
    assert period_in(words, NOW) is None


def test_a_wish_that_is_only_half_understood_is_none():
    """Everything would be exported where less was meant."""
    assert wish_in("last fortnight", NOW) is None
    assert wish_in("REQ-1001 csv", NOW).request == 1001
    assert wish_in("last month as csv", NOW).form == "csv"
    assert wish_in("", NOW).period is None
