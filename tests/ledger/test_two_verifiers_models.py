"""Two verifiers say the same of models: of every step of a deployment, and of what was written around the law."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from conftest import Hand
from deployed import SUITE, Deployed, weights_of
from test_two_verifiers import first, second

from ledger.book import Write, open_memory
from ledger.export.bundle import Choice, write_bundle
from ledger.log.checkpoint import Checkpoint, Signer
from ledger.log.store import Move
from ledger.streams.codec import draft
from ledger.streams.house import Opened
from ledger.streams.model import Drifted, Evaluated, Figure, Profiled, Recovered, Registered, Routed, Share
from ledger.streams.request import Done

A, B, C = (weights_of(letter) for letter in "abc")
ORIGIN = "quartermaster/demo/1"


@pytest.fixture
def tale(tmp_path):
    """A version in production, and the next one being carried out and evaluated."""
    signer, time = Signer.at(tmp_path / "key", "quartermaster"), Hand(now=datetime(2026, 11, 24, 9, tzinfo=UTC))
    book = open_memory(clock=time)
    opened = Opened(origin=ORIGIN, mode="demo", workspace="T0", checkpoint_key=signer.verifier_key)
    book.append(Write(stream="ledger", expected=0, entries=(opened,), actor="os:root"))
    tale = Deployed(book, model="m")
    tale.signer, tale.path = signer, tmp_path / "bundle.zip"
    tale.register("1", "a")
    tale.register("2", "b")
    tale.first = tale.deploy("1")
    tale.second = tale.start(tale.form("2"))
    tale.evaluate(tale.second)
    time.pass_time(minutes=1)
    return tale


def bundle(tale):
    store, size = tale.book.store, tale.book.store.size()
    note = tale.signer.sign(Checkpoint(origin=ORIGIN, size=size, root=store.root(size)))
    write_bundle(tale.path, store, size, note, tale.signer.verifier_key, Choice())
    return tale.path


def around(tale, stream, *entries):
    """Append without the law, as a program with the database's password could."""
    version = tale.book.store.version(stream)
    drafts = tuple(draft(entry, actor="svc:x") for entry in entries)
    tale.book.store.append([Move(stream=stream, expected=version, drafts=drafts)])


def test_both_take_a_deployment_a_canary_and_a_way_back(tale):
    tale.route(tale.second, Share(version="1", digest=A, percent=90), Share(version="2", digest=B, percent=10))
    alone = (Share(version="1", digest=A, percent=100),)
    profile = Profiled(digest=A, environment="production", figures=(Figure(name="p95_ms", value=9),))
    drift = Drifted(digest=A, environment="production", figure="p95_ms", expected=9, seen=90)
    over = Recovered(digest=A, environment="production", figure="p95_ms", seen=9)
    back = Routed(environment="production", shares=alone, request=None, why="It died.")
    tale.enter("model:m", profile, drift, over, back, Registered(version="2", digest=C, size=1))
    assert first(bundle(tale)) == second(tale.path) == (True, None)


def evaluated(**changes):
    figures = {"suite": SUITE, "cases": 4, "failed": 0, "p50_ms": 1, "p95_ms": 2, "tokens": 9}
    return replace(Evaluated(digest=B, environment="production", request=None, **figures), **changes)


def routed(*shares, request, environment="production"):
    given = tuple(Share(version=version, digest=of, percent=percent) for version, of, percent in shares)
    return Routed(environment=environment, shares=given, request=request, why="")


WRONG = {
    "a name that is none": lambda tale: Registered(version="latest", digest=C, size=1),
    "a digest that is none": lambda tale: Registered(version="3", digest="sha256:x", size=1),
    "no bytes": lambda tale: Registered(version="3", digest=C, size=0),
    "means them already": lambda tale: Registered(version="2", digest=B, size=1),
    "evaluated, never registered": lambda tale: evaluated(digest=C),
    "a suite that is none": lambda tale: evaluated(suite="x"),
    "no cases": lambda tale: evaluated(cases=0),
    "more failed than cases": lambda tale: evaluated(failed=5),
    "slower half": lambda tale: evaluated(p50_ms=3),
    "tokens below 0": lambda tale: evaluated(tokens=-1),
    "evaluated for what is over": lambda tale: evaluated(digest=A, request=tale.first),
    "evaluated for other weights": lambda tale: evaluated(digest=A, request=tale.second),
    "evaluated elsewhere": lambda tale: evaluated(environment="dev", request=tale.second),
    "99 percent": lambda tale: routed(("2", B, 99), request=tale.second),
    "a share of nothing": lambda tale: routed(("2", B, 100), ("1", A, 0), request=tale.second),
    "twice": lambda tale: routed(("2", B, 50), ("2", B, 50), request=tale.second),
    "not registered as that": lambda tale: routed(("1", B, 100), request=tale.second),
    "routed without it": lambda tale: routed(("1", A, 100), request=tale.second),
    "routed elsewhere": lambda tale: routed(("2", B, 100), environment="dev", request=tale.second),
    "routed for what is over": lambda tale: routed(("1", A, 100), request=tale.first),
    "routed for nothing": lambda tale: routed(("2", B, 100), request=99),
    "back to what never was": lambda tale: routed(("2", B, 100), request=None),
    "nowhere": lambda tale: routed(("2", B, 100), environment="", request=None),
    "a profile of nothing": lambda tale: Profiled(digest=A, environment="production", figures=()),
    "over before it began": lambda tale: Recovered(digest=A, environment="production", figure="x", seen=1),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_both_find_the_entry_of_a_model_that_is_unlawful(tale, wrong):
    around(tale, "model:m", WRONG[wrong](tale))
    at = tale.book.store.size() - 1
    assert first(bundle(tale)) == second(tale.path) == (False, at)


def test_both_find_what_is_done_and_routed_nowhere(tale):
    from deployed import RECEIPT

    around(tale, f"request:{tale.second}", Done(generation=1, receipt=RECEIPT))
    at = tale.book.store.size() - 1
    assert first(bundle(tale)) == second(tale.path) == (False, at)


def test_both_find_what_was_asked_for_and_never_registered(tale):
    from ledger.streams.codec import entry_of
    from ledger.streams.request import ENTRIES

    stored = tale.book.store.read(f"request:{tale.second}")[0]
    submitted = entry_of(stored, ENTRIES)
    from ledger.streams.codec import digest

    form = replace(submitted.form, digest=C)
    entry = replace(submitted, request=99, form=form, form_digest=digest(form))
    tale.book.store.append([Move(stream="request:99", expected=0, drafts=(draft(entry, actor=submitted.asker),))])
    at = tale.book.store.size() - 1
    assert first(bundle(tale)) == second(tale.path) == (False, at)


def test_both_find_what_failed_and_comes_new(tale):
    around(tale, "model:m", evaluated(failed=1, request=tale.second))
    around(tale, "model:m", routed(("2", B, 100), request=tale.second))
    at = tale.book.store.size() - 1
    assert first(bundle(tale)) == second(tale.path) == (False, at)
