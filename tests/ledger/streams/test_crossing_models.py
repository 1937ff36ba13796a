"""Law between deployments and models: refused where it is written, found where it was written around."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ledger.audit import Kind, verify_store
from ledger.book import Write, open_memory
from ledger.errors import UnlawfulError
from ledger.log.store import Move
from ledger.nouns import Decision, DeployForm, Effect, Enforcement, GpuForm, Personal, Receipt
from ledger.streams.codec import digest, draft
from ledger.streams.model import Evaluated, Registered, Routed, Share
from ledger.streams.request import Approved, Decided, Dispatched, Done, Failed, Phase, Submitted

ASKER = "user:" + "a" * 32
A, B, SUITE = (f"sha256:{digit * 64}" for digit in "ab0")
FORM = DeployForm(resource="deploy:m@production", model="m", version="1", environment="production", digest=A)
RECEIPT = Receipt(executor="vllm", enforcement=Enforcement.ENFORCED)


def on(made, stream, *entries):
    state = made.state(stream)
    return Write(stream=stream, expected=state.version if state else 0, entries=entries, actor=ASKER)


def started(form=FORM):
    """A ledger in which a deployment is being carried out."""
    made = open_memory(clock=lambda: datetime(2026, 11, 24, 9, tzinfo=UTC))
    for version, weights in (("1", A), ("2", B)):
        made.append(on(made, "model:m", Registered(version=version, digest=weights, size=1)))
    made.append(on(made, "request:1", *asked(form)))
    return made


def asked(form):
    decision = Decision(effect=Effect.PERMIT, rules=("r",), auto=True)
    form_digest = digest(form)
    personal = {"purpose": Personal(""), "said": Personal("")}
    yield Submitted(request=1, asker=ASKER, beneficiary=ASKER, form=form, form_digest=form_digest, **personal)
    yield Decided(phase=Phase.SUBMIT, form_digest=form_digest, decision=decision)
    yield Approved(form_digest=form_digest)
    not_after = datetime(2026, 11, 24, 9, 1, tzinfo=UTC) if isinstance(form, GpuForm) else None
    rest = {"grant_key": "0" * 32, "executor": "vllm", "devices": ()}
    yield Dispatched(generation=1, form_digest=form_digest, not_after=not_after, **rest)


def done():
    return Done(generation=1, receipt=RECEIPT)


def routed(*shares, environment="production", request=1):
    given = shares or (Share(version="1", digest=A, percent=100),)
    return Routed(environment=environment, shares=given, request=request, why="")


def evaluated(**changes):
    figures = {"suite": SUITE, "cases": 4, "failed": 0, "p50_ms": 1, "p95_ms": 2, "tokens": 9}
    return replace(Evaluated(digest=A, environment="production", request=1, **figures), **changes)


def around(made, *writes):
    """Append without the law, as a program with the database's password could."""
    made.store.append(
        [
            Move(stream=w.stream, expected=w.expected, drafts=tuple(draft(e, actor=w.actor) for e in w.entries))
            for w in writes
        ]
    )


def refused(made, *writes, why):
    """What is refused when it is written is found when it was written around."""
    with pytest.raises(UnlawfulError, match=why):
        made.append(*writes)
    assert verify_store(made.store).sound
    around(made, *writes)
    verdict = verify_store(made.store)
    assert verdict.fault is Kind.UNLAWFUL
    assert why in verdict.detail
    return verdict


def test_a_deployment_is_evaluated_routed_and_done():
    made = started()
    made.append(on(made, "model:m", evaluated()))
    made.append(on(made, "model:m", routed()), on(made, "request:1", done()))
    assert made.model("m").routing("production").request == 1
    assert verify_store(made.store).sound


def test_nothing_is_done_that_is_routed_nowhere():
    made = started()
    verdict = refused(made, on(made, "request:1", done()), why="routed nowhere")
    assert verdict.bad == made.request(1).seq


def test_a_deployment_that_another_one_routed_is_not_done():
    made = started()
    made.append(on(made, "model:m", routed(environment="production")))
    made.append(on(made, "request:1", Failed(why="It died.")))
    made.append(on(made, "request:2", *numbered(2)))
    refused(made, on(made, "request:2", done()), why="routed nowhere")


def numbered(number):
    return tuple(replace(e, request=number) if isinstance(e, Submitted) else e for e in asked(FORM))


def test_weights_that_were_never_registered_cannot_be_asked_for():
    made = started()
    other = replace(FORM, version="2")
    submitted = replace(next(iter(asked(other))), request=2)
    refused(made, on(made, "request:2", submitted), why="was never registered with these weights")


def test_an_order_to_route_names_a_deployment_that_is_being_carried_out():
    made = started()
    made.append(on(made, "request:1", Failed(why="It died.")))
    refused(made, on(made, "model:m", routed()), why="is not being carried out")


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (routed(request=7), "is no request for deploy:m@production"),
        (routed(environment="staging"), "is no request for deploy:m@staging"),
        (routed(Share(version="2", digest=B, percent=100)), "ordered other weights"),
        (evaluated(request=7), "is no request for deploy:m@production"),
        (evaluated(environment="staging"), "is no request for deploy:m@staging"),
        (evaluated(digest=B), "ordered other weights"),
    ],
)
def test_what_is_entered_for_a_deployment_is_of_its_weights_and_environment(entry, why):
    made = started()
    refused(made, on(made, "model:m", entry), why=why)


def test_a_canary_carries_the_weights_of_its_deployment():
    made = started()
    made.append(
        on(made, "model:m", routed(Share(version="2", digest=B, percent=90), Share(version="1", digest=A, percent=10)))
    )
    assert verify_store(made.store).sound


def test_a_request_for_something_else_routes_nothing():
    made = started(GpuForm(resource="gpu:p", gpu_type="t", gpus=1, duration_s=60))
    refused(made, on(made, "model:m", routed()), why="is no request for deploy:m@production")
