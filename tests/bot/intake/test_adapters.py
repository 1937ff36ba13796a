"""Sentences about adapters, in four languages; and what only speaks of one is no request."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from conftest import RULES
from deployed import serve, weights_of

from bot.intake.adapters import adapter_wish
from bot.intake.forms import Understood, understand
from ledger.nouns import Action, AdapterForm, FormKind
from ledger.streams.law import Place
from ledger.streams.model import Adapted, AdapterRegistered, Registered, Routed, Share, evolve
from policies.catalogue import parse_catalogue
from policies.stock import stocked

NOW = datetime(2026, 11, 24, 2, 30, tzinfo=UTC)
TEXT = serve((RULES / "catalogue.toml").read_text()) + "adapters = true\n"
A, B, TONE = (weights_of(letter) for letter in "abc")
BASE = Registered(version="3.2.0", digest=A, size=1)
NEXT = Registered(version="3.2.1", digest=B, size=1)
ADAPTER = AdapterRegistered(adapter="legal-tone", digest=TONE, size=1)
ANSWERS = Routed(environment="dev", shares=(Share(version="3.2.0", digest=A, percent=100),), request=1, why="")
CANARY = Routed(
    environment="dev",
    shares=(Share(version="3.2.0", digest=A, percent=90), Share(version="3.2.1", digest=B, percent=10)),
    request=2,
    why="",
)
LOADED = Adapted(environment="dev", adapter="legal-tone", digest=TONE, base=A, loaded=True, request=2)
FORM = AdapterForm(
    resource="deploy:fraud-detector@dev",
    model="fraud-detector",
    environment="dev",
    adapter="legal-tone",
    digest=TONE,
    base=A,
    load=True,
)


def catalogue(*entries):
    model = None
    for number, entry in enumerate((BASE, NEXT, ADAPTER, ANSWERS, *entries), start=1):
        model = evolve(model, entry, Place(at=NOW, actor="svc:x", version=number))
    return stocked(parse_catalogue(TEXT), {"fraud-detector": model})


LOADS = [
    "load adapter legal-tone on fraud-detector in dev",
    "please attach the LoRA adapter legal-tone to fraud-detector in dev",
    "<@U0BOT> Load the adapter legal-tone onto fraud-detector in dev, please.",
    "lade den Adapter legal-tone auf fraud-detector in dev",
    "bitte den Adapter legal-tone auf fraud-detector in dev laden",
    "charge l'adaptateur legal-tone sur fraud-detector en dev, s'il te plaît",
    "carga el adaptador legal-tone en fraud-detector en dev, por favor",
]
UNLOADS = [
    "unload adapter legal-tone from fraud-detector in dev",
    "remove the adapter legal-tone from fraud-detector in dev",
    "entlade den Adapter legal-tone von fraud-detector in dev",
    "den Adapter legal-tone von fraud-detector in dev entfernen",
    "retire l'adaptateur legal-tone de fraud-detector en dev",
    "quita el adaptador legal-tone de fraud-detector en dev",
]


@pytest.mark.parametrize("text", LOADS)
def test_a_wish_to_load_names_the_adapter_and_the_version_that_answers(text):
    heard = understand(text, now=NOW, catalogue=catalogue())
    assert isinstance(heard, Understood)
    assert heard.form == FORM
    assert (heard.form.action, heard.form.kind, heard.form.start) == (Action.ADAPT, FormKind.CHANGE, None)


@pytest.mark.parametrize("text", UNLOADS)
def test_a_wish_to_unload_names_what_is_loaded(text):
    wish = adapter_wish(text, catalogue(LOADED, AdapterRegistered(adapter="legal-tone", digest=B, size=1)))
    assert isinstance(wish, AdapterForm)
    assert (wish.load, wish.digest, wish.base) == (False, TONE, A)


@pytest.mark.parametrize(
    "text",
    [
        "who loaded adapter legal-tone on fraud-detector in dev?",
        "do not load adapter legal-tone on fraud-detector in dev",
        "what does load adapter legal-tone on fraud-detector in dev do",
        "load fraud-detector in dev",
        "deploy fraud-detector 3.2.0 to dev",
        "REQ-1001 was to load adapter legal-tone on fraud-detector in dev",
    ],
)
def test_what_only_speaks_of_an_adapter_is_no_wish_for_one(text):
    assert adapter_wish(text, catalogue()) is None


@pytest.mark.parametrize(
    ("text", "entries", "words"),
    [
        (LOADS[0], (CANARY,), "Several versions of fraud-detector share the calls in dev."),
        (LOADS[0], (LOADED,), "legal-tone is loaded on fraud-detector in dev already."),
        (UNLOADS[0], (), "legal-tone is not loaded on fraud-detector in dev. Loaded there: none."),
        ("load adapter <x> on fraud-detector in dev", (), "No adapter x of fraud-detector is registered."),
        ("load adapter legal-tone on churn in dev", (), "I know no model churn."),
        ("load adapter legal-tone on fraud-detector", (), "Say where"),
        ("load adapter legal-tone on fraud-detector in staging", (), "Nothing answers for fraud-detector in staging"),
    ],
)
def test_what_cannot_be_is_said_in_words(text, entries, words):
    said = adapter_wish(text, catalogue(*entries))
    assert isinstance(said, str)
    assert said.startswith(words)


def test_an_adapter_registered_anew_is_loaded_only_once_the_old_one_is_gone():
    said = adapter_wish(LOADS[0], catalogue(LOADED, AdapterRegistered(adapter="legal-tone", digest=B, size=1)))
    assert said.endswith("It means other bytes by now: unload it first.")
