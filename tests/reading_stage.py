"""What tests of the second reader share: the demo's catalogue, a moment, proposals in a line, and models that obey."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import httpx

from bot.intake.forms import known_to
from bot.intake.grammar import read
from bot.intake.model.proposal import Pointer, Proposal, schema_of
from bot.intake.model.reader import Reader
from bot.intake.model.server import ModelServer
from bot.settings import ReaderSettings
from policies.catalogue import load_catalogue

CATALOGUE = load_catalogue(Path(__file__).parents[1] / "policies")
VOCABULARY = known_to(CATALOGUE)
SCHEMA = schema_of(VOCABULARY)
NOW = datetime.fromisoformat("2026-06-10T10:00:00+02:00")
ADDRESS = "https://models.example/v1"
MIRA, INES = "U01MIRA", "U02INES"


def proposal(kind, **slots):
    """`words` for a slot, or (words, name)."""
    pointers = {
        slot: Pointer(words=said) if isinstance(said, str) else Pointer(words=said[0], name=said[1])
        for slot, said in slots.items()
    }
    return Proposal(kind=kind, slots=pointers)


def answer_of(asked):
    """Return the answer of a model that proposes this: all slots of its kind, null for what it leaves out."""
    shape = next(s for s in SCHEMA["anyOf"] if s["properties"]["kind"]["enum"] == [asked.kind])
    said = {slot: {"words": p.words, "name": p.name} if p.name else p.words for slot, p in asked.slots.items()}
    return json.dumps({"kind": asked.kind, **{slot: said.get(slot) for slot in shape["properties"] if slot != "kind"}})


def chat(content):
    """Return the body of a chat answer around what a model wrote."""
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}]}


def settings(**values):
    return ReaderSettings(**{"_env_file": None, "url": ADDRESS, "model": "reader", "key": "s3cret", **values})


def server(handler, **values):
    return ModelServer(settings(**values), transport=httpx.MockTransport(handler))


def reader(handler, *, timeout_s=10.0, **rest):
    """A reader whose model is a function of the request; it waits long, because no test waits for its end."""
    return Reader(server(handler, timeout_s=timeout_s), timeout_s=timeout_s, **rest)


def obeying(asked):
    """A reader whose model answers this proposal, whatever it is asked."""
    return reader(lambda _: httpx.Response(200, json=chat(answer_of(asked))))


def grammar(text, person=MIRA):
    return read(text, now=NOW, vocabulary=VOCABULARY, sender=person)


def second(made, text, person=MIRA):
    return made.second(text, grammar(text, person), now=NOW, catalogue=CATALOGUE, person=person)
