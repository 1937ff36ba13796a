"""Scans and what they find: a scan names every fault that stands, a finding stands once and is closed once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ledger.errors import UnlawfulError
from ledger.nouns import Personal
from ledger.streams.law import Place
from ledger.streams.watch import Beat, Closed, Fault, Found, Outcome, Reconciled, evolve

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
FOUND = Found(
    finding="f" * 32,
    fault=Fault.UNEXPLAINED,
    request=None,
    who=Personal("legacy_etl"),
    what=Personal("reads claims_2024"),
)


def scan(faults=0):
    return Reconciled(scope="all", holdings=3, faults=faults, digest="0" * 64)


def folded(*entries):
    state = None
    for version, entry in enumerate(entries, start=1):
        state = evolve(state, entry, Place(at=NOW, actor="svc:clock", seq=version, version=version))
    return state


def test_a_finding_stands_until_it_is_closed():
    assert folded(FOUND, scan(1)).finding(FOUND.finding).since == NOW
    assert folded(FOUND, scan(1), Closed(finding=FOUND.finding, outcome=Outcome.GONE), scan()).findings == ()


def test_a_clean_scan_and_a_beat_are_remembered():
    watch = folded(scan(), Beat(open=2, due_for_s=0))
    assert (watch.scanned_at, watch.beat_at) == (NOW, NOW)


@pytest.mark.parametrize(
    "entries",
    [
        [FOUND, FOUND],
        [FOUND, scan(0)],
        [scan(1)],
        [Closed(finding="f" * 32, outcome=Outcome.GONE)],
        [Reconciled(scope="all", holdings=-1, faults=0, digest="")],
    ],
    ids=["twice", "a fault left out", "a fault made up", "nothing to close", "fewer than none"],
)
def test_what_may_not_be(entries):
    with pytest.raises(UnlawfulError):
        folded(*entries)


def test_a_missed_scan_is_a_finding_that_no_scan_counts():
    missed = Found(finding="e" * 32, fault=Fault.UNSEEN, request=None, who=Personal(""), what=Personal("since 09:00"))
    assert folded(missed, scan(0)).findings
