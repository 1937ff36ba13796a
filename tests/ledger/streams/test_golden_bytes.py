"""The bytes of every kind of entry, pinned: what was written once must read and hash the same for ever.

If a test here fails, the entry needs a new version beside the old one; the pinned bytes never change.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.errors import MalformedError
from ledger.log.canonical import entry_bytes, parse_entry
from ledger.log.merkle import leaf_hash
from ledger.log.rows import stored_from
from ledger.nouns import (
    Access,
    AdapterForm,
    DataForm,
    Decision,
    DeployForm,
    Effect,
    Enforcement,
    ExplainForm,
    Fact,
    GpuForm,
    KeyForm,
    Personal,
    Receipt,
    RevertForm,
    Seat,
    Usage,
)
from ledger.streams import LAWS, budget, halt, holding, house, model, pool, question, request, usage, watch
from ledger.streams import codec as codec_module
from ledger.streams.codec import digest, draft, entry_of, form_body, form_of

GOLDEN = Path(__file__).parent / "golden_bytes.json"
AT = datetime(2026, 11, 24, 9, 30, 15, 123456, tzinfo=UTC)
LATER = datetime(2026, 11, 25, tzinfo=UTC)
WHO, LEAD = "user:" + "a" * 32, "user:" + "b" * 32
GPU = GpuForm(resource="gpu:p", gpu_type="h100-80gb", gpus=4, duration_s=10800, start=AT, not_after=LATER)
DATA = DataForm(resource="data:d", access=Access.WRITE, duration_s=60, columns=("x", "ü"))
KEY = KeyForm(resource="endpoint:m@production", tokens=2_000_000, duration_s=2_592_000, not_after=LATER)
DEPLOY = DeployForm(
    resource="deploy:m@production",
    model="m",
    version="2",
    environment="production",
    replicas=2,
    strategy="canary",
    canary_percent=5,
)
WEIGHTS, SUITE = "sha256:" + "1" * 64, "sha256:" + "2" * 64
DEPLOY_BY_DIGEST = replace(DEPLOY, digest=WEIGHTS)
ADAPTER = AdapterForm(
    resource="deploy:m@production",
    model="m",
    environment="production",
    adapter="legal-tone",
    digest=SUITE,
    base=WEIGHTS,
    load=True,
)
REVERT = RevertForm(resource="desk:revert", backend="gpu_pool", finding="f" * 32)
EXPLAIN = ExplainForm(
    resource="desk:revert", backend="gpu_pool", finding="f" * 32, until=datetime(2026, 12, 24, 9, tzinfo=UTC)
)
DECISION = Decision(
    effect=Effect.PERMIT,
    rules=("ask-1", "need-2"),
    seats=(Seat(name="owner-lead", count=2, team="team:t"),),
    policy="c" * 64,
    team="team:u",
    facts=(Fact(name="gpus", value=4, source="form"), Fact(name="env", value="production", source="form")),
    why="Two must agree.",
)
RECEIPT = Receipt(
    executor="gpu_pool", enforcement=Enforcement.SELF_ENDING, devices=("gpu-04:0",), simulated=True, note="n"
)
SOLD = Personal('Zoë "quoted"\n')
FILE = house.PolicyFile(name="policy.csv", sha256="d" * 64, text=SOLD)

ENTRIES = {
    "ledger.opened": house.Opened(origin="o/demo/1", mode="demo", workspace="T0", checkpoint_key="k+1+x"),
    "policy.published": house.PolicyPublished(digest="c" * 64, files=(FILE, FILE), why="first"),
    "people.enrolled": house.Enrolled(subject=WHO, slack=SOLD),
    "audit.exported": house.Exported(by=WHO, format="bundle", start=0, stop=9, sha256="e" * 64),
    "pool.inventoried": pool.Inventoried(source="nvml", devices=(pool.Device(id="GPU-1", gpu_type="t", label="l"),)),
    "pool.booked": pool.Booked(request=1001, gpu_type="t", count=2, start=AT, end=LATER),
    "pool.leased": pool.Leased(request=1001, devices=("GPU-1",), end=LATER),
    "pool.freed": pool.Freed(request=1001),
    "request.submitted": request.Submitted(
        request=1001, asker=WHO, beneficiary=LEAD, form=GPU, form_digest=digest(GPU), purpose=SOLD, said=SOLD
    ),
    "request.decided": request.Decided(phase=request.Phase.DISPATCH, form_digest=digest(DATA), decision=DECISION),
    "request.reviewed": request.Reviewed(
        reviewer=LEAD, seat="owner-lead", verdict=request.Verdict.DENY, form_digest="f" * 64, rule="v", reason=SOLD
    ),
    "request.lowered": request.Lowered(
        reviewer=LEAD, form=DATA, form_digest=digest(DATA), reason=SOLD, carried=(WHO, LEAD)
    ),
    "request.accepted": request.Accepted(form_digest="f" * 64),
    "request.approved": request.Approved(form_digest="f" * 64),
    "request.reopened": request.Reopened(reviewer=LEAD, seat="owner-lead", why="left"),
    "request.queued": request.Queued(place=2, estimate=None, why="busy"),
    "request.dispatched": request.Dispatched(
        generation=3,
        grant_key="0" * 32,
        form_digest="f" * 64,
        not_after=LATER,
        executor="x",
        devices=("GPU-1", "GPU-2"),
    ),
    "request.started": request.Started(generation=3, receipt=RECEIPT),
    "request.done": request.Done(generation=3, receipt=RECEIPT),
    "request.failed": request.Failed(why="no room"),
    "request.expired": request.Expired(),
    "request.released": request.Released(holder=WHO),
    "request.revoked": request.Revoked(revoker=LEAD, rule="r", reason=SOLD),
    "request.ended-unlogged": request.EndedUnlogged(happened_at=AT),
    "request.not-confirmed": request.NotConfirmed(attempt=2, why="silent"),
    "request.settled": request.Settled(usage=Usage(held_s=60, gpu_s=240, cost_minor=-1, currency="EUR")),
    "request.withdrawn": request.Withdrawn(asker=WHO),
    "request.lapsed": request.Lapsed(),
    "request.missed": request.Missed(why="down"),
    "request.replaced": request.Replaced(by=1002),
    "request.stumbled": request.Stumbled(attempt=2, why="It broke."),
    "request.credential-shown": request.CredentialShown(holder=WHO, count=2, verifier=SOLD),
    "request.credential-set": request.CredentialSet(count=2),
    "request.disqualified": request.Disqualified(why="The role is gone."),
    "request.kept": request.Kept(keeper=LEAD, rule="vote-lead", policy="c" * 64, fails="ask-gpu-eng gpus<=2"),
    "request.warned": request.Warned(not_after=LATER),
    "request.extension-asked": request.ExtensionAsked(form=GPU, form_digest=digest(GPU), added_s=3600, not_after=LATER),
    "request.extension-decided": request.ExtensionDecided(form_digest=digest(GPU), decision=DECISION),
    "request.extension-reviewed": request.ExtensionReviewed(
        reviewer=LEAD, seat="owner-lead", approve=True, form_digest="f" * 64, rule="v", reason=SOLD
    ),
    "request.extended": request.Extended(form_digest="f" * 64, generation=2, not_after=LATER),
    "request.prolonged": request.Prolonged(generation=2, receipt=RECEIPT),
    "request.not-prolonged": request.NotProlonged(generation=2, not_after=LATER, why="booked"),
    "request.shortened": request.Shortened(
        holder=WHO, form=GPU, form_digest=digest(GPU), generation=2, not_after=LATER
    ),
    "pool.rebooked": pool.Rebooked(request=1001, end=LATER),
    "halt.halted": halt.Halted(resource="*", by=WHO, rule="admin-halt", reason=SOLD),
    "halt.lifted": halt.Lifted(resource="*", by=LEAD, rule="admin-lift", reason=SOLD),
    "budget.allotted": budget.Allotted(
        window="2026-11", gpu_s=None, cost_minor=600000, currency="EUR", policy="c" * 64
    ),
    "budget.reserved": budget.Reserved(request=1001, window="2026-11", gpu_s=43200, cost_minor=3360),
    "budget.spent": budget.Spent(request=1001, gpu_s=3600, cost_minor=280),
    "budget.handed-back": budget.HandedBack(request=1001),
    "holding.claimed": holding.Claimed(request=1001),
    "watch.reconciled": watch.Reconciled(scope="all", holdings=3, faults=1, digest="c" * 64),
    "watch.found": watch.Found(finding="0" * 32, fault=watch.Fault.UNEXPLAINED, request=None, who=SOLD, what=SOLD),
    "watch.closed": watch.Closed(finding="0" * 32, outcome=watch.Outcome.REVERTED, request=1002),
    "watch.beat": watch.Beat(open=3, due_for_s=0),
    "question.asked": question.Asked(
        question="0" * 32,
        by=WHO,
        model="fraud-detector",
        environment="dev",
        prompt=SOLD,
        sampling=question.Sampling(temperature=70, max_tokens=800, seed=7),
    ),
    "question.answered": question.Answered(
        question="0" * 32, answer=SOLD, version="sha256:" + "a" * 64, prompt_tokens=9, answer_tokens=12, took_ms=340
    ),
    "question.unanswered": question.Unanswered(question="0" * 32, why="Nobody answered."),
    "usage.counted": usage.Counted(hour=datetime(2026, 11, 24, 9, tzinfo=UTC), calls=12, tokens=3400),
    "model.registered": model.Registered(version="3.2.1", digest=WEIGHTS, size=988_097_824),
    "model.evaluated": model.Evaluated(
        digest=WEIGHTS,
        environment="staging",
        suite=SUITE,
        cases=40,
        failed=1,
        p50_ms=80,
        p95_ms=120,
        tokens=1280,
        request=1001,
    ),
    "model.routed": model.Routed(
        environment="production",
        shares=(
            model.Share(version="3.2.0", digest=SUITE, percent=90),
            model.Share(version="3.2.1", digest=WEIGHTS, percent=10),
        ),
        request=None,
        why="It died.",
    ),
    "model.profiled": model.Profiled(
        digest=WEIGHTS, environment="production", figures=(model.Figure(name="p95_ms", value=120),)
    ),
    "model.drifted": model.Drifted(digest=WEIGHTS, environment="production", figure="p95_ms", expected=120, seen=480),
    "model.recovered": model.Recovered(digest=WEIGHTS, environment="production", figure="p95_ms", seen=130),
    "model.adapter-registered": model.AdapterRegistered(adapter="legal-tone", digest=SUITE, size=4_196_000),
    "model.adapted": model.Adapted(
        environment="production", adapter="legal-tone", digest=SUITE, base=WEIGHTS, loaded=True, request=1001
    ),
}
REGISTRY = {kind: cls for law in LAWS.values() for kind, cls in law.entries.items()}


@pytest.fixture(autouse=True)
def salts(monkeypatch):
    """Salts that count, so that bytes can be pinned."""
    given = iter(range(1, 1000))
    monkeypatch.setattr(codec_module.secrets, "token_bytes", lambda size: next(given).to_bytes(size, "big"))


def placed(kind):
    entry = draft(ENTRIES[kind], actor="svc:golden", entry_id=f"{1:032x}")
    return entry_bytes(entry, f"{kind.split('.')[0]}:1", 7, AT), entry.sealed


def golden():
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_every_kind_is_pinned():
    kinds = {kind for kind, _ in REGISTRY}
    assert kinds == set(ENTRIES) == set(golden()["entries"])
    assert all(version == 1 for _, version in REGISTRY)  # a second version is pinned beside the first


@pytest.mark.parametrize("kind", ENTRIES)
def test_the_bytes_of_an_entry_are_those_pinned(kind):
    data, _ = placed(kind)
    assert data.decode() == golden()["entries"][kind]["bytes"]
    assert leaf_hash(data).hex() == golden()["entries"][kind]["leaf_hash"]


@pytest.mark.parametrize("kind", ENTRIES)
def test_the_pinned_bytes_read_back_as_the_entry(kind):
    data = golden()["entries"][kind]["bytes"].encode()
    _, sealed = placed(kind)
    stored = stored_from(0, parse_entry(data), data, b"", {seal.field: seal for seal in sealed})
    assert entry_of(stored, REGISTRY) == ENTRIES[kind]


@pytest.mark.parametrize("kind", ENTRIES)
def test_a_field_more_or_less_is_refused(kind):
    data, sealed = placed(kind)
    envelope = parse_entry(data)
    bodies = [{**envelope["body"], "more": 1}]
    bodies += [{k: v for k, v in envelope["body"].items() if k != name} for name in envelope["body"]]
    for body in bodies:
        stored = stored_from(0, {**envelope, "body": body}, data, b"", {seal.field: seal for seal in sealed})
        with pytest.raises(MalformedError):
            entry_of(stored, REGISTRY)


@pytest.mark.parametrize(
    "form",
    [GPU, DATA, KEY, DEPLOY, ADAPTER, REVERT, EXPLAIN],
    ids=["gpu", "data", "key", "deploy", "adapter", "revert", "explain"],
)
def test_a_form_round_trips_and_its_digest_is_pinned(form):
    assert form_of(form_body(form)) == form
    assert digest(form) == golden()["digests"][form_body(form)["form"]]


def test_a_deployment_by_digest_has_other_bytes_than_one_by_version_alone():
    assert form_of(form_body(DEPLOY_BY_DIGEST)) == DEPLOY_BY_DIGEST
    assert digest(DEPLOY_BY_DIGEST) == golden()["digests"]["deploy by digest"]
    assert "digest" not in form_body(DEPLOY)


def test_a_field_that_was_added_and_says_nothing_is_refused():
    with pytest.raises(MalformedError):
        form_of(form_body(DEPLOY) | {"digest": ""})


def test_a_form_of_another_type_is_refused():
    for change in ({"gpus": "4"}, {"gpus": True}, {"start": "now"}, {"form": "yacht"}, {"more": 1}):
        with pytest.raises(MalformedError):
            form_of(form_body(GPU) | change)
