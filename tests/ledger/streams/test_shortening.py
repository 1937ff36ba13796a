"""Ending sooner: by the holder alone, to a moment that is still ahead, and nothing puts the old end back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ledger.errors import UnlawfulError
from ledger.nouns import window_end
from ledger.streams import request as law
from ledger.streams.codec import digest
from ledger.streams.request import Status
from tests.ledger.streams.test_extending import (
    ASKED,
    ASKER,
    DATA,
    DECIDED,
    DENY,
    END,
    EXTENDED,
    FORM,
    LATER,
    LEAD,
    LONGER,
    NOW,
    OTHER,
    PROLONGED,
    RECEIPT,
    REVIEWED,
    put,
    running,
)

SOON = NOW + timedelta(hours=2)
SOONER_YET = NOW + timedelta(hours=1)
LONG = [ASKED, DECIDED, REVIEWED, EXTENDED]


def to(end, form=FORM, before=END, generation=2, holder=ASKER):
    left = law.shorter(form, before, end)
    return law.Shortened(holder=holder, form=left, form_digest=digest(left), generation=generation, not_after=end)


def ends(state, entry, actor=ASKER):
    return put(state, entry, actor)


@pytest.mark.parametrize("form", [FORM, DATA])
def test_the_end_moves_forward_at_once_and_the_backend_confirms_it(form):
    state = ends(running(form), to(SOON, form))
    assert (state.status, state.not_after, state.form.duration_s) == (Status.RUNNING, SOON, 2 * 3600)
    assert (state.generation, state.confirmed, state.shortened_from) == (2, 1, END)
    assert put(state, PROLONGED).confirmed == 2


def test_it_is_over_at_the_new_end_and_never_before_whether_the_backend_answered_or_not():
    state = ends(running(), to(SOON))
    with pytest.raises(UnlawfulError):
        put(state, law.Expired(), at=SOON - timedelta(microseconds=1))
    with pytest.raises(UnlawfulError):
        put(state, law.EndedUnlogged(happened_at=SOON - timedelta(microseconds=1)), at=SOON)
    assert put(state, law.Expired(), at=SOON).status is Status.ENDING


def test_an_end_that_a_person_named_moves_with_it():
    named = replace(FORM, not_after=END)
    state = ends(running(named), to(SOON, named))
    assert state.form.not_after == SOON
    assert window_end(state.form, NOW) == SOON


def test_a_part_of_a_second_given_back_is_still_reserved():
    state = ends(running(), to(SOON + timedelta(milliseconds=1)))
    assert state.form.duration_s == 2 * 3600 + 1


def test_nothing_that_a_backend_says_of_it_puts_the_old_end_back():
    for before, end, form, generation in (([], END, FORM, 2), ([*LONG, PROLONGED], LATER, LONGER, 3)):
        state = ends(running(FORM, *before), to(SOON, form, end, generation))
        for old in (END, LATER, SOON):
            with pytest.raises(UnlawfulError):
                put(state, law.NotProlonged(generation=generation, not_after=old, why="It will not."))


def test_an_older_answer_changes_nothing():
    state = ends(running(FORM, *LONG, PROLONGED), to(SOON, LONGER, LATER, 3))
    with pytest.raises(UnlawfulError):
        put(state, PROLONGED)


def test_it_may_be_shortened_again_before_the_backend_answered():
    state = ends(running(), to(SOON))
    again = ends(state, to(SOONER_YET, state.form, SOON, 3))
    assert (again.not_after, again.shortened_from) == (SOONER_YET, SOON)
    with pytest.raises(UnlawfulError):
        put(again, PROLONGED)
    assert put(again, law.Prolonged(generation=3, receipt=RECEIPT)).confirmed == 3


def test_what_was_shortened_may_be_extended_once_the_backend_answered():
    state = ends(running(), to(SOON))
    longer = law.longer(state.form, 3600, END)
    asked = law.ExtensionAsked(form=longer, form_digest=digest(longer), added_s=3600, not_after=END)
    with pytest.raises(UnlawfulError):
        put(state, asked)
    state = put(put(state, PROLONGED), asked)
    agreed = replace(DECIDED, form_digest=digest(longer)), replace(REVIEWED, form_digest=digest(longer))
    for entry in (*agreed, law.Extended(form_digest=digest(longer), generation=3, not_after=END)):
        state = put(state, entry)
    assert (state.not_after, state.shortened_from) == (END, None)
    back = put(state, law.NotProlonged(generation=3, not_after=SOON, why="It will not."))
    assert back.not_after == SOON


def test_a_denied_extension_does_not_stand_in_the_way():
    state = running(FORM, ASKED, replace(DECIDED, decision=DENY))
    assert ends(state, to(SOON)).extension is None


def test_the_new_end_is_announced_also_when_the_old_one_was():
    state = ends(running(FORM, law.Warned(not_after=END)), to(SOON))
    with pytest.raises(UnlawfulError):
        put(state, law.Warned(not_after=END))
    assert put(state, law.Warned(not_after=SOON)).warned_of == SOON


LONGER_IN_WORDS = replace(FORM, gpus=2, duration_s=2 * 3600)


@pytest.mark.parametrize(
    ("before", "entry", "actor"),
    [
        ([], to(SOON), LEAD),
        ([], to(SOON, holder=OTHER), OTHER),
        ([], to(SOON, holder=OTHER), ASKER),
        ([], to(END), ASKER),
        ([], to(END - timedelta(milliseconds=999)), ASKER),
        ([], to(LATER), ASKER),
        ([], to(NOW), ASKER),
        ([], to(NOW - timedelta(minutes=1)), ASKER),
        ([], replace(to(SOON), form=FORM, form_digest=digest(FORM)), ASKER),
        ([], replace(to(SOON), form=LONGER_IN_WORDS, form_digest=digest(LONGER_IN_WORDS)), ASKER),
        ([], replace(to(SOON), form_digest=digest(FORM)), ASKER),
        ([], to(SOON, generation=3), ASKER),
        ([], to(SOON, generation=1), ASKER),
        ([ASKED], to(SOON), ASKER),
        ([ASKED, DECIDED], to(SOON), ASKER),
        (LONG, to(SOON, LONGER, LATER, 3), ASKER),
    ],
)
def test_what_may_not_be(before, entry, actor):
    state = running(FORM, *before)
    with pytest.raises(UnlawfulError):
        ends(state, entry, actor)
