"""What stricter rules would not permit is asked about: who is asked, what they answer, and how every card closes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bot_stage import ROOM, card_with, stage, text_of
from conftest import ADA, INES, KOFI, MIRA, TOMAS

from bot.blocks.stricter import KEEP, Asked
from bot.errors import Reason, Refused
from bot.front import Spot
from ledger.audit import verify_store
from ledger.streams.codec import entry_of
from ledger.streams.request import ENTRIES, Status, Verdict
from policies.decide import Policy
from policies.errors import PolicyError
from policies.inforce import adopt
from workers.app import build_room, take_inventories
from workers.clock import Clock
from workers.hands import attend
from workers.settings import HouseSettings

__all__ = ["stage"]

ENG = "gpus<=8 hours<=72 cost<=2000,    allow"
FEWER = "gpus<=2 hours<=72 cost<=2000,    allow"
SHORTER = "gpus<=8 hours<=2 cost<=2000,    allow"
DOUBT = "rules would not allow this"


def rules_with(folder, *changes):
    """Return the policy of a folder, once its rows are changed there."""
    text = (folder / "policy.csv").read_text()
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    (folder / "policy.csv").write_text(text)
    return Policy.load(folder)


class Holding:
    """A house in which Mira holds what Ines approved, and whose rules can be changed."""

    def __init__(self, stage):
        self.stage, home = stage, stage.house.home
        settings = HouseSettings(home=home, policies=home / "policies", database_url=f"sqlite:///{home}/l.sqlite3")
        room = build_room(settings, simulate=True)
        take_inventories(room)
        self.room = replace(room, clock=stage.clock)

    def holds(self, words="4 h100 for 3 hours so I can retrain churn", approver=INES):
        ts, number = self.stage.asked(self.stage.server.person(MIRA), words)
        if approver:
            self.approved(approver, number)
        attend(self.room, number)
        self.wait(number, Status.RUNNING)
        return ts, number

    def approved(self, approver, number):
        person = self.stage.server.person(approver)
        person.click(card_with(person, person.dm(), "Needs your decision"), "Approve")
        self.wait(number, Status.APPROVED)

    def adopts(self, *changes):
        """Adopt the rules with these pieces of policy.csv replaced, as `quartermaster policy adopt` does."""
        policy = rules_with(self.stage.house.home / "policies", *changes)
        adopt(self.stage.house.book, policy, actor="os:test", why="a test")

    def request(self, number):
        return self.stage.house.book.request(number)

    def wait(self, number, status):
        self.stage.server.person(MIRA).wait(lambda: self.request(number).status is status)

    def told(self, slack, words=DOUBT):
        person = self.stage.server.person(slack)
        shown = [(message, text_of(message)) for message in person.messages(person.dm())]
        return [message for message, text in shown if words in text and "held by" in text]

    def card(self, slack, words=DOUBT, many=1):
        found = self.stage.server.person(slack).wait(lambda: len(f := self.told(slack, words)) == many and f)
        return found[-1]

    def taps(self, slack, card):
        """Tap Keep on a card as it was; return what is said to that person alone."""
        rows = [block["elements"] for block in card["blocks"] if block["type"] == "actions"]
        values = [each["value"] for row in rows for each in row if each["action_id"] == KEEP]
        spot = Spot(channel=self.stage.server.person(slack).dm())
        return self.stage.front.keep(slack, Asked.parse(values[0]), spot)

    def settle(self):
        """Everything that is owed now was shown."""
        for _ in range(2):
            self.stage.made.notifier.look()

    def asked_nobody(self):
        self.settle()
        assert {slack: self.told(slack) for slack in (MIRA, INES, TOMAS, KOFI, ADA) if self.told(slack)} == {}


@pytest.fixture
def holding(stage):
    made = Holding(stage)
    yield made
    made.room.book.store.close()


@pytest.fixture
def doubted(holding):
    """Mira's 4 GPUs, and rules for engineers that allow two."""
    holding.ts, holding.number = holding.holds()
    holding.asked_nobody()
    holding.adopts((ENG, FEWER))
    return holding


def person(holding, slack):
    return holding.stage.server.person(slack)


def test_the_lead_who_owns_it_is_asked_once_and_nobody_else(doubted):
    shown = text_of(doubted.card(INES))
    assert "4 × H100 for 3 hours, held by Mira" in shown
    assert "Rule `ask-gpu-eng` allows up to 2 GPUs now; this is 4 GPUs." in shown
    assert "until" in shown
    assert "Keep until its end" in shown
    assert "Revoke" in shown
    doubted.settle()
    assert [doubted.told(slack) for slack in (MIRA, TOMAS, KOFI, ADA)] == [[], [], [], []]
    assert doubted.request(doubted.number).status is Status.RUNNING


def test_keep_is_entered_and_closes_the_card(doubted):
    person(doubted, INES).click(doubted.card(INES), "Keep until its end")
    closed = text_of(doubted.card(INES, "Kept until its end by you"))
    assert 'Keep until its end"' not in closed
    assert "allows up to 2 GPUs now" in closed
    assert doubted.told(INES) == []
    [stored] = doubted.stage.entries("request.kept")
    entry, book = entry_of(stored, ENTRIES), doubted.stage.house.book
    assert (entry.keeper, stored.actor) == (book.people().subject(INES),) * 2
    assert (entry.rule, entry.policy, entry.fails) == ("vote-lead", book.policy().digest, "ask-gpu-eng gpus<=2")
    assert verify_store(book.store).sound
    mira = person(doubted, MIRA)
    thread = doubted.stage.tables.message(f"card:{doubted.number}").thread or doubted.ts
    mira.wait(lambda: any("Kept until its end by Ines" in text_of(m) for m in mira.messages(ROOM, thread)))
    assert doubted.request(doubted.number).status is Status.RUNNING


def test_revoke_takes_it_away_with_a_reason_and_closes_the_card(doubted):
    ines = person(doubted, INES)
    ines.click(doubted.card(INES), "Revoke")
    ines.submit(ines.wait(ines.modal), {"reason": "Two are enough from now on."})
    assert "Two are enough" in text_of(doubted.card(INES, "Revoked by Ines"))
    assert doubted.told(INES) == []
    attend(doubted.room, doubted.number)
    doubted.wait(doubted.number, Status.ENDED)
    doubted.settle()
    assert len(doubted.told(INES, "Revoked by Ines")) == 1


def test_the_holder_is_not_asked_and_cannot_answer(doubted):
    doubted.card(INES)
    desk, number = doubted.stage.front.desk, doubted.number
    seen = (number, doubted.request(number).form_digest, "ask-gpu-eng gpus<=2")
    refused = desk.let_stand(MIRA, *seen)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.OWN_LEASE
    assert "someone else must let it stand: Ines" in doubted.stage.front.sentence(MIRA, refused)
    assert desk.let_stand(TOMAS, *seen).reason is Reason.NOT_ALLOWED
    assert doubted.request(number).keeps == ()


def test_a_lead_who_holds_it_is_not_asked_but_the_admins_are(holding):
    _, number = holding.stage.asked(person(holding, INES), "2 h100 for 3 hours so I can retrain churn")
    attend(holding.room, number)
    holding.wait(number, Status.RUNNING)
    holding.adopts(
        ("gpus<=64 hours<=336 cost<=40000", "gpus<=1 hours<=336 cost<=40000"),
        (ENG, ENG.replace("gpus<=8", "gpus<=1")),
        ("gpus<=2 hours<=24 cost<=200,     allow", "gpus<=1 hours<=24 cost<=200,     allow"),
    )
    for admin in (KOFI, ADA):
        assert "held by Ines" in text_of(holding.card(admin))
    assert holding.told(INES) == []
    person(holding, ADA).click(holding.card(ADA), "Keep until its end")
    holding.card(ADA, "Kept until its end by you")
    holding.card(KOFI, "Kept until its end by Ada")
    assert holding.request(number).keeps[0].keeper == holding.stage.house.book.people().subject(ADA)
    assert holding.told(KOFI) == []


def test_an_owner_who_answers_second_is_told_who_was_first(holding):
    _, number = holding.stage.asked(person(holding, INES), "2 h100 for 3 hours so I can retrain churn")
    attend(holding.room, number)
    holding.wait(number, Status.RUNNING)
    holding.adopts(("held_gpus<=2 open_requests<=3, allow, auto", "held_gpus<=2 open_requests<=3 gpus<=1, allow, auto"))
    card = holding.card(KOFI)
    assert "No rule approves the like any more, so it needs 1 lead of platform" in text_of(card)
    assert "rule `auto-gpu-small` approved it" in text_of(card)
    person(holding, ADA).click(holding.card(ADA), "Keep until its end")
    holding.card(KOFI, "Kept until its end by Ada")
    assert "Ada let REQ-1001 stand until its end already" in holding.taps(KOFI, card)
    assert len(holding.request(number).keeps) == 1


def test_more_seats_than_it_had_are_asked_about(holding):
    _, number = holding.holds("2 h100 for 2 hours so I can retrain churn", approver=None)
    holding.adopts(("class:gpu,        use,      gpus>2,     allow", "class:gpu,        use,      gpus>1,     allow"))
    shown = text_of(holding.card(INES))
    assert "Rule `need-gpu` now needs 1 lead of platform; rule `auto-gpu-small` approved it." in shown
    person(holding, INES).click(holding.card(INES), "Keep until its end")
    holding.card(INES, "Kept until its end by you")
    assert holding.request(number).keeps[0].fails == "need-gpu owner-lead:1"


def test_standing_access_to_data_is_asked_about_and_whoever_cannot_revoke_reads_who_can(holding):
    mira = person(holding, MIRA)
    _, number = holding.stage.asked(mira, "read customer_events for 30 days so I can retrain churn")
    holding.approved(TOMAS, number)
    attend(holding.room, number)
    holding.wait(number, Status.RUNNING)
    holding.adopts(("level<=2 days<=90,               allow", "level<=2 days<=7,                allow"))
    shown = text_of(holding.card(TOMAS))
    assert "allows up to 7 days now; this is 30 days" in shown
    assert "can revoke it" in shown
    assert "qm_revoke" not in shown
    assert "qm_revoke" in text_of(holding.card(KOFI))
    assert holding.told(MIRA) == []


def test_the_card_closes_when_the_lease_ends(doubted):
    doubted.card(INES)
    doubted.stage.front.desk.release(MIRA, doubted.number)
    attend(doubted.room, doubted.number)
    doubted.wait(doubted.number, Status.ENDED)
    doubted.card(INES, "Released by Mira")
    assert doubted.told(INES) == []
    doubted.settle()
    assert doubted.stage.tables.judged(doubted.number) == []


def test_the_card_closes_when_the_rules_allow_it_again(doubted):
    card = doubted.card(INES)
    doubted.adopts((FEWER, ENG))
    doubted.card(INES, "rules allow this again")
    assert doubted.told(INES) == []
    assert "The rules allow REQ-1001 again" in doubted.taps(INES, card)
    assert doubted.request(doubted.number).keeps == ()


def test_rules_that_forbid_it_again_are_asked_about_anew(doubted):
    doubted.card(INES)
    doubted.adopts((FEWER, ENG))
    first = doubted.card(INES, "rules allow this again")
    doubted.adopts((ENG, FEWER))
    assert doubted.card(INES)["ts"] != first["ts"]


def test_another_adoption_asks_nothing_again_until_another_part_fails(doubted):
    card = doubted.card(INES)
    doubted.adopts(("hours<=24 cost<=200,", "hours<=24 cost<=250,"))
    doubted.settle()
    assert [each["ts"] for each in doubted.told(INES)] == [card["ts"]]
    person(doubted, INES).click(card, "Keep until its end")
    doubted.card(INES, "Kept until its end by you")
    doubted.adopts(("hours<=24 cost<=250,", "hours<=24 cost<=200,"))
    doubted.settle()
    assert doubted.told(INES) == []
    doubted.adopts((FEWER, SHORTER))
    assert "allows up to 2 hours now" in text_of(doubted.card(INES))
    assert len(doubted.told(INES, "Kept until its end by you")) == 1


def test_what_was_asked_under_rules_that_changed_again_closes_and_its_button_counts_for_nothing(doubted):
    card = doubted.card(INES)
    doubted.adopts((FEWER, SHORTER))
    doubted.card(INES, "The rules changed again")
    assert "changed after this card was sent" in doubted.taps(INES, card)
    assert doubted.request(doubted.number).keeps == ()


def test_a_restart_asks_nobody_twice_and_judges_nothing_again(doubted, monkeypatch):
    doubted.card(INES)
    doubted.stage.stop()
    doubted.stage.start()
    monkeypatch.setattr(doubted.stage.front.desk, "shortfall", lambda _: pytest.fail("judged again"))
    doubted.settle()
    doubted.settle()
    assert len(doubted.told(INES)) == 1


def test_a_desk_that_was_down_when_the_rules_were_adopted_asks_when_it_is_back(holding):
    holding.holds()
    holding.stage.stop()
    holding.adopts((ENG, FEWER))
    holding.stage.start()
    holding.card(INES)


def test_an_update_of_the_desk_asks_about_rules_that_were_adopted_before(holding):
    """Its tables followed the ledger beyond the adoption, when nobody judged anything yet."""
    _, number = holding.holds()
    holding.stage.quiet()
    holding.adopts((ENG, FEWER))
    tables = holding.stage.tables
    tables.move_cursor(holding.stage.house.book.store.size(), (), holding.stage.clock())
    tables.forget_judged(number)
    holding.stage.stop()
    holding.stage.start()
    holding.card(INES)


def test_what_is_held_is_judged_once_for_each_adoption_and_not_at_each_look(doubted, monkeypatch):
    doubted.card(INES)
    judged = []
    found = doubted.stage.front.desk.shortfall
    monkeypatch.setattr(
        doubted.stage.front.desk, "shortfall", lambda each: (judged.append(each.number), found(each))[1]
    )
    for _ in range(5):
        doubted.stage.made.notifier.look()
        doubted.stage.made.notifier.refresh(doubted.number)
    assert judged == []
    doubted.adopts((FEWER, SHORTER))
    doubted.card(INES, "up to 2 hours now")
    doubted.settle()
    assert judged == [doubted.number]


def test_what_passes_is_asked_of_nobody_and_forgotten_at_its_end(holding):
    _, number = holding.holds()
    holding.adopts(("hours<=24 cost<=200,", "hours<=24 cost<=250,"))
    holding.stage.quiet()
    holding.asked_nobody()
    judged = holding.stage.tables.judged
    assert [each.fails for each in judged(number)] == [""]
    holding.stage.front.desk.release(MIRA, number)
    attend(holding.room, number)
    holding.settle()
    assert holding.request(number).final
    assert judged(number) == []


def test_a_lease_that_cannot_be_judged_now_keeps_no_other_waiting_and_is_looked_at_again(holding, monkeypatch):
    _, first = holding.holds()
    desk = holding.stage.front.desk
    form = replace(holding.request(first).form, gpus=3)
    second = desk.submit(MIRA, form, purpose="churn", said="").number
    desk.review(INES, second, desk.book.request(second).form_digest, Verdict.APPROVE)
    attend(holding.room, second)
    holding.wait(second, Status.RUNNING)
    found, broken = desk.shortfall, [first]

    def shortfall(request):
        if request.number in broken:
            raise PolicyError("policy files", "0", "a test")
        return found(request)

    holding.asked_nobody()
    monkeypatch.setattr(desk, "shortfall", shortfall)
    holding.adopts((ENG, FEWER))
    assert f"REQ-{second}" in text_of(holding.card(INES))
    broken.clear()
    holding.stage.pass_time(minutes=2)
    holding.card(INES, many=2)


def test_an_extension_that_a_rule_agreed_to_makes_nothing_fail(holding):
    _, number = holding.holds("2 h100 for 8 hours so I can retrain churn", approver=None)
    extended = holding.stage.front.desk.extend(MIRA, number, 3600, "")
    assert extended.form.duration_s == 9 * 3600
    attend(holding.room, number)
    holding.adopts(("hours<=24 cost<=200,", "hours<=24 cost<=250,"))
    holding.asked_nobody()
    holding.adopts(("added_s<=3600 gpus<=4", "added_s<=1800 gpus<=4"))
    assert "need-gpu-hours" in text_of(holding.card(INES))


def test_a_lost_role_still_ends_it_and_asks_nobody(holding):
    _, number = holding.holds()
    holding.adopts(("g, user:U01MIRA,  role:engineer, team:vision\n", ""))
    holding.asked_nobody()
    Clock(holding.room, lambda _: None).tick()
    holding.wait(number, Status.ENDED)
    assert holding.request(number).end == "request.disqualified"


def test_rules_adopted_while_it_is_let_stand_are_looked_at_first(world, rules, monkeypatch):
    request, desk = world.running(), world.desk
    world.policy = rules_with(rules, (ENG, FEWER))
    seen, judge = desk.shortfall(request), desk.shortfall
    later = rules_with(rules, (FEWER, SHORTER))

    def overtaken(about):
        found = judge(about)
        if world.policy is not later:
            world.policy = later
            adopt(world.book, later, actor="os:test", why="a test")
        return found

    monkeypatch.setattr(desk, "shortfall", overtaken)
    refused = desk.let_stand(INES, request.number, request.form_digest, seen.fails)
    assert refused.reason is Reason.CHANGED
    assert world.now(request).keeps == ()


def test_a_lease_of_another_form_than_was_seen_is_not_let_stand(world, rules):
    request = world.running()
    world.policy = rules_with(rules, (ENG, FEWER))
    refused = world.desk.let_stand(INES, request.number, "0" * 64, "ask-gpu-eng gpus<=2")
    assert refused.reason is Reason.CHANGED
    ended = world.desk.release(MIRA, request.number)
    late = world.desk.let_stand(INES, request.number, ended.form_digest, "ask-gpu-eng gpus<=2")
    assert late.reason is Reason.ALREADY_DECIDED


def test_a_button_that_was_not_made_here_is_none():
    made = Asked(request=1001, digest="f" * 64, fails="ask-gpu-eng gpus<=2")
    assert Asked.parse(made.value()) == made
    for value in ("", "[1]", "{}", '["1001","f","x"]', made.value() + " "):
        assert Asked.parse(value) is None
