"""Running longer: decided anew on the new totals, voted on like any request, and never by the one who asks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ledger.errors import UnlawfulError
from ledger.nouns import Access, DataForm, Decision, Effect, Enforcement, GpuForm, Personal, Receipt, Seat
from ledger.streams import request as law
from ledger.streams.codec import digest
from ledger.streams.law import Place
from ledger.streams.request import Outcome, Status

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
END = NOW + timedelta(hours=3)
LATER = END + timedelta(hours=1)
ASKER, LEAD, OTHER = ("user:" + letter * 32 for letter in "abc")
FORM = GpuForm(resource="gpu:p", gpu_type="t", gpus=4, duration_s=3 * 3600)
LONGER = replace(FORM, duration_s=4 * 3600)
DATA = DataForm(resource="data:claims", access=Access.READ, duration_s=3 * 3600)
RECEIPT = Receipt(executor="x", enforcement=Enforcement.ADVISORY)
SEATED = Decision(effect=Effect.PERMIT, rules=("r",), seats=(Seat(name="owner-lead", count=1, team="team:t"),))
AUTO = Decision(effect=Effect.PERMIT, rules=("r",), auto=True)
NONE = Decision(effect=Effect.PERMIT, rules=("r",))
DENY = Decision(effect=Effect.DENY, rules=("r",), why="Too long.")
BY = {law.ExtensionAsked: ASKER, law.ExtensionReviewed: LEAD, law.CredentialShown: ASKER, law.Released: ASKER}

ASKED = law.ExtensionAsked(form=LONGER, form_digest=digest(LONGER), added_s=3600, not_after=LATER)
DECIDED = law.ExtensionDecided(form_digest=digest(LONGER), decision=SEATED)
REVIEWED = law.ExtensionReviewed(
    reviewer=LEAD, seat="owner-lead", approve=True, form_digest=digest(LONGER), rule="v", reason=Personal("")
)
EXTENDED = law.Extended(form_digest=digest(LONGER), generation=2, not_after=LATER)
LONGER_YET, LATER_YET = replace(FORM, duration_s=5 * 3600), LATER + timedelta(hours=1)
AGAIN = law.ExtensionAsked(form=LONGER_YET, form_digest=digest(LONGER_YET), added_s=3600, not_after=LATER_YET)
PROLONGED = law.Prolonged(generation=2, receipt=RECEIPT)


def put(state, entry, actor=None, at=NOW):
    actor = actor or BY.get(type(entry), "svc:worker")
    return law.evolve(state, entry, Place(at=at, actor=actor, seq=0, version=(state.version if state else 0) + 1))


def running(form=FORM, *entries):
    said = law.Submitted(
        request=1,
        asker=ASKER,
        beneficiary=ASKER,
        form=form,
        form_digest=digest(form),
        purpose=Personal(""),
        said=Personal(""),
    )
    state = put(None, said, ASKER)
    dispatched = law.Dispatched(
        generation=1, grant_key="0" * 32, form_digest=digest(form), not_after=END, executor="x", devices=()
    )
    decided = law.Decided(phase=law.Phase.SUBMIT, form_digest=digest(form), decision=AUTO)
    for entry in (
        decided,
        law.Approved(form_digest=digest(form)),
        dispatched,
        law.Started(generation=1, receipt=RECEIPT),
        *entries,
    ):
        state = put(state, entry)
    return state


def test_an_agreed_extension_moves_the_end_and_the_backend_confirms_it():
    state = running(FORM, ASKED, DECIDED, REVIEWED, EXTENDED)
    assert (state.not_after, state.form, state.generation, state.confirmed) == (LATER, LONGER, 2, 1)
    assert state.extension.outcome is Outcome.GRANTED
    assert put(state, PROLONGED).confirmed == 2
    with pytest.raises(UnlawfulError):
        put(state, law.Expired(), at=END)


def test_a_rule_may_agree_alone():
    state = running(FORM, ASKED, replace(DECIDED, decision=AUTO), EXTENDED)
    assert state.not_after == LATER


def test_a_backend_that_will_not_puts_the_old_end_back():
    undone = law.NotProlonged(generation=2, not_after=END, why="Somebody else has booked them.")
    state = running(FORM, ASKED, DECIDED, REVIEWED, EXTENDED, undone)
    assert (state.not_after, state.form, state.extension.outcome) == (END, FORM, Outcome.UNDONE)
    again = law.ExtensionAsked(form=LONGER, form_digest=digest(LONGER), added_s=3600, not_after=LATER)
    assert put(state, again).extension.outcome is Outcome.PENDING


@pytest.mark.parametrize(
    "last", [replace(DECIDED, decision=DENY), replace(REVIEWED, approve=False)], ids=["by policy", "by a person"]
)
def test_a_denied_extension_leaves_the_lease_as_it_was(last):
    state = running(FORM, ASKED, *([] if isinstance(last, law.ExtensionDecided) else [DECIDED]), last)
    assert (state.status, state.not_after, state.extension.outcome) == (Status.RUNNING, END, Outcome.DENIED)
    with pytest.raises(UnlawfulError):
        put(state, EXTENDED)


def test_the_end_of_the_lease_ends_the_question():
    assert put(running(FORM, ASKED, DECIDED), law.Expired(), at=END).extension.outcome is Outcome.LAPSED


@pytest.mark.parametrize(
    ("before", "entry", "actor"),
    [
        ([], ASKED, LEAD),
        ([], replace(ASKED, added_s=0, not_after=END), None),
        ([], replace(ASKED, not_after=LATER + timedelta(seconds=1)), None),
        ([], replace(ASKED, form=FORM, form_digest=digest(FORM)), None),
        ([], replace(ASKED, form_digest=digest(FORM)), None),
        ([], replace(ASKED, form=replace(LONGER, gpus=8), form_digest=digest(replace(LONGER, gpus=8))), None),
        ([ASKED], ASKED, None),
        ([], DECIDED, None),
        ([ASKED, DECIDED], DECIDED, None),
        ([ASKED], replace(DECIDED, decision=NONE), None),
        ([ASKED], replace(DECIDED, form_digest=digest(FORM)), None),
        ([ASKED], REVIEWED, None),
        ([ASKED, DECIDED], REVIEWED, OTHER),
        ([ASKED, DECIDED], replace(REVIEWED, reviewer=ASKER), ASKER),
        ([ASKED, DECIDED], replace(REVIEWED, seat="dpo"), None),
        ([ASKED, DECIDED], replace(REVIEWED, reviewer="svc:desk"), "svc:desk"),
        ([ASKED, DECIDED, REVIEWED], replace(REVIEWED, seat="owner-lead"), None),
        ([ASKED, DECIDED], EXTENDED, None),
        ([ASKED], EXTENDED, None),
        ([ASKED, DECIDED, REVIEWED], replace(EXTENDED, generation=3), None),
        ([ASKED, DECIDED, REVIEWED], replace(EXTENDED, not_after=LATER + timedelta(hours=1)), None),
        ([ASKED, DECIDED, REVIEWED], PROLONGED, None),
        ([ASKED, DECIDED, REVIEWED, EXTENDED], AGAIN, None),
        ([ASKED, DECIDED, REVIEWED, EXTENDED], replace(PROLONGED, generation=1), None),
        ([ASKED, DECIDED, REVIEWED, EXTENDED, PROLONGED], PROLONGED, None),
        ([ASKED, DECIDED, REVIEWED, EXTENDED, PROLONGED], law.NotProlonged(generation=2, not_after=END, why=""), None),
        ([ASKED, DECIDED, REVIEWED, EXTENDED], law.NotProlonged(generation=2, not_after=NOW, why=""), None),
        ([], law.Warned(not_after=LATER), None),
        ([law.Warned(not_after=END)], law.Warned(not_after=END), None),
        ([], law.Disqualified(why="x"), "user:" + "d" * 32),
        ([], law.Disqualified(why=""), None),
    ],
)
def test_what_may_not_be(before, entry, actor):
    state = running(FORM, *before)
    with pytest.raises(UnlawfulError):
        put(state, entry, actor)


def test_a_named_end_moves_with_an_extension():
    named = replace(FORM, not_after=END)
    longer = replace(named, duration_s=4 * 3600, not_after=LATER)
    asked = law.ExtensionAsked(form=longer, form_digest=digest(longer), added_s=3600, not_after=LATER)
    assert running(named, asked).extension.form.not_after == LATER


def test_only_the_holder_of_data_is_shown_a_secret_and_only_the_last_one_counts():
    shown = law.CredentialShown(holder=ASKER, count=1, verifier=Personal("SCRAM-SHA-256$1"))
    state = running(DATA, shown, law.CredentialSet(count=1))
    state = put(state, replace(shown, count=2, verifier=Personal("SCRAM-SHA-256$2")))
    assert (state.credential, state.credentials_shown, state.credentials_set) == ("SCRAM-SHA-256$2", 2, 1)
    for entry, actor in [
        (law.CredentialSet(count=1), None),
        (replace(shown, count=2), None),
        (replace(shown, holder=LEAD, count=3), LEAD),
        (replace(shown, count=3), LEAD),
    ]:
        with pytest.raises(UnlawfulError):
            put(state, entry, actor)
    with pytest.raises(UnlawfulError):
        put(running(FORM), shown)


def test_time_in_the_backends_line_is_not_time_held():
    queued = law.Queued(place=1, estimate=None, why="0 of 8 are free.")
    later = NOW + timedelta(hours=2)
    again = law.Dispatched(
        generation=2,
        grant_key="0" * 32,
        form_digest=digest(FORM),
        not_after=later + timedelta(hours=3),
        executor="x",
        devices=(),
    )
    starting = dispatched()
    assert put(put(starting, queued), again, at=later).not_after == later + timedelta(hours=3)
    with pytest.raises(UnlawfulError):
        put(starting, again, at=later)


def dispatched():
    said = law.Submitted(
        request=1,
        asker=ASKER,
        beneficiary=ASKER,
        form=FORM,
        form_digest=digest(FORM),
        purpose=Personal(""),
        said=Personal(""),
    )
    state = put(None, said, ASKER)
    entry = law.Dispatched(
        generation=1, grant_key="0" * 32, form_digest=digest(FORM), not_after=END, executor="x", devices=()
    )
    for step in (
        law.Decided(phase=law.Phase.SUBMIT, form_digest=digest(FORM), decision=AUTO),
        law.Approved(form_digest=digest(FORM)),
        entry,
    ):
        state = put(state, step)
    return state


def test_stumbles_are_counted_one_by_one():
    state = put(dispatched(), law.Stumbled(attempt=1, why="It broke."))
    assert put(state, law.Stumbled(attempt=2, why="Again.")).stumbles == 2
    with pytest.raises(UnlawfulError):
        put(state, law.Stumbled(attempt=3, why="Again."))
    assert put(state, law.Started(generation=1, receipt=RECEIPT)).stumbles == 0


@pytest.mark.parametrize(
    ("hours", "ahead"),
    [
        (1, timedelta(minutes=15)),
        (3, timedelta(minutes=18)),
        (240, timedelta(hours=24)),
        (2400, timedelta(hours=24)),
        (1 / 6, timedelta(minutes=5)),
    ],
)
def test_a_warning_comes_a_tenth_ahead(hours, ahead):
    end = NOW + timedelta(hours=hours)
    assert end - law.warn_at(NOW, end) == ahead
