"""What is asked of a model as law: by the holder of a running key, for its model alone, and answered once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import ledger_tale as tale
import pytest
import second_verifier

from ledger.audit import Kind, verify_bundle
from ledger.errors import UnlawfulError
from ledger.export.bundle import read_bundle
from ledger.log.checkpoint import Signer
from ledger.nouns import KeyForm, Personal
from ledger.streams import request as req
from ledger.streams.law import Place
from ledger.streams.question import AT_ONCE, Answered, Asked, Sampling, Unanswered, evolve

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
KEY = KeyForm(resource="endpoint:m@dev", tokens=1000, duration_s=36000)
OTHER = "user:" + "e" * 32
HOW = Sampling(temperature=70, max_tokens=100, seed=7)


def asked(name=1, by=tale.ASKER, model="m", how=HOW):
    return Asked(question=f"{name:032x}", by=by, model=model, environment="dev", prompt=Personal("Why?"), sampling=how)


def answered(name=1, tokens=3):
    return Answered(
        question=f"{name:032x}",
        answer=Personal("Because."),
        version="sha256:" + "a" * 64,
        prompt_tokens=2,
        answer_tokens=tokens,
        took_ms=5,
    )


def unanswered(name=1):
    return Unanswered(question=f"{name:032x}", why="Nobody answered.")


def folded(*steps, actor=tale.ASKER):
    state = None
    for version, entry in enumerate(steps, 1):
        who = actor if isinstance(entry, Asked) else "svc:worker"
        state = evolve(state, entry, Place(at=NOW, actor=who, seq=version, version=version))
    return state


def test_what_was_asked_waits_until_it_is_answered_or_given_up():
    state = folded(asked(1), asked(2), asked(3), answered(2))
    assert [each.version for each in state.waiting] == [1, 3]
    assert state.find(asked(3).question).at == NOW
    assert folded(asked(1), unanswered(1), asked(1), answered(1)).waiting == ()


@pytest.mark.parametrize(
    "steps",
    [
        [asked(1), asked(1)],
        [asked(each) for each in range(AT_ONCE + 1)],
        [asked(how=replace(HOW, max_tokens=0))],
        [asked(by=OTHER)],
        [asked(by="svc:worker")],
        [answered()],
        [asked(1), answered(2)],
        [asked(1), answered(1), unanswered(1)],
        [asked(1), answered(tokens=-1)],
    ],
    ids=["twice", "too many", "no tokens", "for another", "nobody", "unasked", "another", "both", "negative"],
)
def test_what_may_not_be(steps):
    with pytest.raises(UnlawfulError):
        folded(*steps)


# -- between streams, by both verifiers -----------------------------------------------------------------------------------


def story(*steps, form=KEY, upto=9):
    decision = replace(tale.PERMIT, seats=(), auto=True)
    life = [
        tale.submitted(1001, form),
        tale.decided(form, decision),
        req.Approved(form_digest=tale.digest(form)),
        replace(tale.dispatched(form), not_after=tale.START + timedelta(hours=10)),
        req.Started(generation=1, receipt=tale.RECEIPT),
        req.Released(holder=tale.ASKER),
    ]
    actors = [tale.ASKER, "svc:desk", "svc:desk", "svc:worker", "svc:worker", tale.ASKER]
    told = [("request:1001", step, actor) for step, actor in zip(life, actors, strict=True)][:upto]
    who = [step.by if isinstance(step, Asked) else "svc:worker" for step in steps]
    return [tale.GENESIS, *told, *(("question:1001", step, by) for step, by in zip(steps, who, strict=True))]


@pytest.mark.parametrize(
    ("told", "sound"),
    [
        (story(asked(1), answered(1), asked(2), unanswered(2), upto=5), True),
        (story(asked(1), upto=4), False),
        (story(asked(1)), False),
        (story(asked(by=OTHER), upto=5), False),
        (story(asked(model="n"), upto=5), False),
        (story(asked(1), form=replace(tale.FORM, duration_s=36000), upto=5), False),
        (story(answered(1), upto=5), False),
        (story(*(asked(each) for each in range(4)), upto=5), False),
        ([tale.GENESIS, ("question:1001", asked(), tale.ASKER)], False),
    ],
    ids=["lawful", "not running", "over", "another's", "another model", "no key", "unasked", "too many", "no request"],
)
def test_both_verifiers_find_a_question_that_cannot_be(told, sound, tmp_path):
    path = tale.Evidence(tmp_path, Signer.at(tmp_path / "key", "quartermaster")).write(told)
    verdict = verify_bundle(read_bundle(path), key=None)
    assert verdict.sound is sound, verdict
    assert verdict.fault is (None if sound else Kind.UNLAWFUL)
    try:
        second_verifier.verify(path, None)
    except second_verifier.RefusedError as refused:
        assert (sound, refused.seq) == (False, verdict.bad)
    else:
        assert sound


def test_prompt_and_answer_are_in_no_leaf(tmp_path):
    path = tale.Evidence(tmp_path, Signer.at(tmp_path / "key", "quartermaster")).write(
        story(asked(1), answered(1), upto=5)
    )
    leaves = b"".join(stored.data for stored in read_bundle(path).entries)
    assert b"question.asked" in leaves
    assert b"Why?" not in leaves
    assert b"Because." not in leaves
