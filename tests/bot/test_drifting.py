"""A version that left its profile is reported where it was deployed from, with one tap back; and closed when it is over."""

from __future__ import annotations

import pytest
from bot_stage import ROOM, cards, stage, text_of
from deployed import Deployed
from models_stage import NEW, OLD, STREAM, append, deployed, served

from ledger.streams.model import SERVERS, Drifted, Recovered, Routed, Share

__all__ = ["deployed", "served", "stage"]
DRIFT = Drifted(digest=NEW, environment="dev", figure="first_token_p95_ms", expected=120, seen=900)


@pytest.fixture
def mira(stage):
    return stage.server.person("U01MIRA")


@pytest.fixture
def reported(stage, deployed, mira):
    """Mira deployed version 2 from a channel, and it drifts."""
    stage.tables.claim_at(f"card:{deployed.number}", deployed.number, mira.channel_id(ROOM), "", "")
    stage.house.book.append(append(stage, STREAM, DRIFT))
    (report,) = mira.wait(lambda: cards(mira, ROOM, "is not as it was"))
    return report


def test_it_says_what_is_wrong_and_offers_the_way_back(reported):
    words = text_of(reported)
    assert "fraud-detector 2 in dev is not as it was" in words
    assert "The first token takes 900 ms for 19 of 20 requests; 120 ms is its profile." in words
    assert "Roll back" in words


def test_one_tap_asks_for_the_version_before_and_its_card_stands_under_the_report(stage, mira, reported):
    mira.click(reported, "Roll back")
    card = mira.wait(lambda: [m for m in mira.messages(ROOM, reported["ts"]) if "REQ-" in text_of(m)])[-1]
    request = stage.house.book.request(stage.house.book.requests.last())
    assert (request.form.rollback, request.form.version, request.form.digest) == (True, "1", OLD)
    assert request.name in text_of(card)


def test_whoever_may_not_go_back_reads_why_and_nothing_is_done(stage, reported):
    noor = stage.server.person("U04NOOR")
    noor.click(reported, "Roll back")
    noor.wait(lambda: stage.entries("request.submitted")[2:])
    request = stage.house.book.request(stage.house.book.requests.last())
    assert request.status == "denied"


def test_it_closes_in_place_when_the_figure_is_back(stage, mira, reported):
    back = Recovered(digest=NEW, environment="dev", figure=DRIFT.figure, seen=130)
    stage.house.book.append(append(stage, STREAM, back))
    (closed,) = mira.wait(lambda: cards(mira, ROOM, "is as it was again"))
    assert closed["ts"] == reported["ts"]
    assert "130 ms now, and was 900 ms" in text_of(closed)
    assert "Roll back" not in text_of(closed)


def test_it_closes_in_place_when_another_version_answers(stage, mira, reported):
    shares = (Share(version="1", digest=OLD, percent=100),)
    stage.house.book.append(append(stage, STREAM, Routed(environment="dev", shares=shares, request=None, why="Back.")))
    (closed,) = mira.wait(lambda: cards(mira, ROOM, "answers in dev no more"))
    assert closed["ts"] == reported["ts"]
    assert "Roll back" not in text_of(closed)


def test_a_version_whose_servers_do_not_stay_alive_is_reported_alike_and_closes_when_they_have_run_for_a_while(
    stage, deployed, mira
):
    about = {"digest": NEW, "environment": "dev", "figure": SERVERS}
    stage.tables.claim_at(f"card:{deployed.number}", deployed.number, mira.channel_id(ROOM), "", "")
    stage.house.book.append(append(stage, STREAM, Drifted(**about, expected=2, seen=1)))
    (report,) = mira.wait(lambda: cards(mira, ROOM, "fraud-detector 2 in dev does not stay alive"))
    assert "Of its servers 1 of 2 is ready. They are started again after pauses that grow" in text_of(report)
    assert "Roll back" in text_of(report)
    assert "By the keeper" in text_of(report)
    stage.house.book.append(append(stage, STREAM, Recovered(**about, seen=2)))
    (closed,) = mira.wait(lambda: cards(mira, ROOM, "is as it was again"))
    assert closed["ts"] == report["ts"]
    assert "Its servers have run for five minutes: 2 are ready." in text_of(closed)


def test_without_a_place_whoever_deployed_it_and_the_leads_read_it(stage, deployed):
    stage.house.book.append(append(stage, STREAM, DRIFT))
    for slack in ("U01MIRA", "U02INES"):
        person = stage.server.person(slack)
        person.wait(lambda: cards(person, person.dm(), "is not as it was"))  # noqa: B023 waited for at once


LOST = Drifted(digest=NEW, environment="dev", figure="adapter:legal-tone", expected=1, seen=0)


@pytest.fixture
def lost(stage, deployed, mira):
    """Mira had an adapter loaded from a channel, and it is lost."""
    tale = Deployed(
        stage.house.book, asker=stage.front.desk.subject("U01MIRA"), lead=stage.front.desk.subject("U02INES")
    )
    tale.register_adapter("legal-tone", "c")
    number = tale.adapt(tale.adapter_form("legal-tone", "2", "dev"))
    stage.tables.claim_at(f"card:{number}", number, mira.channel_id(ROOM), "", "")
    stage.house.book.append(append(stage, STREAM, LOST))
    (report,) = mira.wait(lambda: cards(mira, ROOM, "cannot be loaded again"))
    return report


def test_a_lost_adapter_is_reported_where_it_was_asked_for_with_what_to_say(lost):
    said = text_of(lost)
    assert "legal-tone cannot be loaded again on fraud-detector in dev" in said
    assert "0 of 1 servers have it. Its calls are refused; those to the model are not." in said
    assert "`@quartermaster unload adapter legal-tone from fraud-detector in dev`" in said
    assert "Roll back" not in said


@pytest.mark.parametrize(
    ("seen", "words"),
    [(1, "is loaded on fraud-detector in dev again"), (0, "is not to be loaded on fraud-detector in dev any more")],
)
def test_the_report_of_a_lost_adapter_closes_in_place(stage, mira, lost, seen, words):
    back = Recovered(digest=NEW, environment="dev", figure=LOST.figure, seen=seen)
    stage.house.book.append(append(stage, STREAM, back))
    (closed,) = mira.wait(lambda: cards(mira, ROOM, f"legal-tone {words}"))
    assert closed["ts"] == lost["ts"]


def test_the_report_of_a_lost_adapter_closes_when_its_version_is_replaced(stage, mira, lost):
    shares = (Share(version="1", digest=OLD, percent=100),)
    stage.house.book.append(append(stage, STREAM, Routed(environment="dev", shares=shares, request=None, why="Back.")))
    (closed,) = mira.wait(lambda: cards(mira, ROOM, "answers in dev no more"))
    assert closed["ts"] == lost["ts"]
