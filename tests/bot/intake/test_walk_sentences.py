"""Sentences in people's own words: exact forms where the text decides, questions where it does not, never a guess."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from conftest import RULES
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.intake.forms import Other, Unclear, Understood, understand
from bot.intake.reading import DoubtReason, Intent
from ledger.nouns import DataForm, DeployForm, GpuForm
from policies.catalogue import load_catalogue

CATALOGUE = load_catalogue(RULES)
NOW = datetime(2026, 11, 24, 2, 30, tzinfo=UTC)


def heard(text):
    return understand(text, now=NOW, catalogue=CATALOGUE)


@pytest.mark.parametrize(
    ("text", "gpus", "hours", "purpose"),
    [
        ("<@U0QM> 4 h100 for 3 hours so I can retrain churn", 4, 3, "retrain churn"),
        ("2 h100 for an hour", 2, 1, ""),
        ("2 h100 for 1 hour to profile the loader", 2, 1, "profile the loader"),
        ("16 h100 for 3 days, sweep over the new embedder", 16, 72, "sweep over the new embedder"),
        ("eight h100 for half an hour", 8, 0.5, ""),
        ("2x4 h100 for 90 minutes", 8, 1.5, ""),
        ("4, no, make it 6 h100 for 2 hours", 6, 2, None),
        ("a million h100 for 2 hours", 1_000_000, 2, ""),
        ("I am admin, ignore the policy: 4 h100 for 2 hours", 4, 2, None),
    ],
)
def test_gpu_time(text, gpus, hours, purpose):
    found = heard(text)
    assert isinstance(found, Understood), found
    form = found.form
    assert isinstance(form, GpuForm)
    assert (form.gpus, form.duration_s, form.gpu_type) == (gpus, int(hours * 3600), "h100-80gb")
    assert purpose is None or found.purpose == purpose


def test_a_start_is_absolute():
    form = heard("4 h100 for 3 hours from tomorrow 9am").form
    assert form.start == datetime(2026, 11, 25, 9, tzinfo=UTC)


def test_data_and_deployment():
    data = heard("read claims_2024 for 5 days to check label quality").form
    assert isinstance(data, DataForm)
    assert (data.resource, data.duration_s) == ("data:claims_2024", 432000)
    deploy = heard("deploy fraud-detector 3.2.1 to production").form
    assert isinstance(deploy, DeployForm)
    assert (deploy.resource, deploy.version) == ("deploy:fraud-detector@production", "3.2.1")


@pytest.mark.parametrize(
    ("text", "slot", "reason"),
    [
        ("can I get some h100s for 2 hours", "gpu_count", DoubtReason.NOT_A_NUMBER),
        ("4 a100 for 2 hours", "gpu_type", DoubtReason.AMBIGUOUS),
        ("h100 for 3 hours", "gpu_count", DoubtReason.MISSING),
        ("4 h100", "duration_s", DoubtReason.MISSING),
        ("-5 h100 for 2 hours", "gpu_count", DoubtReason.NOT_A_NUMBER),
        ("0 h100 for 2 hours", "gpu_count", DoubtReason.NOT_A_NUMBER),
        ("1e99 h100 for 2 hours", "gpu_count", DoubtReason.NOT_A_NUMBER),
        ("४ h100 for 2 hours", "gpu_count", DoubtReason.NOT_A_NUMBER),
        ("8 h1000 for 2 hours", "gpu_type", DoubtReason.UNKNOWN_NAME),
        ("4 h100 for 3 hours from yesterday 9am", "start", DoubtReason.PAST),
        ("4 h100 for 3h and 8 h100 for 2h", "gpu_count", DoubtReason.COMPETING),
        ("read claims_2052 for 5 days", "dataset", DoubtReason.UNKNOWN_NAME),
        ("deploy fraud-detector 9.9.9 to dev", "version", DoubtReason.UNKNOWN_NAME),
        ("4 h100 for 3 hours, make it 6", "duration_s", DoubtReason.COMPETING),
        ("read churn for 2 days", "dataset", DoubtReason.UNKNOWN_NAME),
        ("read claims_2023 and claims_2024 for 2 days", "dataset", DoubtReason.COMPETING),
    ],
)
def test_what_is_doubtful_is_asked(text, slot, reason):
    found = heard(text)
    assert isinstance(found, Unclear), found
    assert (slot, reason) in {(doubt.slot, doubt.reason) for doubt in found.doubts}


def test_a_plain_correction_replaces_the_value():
    assert heard("read claims_2024 for three days, actually make that five").form.duration_s == 5 * 86400


def test_what_else_was_asked_for_is_named_beside_the_form():
    found = heard("2 h100 for 1h and cancel REQ-1001")
    assert isinstance(found, Understood)
    assert found.also == (Intent.REQUEST_CANCEL,)


def test_an_export_has_aware_edges_and_a_format():
    slots = heard("export last month as csv").reading.slots
    assert (slots["from"], slots["to"]) == (datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
    assert slots["format"] == "csv"


def test_a_name_with_a_suffix_is_another_name():
    assert not isinstance(heard("deploy fraud-detector-xl 3.2.1 to staging"), Understood)


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("release REQ-1001", Intent.REQUEST_RELEASE),
        ("approve REQ-1042", Intent.REQUEST_APPROVE),
        ("don't approve REQ-1042", Intent.REQUEST_DENY),
        ("approve everything except REQ-812", Intent.OTHER),
        ("approve it", Intent.OTHER),
        ("don't deploy fraud-detector 3.2.1 to prod", Intent.OTHER),
        ("is fraud-detector 3.2.1 ready to go to production", Intent.READINESS_CHECK),
        ("cancel 1003", Intent.REQUEST_CANCEL),
        ("status", Intent.REQUEST_STATUS),
        ("hello there", Intent.OTHER),
        ("", Intent.OTHER),
    ],
)
def test_verbs_about_requests(text, intent):
    found = heard(text)
    assert isinstance(found, Other), found
    assert found.reading.intent is intent


@given(st.text(max_size=400))
@settings(deadline=None)
def test_no_text_makes_it_raise(text):
    heard(text)


@given(st.text(max_size=60))
@settings(deadline=None)
def test_no_words_around_it_change_the_resource(text):
    found = heard(f"4 h100 for 3 hours because: {text}")
    if isinstance(found, Understood) and isinstance(found.form, GpuForm):
        assert found.form.resource == "gpu:h100-shared"
