"""A desk whose catalogue serves a model, with two versions of it, one deployed over the other."""

from __future__ import annotations

import pytest
from conftest import RULES
from served_world import LISTED, SERVED

from ledger.book import Write
from ledger.nouns import DeployForm, Enforcement, Receipt
from ledger.streams.model import Registered, Routed, Share
from ledger.streams.request import Dispatched, Done, Request
from policies.catalogue import FILE
from policies.decide import Policy
from policies.inforce import adopt

OLD, NEW = ("sha256:" + each * 64 for each in "ab")
STREAM, PLACE = "model:fraud-detector", "deploy:fraud-detector@dev"


def append(stage, stream, *entries):
    """Return the write of these entries behind what the stream holds."""
    state = stage.house.book.state(stream)
    return Write(stream=stream, expected=state.version if state else 0, entries=entries, actor="svc:worker")


def deploy(stage, version, digest):
    """Have Mira deploy a version to dev, and carry it out."""
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


@pytest.fixture
def served(stage):
    """Versions 1 and 2 are registered."""
    folder = stage.house.home / "policies"
    (folder / FILE).write_text((RULES / FILE).read_text().replace(LISTED, "") + SERVED)
    adopt(stage.house.book, Policy.load(folder), actor="os:me", why="a model is served")
    versions = (Registered(version=v, digest=d, size=1) for v, d in (("1", OLD), ("2", NEW)))
    stage.house.book.append(append(stage, STREAM, *versions))


@pytest.fixture
def deployed(stage, served):
    """Mira deployed version 2 over version 1."""
    deploy(stage, "1", OLD)
    return deploy(stage, "2", NEW)
