"""A halt stops approvals and starts, and nothing else; what waited goes on by itself, decided anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from conftest import ADA, INES, KOFI, MIRA, TOMAS

from bot.errors import Reason, Refused
from bot.verbs.halting import going_on
from ledger.audit import verify_store
from ledger.book import Write
from ledger.errors import VersionConflictError
from ledger.nouns import Personal
from ledger.streams.halt import EVERYTHING, STREAM, Halted, Spell, Stop
from ledger.streams.request import Request, Status, Verdict
from policies.grounds import Grounds
from policies.inforce import adopt
from workers import hands
from workers.hands import attend

POOL = "gpu:h100-shared"


def halted(world, resource=EVERYTHING, by=KOFI):
    stop = world.desk.halt(by, resource, "storage incident")
    assert isinstance(stop, Stop), stop
    return stop


def lifted(world, resource=EVERYTHING, by=ADA):
    spell = world.desk.lift(by, resource, "storage is healthy")
    assert isinstance(spell, Spell), spell
    return spell


def refused(outcome, reason):
    assert isinstance(outcome, Refused), outcome
    assert outcome.reason is reason
    return outcome


# -- who ------------------------------------------------------------------------------------------------------------


def test_only_admins_halt_and_lift(world):
    for person in (MIRA, INES, TOMAS):
        refused(world.desk.halt(person, EVERYTHING, "because"), Reason.NOT_ADMIN)
    halted(world)
    for person in (MIRA, INES, TOMAS):
        outcome = refused(world.desk.lift(person, EVERYTHING, "because"), Reason.NOT_ADMIN)
        assert outcome.people == (world.desk.subject(KOFI), world.desk.subject(ADA))
    assert len(world.book.halts().stops) == 1


def test_whoever_halted_does_not_lift(world):
    halted(world)
    outcome = refused(world.desk.lift(KOFI, EVERYTHING, "never mind"), Reason.OWN_FREEZE)
    assert outcome.people == (world.desk.subject(ADA),)
    lifted(world)
    assert world.book.halts().stops == ()


def test_the_same_is_not_halted_twice_and_not_lifted_twice(world):
    halted(world)
    refused(world.desk.halt(ADA, EVERYTHING, "again"), Reason.ALREADY_FROZEN)
    lifted(world)
    refused(world.desk.lift(ADA, EVERYTHING, "again"), Reason.NOT_FROZEN)


def test_words_name_everything_or_one_resource(world):
    named = world.desk.resource_named
    assert [named(word) for word in ("all", "everything", "*")] == [EVERYTHING] * 3
    assert named("h100-shared") == named(POOL) == POOL
    assert named("fraud-detector@production") == "deploy:fraud-detector@production"
    assert named("storage") is None
    assert named("audit") is None


# -- what stops -----------------------------------------------------------------------------------------------------


def test_nothing_halted_is_approved(world):
    request = world.ask()
    halted(world)
    refusal = refused(world.approve(request), Reason.FROZEN)
    assert (refusal.detail, refusal.people) == ("storage incident", (world.desk.subject(KOFI),))
    lower = replace(request.form, gpus=2)
    less = world.desk.approve_less(INES, request.number, request.form_digest, lower, "two will do")
    refused(less, Reason.FROZEN)
    assert world.now(request).reviews == ()


def test_what_was_lowered_before_is_not_accepted_meanwhile(world):
    request = world.ask()
    lower = replace(request.form, gpus=2)
    after = world.desk.approve_less(INES, request.number, request.form_digest, lower, "two will do")
    halted(world)
    refused(world.desk.accept(MIRA, request.number, after.form_digest), Reason.FROZEN)
    lifted(world)
    assert isinstance(world.desk.accept(MIRA, request.number, after.form_digest), Request)


def test_a_modal_of_an_approval_does_not_open_and_that_of_a_denial_does(world):
    request = world.ask()
    halted(world)
    refused(world.desk.why_not(INES, request.number, approving=True), Reason.FROZEN)
    assert world.desk.why_not(INES, request.number) is None


def test_nothing_halted_is_dispatched_and_it_starts_once_lifted(world):
    request = world.approved()
    halted(world)
    assert attend(world.room, request.number) is Status.APPROVED
    assert world.effects() == []
    lifted(world)
    assert attend(world.room, request.number) is Status.RUNNING
    assert verify_store(world.book.store).sound


def test_a_halt_of_one_resource_stops_no_other(world):
    halted(world, "gpu:a100-shared")
    assert world.running().status is Status.RUNNING


def test_endings_withdrawing_asking_and_denying_go_on(world):
    running, waiting, denied = world.running(gpus=3), world.ask(gpus=3), world.ask(gpus=4)
    halted(world)
    assert isinstance(world.desk.withdraw(MIRA, waiting.number), Request)
    outcome = world.desk.review(INES, denied.number, denied.form_digest, Verdict.DENY, "not now")
    assert outcome.status is Status.DENIED
    assert isinstance(world.desk.release(MIRA, running.number), Request)
    attend(world.room, running.number)
    assert world.now(running).status is Status.ENDED
    assert world.ask(gpus=5).status is Status.WAITING


def test_a_lease_ends_on_time_under_a_halt(world):
    request = world.running(hours=1)
    halted(world)
    world.time.pass_time(hours=1)
    world.clock.tick()
    assert world.now(request).status is Status.ENDED


# -- nothing slips in between -----------------------------------------------------------------------------------------


def slip_in(world, monkeypatch):
    """A halt lands after the decision was made and before it is written, once."""
    real, done = world.book.store.append, []

    def append(moves):
        if not done and any(d.kind in {"request.approved", "request.dispatched"} for m in moves for d in m.drafts):
            done.append(True)
            by = world.desk.subject(KOFI)
            entry = Halted(resource=EVERYTHING, by=by, rule="admin-halt", reason=Personal("fire"))
            world.book.append(Write(stream=STREAM, expected=0, entries=(entry,), actor=by))
        return real(moves)

    monkeypatch.setattr(world.book.store, "append", append)


def test_a_halt_between_the_last_vote_and_its_entry_wins(world, monkeypatch):
    request = world.ask()
    slip_in(world, monkeypatch)
    refused(world.approve(request), Reason.FROZEN)
    assert world.now(request).reviews == ()


def test_a_halt_while_a_rule_approves_wins(world, monkeypatch):
    world.desk.subject(MIRA)
    slip_in(world, monkeypatch)
    assert world.ask(gpus=1, hours=1).status is Status.WAITING
    assert verify_store(world.book.store).sound


def test_a_halt_between_decision_and_dispatch_wins(world, monkeypatch):
    request = world.approved()
    slip_in(world, monkeypatch)
    attend(world.room, request.number)
    assert world.effects() == []
    assert world.now(request).status is Status.APPROVED
    assert verify_store(world.book.store).sound


def test_a_grant_beside_it_makes_a_dispatch_decide_anew(world, monkeypatch):
    """Facts were read, then another request of the same person was approved: the dispatch is a conflict."""
    request = world.approved()
    real, seen = hands.dispatch, []

    def dispatch(*arguments):
        if not seen:
            world.ask(gpus=1, hours=1)
        seen.append(True)
        return real(*arguments)

    monkeypatch.setattr(hands, "dispatch", dispatch)
    assert attend(world.room, request.number) is Status.RUNNING
    assert len(seen) == 2


def test_two_requests_of_one_person_take_turns(world, monkeypatch):
    """Both saw that 2 are held, which a rule allows; the one that lands second is decided again, and sees 3."""
    world.ask(gpus=2, hours=1)
    real, between = world.book.store.append, []

    def append(moves):
        if not between:
            between.append(None)
            between.append(world.ask(gpus=1, hours=1))
        return real(moves)

    monkeypatch.setattr(world.book.store, "append", append)
    second = world.ask(gpus=2, hours=1)
    assert between[1].status is Status.APPROVED
    assert second.status is Status.WAITING
    assert world.book.holding(world.desk.subject(MIRA)).request == second.number


# -- after it is lifted -----------------------------------------------------------------------------------------------


def test_what_a_rule_approves_waits_and_goes_on_by_itself(world):
    halted(world)
    request = world.ask(gpus=1, hours=1)
    assert request.status is Status.WAITING
    assert request.open_seats == ()
    assert world.desk.resume() == []
    lifted(world)
    assert world.desk.resume() == [request.number]
    assert world.desk.resume() == []
    assert world.now(request).status is Status.APPROVED
    assert world.nudged[-1] == request.number
    assert attend(world.room, request.number) is Status.RUNNING
    assert verify_store(world.book.store).sound


def test_how_many_go_on_is_as_of_the_lift(world):
    over, waiting, approved = world.running(gpus=3), world.ask(gpus=3), world.approved(gpus=4)
    halted(world)
    denied = world.ask(gpus=5)
    world.desk.review(INES, denied.number, denied.form_digest, Verdict.DENY, "no")
    spell = lifted(world)
    attend(world.room, approved.number)
    world.desk.withdraw(MIRA, waiting.number)
    numbers = world.book.requests.alive_at(spell.until)
    requests = [world.book.request(number) for number in numbers]
    assert {r.number for r in requests} >= {over.number, waiting.number, approved.number}
    assert going_on(requests, spell.until_seq) == 2


# -- deadlines --------------------------------------------------------------------------------------------------------


def test_nothing_halted_lapses_and_the_time_is_given_back(world):
    request = world.ask()
    world.time.pass_time(hours=20)
    halted(world)
    world.time.pass_time(hours=10)
    world.clock.tick()
    assert world.now(request).status is Status.WAITING
    lifted(world)
    world.time.pass_time(hours=3, minutes=59)
    world.clock.tick()
    assert world.now(request).status is Status.WAITING
    world.time.pass_time(minutes=1)
    world.clock.tick()
    assert world.now(request).status is Status.LAPSED


def test_the_hours_to_start_are_given_back_and_a_named_window_is_not(world):
    soon = world.approved(gpus=3)
    named = world.approved(gpus=4, hours=2, start=world.time() + timedelta(hours=1))
    halted(world)
    world.time.pass_time(hours=30)
    world.clock.tick()
    assert world.now(soon).status is Status.APPROVED
    assert world.now(named).status is Status.MISSED
    lifted(world)
    assert attend(world.room, soon.number) is Status.RUNNING


def test_nothing_halted_lapses_or_is_missed_though_its_time_was_over_before(world):
    waiting, approved = world.ask(gpus=3), world.approved(gpus=4)
    world.time.pass_time(hours=25)
    halted(world)
    world.clock.tick()
    assert world.now(waiting).status is Status.WAITING
    assert world.now(approved).status is Status.APPROVED
    lifted(world)
    world.clock.tick()
    assert world.now(waiting).status is Status.LAPSED
    assert world.now(approved).status is Status.MISSED


def test_a_worker_sees_the_same_deadline_as_the_clock(world):
    request = world.approved()
    halted(world)
    world.time.pass_time(hours=30)
    lifted(world)
    world.time.pass_time(hours=23)
    assert attend(world.room, request.number) is Status.RUNNING
    other = world.approved(gpus=3)
    world.time.pass_time(hours=25)
    assert attend(world.room, other.number) is Status.MISSED


def test_grounds_are_the_halts_the_policy_and_what_the_subject_holds(world):
    grounds = Grounds.read(world.book, world.desk.subject(MIRA))
    assert {write.stream.partition(":")[0] for write in grounds.unclaimed("svc:x")} == {"halt", "policy", "holding"}
    halted(world)
    with pytest.raises(VersionConflictError):
        world.book.append(*grounds.unmoved("svc:x"))


def test_a_policy_adopted_between_the_last_vote_and_its_entry_is_a_conflict(world):
    request = world.ask()
    grounds = Grounds.read(world.book, request.beneficiary)
    adopt(world.book, world.policy, actor="os:test", why="a newer one")
    with pytest.raises(VersionConflictError):
        world.book.append(*grounds.claim(request.number, "svc:desk"))
