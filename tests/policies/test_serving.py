"""Models that are served: what the catalogue says of them, and what the ledger puts beside it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ledger.nouns import DeployForm
from ledger.streams.law import Place
from ledger.streams.model import Evaluated, Model, Registered, Routed, Share, evolve
from policies.catalogue import parse_catalogue
from policies.errors import PolicyError
from policies.known import facts_about
from policies.serving import Serving
from policies.stock import stocked

A, B, SUITE = (f"sha256:{digit * 64}" for digit in "ab0")
HEAD = '[environments.production]\n[models.m]\nowner = "team:platform"\n'
SERVING = "[models.m.serving]\ncontext = 8192\noutput = 1024\n"


def catalogue(serving=SERVING, rest=""):
    return parse_catalogue(HEAD + rest + serving)


def served(*entries):
    model = None
    for number, entry in enumerate(entries, start=1):
        model = evolve(model, entry, Place(at=datetime.now(UTC), actor="os:me", version=number))
    return stocked(catalogue(), {"m": model or Model()})


def form(digest, version="2", **more):
    return DeployForm(
        resource="deploy:m@production", model="m", version=version, environment="production", digest=digest, **more
    )


def facts(form, catalogue):
    return {fact.name: fact.value for fact in facts_about(form, {}, catalogue)}


def test_a_served_model_is_carried_out_by_vllm_and_lists_no_versions():
    found = catalogue()
    assert found.backend("deploy:m@production") == "vllm"
    assert found.backend("deploy:other@production") == "deploy"
    assert found.models["m"].versions == ()
    assert found.models["m"].serving == Serving(
        context=8192,
        output=1024,
        sequences=8,
        byte_level=False,
        embeddings=False,
        gpus=1,
        arguments=(),
        keep_s=900,
        adapters=False,
    )


def test_a_model_that_is_not_served_lists_its_versions():
    with pytest.raises(PolicyError, match="is missing"):
        parse_catalogue(HEAD)
    found = parse_catalogue(HEAD + 'versions = ["1", "2"]\nlatest = "2"\n')
    assert found.models["m"].serving is None
    assert found.backend("deploy:m@production") == "deploy"
    assert found.knows(form("", version="1"))
    assert not found.knows(form(A, version="1"))


@pytest.mark.parametrize("listed", ['versions = ["1"]\n', 'latest = "1"\n'])
def test_versions_of_a_served_model_are_not_listed(listed):
    with pytest.raises(PolicyError, match="registered, not listed"):
        catalogue(rest=listed)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ("context = 0\noutput = 0\n", "context and sequences"),
        ("context = 8\noutput = 9\n", "no more than context"),
        ("context = 8\noutput = 0\n", "no more than context"),
        ("context = 8\noutput = 8\nsequences = 0\n", "context and sequences"),
        ("context = 8\n", "output is missing"),
        ("context = 8\noutput = 8\nadapters = 1\n", "adapters must be"),
        ("context = 8\noutput = 8\nport = 1\n", "unknown key port"),
    ],
)
def test_bounds_that_cannot_be_are_refused(changed, why):
    with pytest.raises(PolicyError, match=why):
        catalogue("[models.m.serving]\n" + changed)


@pytest.mark.parametrize(
    "words",
    [
        ["--trust-remote-code"],
        ["--host", "0.0.0.0"],
        ["--port=80"],
        ["--api-key", "x"],
        ["--allowed-local-media-path", "a"],
        ["--config", "x.yaml"],
        ["--middleware", "os.system"],
        ["--dtype", "/etc/passwd"],
        ["--dtype", '{"a":1}'],
        ["--dtype=/x"],
        ["--dtype", "a", "b"],
        ["bfloat16"],
        ["--dty", "bfloat16"],
        ["-O3"],
        ["--trust_remote_code"],
        [""],
    ],
)
def test_an_argument_that_could_load_code_or_open_an_address_is_refused(words):
    quoted = ", ".join(f"'{word}'" for word in words)
    with pytest.raises(PolicyError, match="may not be given"):
        catalogue(f"{SERVING}arguments = [{quoted}]\n")


def test_plain_arguments_are_taken():
    found = catalogue(f'{SERVING}arguments = ["--dtype", "bfloat16", "--enforce-eager", "--max-num-seqs=16"]\n')
    assert found.models["m"].serving.arguments[-1] == "--max-num-seqs=16"


def test_without_what_the_ledger_knows_no_version_is_known():
    assert not catalogue().knows(form(A))


def test_a_form_names_a_version_with_weights_that_it_means_or_meant():
    found = served(Registered(version="2", digest=A, size=1), Registered(version="2", digest=B, size=1))
    assert found.models["m"].versions == ("2",)
    assert found.models["m"].digest("2") == B
    assert found.knows(form(A))
    assert found.knows(form(B))
    assert not found.knows(form(""))
    assert not found.knows(form(A, version="1"))


def test_the_fact_tests_is_what_the_newest_evaluation_of_the_weights_says():
    passed = Evaluated(
        digest=A, environment="staging", suite=SUITE, cases=4, failed=0, p50_ms=1, p95_ms=2, tokens=9, request=None
    )
    two = (Registered(version="2", digest=A, size=1), Registered(version="2", digest=B, size=1))
    assert facts(form(A), served(*two))["tests"] == 0
    assert facts(form(A), served(*two, passed))["tests"] == 1
    assert facts(form(B), served(*two, passed))["tests"] == 0


def test_a_rollback_counts_in_what_answered_there_and_a_deployment_in_versions():
    def routed(version, digest):
        return Routed(
            environment="production", shares=(Share(version=version, digest=digest, percent=100),), request=1001, why=""
        )

    two = (Registered(version="1", digest=A, size=1), Registered(version="2", digest=B, size=1))
    found = served(*two, routed("2", B), routed("1", A))
    back = {
        (digest, rollback): facts(form(digest, version, rollback=rollback), found)["versions_back"]
        for digest, version in ((A, "1"), (B, "2"))
        for rollback in (False, True)
    }
    assert back == {(A, False): 1, (B, False): 0, (A, True): 0, (B, True): 1}
