"""The promises, each with its guard taken on directly. `make guards` takes the guards out and sees these tests fail."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import timedelta

import pytest
from conftest import INES, KOFI, MIRA, NOOR, ODILE, TOMAS, Hand, make_world

from bot.blocks.parts import Ref
from bot.desk import Desk
from bot.errors import Reason, Refused
from bot.tables import Draft, State, Tables
from ledger.audit import Kind, verify_store
from ledger.book import Write, open_sqlite
from ledger.errors import ReadOnlyError, UnlawfulError
from ledger.log.sqlite import SqliteStore
from ledger.nouns import Access, DataForm, Enforcement, Personal, Receipt, Seat
from ledger.streams.codec import digest
from ledger.streams.law import Place
from ledger.streams.pool import Booked, Leased
from ledger.streams.request import (
    Accepted,
    Approved,
    Dispatched,
    EndedUnlogged,
    Expired,
    Lapsed,
    Lowered,
    Missed,
    Released,
    Reviewed,
    Revoked,
    Started,
    Status,
    Submitted,
    Verdict,
    evolve,
)
from ledger.streams.seats import Vote, filled
from policies.decide import Policy
from workers.executors.base import Observation
from workers.executors.memory import Mood
from workers.hands import attend

# -- 1: no ledger, no grant; endings go on ------------------------------------------------------------------------------


def broken(*_args):
    raise ReadOnlyError("disk full")


def test_an_unwritable_ledger_grants_nothing(world, monkeypatch):
    request = world.approved()
    monkeypatch.setattr(world.book.store, "append", broken)
    with pytest.raises(ReadOnlyError):
        attend(world.room, request.number)
    assert world.effects() == []


def test_an_unwritable_ledger_refuses_a_submission_in_words(world, monkeypatch):
    world.desk.subject(MIRA)
    monkeypatch.setattr(world.book.store, "append", broken)
    form = DataForm(resource="data:web_clicks", access=Access.READ, duration_s=3600)
    outcome = world.desk.submit(MIRA, form, purpose="", said="")
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.UNAVAILABLE


def test_the_executor_runs_only_after_its_dispatch_is_in_the_tree(world):
    request = world.approved()
    sealed = []
    real = world.executor.ensure

    def ensure(grant):
        kinds = [stored.kind for stored in world.book.store.scan() if stored.stream == f"request:{request.number}"]
        sealed.append(kinds[-1])
        return real(grant)

    world.executor.ensure = ensure
    attend(world.room, request.number)
    assert sealed == ["request.dispatched"]


def test_access_ends_without_a_ledger_and_is_entered_afterwards(world, monkeypatch):
    request = world.running()
    world.time.pass_time(hours=3)
    with monkeypatch.context() as patch:
        patch.setattr(world.book.store, "append", broken)
        world.clock.tick()
        assert world.effects() == ["start", "end"]
        assert world.now(request).status is Status.RUNNING
    world.time.pass_time(minutes=5)
    world.clock.tick()
    ended = world.now(request)
    assert ended.status is Status.ENDED
    assert ended.end == "request.ended-unlogged"
    assert ended.ended_at == request.not_after
    assert world.effects() == ["start", "end"]


# -- 2: a message is not authority ------------------------------------------------------------------------------------


def test_a_message_about_a_request_that_waits_changes_nothing(world):
    request = world.ask()
    before = world.book.store.size()
    attend(world.room, request.number)
    assert world.book.store.size() == before
    assert world.effects() == []


def test_a_message_about_no_request_changes_nothing(world):
    assert attend(world.room, 4711) is None
    assert world.effects() == []


def test_the_same_approval_nudged_a_hundred_times_is_one_effect(world):
    request = world.approved()
    for _ in range(100):
        attend(world.room, request.number)
    assert world.effects() == ["start"]
    assert [kind for kind, *_ in world.now(request).history].count("request.dispatched") == 1


def test_a_denied_or_ended_request_is_never_started_again(world):
    request = world.running()
    world.desk.release(MIRA, request.number)
    attend(world.room, request.number)
    attend(world.room, request.number)
    assert world.now(request).status is Status.ENDED
    assert world.effects() == ["start", "end"]


# -- 3: an approval covers exactly what was seen ------------------------------------------------------------------------


def test_an_approval_of_another_form_is_refused(world):
    request = world.ask()
    other = digest(replace(request.form, gpus=8))
    outcome = world.desk.review(INES, request.number, other, Verdict.APPROVE)
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.CHANGED


def test_a_dispatch_of_another_form_cannot_be_entered(world):
    request = world.approved()
    entry = Dispatched(
        generation=1,
        grant_key="0" * 32,
        form_digest=digest(replace(request.form, gpus=8)),
        not_after=world.time() + timedelta(hours=1),
        executor="memory",
        devices=(),
    )
    with pytest.raises(UnlawfulError):
        append(world, request, entry, actor="svc:worker")
    assert world.effects() == []


def test_a_stricter_policy_between_approval_and_dispatch_stops_it(world, rules):
    request = world.approved()
    text = (rules / "policy.csv").read_text()
    (rules / "policy.csv").write_text(text.replace("gpus<=8 hours<=72", "gpus<=3 hours<=72"))
    world.policy = Policy.load(rules)
    attend(world.room, request.number)
    assert world.now(request).status is Status.DENIED
    assert world.effects() == []
    assert world.book.pool("h100-shared").bookings == ()


def test_more_seats_at_dispatch_go_back_to_waiting_with_the_valid_votes(world, rules):
    request = world.approved()
    text = (rules / "policy.csv").read_text()
    (rules / "policy.csv").write_text(
        text.replace("gpus>2,     allow, owner-lead:1", "gpus>2,     allow, owner-lead:1 budget:1")
    )
    world.policy = Policy.load(rules)
    attend(world.room, request.number)
    after = world.now(request)
    assert after.status is Status.WAITING
    assert [seat.name for seat in after.open_seats] == ["budget"]
    assert world.effects() == []


def test_a_voter_who_lost_the_role_reopens_the_seat(world, rules):
    request = world.approved()
    text = (rules / "policy.csv").read_text()
    (rules / "policy.csv").write_text(text.replace("g, user:U02INES,  role:lead,", "g, user:U02INES,  role:engineer,"))
    world.policy = Policy.load(rules)
    attend(world.room, request.number)
    after = world.now(request)
    assert after.status is Status.WAITING
    assert after.votes == ()
    assert world.effects() == []


# -- 4: leases always end, and never early ------------------------------------------------------------------------------


def test_a_lease_ends_when_its_window_ends_and_not_before(world):
    request = world.running()
    world.time.pass_time(hours=2, minutes=59, seconds=59)
    world.clock.tick()
    assert world.now(request).status is Status.RUNNING
    world.time.pass_time(seconds=1)
    world.clock.tick()
    assert world.now(request).status is Status.ENDED
    assert world.effects() == ["start", "end"]
    assert world.book.pool("h100-shared").leases == ()


def test_an_early_expiry_cannot_be_entered(world):
    request = world.running()
    world.time.pass_time(hours=1)
    with pytest.raises(UnlawfulError):
        append(world, request, Expired(), actor="svc:clock")


def test_a_lease_that_ran_out_while_everything_was_down_ends_on_return(world):
    request = world.running()
    world.time.pass_time(days=2)
    world.clock.tick()
    assert world.now(request).status is Status.ENDED
    assert world.effects() == ["start", "end"]


def test_a_worker_that_wakes_up_late_grants_nothing(world):
    request = world.approved()
    real = world.executor.ensure

    def slow(grant):
        world.time.pass_time(hours=4)
        return real(grant)

    world.executor.ensure = slow
    attend(world.room, request.number)
    world.clock.tick()
    assert world.effects() == []
    assert world.now(request).status is Status.ENDED


def test_a_crash_between_dispatch_and_receipt_is_found_by_the_sweep(world):
    request = world.approved()

    def crash(_grant):
        raise KeyboardInterrupt

    real, world.executor.ensure = world.executor.ensure, crash
    with pytest.raises(KeyboardInterrupt):
        attend(world.room, request.number)
    world.executor.ensure = real
    assert world.now(request).status is Status.STARTING
    world.time.pass_time(seconds=21)
    world.clock.tick()
    assert world.nudged[-1] == request.number
    attend(world.room, request.number)
    assert world.now(request).status is Status.RUNNING
    assert world.effects() == ["start"]


def test_what_cannot_be_observed_gone_is_never_settled(world):
    request = world.running()
    world.executor.observe = lambda _grant: Observation.UNKNOWN
    world.desk.release(MIRA, request.number)
    attend(world.room, request.number)
    assert world.now(request).status is Status.UNCONFIRMED
    del world.executor.observe
    world.time.pass_time(minutes=1)
    world.clock.tick()
    assert world.now(request).status is Status.ENDED


def test_a_stale_workers_success_cannot_be_entered(world):
    request = starting(world)
    append(world, request, again(request), actor="svc:worker")
    request = world.now(request)
    assert (request.status, request.generation) == (Status.STARTING, 2)
    receipt = Receipt(executor="memory", enforcement=Enforcement.ADVISORY)
    with pytest.raises(UnlawfulError):
        append(world, request, Started(generation=1, receipt=receipt), actor="svc:worker")
    append(world, request, Started(generation=2, receipt=receipt), actor="svc:worker")


@pytest.mark.parametrize("generation", [0, 1, 3])
def test_a_dispatch_out_of_turn_cannot_be_entered(world, generation):
    request = starting(world)
    with pytest.raises(UnlawfulError):
        append(world, request, again(request, generation=generation), actor="svc:worker")


def test_a_grant_keeps_its_key(world):
    request = starting(world)
    with pytest.raises(UnlawfulError):
        append(world, request, again(request, grant_key="1" * 32), actor="svc:worker")


def test_a_second_dispatch_does_not_move_the_end(world):
    request = starting(world)
    world.time.pass_time(minutes=30)
    later = request.not_after + timedelta(minutes=30)
    with pytest.raises(UnlawfulError):
        append(world, request, again(request, not_after=later), actor="svc:worker")


def test_a_lease_without_an_end_cannot_be_dispatched(world):
    request = world.approved()
    with pytest.raises(UnlawfulError):
        append(world, request, first(request, not_after=None), actor="svc:worker")


def test_nothing_is_dispatched_before_its_window(world):
    request = world.approved(start=world.time() + timedelta(hours=1))
    with pytest.raises(UnlawfulError):
        append(world, request, first(request), actor="svc:worker")
    attend(world.room, request.number)
    assert world.now(request).status is Status.APPROVED
    world.time.pass_time(hours=1)
    attend(world.room, request.number)
    assert world.now(request).status is Status.RUNNING


def test_a_window_that_is_over_is_missed_whoever_looks_first(world):
    request = world.approved()
    world.time.pass_time(hours=25)
    attend(world.room, request.number)
    assert world.now(request).status is Status.MISSED
    assert world.book.pool("h100-shared").bookings == ()
    assert world.effects() == []


def test_an_ending_outside_the_ledger_is_neither_early_nor_in_the_future(world):
    request = world.running()
    world.time.pass_time(hours=4)
    for moment in (request.not_after - timedelta(seconds=1), world.time() + timedelta(seconds=1)):
        with pytest.raises(UnlawfulError):
            append(world, request, EndedUnlogged(happened_at=moment), actor="svc:clock")
    append(world, request, EndedUnlogged(happened_at=request.not_after), actor="svc:clock")


def test_nothing_lapses_or_is_missed_before_its_time(world):
    waiting, approved = world.ask(), world.approved()
    world.time.pass_time(hours=23, minutes=59)
    with pytest.raises(UnlawfulError):
        append(world, waiting, Lapsed(), actor="svc:clock")
    with pytest.raises(UnlawfulError):
        append(world, approved, Missed(why=""), actor="svc:clock")


def test_nobody_else_releases_and_nobody_revokes_their_own(world):
    request, other = world.running(), world.desk.subject(INES)
    with pytest.raises(UnlawfulError):
        append(world, request, Released(holder=other), actor=other)
    with pytest.raises(UnlawfulError):
        append(world, request, Revoked(revoker=request.asker, rule="r", reason=Personal("")), actor=request.asker)


def test_the_pool_leases_no_device_twice_and_books_no_more_than_there_is(world):
    held, mine = world.running(), world.approved()
    pool = world.book.pool("h100-shared")
    end = world.time() + timedelta(hours=3)
    free = [device.id for device in pool.free_now("h100-80gb")]
    for devices in (held.devices, free[:3], [*free[:3], free[0]], [*free[:3], held.devices[0]]):
        with pytest.raises(UnlawfulError):
            leased = Leased(request=mine.number, devices=tuple(devices), end=end)
            to_pool(world, leased)
    with pytest.raises(UnlawfulError):
        to_pool(world, Booked(request=1, gpu_type="h100-80gb", count=9, start=world.time(), end=end))
    to_pool(world, Booked(request=1, gpu_type="h100-80gb", count=8, start=world.time(), end=end))


def test_devices_are_never_leased_twice(world):
    held = [world.running(slack=MIRA, gpus=8), world.running(slack=TOMAS, gpus=8)]
    third = world.running(slack=MIRA, gpus=4)
    assert len({device for request in held for device in request.devices}) == 16
    assert third.status is Status.QUEUED
    world.desk.release(MIRA, held[0].number)
    attend(world.room, held[0].number)
    attend(world.room, third.number)
    assert world.now(third).status is Status.RUNNING


def test_nobody_decides_in_time_and_it_lapses(world):
    request = world.ask()
    world.time.pass_time(hours=23, minutes=59)
    world.clock.tick()
    assert world.now(request).status is Status.WAITING
    world.time.pass_time(minutes=1)
    world.clock.tick()
    assert world.now(request).status is Status.LAPSED


def test_a_window_that_went_by_while_down_is_missed(world):
    request = world.approved(start=world.time() + timedelta(hours=1))
    world.time.pass_time(hours=5)
    world.clock.tick()
    assert world.now(request).status is Status.MISSED
    assert world.effects() == []


# -- 5: nobody approves their own ---------------------------------------------------------------------------------------


def test_a_lead_cannot_approve_their_own_request(world):
    request = world.ask(slack=INES, gpus=4)
    outcome = world.approve(request, INES)
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.OWN_REQUEST


@pytest.mark.parametrize("slack", [TOMAS, NOOR, ODILE, KOFI])
def test_who_holds_no_seat_is_refused(world, slack):
    outcome = world.approve(world.ask(), slack)
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.NOT_YOUR_SEAT


def test_the_law_refuses_an_own_review_whatever_the_policy_says(world):
    request = world.ask()
    with pytest.raises(UnlawfulError):
        append(world, request, review(request, request.asker), actor=request.asker)


def test_one_person_fills_one_seat(world):
    form = DataForm(resource="data:claims_2024", access=Access.READ, duration_s=3600)
    request = world.desk.submit(MIRA, form, purpose="labels", said="")
    first = world.desk.review(INES, request.number, request.form_digest, Verdict.APPROVE)
    assert first.status is Status.WAITING
    again = world.desk.review(INES, request.number, request.form_digest, Verdict.APPROVE)
    assert again.reason is Reason.ALREADY_VOTED
    last = world.desk.review(NOOR, request.number, request.form_digest, Verdict.APPROVE)
    assert last.status is Status.APPROVED


def test_one_person_in_two_seats_cannot_be_entered(world):
    form = DataForm(resource="data:claims_2024", access=Access.READ, duration_s=3600)
    request = world.desk.submit(MIRA, form, purpose="labels", said="")
    request = world.desk.review(INES, request.number, request.form_digest, Verdict.APPROVE)
    with pytest.raises(UnlawfulError):
        append(world, request, review(request, world.desk.subject(INES), seat="dpo"), actor=world.desk.subject(INES))
    noor = world.desk.subject(NOOR)
    append(world, request, review(request, noor, seat="dpo"), actor=noor)


def test_one_person_counts_once_and_no_seats_are_never_filled():
    seat, vote = Seat(name="owner-lead", count=2, team="team:t"), Vote(person="user:a", seat="owner-lead")
    assert not filled((seat,), (vote, vote))
    assert filled((seat,), (vote, replace(vote, person="user:b")))
    assert not filled((), (vote,))


def test_a_review_counts_only_for_an_open_seat_of_this_form_by_the_one_who_enters_it(world):
    request, ines, noor = world.ask(), world.desk.subject(INES), world.desk.subject(NOOR)
    other = digest(replace(request.form, gpus=8))
    wrong = [
        (review(request, ines, seat="budget"), ines),
        (replace(review(request, ines), form_digest=other), ines),
        (review(request, ines), noor),
        (review(request, "svc:desk"), "svc:desk"),
    ]
    for entry, actor in wrong:
        with pytest.raises(UnlawfulError):
            append(world, request, entry, actor=actor)
    append(world, request, review(request, ines), actor=ines)


def test_an_approval_is_of_the_form_that_was_reviewed(world):
    request, ines = world.ask(), world.desk.subject(INES)
    append(world, request, review(request, ines), actor=ines)
    request = world.now(request)
    with pytest.raises(UnlawfulError):
        append(world, request, Approved(form_digest="0" * 64), actor="svc:desk")
    append(world, request, Approved(form_digest=request.form_digest), actor="svc:desk")


def test_a_lower_form_that_nobody_accepted_cannot_be_approved_and_only_the_asker_accepts(world):
    request, ines = world.ask(), world.desk.subject(INES)
    lower = replace(request.form, gpus=2)
    request = world.desk.approve_less(INES, request.number, request.form_digest, lower, "two are enough")
    with pytest.raises(UnlawfulError):
        append(world, request, Approved(form_digest=request.form_digest), actor="svc:desk")
    with pytest.raises(UnlawfulError):
        append(world, request, Accepted(form_digest=request.form_digest), actor=ines)


def test_approving_more_cannot_be_entered(world):
    request, ines = world.ask(), world.desk.subject(INES)
    more = replace(request.form, gpus=8)
    entry = Lowered(reviewer=ines, form=more, form_digest=digest(more), reason=Personal(""), carried=())
    with pytest.raises(UnlawfulError):
        append(world, request, entry, actor=ines)


def test_a_submission_names_the_digest_of_its_own_form(world):
    asker = world.desk.subject(MIRA)
    form = DataForm(resource="data:web_clicks", access=Access.READ, duration_s=3600)
    fields = {"request": 1001, "asker": asker, "beneficiary": asker, "form": form}
    entry = Submitted(**fields, form_digest=digest(form), purpose=Personal(""), said=Personal(""))
    with pytest.raises(UnlawfulError):
        submit(world, replace(entry, form_digest="0" * 64))
    submit(world, entry)


def test_a_dispatch_without_the_votes_is_refused_whatever_the_state_says(world):
    request = world.approved()
    place = Place(at=world.time(), actor="svc:worker", version=request.version + 1)
    assert evolve(request, first(request), place).status is Status.STARTING
    with pytest.raises(UnlawfulError):
        evolve(replace(request, reviews=()), first(request), place)


def test_an_approval_without_votes_cannot_be_entered(world):
    request = world.ask()
    with pytest.raises(UnlawfulError):
        append(world, request, Approved(form_digest=request.form_digest), actor="svc:desk")


def test_an_unlawful_approval_written_around_the_book_is_found(tmp_path):
    """An insider with the database and the program writes `Approved` straight into the store: bytes and tree are right."""
    from ledger.log.store import Move
    from ledger.streams.codec import draft

    time = Hand()
    book = open_sqlite(tmp_path / "l.sqlite3", clock=time)
    world = make_world(book, time, tmp_path)
    request = world.ask()
    forged = draft(Approved(form_digest=request.form_digest), actor="svc:desk")
    book.store.append([Move(stream=f"request:{request.number}", expected=request.version, drafts=(forged,))])
    verdict = verify_store(SqliteStore(tmp_path / "l.sqlite3", read_only=True))
    assert verdict.fault is Kind.UNLAWFUL
    assert verdict.bad == book.store.size() - 1
    assert "the votes do not fill the seats" in verdict.detail
    book.store.close()


# -- approve less, release, withdraw ---------------------------------------------------------------------------------------


def test_approve_less_waits_for_the_askers_acceptance(world):
    request = world.ask()
    lower = replace(request.form, gpus=2)
    lowered = world.desk.approve_less(INES, request.number, request.form_digest, lower, "two are enough")
    assert lowered.status is Status.WAITING
    assert lowered.accept_pending
    accepted = world.desk.accept(MIRA, request.number, lowered.form_digest)
    assert accepted.status is Status.APPROVED
    attend(world.room, request.number)
    assert len(world.now(request).devices) == 2


def test_approving_more_than_was_asked_is_refused(world):
    request = world.ask()
    outcome = world.desk.approve_less(INES, request.number, request.form_digest, replace(request.form, gpus=5), "more")
    assert outcome.reason is Reason.NOT_LOWER


def test_only_the_holder_releases(world):
    request = world.running()
    outcome = world.desk.release(TOMAS, request.number)
    assert outcome.reason is Reason.NOT_YOURS
    assert world.now(request).status is Status.RUNNING


def test_a_withdrawn_request_frees_what_it_booked(world):
    request = world.approved(start=world.time() + timedelta(hours=1))
    assert world.book.pool("h100-shared").booking(request.number) is not None
    assert world.desk.withdraw(MIRA, request.number).status is Status.WITHDRAWN
    assert world.book.pool("h100-shared").bookings == ()


def test_an_auto_rule_counts_what_is_already_held(world):
    first = world.ask(gpus=2, hours=1)
    second = world.ask(gpus=2, hours=1)
    third = world.ask(gpus=1, hours=1)
    assert [r.decision.auto for r in (first, second, third)] == [True, True, False]


def test_a_past_start_is_refused(world):
    form = DataForm(
        resource="data:web_clicks", access=Access.READ, duration_s=3600, start=world.time() - timedelta(days=1)
    )
    assert world.desk.submit(MIRA, form, purpose="", said="").reason is Reason.PAST


def test_two_desks_at_once_lose_nothing(tmp_path):
    import threading

    time = Hand()
    book = open_sqlite(tmp_path / "l.sqlite3", clock=time)
    world = make_world(book, time, tmp_path)
    other = Desk(open_sqlite(tmp_path / "l.sqlite3", clock=time), lambda: world.policy, lambda _: None, time)
    form = DataForm(resource="data:web_clicks", access=Access.READ, duration_s=3600)
    outcomes = []

    def ask(desk):
        outcomes.extend(desk.submit(MIRA, form, purpose="x", said="y") for _ in range(5))

    threads = [threading.Thread(target=ask, args=(desk,)) for desk in (world.desk, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = [outcome.number for outcome in outcomes if not isinstance(outcome, Refused)]
    assert len(numbers) == len(set(numbers)) == 10
    assert verify_store(book.store).sound
    book.store.close()
    other.book.store.close()


# -- the database itself ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE entry SET actor = 'user:evil' WHERE seq = 1",
        "DELETE FROM entry WHERE seq = (SELECT max(seq) FROM entry)",
        "INSERT OR REPLACE INTO entry SELECT seq, stream, version, kind, at, 'evil', id, bytes, leaf_hash FROM entry WHERE seq = 1",
        "REPLACE INTO entry SELECT seq, stream, version, kind, at, 'evil', id, bytes, leaf_hash FROM entry WHERE seq = 1",
        "INSERT INTO entry SELECT seq + 100, 's', 1, kind, at, actor, 'x', bytes, leaf_hash FROM entry WHERE seq = 1",
        "UPDATE batch SET root = x'00'",
        "INSERT OR REPLACE INTO batch SELECT size, x'00', frontier FROM batch ORDER BY size DESC LIMIT 1",
        "UPDATE sealed SET value = 'somebody else'",
    ],
)
def test_the_database_refuses_to_change_what_it_holds(house, attack):
    path = house.home / "ledger.sqlite3"
    attacker = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError):
        attacker.execute(attack)
    attacker.close()
    assert verify_store(house.book.store).sound


def test_an_entry_altered_behind_dropped_triggers_is_named(house):
    house.book.store.close()
    attacker = sqlite3.connect(house.home / "ledger.sqlite3")
    attacker.execute("DROP TRIGGER entry_no_update")
    attacker.execute(
        "UPDATE entry SET bytes = CAST(replace(CAST(bytes AS TEXT), 'demo', 'real') AS BLOB) WHERE seq = 0"
    )
    attacker.commit()
    attacker.close()
    verdict = verify_store(SqliteStore(house.home / "ledger.sqlite3", read_only=True))
    assert (verdict.fault, verdict.bad) == (Kind.ALTERED, 0)


# -- 6: text carries no authority -------------------------------------------------------------------------------------


def test_a_button_says_only_what_we_wrote_on_it():
    ref = Ref(request=1001, version=3, digest="a" * 64)
    assert Ref.parse(ref.value()) == ref
    digits = "a" * 64
    for value in (
        "",
        "null",
        "1001",
        "{}",
        f'[1001, 3, "{digits}"]',
        f'[1001,3,"{digits}",1]',
        f'["1001",3,"{digits}"]',
        f'[true,3,"{digits}"]',
        f'[1001.0,3,"{digits}"]',
        f' [1001,3,"{digits}"]',
        "[1001,3,null]",
    ):
        assert Ref.parse(value) is None, value


def test_a_draft_is_taken_once_and_an_event_is_heard_once_over_restarts(tmp_path):
    now = Hand()()
    tables = Tables(tmp_path / "desk.sqlite3")
    draft = Draft(
        id="d1",
        root="d1",
        slack=MIRA,
        kind="data",
        form=DataForm(resource="data:web_clicks", access=Access.READ, duration_s=3600),
        answers={},
        purpose="",
        said="",
        channel="C1",
        inside="",
        thread="",
        replacing=None,
        asked_at=now,
        expires=now + timedelta(minutes=30),
    )
    assert [tables.new_draft(draft), tables.new_draft(draft)] == [True, False]
    assert [tables.take_draft("d1", State.SENDING), tables.take_draft("d1", State.SENDING)] == [True, False]
    assert tables.first_time("event:Ev1", now)
    tables.close()
    again = Tables(tmp_path / "desk.sqlite3")
    assert [again.first_time("event:Ev1", now), again.first_time("event:Ev2", now)] == [False, True]
    assert not again.take_draft("d1", State.SENDING)
    again.close()


def starting(world):
    """A request that was dispatched, and whose executor has not answered."""
    request = world.approved()
    world.executor.behave(Mood.DARK)
    attend(world.room, request.number)
    world.executor.behave(Mood.READY)
    return world.now(request)


def first(request, **rest):
    fields = {
        "generation": 1,
        "grant_key": "0" * 32,
        "form_digest": request.form_digest,
        "not_after": request.approved_at + timedelta(hours=1),
        "executor": "memory",
        "devices": (),
    }
    return Dispatched(**fields | rest)


def again(request, **rest):
    fields = {"generation": 2, "grant_key": request.grant_key, "not_after": request.not_after}
    return first(request, **fields | rest)


def to_pool(world, entry):
    version = world.book.pool("h100-shared").version
    return world.book.append(Write(stream="pool:h100-shared", expected=version, entries=(entry,), actor="svc:worker"))


def submit(world, entry):
    return world.book.append(Write(stream=f"request:{entry.request}", expected=0, entries=(entry,), actor=entry.asker))


def append(world, request, entry, actor):
    return world.book.append(
        Write(stream=f"request:{request.number}", expected=request.version, entries=(entry,), actor=actor)
    )


def review(request, reviewer, seat="owner-lead"):
    return Reviewed(
        reviewer=reviewer,
        seat=seat,
        verdict=Verdict.APPROVE,
        form_digest=request.form_digest,
        rule="vote-lead",
        reason=Personal(""),
    )
