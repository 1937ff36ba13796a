"""Running longer, end to end without Slack: asked, decided anew, agreed, told to the backend; or ended as planned."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import INES, KOFI, MIRA, RULES, TOMAS, kinds, refused

from bot.errors import Reason
from ledger.audit import verify_store
from ledger.book import Write
from ledger.errors import ReadOnlyError
from ledger.nouns import Access, DataForm, Personal
from ledger.streams import halt
from ledger.streams.request import Outcome, Request, Status, warn_at
from ledger.views import differs
from policies.decide import FILES, Policy
from policies.inforce import adopt
from workers.errors import BackendError, StaleGrantError
from workers.executors.memory import Mood
from workers.hands import attend

HOUR = 3600
ROOT = Path(__file__).parents[2]


def extend(world, request, seconds=HOUR, slack=MIRA, seen=""):
    return world.desk.extend(slack, request.number, seconds, seen)


def extended(world, request, seconds=HOUR, **rest):
    outcome = extend(world, request, seconds, **rest)
    assert isinstance(outcome, Request), outcome
    return outcome


def review(world, request, slack=INES, *, approve=True, digest=None):
    digest = digest or world.now(request).extension.form_digest
    return world.desk.review_extension(slack, request.number, digest, approve=approve, reason="because")


def policy_with(replacing, by):
    files = {name: (RULES / name).read_text() for name in FILES}
    assert replacing in files["policy.csv"]
    return Policy.of({**files, "policy.csv": files["policy.csv"].replace(replacing, by)})


@pytest.fixture
def running(world):
    return world.running()


# -- by rule --------------------------------------------------------------------------------------------------------


def test_an_hour_more_is_given_by_rule_and_told_to_the_backend_under_a_new_generation(world, running):
    after = extended(world, running)
    assert after.not_after == running.not_after + timedelta(hours=1)
    assert after.extension.decision.rules[-1] == "auto-extend-1h"
    assert world.nudged[-1] == running.number
    attend(world.room, running.number)
    now = world.now(running)
    assert (now.generation, now.confirmed, now.status) == (2, 2, Status.RUNNING)
    assert world.effects() == ["start"]
    world.time.pass_time(hours=3, minutes=30)
    world.clock.tick()
    assert world.now(running).status is Status.RUNNING
    world.time.pass_time(minutes=30)
    world.clock.tick()
    ended = world.now(running)
    assert (ended.status, ended.usage.held_s) == (Status.ENDED, 4 * HOUR)
    assert verify_store(world.book.store).sound
    assert not differs(world.book.store)


def test_the_pool_keeps_its_devices_to_the_new_end_in_the_same_transaction(world, running):
    extended(world, running)
    stored = list(world.book.store.scan())
    moved = next(each for each in stored if each.kind == "pool.rebooked")
    assert {each.kind for each in stored if abs(each.seq - moved.seq) <= 1} >= {"pool.rebooked", "request.extended"}
    assert world.book.pool("h100-shared").booking(running.number).end == world.now(running).not_after


def test_an_hour_twice_is_two_hours_and_somebody_must_agree(world, running):
    extended(world, running)
    attend(world.room, running.number)
    again = extended(world, running)
    assert again.extension.outcome is Outcome.PENDING
    assert {fact.name: fact.value for fact in again.extension.decision.facts}["added_s"] == 2 * HOUR
    assert again.not_after == running.not_after + timedelta(hours=1)


def test_a_lowered_window_counts_from_what_was_approved(world):
    request = world.ask(gpus=4, hours=3)
    lower = replace(request.form, duration_s=HOUR)
    world.desk.approve_less(INES, request.number, request.form_digest, lower, "")
    world.desk.accept(MIRA, request.number, world.now(request).form_digest)
    attend(world.room, request.number)
    after = extended(world, request)
    assert {fact.name: fact.value for fact in after.extension.decision.facts}["added_s"] == HOUR
    assert after.extension.outcome is Outcome.GRANTED


def test_beyond_the_limits_of_the_new_totals_is_denied_and_entered(world, running):
    after = extended(world, running, 70 * HOUR)
    assert after.extension.outcome is Outcome.DENIED
    assert "72 hours" in after.extension.why
    assert (after.not_after, after.status) == (running.not_after, Status.RUNNING)
    assert kinds(world, running)[-2:] == ["extension-asked", "extension-decided"]


def test_a_row_may_forbid_to_extend_what_may_be_asked_for(world, running):
    row = "p, no-longer, *, *, class:gpu/shared, extend, gpus>=1, deny\n\n# NEED:"
    world.policy = policy_with("\n# NEED:", row)
    assert extended(world, running).extension.outcome is Outcome.DENIED


def test_data_runs_longer_too(world):
    form = DataForm(resource="data:web_clicks", access=Access.READ, duration_s=24 * HOUR)
    request = world.desk.submit(MIRA, form, purpose="x", said="y")
    attend(world.room, request.number)
    extended(world, request, 24 * HOUR)
    attend(world.room, request.number)
    assert world.now(request).confirmed == 2
    assert world.now(request).not_after == world.now(request).dispatched_at + timedelta(hours=48)


# -- by people ------------------------------------------------------------------------------------------------------


def test_a_lead_agrees_and_the_end_moves(world, running):
    asked = extended(world, running, 4 * HOUR)
    assert [(seat.name, seat.count) for seat in asked.extension.open_seats] == [("owner-lead", 1)]
    assert world.desk.extension_missing(asked)[0][1] == (world.desk.subject(INES),)
    review(world, running)
    attend(world.room, running.number)
    now = world.now(running)
    assert now.not_after == running.not_after + timedelta(hours=4)
    assert now.confirmed == 2


def test_a_lead_denies_and_it_ends_as_planned(world, running):
    extended(world, running, 4 * HOUR)
    after = review(world, running, approve=False)
    assert (after.extension.outcome, after.not_after) == (Outcome.DENIED, running.not_after)
    world.time.pass_time(hours=3)
    world.clock.tick()
    assert world.now(running).status is Status.ENDED


def test_nobody_answers_and_it_ends_as_planned(world, running):
    asked = extended(world, running, 4 * HOUR)
    world.time.pass_time(hours=3)
    assert refused(review(world, running, digest=asked.extension.form_digest)) is Reason.OVER
    world.clock.tick()
    assert world.now(running).extension.outcome is Outcome.LAPSED
    assert world.now(running).status is Status.ENDED


def test_the_holder_a_stranger_to_the_seat_and_a_second_vote_are_refused(world, running):
    extended(world, running, 4 * HOUR)
    assert refused(review(world, running, MIRA)) is Reason.OWN_REQUEST
    assert refused(review(world, running, TOMAS)) is Reason.NOT_YOUR_SEAT
    digest = world.now(running).extension.form_digest
    review(world, running)
    assert refused(review(world, running, digest=digest)) is Reason.EXTENSION_SETTLED
    assert refused(world.desk.review_extension(INES, 4711, digest, approve=True)) is Reason.UNKNOWN_REQUEST


def test_one_person_does_not_fill_two_seats_of_an_extension(world, running):
    row = "class:gpu,        use,      hours>6,    allow, owner-lead:2"
    world.policy = policy_with("class:gpu,        use,      hours>8,    allow, owner-lead:1", row)
    extended(world, running, 4 * HOUR)
    review(world, running)
    assert refused(review(world, running)) is Reason.ALREADY_VOTED
    assert world.now(running).not_after == running.not_after


def test_a_vote_on_another_extension_does_not_count(world, running):
    first = extended(world, running, 4 * HOUR).extension.form_digest
    review(world, running, approve=False)
    extended(world, running, 2 * HOUR)
    assert refused(review(world, running, digest=first)) is Reason.EXTENSION_SETTLED
    assert world.now(running).not_after == running.not_after


def test_the_last_vote_asks_the_policy_again(world, running):
    extended(world, running, 4 * HOUR)
    world.policy = policy_with("gpus<=8 hours<=72 cost<=2000", "gpus<=8 hours<=5 cost<=2000")
    assert refused(review(world, running)) is Reason.NOT_ALLOWED
    assert world.now(running).not_after == running.not_after


def test_a_vote_whose_role_was_lost_meanwhile_does_not_count(world, running):
    row = "class:gpu,        use,      hours>6,    allow, budget:1"
    two = policy_with("class:gpu,        use,      cost>5000,  allow, budget:1", row)
    world.policy = two
    extended(world, running, 4 * HOUR)
    review(world, running, "U09LENA")
    files = two.files["policy.csv"].replace("g, user:U09LENA,  role:finance,  *", "g, user:U07ADA,   role:finance,  *")
    world.policy = Policy.of({**two.files, "policy.csv": files})
    assert refused(review(world, running)) is Reason.NOT_ALLOWED
    assert world.now(running).not_after == running.not_after


# -- what may not be ------------------------------------------------------------------------------------------------


def test_only_the_holder_extends_and_only_what_runs(world, running):
    assert refused(extend(world, running, slack=INES)) is Reason.NOT_YOURS
    assert refused(extend(world, world.ask(gpus=5))) is Reason.NOT_RUNNING
    assert refused(world.desk.extend(MIRA, 4711, HOUR)) is Reason.UNKNOWN_REQUEST
    assert refused(extend(world, running, 0)) is Reason.NOT_LONGER
    world.desk.release(MIRA, running.number)
    assert refused(extend(world, running)) is Reason.OVER


def test_what_is_over_is_not_extended_though_the_clock_has_not_said_so(world, running):
    world.time.pass_time(hours=3)
    assert world.now(running).status is Status.RUNNING
    assert refused(extend(world, running)) is Reason.OVER


def test_a_second_tap_finds_the_first_pending_or_done(world, running):
    seen = running.form_digest
    extended(world, running, 4 * HOUR)
    assert refused(extend(world, running, seen=seen)) is Reason.EXTENSION_PENDING
    review(world, running)
    assert refused(extend(world, running, seen=seen)) is Reason.EXTENSION_PENDING
    attend(world.room, running.number)
    assert refused(extend(world, running, seen=seen)) is Reason.END_MOVED


def test_devices_that_somebody_else_booked_are_not_taken_from_them(world, running):
    start = running.not_after + timedelta(minutes=30)
    for slack in (TOMAS, TOMAS):
        later = world.ask(slack=slack, gpus=8, hours=2, start=start)
        world.approve(later)
    assert refused(extend(world, running)) is Reason.TAKEN
    assert world.now(running).extension is None
    assert isinstance(extend(world, running, 1800), Request)


def test_devices_booked_while_people_decide_are_not_taken_either(world, running):
    extended(world, running, 4 * HOUR)
    for slack in (TOMAS, TOMAS):
        world.approve(world.ask(slack=slack, gpus=8, hours=2, start=running.not_after + timedelta(hours=1)))
    assert refused(review(world, running)) is Reason.TAKEN
    assert world.now(running).not_after == running.not_after


def stop(world):
    kofi = world.desk.subject(KOFI)
    entry = halt.Halted(resource="gpu:h100-shared", by=kofi, rule="admin-halt", reason=Personal("fire"))
    world.book.append(Write(stream="halt", expected=world.book.halts().version, entries=(entry,), actor=kofi))


def test_nothing_is_extended_during_a_halt(world, running):
    other = world.running(slack=TOMAS)
    asked = extended(world, running, 4 * HOUR)
    stop(world)
    assert refused(review(world, running, digest=asked.extension.form_digest)) is Reason.FROZEN
    assert refused(extend(world, other, slack=TOMAS)) is Reason.FROZEN
    assert world.now(running).not_after == running.not_after


def test_a_halt_that_comes_between_check_and_act_is_seen(world, running, monkeypatch):
    real = world.desk._hindered

    def slow(*args):
        said = real(*args)
        if not world.book.halts().stops:
            stop(world)
        return said

    monkeypatch.setattr(world.desk, "_hindered", slow)
    assert refused(extend(world, running)) is Reason.FROZEN
    assert world.now(running).extension is None


def test_a_policy_adopted_between_check_and_act_decides(world, running, monkeypatch):
    stricter = policy_with("gpus<=8 hours<=72 cost<=2000", "gpus<=8 hours<=3 cost<=2000")
    real = world.policy.extend

    def slow(*args):
        said = real(*args)
        adopt(world.book, stricter, actor="os:test", why="a test")
        world.policy = stricter
        return said

    monkeypatch.setattr(world.policy, "extend", slow)
    after = extended(world, running)
    assert after.extension.outcome is Outcome.DENIED
    assert after.not_after == running.not_after


# -- the backend ----------------------------------------------------------------------------------------------------


def saying(error):
    def ensure(_grant):
        raise error

    return ensure


@pytest.mark.parametrize("error", [BackendError("the partition ends at 15:00"), StaleGrantError("k")])
def test_a_backend_that_refuses_puts_the_old_end_back_and_the_booking_with_it(world, running, error):
    extended(world, running)
    world.executor.ensure = saying(error)
    attend(world.room, running.number)
    now = world.now(running)
    assert (now.not_after, now.extension.outcome) == (running.not_after, Outcome.UNDONE)
    assert world.book.pool("h100-shared").booking(running.number).end == running.not_after
    del world.executor.ensure
    world.time.pass_time(hours=2, minutes=59)
    world.clock.tick()
    assert world.now(running).status is Status.RUNNING
    world.time.pass_time(minutes=1)
    world.clock.tick()
    assert world.now(running).status is Status.ENDED
    assert verify_store(world.book.store).sound
    assert not differs(world.book.store)


def test_a_backend_that_does_not_answer_is_asked_again_and_nothing_ends_early(world, running):
    extended(world, running)
    world.executor.behave(Mood.DARK)
    clock = world.clock
    attend(world.room, running.number)
    world.time.pass_time(hours=3, minutes=30)
    clock.tick()
    assert world.now(running).status is Status.RUNNING
    assert world.now(running).confirmed == 1
    world.executor.behave(Mood.READY)
    world.time.pass_time(seconds=10)
    clock.tick()
    assert world.now(running).confirmed == 2
    assert world.effects() == ["start"]


def test_a_backend_that_may_yet_forget_the_new_end_is_asked_again_before_anybody_is_told(world, running):
    extended(world, running)
    kept = [True, False]
    world.executor.kept = lambda _grant: kept.pop()
    attend(world.room, running.number)
    assert world.now(running).confirmed == 1
    world.clock.tick()
    assert world.now(running).confirmed == 2
    assert world.effects() == ["start"]


def test_a_crash_between_extended_and_prolonged_is_swept_by_the_clock_alone(world, running, monkeypatch):
    extended(world, running)
    with monkeypatch.context() as patch:
        patch.setattr(world.book.store, "append", saying(ReadOnlyError("disk full")))
        with pytest.raises(ReadOnlyError):
            attend(world.room, running.number)
    assert world.now(running).confirmed == 1
    world.clock.tick()
    assert world.now(running).confirmed == 2
    assert world.effects() == ["start"]


def test_an_extension_that_is_not_in_the_tree_yet_is_told_to_nobody(world, running, monkeypatch):
    extended(world, running)
    told = []
    world.executor.ensure = told.append
    monkeypatch.setattr(world.book.store, "size", lambda: world.now(running).seq)
    attend(world.room, running.number)
    assert told == []
    assert world.now(running).confirmed == 1


def test_what_was_released_before_the_backend_was_told_ends(world, running):
    extended(world, running)
    world.desk.release(MIRA, running.number)
    attend(world.room, running.number)
    assert world.now(running).status is Status.ENDED
    assert world.effects() == ["start", "end"]


def test_a_late_answer_to_an_extension_does_not_outlive_the_end(world, running):
    extended(world, running)
    real = world.executor.ensure

    def slow(grant):
        said = real(grant)
        world.time.pass_time(hours=5)
        return said

    world.executor.ensure = slow
    attend(world.room, running.number)
    assert world.now(running).confirmed == 1
    del world.executor.ensure
    world.clock.tick()
    assert world.now(running).status is Status.ENDED
    assert world.effects() == ["start", "end"]


# -- warnings -------------------------------------------------------------------------------------------------------


def test_the_holder_is_warned_ahead_once_for_each_end(world, running):
    due = warn_at(running.started_at, running.not_after)
    world.time.now = due - timedelta(seconds=1)
    world.clock.tick()
    assert "warned" not in kinds(world, running)
    world.time.pass_time(seconds=1)
    world.clock.tick()
    world.clock.tick()
    assert kinds(world, running).count("warned") == 1
    extended(world, running)
    world.clock.tick()
    world.clock.tick()
    assert kinds(world, running).count("warned") == 1
    world.time.now = warn_at(world.time.now, world.now(running).not_after)
    world.clock.tick()
    assert kinds(world, running).count("warned") == 2
    assert world.now(running).warned_of == world.now(running).not_after


def test_nobody_is_warned_of_what_is_over(world, running):
    world.time.pass_time(hours=3)
    world.clock.tick()
    assert "warned" not in kinds(world, running)
    assert world.now(running).status is Status.ENDED


def test_nobody_is_warned_of_an_end_that_the_backend_may_still_move(world, running):
    world.executor.behave(Mood.DARK)
    extended(world, running)
    world.time.pass_time(hours=3, minutes=50)
    world.clock.tick()
    assert "warned" not in kinds(world, running)


def test_no_schedule_is_kept_in_the_queue():
    """Expiry, lapse and delayed starts come from the database alone: nothing is lost with the broker."""
    waits = re.compile(r"\b(eta|countdown|apply_async|self\.retry|autoretry_for|crontab|beat_schedule)\b")
    for folder in ("workers", "bot", "ledger", "policies"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not waits.search(path.read_text()), path
