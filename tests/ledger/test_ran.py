"""What ran at a time, from the ledger and from a bundle alone, with a proof that checks offline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from conftest import Hand
from deployed import Deployed, weights_of
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.audit import verify_bundle
from ledger.book import Write, open_memory
from ledger.errors import LedgerError
from ledger.export.bundle import Choice, read_bundle, write_bundle
from ledger.log.checkpoint import Checkpoint, Signer
from ledger.log.merkle import verify_inclusion
from ledger.ran import of_bundle, of_store, ran_at
from ledger.streams.codec import entry_of
from ledger.streams.house import Opened
from ledger.streams.law import Place
from ledger.streams.model import ENTRIES, Routed, evolve

START = datetime(2026, 11, 24, 9, tzinfo=UTC)


@pytest.fixture
def time():
    return Hand(now=START)


@pytest.fixture
def tale(time, tmp_path):
    """Two versions, an hour apart, in two environments; the second is a canary first."""
    signer = Signer.at(tmp_path / "key", "quartermaster")
    book = open_memory(clock=time)
    opened = Opened(origin="quartermaster/demo/1", mode="demo", workspace="T0", checkpoint_key=signer.verifier_key)
    book.append(Write(stream="ledger", expected=0, entries=(opened,), actor="os:root"))
    tale = Deployed(book)
    tale.signer = signer
    tale.register("3.2.0", "a")
    tale.register("3.2.1", "b")
    time.pass_time(hours=1)
    tale.first = tale.deploy("3.2.0")
    time.pass_time(hours=1)
    tale.second = tale.deploy("3.2.1", "staging")
    time.pass_time(hours=1)
    tale.third = tale.deploy("3.2.1", "production", tale.share("3.2.0", 90), tale.share("3.2.1", 10))
    time.pass_time(hours=1)
    return tale


def bundled(tale, path, **choice):
    store, size = tale.book.store, tale.book.store.size()
    note = tale.signer.sign(Checkpoint(origin="quartermaster/demo/1", size=size, root=store.root(size)))
    write_bundle(path, store, size, note, tale.signer.verifier_key, Choice(**choice))
    bundle = read_bundle(path)
    assert verify_bundle(bundle, key=tale.signer.verifier_key).sound
    return bundle


def said(source, hours, environment=None):
    found = ran_at(source, START + timedelta(hours=hours), environment=environment)
    return {each.environment: [(share.version, share.percent) for share in each.shares] for each in found}


def test_each_time_has_its_answer(tale):
    source = of_store(tale.book.store, tale.book.store.size())
    assert said(source, 0.5) == {}
    assert said(source, 1) == {"production": [("3.2.0", 100)]}
    assert said(source, 2.5) == {"production": [("3.2.0", 100)], "staging": [("3.2.1", 100)]}
    assert said(source, 3.5, "production") == {"production": [("3.2.0", 90), ("3.2.1", 10)]}


def test_the_answer_names_the_request_and_who_approved(tale):
    (found,) = ran_at(of_store(tale.book.store, tale.book.store.size()), START + timedelta(hours=1.5))
    assert found.by.ordered == tale.first
    assert found.by.request.asker == tale.asker
    assert found.by.approvers == (tale.lead,)
    assert found.by.at == START + timedelta(hours=1)


def test_a_way_back_that_nobody_asked_for_says_why(tale, time):
    before = tale.book.model("fraud-detector").in_environment("production")[0]
    back = Routed(environment="production", shares=before.shares, request=None, why="It died twice.")
    tale.enter("model:fraud-detector", back)
    (found,) = ran_at(of_store(tale.book.store, tale.book.store.size()), time(), environment="production")
    assert (found.by.ordered, found.by.request, found.by.why) == (None, None, "It died twice.")


def test_the_proof_leads_from_the_entry_to_the_checkpoint(tale, tmp_path):
    bundle = bundled(tale, tmp_path / "all.zip")
    offline = ran_at(of_bundle(bundle), START + timedelta(hours=3.5))
    assert offline == ran_at(of_store(tale.book.store, tale.book.store.size()), START + timedelta(hours=3.5))
    for each in offline:
        proof = each.by.proof
        verify_inclusion(proof.leaf, proof.seq, proof.size, proof.siblings, tale.book.store.root(proof.size))
        assert bundle.entries[proof.seq].kind == "model.routed"


def test_a_ledger_answers_up_to_its_checkpoint_alone(tale):
    done = tale.book.request(tale.first).seq
    assert said(of_store(tale.book.store, done + 1), 9) == {"production": [("3.2.0", 100)]}


def test_a_bundle_of_a_period_answers_for_its_period(tale, tmp_path):
    bundle = bundled(tale, tmp_path / "part.zip", since=START + timedelta(hours=1.5))
    source = of_bundle(bundle)
    assert said(source, 3.5, "production") == {"production": [("3.2.0", 90), ("3.2.1", 10)]}
    with pytest.raises(LedgerError, match="reaches further back"):
        said(source, 1.2)
    with pytest.raises(LedgerError, match="nothing was routed"):  # and not: nothing ran
        said(source, 2.5, "production")


def test_a_bundle_of_one_request_cannot_tell(tale, tmp_path):
    bundle = bundled(tale, tmp_path / "one.zip", request=tale.first)
    with pytest.raises(LedgerError, match="cannot tell what ran"):
        of_bundle(bundle)


@pytest.fixture
def beside(tale, time):
    """Beside 3.2.0 legal-tone from hour 5 to 7, beside 3.2.1 in staging tone from hour 6 on."""
    tale.register_adapter("legal-tone", "c")
    tale.register_adapter("tone", "d")
    time.pass_time(hours=1)
    tale.loads = tale.adapt(tale.adapter_form("legal-tone", "3.2.0"))
    time.pass_time(hours=1)
    tale.adapt(tale.adapter_form("tone", "3.2.1", "staging"))
    time.pass_time(hours=1)
    tale.unloads = tale.adapt(tale.adapter_form("legal-tone", "3.2.0", load=False))
    return tale


def adapters(source, hours):
    found = ran_at(source, START + timedelta(hours=hours))
    return {each.environment: [beside.adapter for beside in each.adapters] for each in found if each.adapters}


def test_each_time_has_its_adapters(beside):
    source = of_store(beside.book.store, beside.book.store.size())
    assert adapters(source, 4.9) == {}
    assert adapters(source, 5) == {"production": ["legal-tone"]}
    assert adapters(source, 6.5) == {"production": ["legal-tone"], "staging": ["tone"]}
    assert adapters(source, 7) == {"staging": ["tone"]}


def test_an_adapter_is_named_with_its_bytes_its_version_its_time_and_both_requests(beside):
    (found,) = ran_at(
        of_store(beside.book.store, beside.book.store.size()), START + timedelta(hours=5.5), environment="production"
    )
    (adapter,) = found.adapters
    assert (adapter.digest, adapter.base) == (weights_of("c"), weights_of("a"))
    assert (adapter.since, adapter.loading.ordered) == (START + timedelta(hours=5), beside.loads)
    assert adapter.loading.approvers == (beside.lead,)
    assert (adapter.ending.at, adapter.ending.ordered) == (START + timedelta(hours=7), beside.unloads)
    assert adapter.unloaded


def test_an_adapter_ends_with_its_version_and_answers_again_when_that_is_back(beside, time):
    beside.deploy("3.2.0", "staging")
    time.pass_time(hours=1)
    back = beside.deploy("3.2.1", "staging", rollback=True)
    source = of_store(beside.book.store, beside.book.store.size())
    (before,) = ran_at(source, START + timedelta(hours=6.5), environment="staging")
    assert (before.adapters[0].ending.at, before.adapters[0].unloaded) == (START + timedelta(hours=7), False)
    assert adapters(source, 7.5) == {}
    (again,) = ran_at(source, START + timedelta(hours=8), environment="staging")
    assert again.by.ordered == back
    (adapter,) = again.adapters
    assert (adapter.since, adapter.loading.at) == (START + timedelta(hours=8), START + timedelta(hours=6))
    assert adapter.ending is None


def test_the_proofs_of_adapters_lead_to_the_checkpoint_too(beside, tmp_path):
    bundle, moment = bundled(beside, tmp_path / "all.zip"), START + timedelta(hours=6.5)
    offline = ran_at(of_bundle(bundle), moment)
    assert offline == ran_at(of_store(beside.book.store, beside.book.store.size()), moment)
    proofs = [proof for each in offline for proof in each.proofs]
    for proof in proofs:
        verify_inclusion(proof.leaf, proof.seq, proof.size, proof.siblings, beside.book.store.root(proof.size))
    assert sorted(bundle.entries[proof.seq].kind for proof in proofs) == ["model.adapted"] * 3 + ["model.routed"] * 2


def test_a_bundle_of_a_period_names_the_adapters_that_were_loaded_in_it(beside, tmp_path):
    source = of_bundle(bundled(beside, tmp_path / "part.zip", since=START + timedelta(hours=1.5)))
    assert adapters(source, 6.5) == {"production": ["legal-tone"], "staging": ["tone"]}
    later = of_bundle(bundled(beside, tmp_path / "late.zip", since=START + timedelta(hours=2.5)))
    assert adapters(later, 6.5) == {"production": ["legal-tone"]}  # what staging answered with is not in there


steps = st.lists(
    st.tuples(
        st.sampled_from(["3.2.0", "3.2.1"]),
        st.sampled_from(["staging", "production"]),
        st.booleans(),
        st.booleans(),
    ),
    max_size=5,
)


@settings(max_examples=25, deadline=None)
@given(steps=steps, asked=st.integers(0, 6))
def test_what_ran_at_a_time_is_what_a_ledger_that_ended_then_says(steps, asked):
    time = Hand(now=START)
    tale = Deployed(open_memory(clock=time))
    tale.register("3.2.0", "a")
    tale.register("3.2.1", "b")
    tale.register_adapter("tone", "d")
    sizes = {0: tale.book.store.size()}
    for hour, (version, environment, shared, adapted) in enumerate(steps, start=1):
        time.pass_time(hours=1)
        other = "3.2.0" if version == "3.2.1" else "3.2.1"
        tale.evaluate(tale.start(tale.form(other, environment)))
        shares = (tale.share(version, 60), tale.share(other, 40)) if shared else ()
        tale.deploy(version, environment, *shares)
        if adapted:
            base = tale.book.model("fraud-detector").resolve(version).digest
            standing = tale.book.model("fraud-detector").loaded(environment, base)
            tale.adapt(tale.adapter_form("tone", version, environment, load=not standing))
        sizes[hour] = tale.book.store.size()
    whole = of_store(tale.book.store, tale.book.store.size())
    ended = of_store(tale.book.store, sizes[min(asked, len(steps))])
    moment = START + timedelta(hours=asked)
    answers = [[_unending(each) for each in ran_at(source, moment)] for source in (whole, ended)]
    assert answers[0] == answers[1]
    answering = ended_model(tale, sizes[min(asked, len(steps))])
    said = {each[0]: {(adapter, base) for adapter, base, _ in each[3]} for each in answers[0]}
    assert said == {
        environment: {
            (adapter.adapter, adapter.base)
            for share in answering.routing(environment).shares
            for adapter in answering.loaded(environment, share.digest)
        }
        for environment in said
    }


def _unending(ran):
    """What ran, without what only came later."""
    beside = [(each.adapter, each.base, each.since) for each in ran.adapters]
    return (ran.environment, ran.shares, ran.by.at, beside)


def ended_model(tale, size):
    """Fold the model by its law, from the first entries of the log alone."""
    model = None
    for stored in tale.book.store.read("model:fraud-detector"):
        if stored.seq < size:
            place = Place(
                at=stored.at, actor=stored.actor, seq=stored.seq, version=stored.version, stream=stored.stream
            )
            model = evolve(model, entry_of(stored, ENTRIES), place)
    return model
