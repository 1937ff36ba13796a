"""Sentences about a model that is served: going back, promoting and shares, in four languages, from what the ledger knows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from conftest import RULES
from deployed import serve, weights_of

from bot.intake.forms import Unclear, Understood, understand
from bot.intake.reading import DoubtReason
from ledger.streams.law import Place
from ledger.streams.model import Registered, Routed, Share, evolve
from policies.catalogue import parse_catalogue
from policies.stock import stocked

NOW = datetime(2026, 11, 24, 2, 30, tzinfo=UTC)
CATALOGUE = parse_catalogue(serve((RULES / "catalogue.toml").read_text()))
OLD, NEW = (
    Registered(version=version, digest=weights_of(of), size=1) for version, of in (("3.2.0", "a"), ("3.2.1", "b"))
)
ANEW = Registered(version="3.2.0", digest=weights_of("c"), size=1)


def routed(*shares, environment="production"):
    parts = {OLD: "3.2.0", NEW: "3.2.1"}
    given = tuple(Share(version=parts[entry], digest=entry.digest, percent=percent) for entry, percent in shares)
    return Routed(environment=environment, shares=given, request=1001, why="")


def heard(text, *entries):
    model = None
    for number, entry in enumerate((OLD, NEW, *entries), start=1):
        model = evolve(model, entry, Place(at=NOW, actor="svc:x", version=number))
    return understand(text, now=NOW, catalogue=stocked(CATALOGUE, {"fraud-detector": model}))


@pytest.mark.parametrize("version", ["3.2.1", "latest"])
def test_a_version_carries_the_weights_that_it_means_now(version):
    form = heard(f"deploy fraud-detector {version} to staging").form
    assert (form.version, form.digest) == ("3.2.1", weights_of("b"))


@pytest.mark.parametrize(
    "text",
    [
        "roll back fraud-detector in prod",
        "roll fraud-detector back to 3.2.0 in prod",
        "fraud-detector in prod zurückrollen",
        "roll fraud-detector in prod zurück",
        "revierte fraud-detector en prod",
        "vuelve a la versión anterior de fraud-detector en prod",
        "reviens à la version précédente de fraud-detector en prod",
    ],
)
def test_going_back_means_the_weights_that_answered_there_before(text):
    form = heard(text, ANEW, routed((OLD, 100)), routed((NEW, 100))).form
    assert (form.version, form.digest, form.rollback) == ("3.2.0", weights_of("a"), True)


def test_going_back_to_a_version_that_never_answered_there_means_it_as_it_is_now():
    form = heard("roll back fraud-detector to 3.2.0 in prod", ANEW, routed((NEW, 100))).form
    assert (form.version, form.digest) == ("3.2.0", weights_of("c"))


def test_what_answered_elsewhere_is_no_way_back():
    found = heard("roll back fraud-detector in prod", routed((OLD, 100), environment="staging"), routed((NEW, 100)))
    assert isinstance(found, Unclear)
    assert [doubt.reason for doubt in found.doubts] == [DoubtReason.NOTHING_BEFORE]


@pytest.mark.parametrize(
    "text",
    [
        "promote fraud-detector in prod",
        "promote the canary of fraud-detector in prod to 100%",
        "befördere fraud-detector in prod",
        "fraud-detector in prod auf 100 % hochstufen",
        "promueve fraud-detector en prod",
        "promeus fraud-detector en prod",
    ],
)
def test_promoting_means_the_canary_at_all_of_the_calls(text):
    form = heard(text, routed((OLD, 100)), routed((OLD, 90), (NEW, 10))).form
    assert (form.version, form.digest) == ("3.2.1", weights_of("b"))
    assert (form.canary_percent, form.strategy, form.rollback) == (None, None, False)


def test_out_of_a_canary_going_back_means_what_answered_alone():
    form = heard("roll back fraud-detector in prod", routed((OLD, 100)), routed((OLD, 90), (NEW, 10))).form
    assert (form.version, form.rollback) == ("3.2.0", True)


@pytest.mark.parametrize("before", [[], [routed((OLD, 100))], [routed((OLD, 100)), routed((NEW, 100))]])
def test_without_a_canary_promoting_is_asked_about(before):
    found = heard("promote fraud-detector in prod", *before)
    assert [(doubt.slot, doubt.reason) for doubt in found.doubts] == [("version", DoubtReason.MISSING)]


@pytest.mark.parametrize("percent", [0, 101, 250])
def test_a_share_that_cannot_be_is_asked_about(percent):
    found = heard(f"deploy fraud-detector 3.2.1 to staging as a canary with {percent}%")
    assert [doubt.slot for doubt in found.doubts] == ["canary_percent"]


def test_all_of_the_calls_is_no_canary():
    form = heard("deploy fraud-detector 3.2.1 to staging as a canary with 100%").form
    assert (form.canary_percent, form.strategy) == (None, None)


def test_how_it_comes_into_service_is_kept():
    found = heard("deploy fraud-detector 3.2.1 to staging with 3 replicas, blue-green")
    assert isinstance(found, Understood)
    assert (found.form.replicas, found.form.strategy, found.form.canary_percent) == (3, "blue-green", None)


def test_a_version_that_nobody_registered_is_asked_about_with_those_there_are():
    found = heard("deploy fraud-detector 9.9.9 to staging")
    (doubt,) = found.doubts
    assert (doubt.reason, doubt.candidates) == (DoubtReason.UNKNOWN_NAME, ("3.2.1", "3.2.0"))
