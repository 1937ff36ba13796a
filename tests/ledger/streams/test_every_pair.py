"""The state machine over every (status, entry) pair: what may follow is listed here, everything else is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ledger.errors import UnlawfulError
from ledger.nouns import Decision, Effect, Enforcement, GpuForm, Personal, Receipt, Seat, Usage
from ledger.streams import request as law
from ledger.streams.codec import digest
from ledger.streams.law import Place
from ledger.streams.request import Status

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
ASKER, LEAD = "user:" + "a" * 32, "user:" + "b" * 32
FORM = GpuForm(resource="gpu:p", gpu_type="t", gpus=4, duration_s=3600)
LOWER = replace(FORM, gpus=2)
RECEIPT = Receipt(executor="x", enforcement=Enforcement.ADVISORY)
PERMIT = Decision(effect=Effect.PERMIT, rules=("r",), seats=(Seat(name="owner-lead", count=1, team="team:t"),))
NOBODY = Personal("")
END = NOW + timedelta(minutes=30)
LATER = END + timedelta(hours=1)
LONGER = replace(FORM, duration_s=7200)
SHORTER = replace(FORM, duration_s=3000)

ENTRIES = {
    "submitted": law.Submitted(
        request=1, asker=ASKER, beneficiary=ASKER, form=FORM, form_digest=digest(FORM), purpose=NOBODY, said=NOBODY
    ),
    "decided at submit": law.Decided(phase=law.Phase.SUBMIT, form_digest=digest(FORM), decision=PERMIT),
    "decided at dispatch": law.Decided(phase=law.Phase.DISPATCH, form_digest=digest(FORM), decision=PERMIT),
    "reviewed": law.Reviewed(
        reviewer=LEAD, seat="owner-lead", verdict=law.Verdict.APPROVE, form_digest=digest(FORM), rule="v", reason=NOBODY
    ),
    "lowered": law.Lowered(reviewer=LEAD, form=LOWER, form_digest=digest(LOWER), reason=NOBODY, carried=()),
    "accepted": law.Accepted(form_digest=digest(FORM)),
    "approved": law.Approved(form_digest=digest(FORM)),
    "reopened": law.Reopened(reviewer=LEAD, seat="owner-lead", why=""),
    "queued": law.Queued(place=1, estimate=None, why=""),
    "dispatched": law.Dispatched(
        generation=1,
        grant_key="0" * 32,
        form_digest=digest(FORM),
        not_after=NOW + timedelta(minutes=30),
        executor="x",
        devices=(),
    ),
    "started": law.Started(generation=1, receipt=RECEIPT),
    "done": law.Done(generation=1, receipt=RECEIPT),
    "failed": law.Failed(why=""),
    "expired": law.Expired(),
    "released": law.Released(holder=ASKER),
    "revoked": law.Revoked(revoker=LEAD, rule="r", reason=NOBODY),
    "ended unlogged": law.EndedUnlogged(happened_at=NOW + timedelta(hours=1)),
    "not confirmed": law.NotConfirmed(attempt=1, why=""),
    "settled": law.Settled(usage=Usage(held_s=0, gpu_s=0, cost_minor=0, currency="EUR")),
    "withdrawn": law.Withdrawn(asker=ASKER),
    "lapsed": law.Lapsed(),
    "missed": law.Missed(why=""),
    "replaced": law.Replaced(by=2),
    "stumbled": law.Stumbled(attempt=1, why="It broke."),
    "disqualified": law.Disqualified(why="The role is gone."),
    "kept": law.Kept(keeper=LEAD, rule="vote-lead", policy="c" * 64, fails="ask-gpu gpus<=2"),
    "credential shown": law.CredentialShown(holder=ASKER, count=1, verifier=Personal("SCRAM")),
    "credential set": law.CredentialSet(count=1),
    "warned": law.Warned(not_after=END),
    "extension asked": law.ExtensionAsked(form=LONGER, form_digest=digest(LONGER), added_s=3600, not_after=LATER),
    "extension decided": law.ExtensionDecided(form_digest=digest(LONGER), decision=PERMIT),
    "extension reviewed": law.ExtensionReviewed(
        reviewer=LEAD, seat="owner-lead", approve=True, form_digest=digest(LONGER), rule="v", reason=NOBODY
    ),
    "extended": law.Extended(form_digest=digest(LONGER), generation=2, not_after=LATER),
    "prolonged": law.Prolonged(generation=2, receipt=RECEIPT),
    "not prolonged": law.NotProlonged(generation=2, not_after=END, why="The backend would not."),
    "shortened": law.Shortened(
        holder=ASKER, form=SHORTER, form_digest=digest(SHORTER), generation=2, not_after=END - timedelta(minutes=10)
    ),
}
ACTORS = {"submitted": ASKER, "accepted": ASKER, "released": ASKER, "withdrawn": ASKER, "replaced": ASKER}
ACTORS |= {"reviewed": LEAD, "lowered": LEAD, "revoked": LEAD, "kept": LEAD}
ACTORS |= {"extension asked": ASKER, "shortened": ASKER}
LATE = NOW + timedelta(days=2)

PATHS = {
    Status.SUBMITTED: ["submitted"],
    Status.WAITING: ["submitted", "decided at submit"],
    Status.APPROVED: ["submitted", "decided at submit", "reviewed", "approved"],
}
PATHS |= {
    Status.QUEUED: [*PATHS[Status.APPROVED], "queued"],
    Status.STARTING: [*PATHS[Status.APPROVED], "dispatched"],
    Status.RUNNING: [*PATHS[Status.APPROVED], "dispatched", "started"],
    Status.ENDING: [*PATHS[Status.APPROVED], "dispatched", "started", "released"],
    Status.UNCONFIRMED: [*PATHS[Status.APPROVED], "dispatched", "started", "released", "not confirmed"],
    Status.ENDED: [*PATHS[Status.APPROVED], "dispatched", "started", "released", "settled"],
    Status.FAILED: [*PATHS[Status.APPROVED], "dispatched", "failed"],
    Status.WITHDRAWN: [*PATHS[Status.WAITING], "withdrawn"],
    Status.LAPSED: [*PATHS[Status.WAITING], "lapsed"],
    Status.MISSED: [*PATHS[Status.APPROVED], "missed"],
    Status.REPLACED: [*PATHS[Status.WAITING], "replaced"],
}
HELD_ENDS = {"expired", "released", "revoked", "ended unlogged", "disqualified"}
LAWFUL = {
    Status.SUBMITTED: {"decided at submit"},
    Status.WAITING: {"reviewed", "lowered", "withdrawn", "lapsed", "replaced"},
    Status.APPROVED: {"decided at dispatch", "reopened", "queued", "dispatched", "failed", "withdrawn", "missed"},
    Status.STARTING: {"started", "failed", "queued", "stumbled", "kept"} | HELD_ENDS,
    Status.RUNNING: {"warned", "kept", "extension asked", "shortened"} | HELD_ENDS,
    Status.ENDING: {"not confirmed", "settled"},
    Status.UNCONFIRMED: {"settled"},
}
LAWFUL[Status.QUEUED] = LAWFUL[Status.APPROVED]


def put(state, name, *, at=NOW):
    place = Place(at=at, actor=ACTORS.get(name, "svc:test"), seq=0, version=(state.version if state else 0) + 1)
    return law.evolve(state, ENTRIES[name], place)


def reach(status):
    state = None
    for name in PATHS[status]:
        state = put(state, name, at=LATE if name in {"lapsed", "missed"} else NOW)
    assert state.status is status
    return state


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize("status", PATHS)
def test_what_may_follow_what(status, name):
    state = reach(status)
    if name in LAWFUL.get(status, set()):
        put(state, name, at=LATE)
    else:
        with pytest.raises(UnlawfulError):
            put(state, name, at=LATE)


def test_every_entry_of_a_request_is_tried():
    assert {type(entry) for entry in ENTRIES.values()} == set(law.ENTRIES.values())


def test_an_empty_approver_list_never_permits():
    state = reach(Status.SUBMITTED)
    nobody = replace(ENTRIES["decided at submit"], decision=replace(PERMIT, seats=()))
    with pytest.raises(UnlawfulError):
        law.evolve(state, nobody, Place(at=NOW, actor="svc:test", version=2))


@pytest.mark.parametrize(
    "seats",
    [(("lead", 0),), (("lead", -1),), (("lead", 1), ("lead", 1)), (("lead", 1), ("owner", 0))],
    ids=["nobody", "fewer", "twice", "one for nobody"],
)
def test_a_seat_is_for_somebody_and_named_once(seats):
    named = tuple(Seat(name=name, count=count, team="t") for name, count in seats)
    entry = replace(ENTRIES["decided at submit"], decision=replace(PERMIT, seats=named))
    with pytest.raises(UnlawfulError):
        law.evolve(reach(Status.SUBMITTED), entry, Place(at=NOW, actor="svc:test", version=2))


def test_a_permit_by_rule_has_no_seats():
    entry = replace(ENTRIES["decided at submit"], decision=replace(PERMIT, auto=True))
    with pytest.raises(UnlawfulError):
        law.evolve(reach(Status.SUBMITTED), entry, Place(at=NOW, actor="svc:test", version=2))


def test_a_request_has_the_number_of_its_stream():
    for stream, fits in (("request:1", True), ("request:2", False), ("", True)):
        place = Place(at=NOW, actor=ASKER, version=1, stream=stream)
        if fits:
            law.evolve(None, ENTRIES["submitted"], place)
        else:
            with pytest.raises(UnlawfulError):
                law.evolve(None, ENTRIES["submitted"], place)


def test_a_service_reviews_nothing():
    state = reach(Status.WAITING)
    entry = replace(ENTRIES["reviewed"], reviewer="svc:worker")
    with pytest.raises(UnlawfulError):
        law.evolve(state, entry, Place(at=NOW, actor="svc:worker", version=3))


def test_a_lease_cannot_be_dispatched_beyond_what_was_approved():
    state = reach(Status.APPROVED)
    entry = replace(ENTRIES["dispatched"], not_after=NOW + timedelta(seconds=3601))
    with pytest.raises(UnlawfulError):
        law.evolve(state, entry, Place(at=NOW, actor="svc:worker", version=9))


# -- letting stand what stricter rules would not permit

KEPT = ENTRIES["kept"]


def let_stand(entry, actor=LEAD, status=Status.RUNNING):
    state = reach(status)
    return law.evolve(state, entry, Place(at=NOW, actor=actor, version=state.version + 1))


def not_let_stand(entry, actor=LEAD, status=Status.RUNNING):
    with pytest.raises(UnlawfulError):
        let_stand(entry, actor, status)
    return True


def test_what_is_let_stand_goes_on_as_before_and_says_who_and_what():
    before, after = reach(Status.RUNNING), let_stand(KEPT)
    assert (after.status, after.not_after, after.end) == (Status.RUNNING, before.not_after, None)
    assert after.keeps == (law.Keep(keeper=LEAD, fails=KEPT.fails, at=NOW),)


def test_its_holder_does_not_let_it_stand():
    assert not_let_stand(replace(KEPT, keeper=ASKER), ASKER)


def test_a_person_lets_it_stand_and_in_nobody_elses_name():
    assert not_let_stand(KEPT, "user:" + "c" * 32)


def test_a_program_lets_nothing_stand():
    assert not_let_stand(replace(KEPT, keeper="svc:desk"), "svc:desk")


def test_it_names_the_rule_the_policy_and_what_fails():
    for missing in ("rule", "policy", "fails"):
        assert not_let_stand(replace(KEPT, **{missing: ""}))


def test_only_what_is_held_is_let_stand():
    assert not_let_stand(KEPT, status=Status.APPROVED)
    assert not_let_stand(KEPT, status=Status.ENDING)
