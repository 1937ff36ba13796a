"""A version that gave way by itself: who had deployed it and who owns the model read it, once."""

from __future__ import annotations

import pytest
from bot_stage import cards, stage, text_of
from conftest import RULES
from served_world import LISTED, SERVED

from ledger.book import Write
from ledger.nouns import DeployForm, Enforcement, Receipt
from ledger.streams.model import Registered, Routed, Share
from ledger.streams.request import Dispatched, Done, Request
from policies.catalogue import FILE
from policies.decide import Policy
from policies.inforce import adopt

__all__ = ["stage"]
OLD, NEW = ("sha256:" + each * 64 for each in "ab")
STREAM, PLACE = "model:fraud-detector", "deploy:fraud-detector@dev"
DIED = "Its server ran out of memory."


def append(stage, stream, *entries):
    book = stage.house.book
    state = book.state(stream)
    return Write(stream=stream, expected=state.version if state else 0, entries=entries, actor="svc:worker")


@pytest.fixture
def deployed(stage):
    """Mira deployed version 2 over version 1."""
    folder = stage.house.home / "policies"
    (folder / FILE).write_text((RULES / FILE).read_text().replace(LISTED, "") + SERVED)
    adopt(stage.house.book, Policy.load(folder), actor="os:me", why="a model is served")
    book = stage.house.book
    book.append(append(stage, STREAM, *(Registered(version=v, digest=d, size=1) for v, d in (("1", OLD), ("2", NEW)))))
    for version, digest in (("1", OLD), ("2", NEW)):
        form = DeployForm(resource=PLACE, model="fraud-detector", version=version, environment="dev", digest=digest)
        request = stage.made.front.desk.submit("U01MIRA", form, purpose="", said="")
        assert isinstance(request, Request)
        carry_out(stage, request)
    return request


def carry_out(stage, request):
    given = Dispatched(
        generation=1, grant_key="0" * 32, form_digest=request.form_digest, not_after=None, executor="vllm", devices=()
    )
    stage.house.book.append(append(stage, f"request:{request.number}", given))
    share = Share(version=request.form.version, digest=request.form.digest, percent=100)
    routed = Routed(environment="dev", shares=(share,), request=request.number, why="")
    done = Done(generation=1, receipt=Receipt(executor="vllm", enforcement=Enforcement.ENFORCED))
    stage.house.book.append(append(stage, STREAM, routed), append(stage, f"request:{request.number}", done))


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
