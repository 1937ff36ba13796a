"""Adapters by law: loaded by an approved change of exactly that adapter beside exactly those weights, and both verifiers say so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from deployed import RECEIPT, weights_of
from test_two_verifiers import first, second
from test_two_verifiers_models import around, bundle
from test_two_verifiers_models import tale as deployed  # noqa: F401 the fixture

from ledger.errors import UnlawfulError
from ledger.log.store import Move
from ledger.streams.codec import digest, draft, entry_of
from ledger.streams.model import AdapterRegistered
from ledger.streams.request import ENTRIES, Done

A, B, D = (weights_of(letter) for letter in "abd")


@pytest.fixture
def adapting(deployed):  # noqa: F811
    """Version 1 answers in production, and an adapter beside it is being loaded there."""
    deployed.register_adapter("legal-tone", "d")
    deployed.third = deployed.start(deployed.adapter_form("legal-tone", "1"))
    return deployed


def test_an_adapter_is_loaded_and_taken_away_by_approved_changes_and_both_take_it(adapting):
    tale = adapting
    tale.enter("model:m", tale.adapted(tale.third))
    tale.enter(f"request:{tale.third}", Done(generation=1, receipt=RECEIPT))
    assert [each.adapter for each in tale.book.model("m").loaded("production", A)] == ["legal-tone"]
    assert tale.book.model("m").loaded("production", B) == () == tale.book.model("m").loaded("dev", A)
    tale.adapt(tale.adapter_form("legal-tone", "1", load=False))
    assert tale.book.model("m").loaded("production", A) == ()
    assert first(bundle(tale)) == second(tale.path) == (True, None)


def test_a_name_that_was_registered_anew_keeps_what_it_meant(adapting):
    adapting.register_adapter("legal-tone", "e")
    model = adapting.book.model("m")
    assert model.adapter("legal-tone").digest == weights_of("e")
    assert model.knows_adapter("legal-tone", D)
    assert model.adapter("tone") is None


WRONG = {
    "a name that is none": lambda tale: AdapterRegistered(adapter="latest", digest=D, size=1),
    "a name with a colon": lambda tale: AdapterRegistered(adapter="a:b", digest=D, size=1),
    "a digest that is none": lambda tale: AdapterRegistered(adapter="x", digest="sha256:x", size=1),
    "no bytes": lambda tale: AdapterRegistered(adapter="x", digest=D, size=0),
    "means it already": lambda tale: AdapterRegistered(adapter="legal-tone", digest=D, size=1),
    "another adapter": lambda tale: tale.adapted(tale.third, adapter="tone"),
    "other bytes": lambda tale: tale.adapted(tale.third, digest=B),
    "beside other weights": lambda tale: tale.adapted(tale.third, base=B),
    "the other way round": lambda tale: tale.adapted(tale.third, loaded=False),
    "elsewhere": lambda tale: tale.adapted(tale.third, environment="dev"),
    "for a deployment": lambda tale: tale.adapted(tale.third, request=tale.second),
    "for nothing": lambda tale: tale.adapted(tale.third, request=99),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_both_find_the_entry_of_an_adapter_that_is_unlawful(adapting, wrong):
    entry = WRONG[wrong](adapting)
    with pytest.raises(UnlawfulError):
        adapting.enter("model:m", entry)
    around(adapting, "model:m", entry)
    at = adapting.book.store.size() - 1
    assert first(bundle(adapting)) == second(adapting.path) == (False, at)


def refused(tale, form):
    """Both refuse what a request for `form` enters, and the book does before them."""
    number = tale.start(form)
    with pytest.raises(UnlawfulError):
        tale.enter("model:m", tale.adapted(number))
    around(tale, "model:m", tale.adapted(number))
    at = tale.book.store.size() - 1
    assert first(bundle(tale)) == second(tale.path) == (False, at)


def test_both_refuse_an_adapter_beside_a_version_that_answers_nowhere(adapting):
    refused(adapting, adapting.adapter_form("legal-tone", "2"))


def test_both_refuse_to_take_away_what_is_not_loaded(adapting):
    refused(adapting, adapting.adapter_form("legal-tone", "1", load=False))


def test_both_refuse_to_load_twice(adapting):
    adapting.enter("model:m", adapting.adapted(adapting.third))
    refused(adapting, adapting.adapter_form("legal-tone", "1"))


def test_both_find_a_change_that_is_done_and_changed_nothing(adapting):
    done = Done(generation=1, receipt=RECEIPT)
    with pytest.raises(UnlawfulError, match="changed no adapter"):
        adapting.enter(f"request:{adapting.third}", done)
    around(adapting, f"request:{adapting.third}", done)
    at = adapting.book.store.size() - 1
    assert first(bundle(adapting)) == second(adapting.path) == (False, at)


@pytest.mark.parametrize("change", [{"digest": B}, {"base": D}, {"adapter": "tone"}], ids=lambda each: next(iter(each)))
def test_both_find_an_adapter_that_was_asked_for_and_never_registered(adapting, change):
    submitted = entry_of(adapting.book.store.read(f"request:{adapting.third}")[0], ENTRIES)
    form = replace(submitted.form, **change)
    with pytest.raises(UnlawfulError):
        adapting.start(form)
    entry = replace(submitted, request=99, form=form, form_digest=digest(form))
    adapting.book.store.append([Move(stream="request:99", expected=0, drafts=(draft(entry, actor=submitted.asker),))])
    at = adapting.book.store.size() - 1
    assert first(bundle(adapting)) == second(adapting.path) == (False, at)
