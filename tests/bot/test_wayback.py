"""A version that gave way by itself: who had deployed it and who owns the model read it, once."""

from __future__ import annotations

from bot_stage import cards, stage, text_of
from models_stage import OLD, STREAM, append, deployed, served

from ledger.streams.model import Routed, Share

__all__ = ["deployed", "served", "stage"]
DIED = "Its server ran out of memory."


def told(person):
    return person.wait(lambda: cards(person, person.dm(), "answers in dev again"))


def test_whoever_deployed_it_and_the_leads_who_own_the_model_read_it_once(stage, deployed):
    back = Routed(environment="dev", shares=(Share(version="1", digest=OLD, percent=100),), request=None, why=DIED)
    stage.house.book.append(append(stage, STREAM, back))
    for slack in ("U01MIRA", "U02INES"):
        (said,) = told(stage.server.person(slack))
        assert f"Version 2, deployed by {deployed.name}, gave way by itself: {DIED}" in text_of(said)
    tomas = stage.server.person("U03TOMAS")
    assert not cards(tomas, tomas.dm(), "answers in dev again")
