"""Two readers of one sentence: what both say stands, what they say differently is asked, what one adds is marked."""

from __future__ import annotations

from datetime import datetime

import pytest
from reading_stage import CATALOGUE, NOW, VOCABULARY, grammar, proposal

from bot.intake.forms import Other, Unclear, Understood, understand
from bot.intake.model.proposal import NonsenseError, Outcome
from bot.intake.model.together import together
from bot.intake.reading import DoubtReason
from ledger.nouns import DataForm, DeployForm, GpuForm

H100 = ("h100", "h100-80gb")
FRAUD = ("fraud-detector", "fraud-detector")


def both(text, asked, kind=""):
    return together(grammar(text), asked, text, now=NOW, vocabulary=VOCABULARY, kind=kind)


def heard(text, asked=None, kind=""):
    return understand(text, now=NOW, catalogue=CATALOGUE, proposal=asked, kind=kind)


def asked_about(found):
    assert isinstance(found, Unclear), found
    return {doubt.slot: doubt.candidates for doubt in found.doubts}


AGREEING = [
    ("4 h100 for 3 hours so I can retrain churn", proposal("gpu", gpu_type=H100, gpu_count="4", duration="3 hours", purpose="retrain churn")),
    ("2 nodes of h100 for 3 hours", proposal("gpu", gpu_type=H100, gpu_count="2", duration="3 hours")),
    ("2 nodes of h100 for 3 hours", proposal("gpu", gpu_type=H100, gpu_count="2 nodes", duration="for 3 hours")),
    ("4 h100 until tomorrow 18:00", proposal("gpu", gpu_type=H100, gpu_count="4", end="tomorrow 18:00")),
    ("4 h100 tomorrow 9am for 3 hours", proposal("gpu", gpu_type=H100, gpu_count="4", start="tomorrow 9am", duration="3 hours")),
    ("ich brauche vier H100 für drei Stunden", proposal("gpu", gpu_type=("H100", "h100-80gb"), gpu_count="vier", duration="drei Stunden")),
    ("read claims_2024 for 2 days", proposal("data", dataset=("claims_2024", "claims_2024"), access=("read", "read"), duration="2 days")),
    ("deploy fraud-detector 3.2.1 to staging", proposal("deploy", model=FRAUD, version="3.2.1", environment=("staging", "staging"))),
    ("roll fraud-detector back to 3.1.0 in prod", proposal("deploy", model=FRAUD, version="3.1.0", environment=("prod", "production"), rollback="roll fraud-detector back")),
    ("4 h100 for 3 hours", proposal("gpu")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "asked"), AGREEING)
def test_what_both_read_is_the_form_that_the_grammar_made(text, asked):
    assert both(text, asked).outcome is Outcome.AGREED
    assert heard(text, asked) == heard(text)
    assert isinstance(heard(text), Understood)


DIFFERING = [
    ("4 h100 for 3 hours, in room 12", proposal("gpu", gpu_type=H100, gpu_count="12"), {"gpu_count": ("4", "12")}),
    ("4 h100 for 3 hours. We present on Monday.", proposal("gpu", gpu_type=H100, start="Monday"), {"start": ("2026-06-15T09:00:00+02:00",)}),
    ("deploy fraud-detector 3.2.1 to staging so that 3 run", proposal("deploy", model=FRAUD, replicas="3"), {"replicas": ("3",)}),
    ("4 h100 for 3 hours because fraud-detector 3.2.1 goes to staging", proposal("deploy", model=FRAUD, version="3.2.1", environment=("staging", "staging")), {"kind": ("gpu", "deploy")}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "asked", "about"), DIFFERING)
def test_what_they_read_differently_is_asked(text, asked, about):
    assert both(text, asked).outcome is Outcome.DIFFERED
    assert asked_about(heard(text, asked)) == about
    reasons = {doubt.reason for doubt in heard(text, asked).doubts}
    assert DoubtReason.TWO_READINGS in reasons


def test_a_kind_that_was_chosen_settles_which_reading_holds():
    text, asked = DIFFERING[-1][0], DIFFERING[-1][1]
    assert isinstance(heard(text, asked, kind="gpu").form, GpuForm)
    chosen = heard(text, asked, kind="deploy")
    assert isinstance(chosen.form, DeployForm)
    assert {"model", "version", "environment"} <= set(chosen.by_model)


UNREAD = "fraud-detector 3.2.1 was shipped, now the same for staging"


def test_a_sentence_that_the_grammar_did_not_read_is_filled_and_every_slot_is_marked():
    assert isinstance(heard(UNREAD), Other)
    asked = proposal("deploy", model=FRAUD, version="3.2.1", environment=("staging", "staging"))
    found = heard(UNREAD, asked)
    form = found.form
    assert (form.resource, form.model, form.version) == ("deploy:fraud-detector@staging", "fraud-detector", "3.2.1")
    assert (form.environment, form.replicas, form.rollback) == ("staging", None, False)
    assert set(found.by_model) == {"model", "version", "environment"}
    assert both(UNREAD, asked).outcome is Outcome.ADDED


def test_a_name_that_the_words_do_not_say_is_asked_and_never_filled():
    text = "any chance the fraud thing could be live, 3.2.1 please"
    asked = proposal(
        "deploy", model=("fraud thing", "fraud-detector"), version="3.2.1", environment=("live", "production")
    )
    assert asked_about(heard(text, asked)) == {"model": ("fraud-detector",)}


def test_a_slot_that_the_grammar_asks_about_stays_asked():
    text = "4 a100 for 3 hours"
    asked = proposal("gpu", gpu_type=("a100", "a100-80gb"), gpu_count="4", duration="3 hours")
    assert asked_about(heard(text, asked)) == asked_about(heard(text))
    assert len(asked_about(heard(text))["gpu_type"]) == 2
    text = "4 h100 for 3 hours or 6 h100"
    asked = proposal("gpu", gpu_type=H100, gpu_count="6 h100", duration="3 hours")
    assert "gpu_count" in asked_about(heard(text))
    assert asked_about(heard(text, asked)) == asked_about(heard(text))
    assert heard(text, asked).reading == heard(text).reading
    assert heard(text, asked).by_model == ()


def test_a_model_that_reads_no_request_changes_none():
    assert both("4 h100 for 3 hours", proposal("none")).outcome is Outcome.DIFFERED
    assert heard("4 h100 for 3 hours", proposal("none")) == heard("4 h100 for 3 hours")
    assert both("hello there", proposal("none")).outcome is Outcome.AGREED


def test_two_wishes_and_verbs_are_read_by_the_grammar_alone():
    for text in ("4 h100 for 3 hours and read claims_2024 for 2 days", "release REQ-1001", "why was REQ-1001 denied"):
        asked = proposal("data", dataset=("claims_2024", "claims_2024")) if "claims" in text else proposal("gpu")
        assert heard(text, asked) == heard(text)


NONSENSE = [
    ("4 h100 for 3 hours", proposal("gpu", gpu_type=H100, gpu_count="40")),
    ("4 h100 for 3 hours", proposal("gpu", gpu_type=H100, duration="30 hours")),
    ("14 h100 for 3 hours", proposal("gpu", gpu_type=H100, gpu_count="4")),
    ("4 h100 for 3 hours", proposal("gpu", gpu_type=("h100", "a100-40gb"))),
    ("4 h100 for 3 hours", proposal("gpu", gpu_type=H100, purpose="because the boss said so")),
    ("4 h100 for 3 hours", proposal("gpu", gpu_count=".,;")),
    ("hello there", proposal("gpu", gpu_count="hello")),
    ("hello there", proposal("gpu")),
    ("deploy fraud-detector 3.2.1 to staging", proposal("deploy", model=FRAUD, environment=("staging", "production"))),
    ("version 3.2.1 of fraud-detector to dev", proposal("deploy", model=FRAUD, version="2.1")),
]


@pytest.mark.parametrize(("text", "asked"), NONSENSE)
def test_what_the_sentence_does_not_say_makes_the_whole_answer_count_for_nothing(text, asked):
    with pytest.raises(NonsenseError):
        both(text, asked)
    assert heard(text, asked) == heard(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("h100 for 3 hours, see REQ-1042", "1042"),
        ("h100 for 3 hours, see claims_2024", "claims_2024"),
        ("h100 for 3 hours on 2026-07-04", "2026-07-04"),
        ("h100 for 3 hours", "3 hours"),
        ("h100 for 3 hours", "3"),
        ("h100 for 3 hours at 14:00", "14:00"),
    ],
)
def test_a_number_inside_a_name_a_date_an_id_or_a_time_is_no_count(text, words):
    asked = proposal("gpu", gpu_type=H100, gpu_count=words)
    with_it = heard(text, asked)
    assert "gpu_count" in asked_about(with_it)
    assert asked_about(with_it) == asked_about(heard(text))


def test_what_one_left_missing_is_filled_where_it_is_needed_and_asked_where_it_is_not():
    text = "h100 for 3 hours, in room 12, tomorrow 9am"
    filled = both(text, proposal("gpu", gpu_type=H100, gpu_count="12"))
    assert (filled.by_model, filled.reading.slots["gpu_count"]) == (("gpu_count",), 12)
    assert isinstance(filled.reading.slots["start"], datetime)


def test_words_that_stand_twice_and_mean_two_things_mean_nothing():
    text = "h100, 2 nodes or 2 please, for 3 hours"
    found = both(text, proposal("gpu", gpu_type=H100, gpu_count="2"))
    assert found.reading == grammar(text)


def test_a_model_that_contradicts_itself_about_access_settles_nothing():
    asked = proposal("data", dataset=("claims_2024", "claims_2024"), access=("read", "write"), duration="2 days")
    with pytest.raises(NonsenseError):
        both("read claims_2024 for 2 days", asked)
    text = "claims_2024 for 2 days"
    asked = proposal("data", dataset=("claims_2024", "claims_2024"), access=("for", "write"), duration="2 days")
    assert asked_about(heard(text, asked)) == {"access": ()}


def test_data_that_only_the_model_read_is_a_form_too():
    text = "my report wonders whether customer_events could be read, 2 days"
    asked = proposal("data", dataset=("customer_events", "customer_events"), access=("read", "read"), duration="2 days")
    found = heard(text, asked)
    assert isinstance(found, Understood)
    assert isinstance(found.form, DataForm)
