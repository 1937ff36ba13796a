"""What ran at a time, from the ledger and from a bundle alone, with a proof that checks offline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from conftest import Hand
from deployed import Deployed
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.audit import verify_bundle
from ledger.book import Write, open_memory
from ledger.errors import LedgerError
from ledger.export.bundle import Choice, read_bundle, write_bundle
from ledger.log.checkpoint import Checkpoint, Signer
from ledger.log.merkle import verify_inclusion
from ledger.ran import of_bundle, of_store, ran_at
from ledger.streams.house import Opened
from ledger.streams.model import Routed

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
    assert found.ordered == tale.first
    assert found.request.asker == tale.asker
    assert found.approvers == (tale.lead,)
    assert found.since == START + timedelta(hours=1)


def test_a_way_back_that_nobody_asked_for_says_why(tale, time):
    before = tale.book.model("fraud-detector").in_environment("production")[0]
    back = Routed(environment="production", shares=before.shares, request=None, why="It died twice.")
    tale.enter("model:fraud-detector", back)
    (found,) = ran_at(of_store(tale.book.store, tale.book.store.size()), time(), environment="production")
    assert (found.ordered, found.request, found.why) == (None, None, "It died twice.")


def test_the_proof_leads_from_the_entry_to_the_checkpoint(tale, tmp_path):
    bundle = bundled(tale, tmp_path / "all.zip")
    offline = ran_at(of_bundle(bundle), START + timedelta(hours=3.5))
    assert offline == ran_at(of_store(tale.book.store, tale.book.store.size()), START + timedelta(hours=3.5))
    for each in offline:
        proof = each.proof
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


steps = st.lists(
    st.tuples(st.sampled_from(["3.2.0", "3.2.1"]), st.sampled_from(["staging", "production"]), st.booleans()),
    max_size=5,
)


@settings(max_examples=25, deadline=None)
@given(steps=steps, asked=st.integers(0, 6))
def test_what_ran_at_a_time_is_what_a_ledger_that_ended_then_says(steps, asked):
    time = Hand(now=START)
    tale = Deployed(open_memory(clock=time))
    tale.register("3.2.0", "a")
    tale.register("3.2.1", "b")
    sizes = {0: tale.book.store.size()}
    for hour, (version, environment, shared) in enumerate(steps, start=1):
        time.pass_time(hours=1)
        other = "3.2.0" if version == "3.2.1" else "3.2.1"
        tale.evaluate(tale.start(tale.form(other, environment)))
        shares = (tale.share(version, 60), tale.share(other, 40)) if shared else ()
        tale.deploy(version, environment, *shares)
        sizes[hour] = tale.book.store.size()
    whole = of_store(tale.book.store, tale.book.store.size())
    ended = of_store(tale.book.store, sizes[min(asked, len(steps))])
    moment = START + timedelta(hours=asked)
    answers = [[(each.environment, each.shares, each.since) for each in ran_at(s, moment)] for s in (whole, ended)]
    assert answers[0] == answers[1]
