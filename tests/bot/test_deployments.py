"""Deployments of a served model as people meet them: weights on the card, the way to production, and what ran."""

from __future__ import annotations

import pytest
from bot_stage import ROOM, STRANGER, Stage, card_with, message_at, text_of, whisper
from conftest import INES, MIRA, RULES
from deployed import Deployed, serve, weights_of

from bot.demo import CHANNELS, PEOPLE
from bot.workspace.model import Channel, Person
from bot.workspace.server import WorkspaceServer
from ledger.streams.codec import digest
from ledger.streams.request import Status
from policies.decide import FILES


@pytest.fixture
def stage(tmp_path):
    """The usual stage, whose catalogue really serves fraud-detector."""
    folder = tmp_path / "home" / "policies"
    folder.mkdir(parents=True)
    for name in FILES:
        text = (RULES / name).read_text()
        (folder / name).write_text(serve(text) if name == "catalogue.toml" else text)
    people = [Person(id=slack, name=name, title=title) for slack, name, title in PEOPLE]
    people.append(Person(id=STRANGER, name="Nobody"))
    channels = [Channel(name=name, topic=topic) for name, topic in CHANNELS]
    with WorkspaceServer(people, channels, retry_after=(0.0, 0.1, 0.1)) as server:
        made = Stage(tmp_path / "home", server)
        yield made
        made.stop()
        made.house.book.store.close()


@pytest.fixture
def tale(stage):
    """3.2.0 answers in production since an hour, 3.2.1 is registered and in staging."""
    front = stage.front.desk
    tale = Deployed(stage.house.book, asker=front.subject(MIRA), lead=front.subject(INES))
    tale.register("3.2.0", "a")
    tale.first = tale.deploy("3.2.0")
    tale.register("3.2.1", "b")
    return tale


def form_of(stage, number):
    return stage.house.book.request(number).form


def test_a_version_is_asked_for_by_its_weights_which_the_cards_show(stage, tale, mira):
    tale.deploy("3.2.1", "staging")
    card = stage.read_back(mira, "deploy fraud-detector latest to production")
    said = text_of(card)
    assert "fraud-detector 3.2.1 to production" in said
    assert "bbbbbbbbbbbb" in said
    assert "passed its evaluation (40 of 40, p95 120 ms)" in said
    mira.click(card, "Confirm")
    number = mira.wait(lambda: n if (n := stage.house.book.requests.last()) > tale.first + 1 else None)
    assert form_of(stage, number).digest == weights_of("b")
    ravi = stage.server.person("U08RAVI")
    theirs = text_of(card_with(ravi, ravi.dm(), "Needs your decision"))
    assert "bbbbbbbbbbbb" in theirs
    assert "passed its evaluation" in theirs
    assert "*Running now*\\n3.2.0" in theirs


def test_what_was_asked_for_keeps_its_weights_when_the_version_is_registered_anew(stage, tale, mira):
    _, number = asked(stage, mira, "deploy fraud-detector 3.2.1 to staging")
    before = digest(form_of(stage, number))
    tale.register("3.2.1", "c")
    assert form_of(stage, number).digest == weights_of("b")
    assert digest(form_of(stage, number)) == before
    assert stage.house.policy.current().catalogue.models["fraud-detector"].digest("3.2.1") == weights_of("c")


def asked(stage, person, words):
    before = stage.house.book.requests.last()
    message = stage.read_back(person, words)
    person.click(message, "Confirm")
    number = person.wait(lambda: n if (n := stage.house.book.requests.last()) > before else None)
    return message, number


def test_production_without_an_evaluation_is_denied_with_the_way_there(stage, tale, mira):
    mira.say(ROOM, "@quartermaster deploy fraud-detector 3.2.1 to production")
    said = text_of(card_with(mira, ROOM, "Policy would deny this"))
    assert "Deploy it to staging first: a passing evaluation there counts." in said
    assert "Ask for staging instead" in said
    tale.deploy("3.2.1", "staging")
    assert "Confirm" in text_of(stage.read_back(mira, "deploy fraud-detector 3.2.1 to production"))


def test_a_version_that_nobody_registered_is_asked_about_with_those_there_are(stage, tale, mira):
    mira.say(ROOM, "@quartermaster deploy fraud-detector 9.9.9 to staging")
    said = text_of(card_with(mira, ROOM, "not clear"))
    assert "9.9.9" in said
    assert "3.2.1" in said
    assert "3.2.0" in said


def test_without_any_version_it_is_said_who_adds_one(stage, mira):
    mira.say(ROOM, "@quartermaster deploy fraud-detector 3.2.1 to staging")
    assert "3.2.1" in text_of(card_with(mira, ROOM, "not clear"))
    mira.say(ROOM, "@quartermaster roll back fraud-detector in production")
    assert "quartermaster models add fraud-detector VERSION DIRECTORY" in text_of(
        card_with(mira, ROOM, "No version of `fraud-detector` is registered yet")
    )


def test_going_back_means_what_answered_there_before(stage, tale, mira):
    tale.register("3.2.0", "c")  # the tag means other weights now: what answered before is meant all the same
    tale.deploy("3.2.1", "production")
    _, number = asked(stage, mira, "roll back fraud-detector in prod")
    form = form_of(stage, number)
    assert (form.version, form.digest, form.rollback) == ("3.2.0", weights_of("a"), True)
    assert stage.house.book.request(number).status is Status.WAITING


def test_where_nothing_answered_before_there_is_no_way_back(stage, tale, mira):
    mira.say(ROOM, "@quartermaster roll back fraud-detector in prod")
    assert "Nothing answered in `production` before" in text_of(card_with(mira, ROOM, "not clear"))


def test_promoting_asks_for_the_canary_at_all_of_the_calls(stage, tale, mira):
    _, canary = asked(stage, mira, "deploy fraud-detector 3.2.1 to staging as a canary with 10%")
    assert form_of(stage, canary).canary_percent == 10
    tale.deploy("3.2.1", "production", tale.share("3.2.0", 90), tale.share("3.2.1", 10))
    _, number = asked(stage, mira, "promote fraud-detector in prod")
    form = form_of(stage, number)
    assert (form.version, form.digest) == ("3.2.1", weights_of("b"))
    assert (form.canary_percent, form.strategy, form.rollback) == (None, None, False)


def test_without_a_canary_promoting_asks_which_version(stage, tale, mira):
    mira.say(ROOM, "@quartermaster promote fraud-detector in prod")
    assert "which version" in text_of(card_with(mira, ROOM, "not clear"))


def test_a_share_that_cannot_be_is_asked_about(stage, tale, mira):
    mira.say(ROOM, "@quartermaster deploy fraud-detector 3.2.1 to staging as a canary with 0%")
    assert "how many percent first" in text_of(card_with(mira, ROOM, "not clear"))


def test_a_canary_and_its_replicas_stand_on_the_card_and_stay_when_it_is_edited(stage, tale, mira):
    words = "deploy fraud-detector 3.2.1 to staging as a canary with 10% and 3 replicas"
    message = stage.read_back(mira, words)
    said = text_of(message)
    assert "Canary, 10 % first" in said
    assert "*Replicas*\\n3" in said
    mira.click(message, "Edit")
    mira.submit(mira.wait(mira.modal), {"purpose": "try it"})
    fresh = mira.wait(lambda: m if "try it" in text_of(m := message_at(mira, ROOM, message["ts"])) else None)
    assert "Canary, 10 % first" in text_of(fresh)


def test_what_ran_is_told_with_its_weights_its_request_and_who_approved(stage, tale, mira):
    mira.command("/qm what ran in production", ROOM)
    said = text_of(whisper(mira, ROOM, "fraud-detector in production"))
    assert "3.2.0 (`aaaaaaaaaaaa`)" in said
    assert f"by REQ-{tale.first}, asked by Mira, approved by Ines" in said


def test_what_ran_in_a_stretch_is_every_version_of_it(stage, tale, mira):
    tale.deploy("3.2.1", "production", tale.share("3.2.0", 90), tale.share("3.2.1", 10))
    stage.pass_time(days=1)
    mira.command("/qm what ran in production yesterday", ROOM)
    said = text_of(whisper(mira, ROOM, "fraud-detector in production"))
    assert "• 3.2.0 (`aaaaaaaaaaaa`), since" in said
    assert "• 90 % 3.2.0 (`aaaaaaaaaaaa`) and 10 % 3.2.1 (`bbbbbbbbbbbb`), since" in said


def test_what_ran_names_the_adapters_with_their_bytes_their_time_and_whose_order(stage, tale, mira):
    tale.register_adapter("legal-tone", "c")
    loads = tale.adapt(tale.adapter_form("legal-tone", "3.2.0"))
    mira.command("/qm what ran in production", ROOM)
    said = text_of(whisper(mira, ROOM, "with adapter"))
    assert "with adapter legal-tone (`cccccccccccc`) beside 3.2.0, since" in said
    assert f"by REQ-{loads}, asked by Mira, approved by Ines" in said
    assert "until" not in said


def test_what_ran_in_a_stretch_says_when_its_adapters_ended_and_why(stage, tale, mira):
    tale.register_adapter("legal-tone", "c")
    tale.register_adapter("brief", "d")
    tale.adapt(tale.adapter_form("legal-tone", "3.2.0"))
    tale.adapt(tale.adapter_form("brief", "3.2.0"))
    unloads = tale.adapt(tale.adapter_form("legal-tone", "3.2.0", load=False))
    after = tale.deploy("3.2.1")
    stage.pass_time(days=1)
    mira.command("/qm what ran in production yesterday", ROOM)
    said = text_of(whisper(mira, ROOM, "with adapter"))
    assert f"(unloaded by REQ-{unloads})" in said
    assert f"(its version was replaced by REQ-{after})" in said


def test_an_adapter_that_is_unloaded_ran_no_more(stage, tale, mira):
    tale.register_adapter("legal-tone", "c")
    tale.adapt(tale.adapter_form("legal-tone", "3.2.0"))
    tale.adapt(tale.adapter_form("legal-tone", "3.2.0", load=False))
    mira.command("/qm what ran in production", ROOM)
    assert "adapter" not in text_of(whisper(mira, ROOM, "fraud-detector in production"))


def test_before_the_first_routing_that_is_what_is_said(stage, tale, mira):
    mira.command("/qm what ran in production on 1 May 2026", ROOM)
    said = text_of(whisper(mira, ROOM, "Nothing was routed"))
    assert "The first routing was" in said
