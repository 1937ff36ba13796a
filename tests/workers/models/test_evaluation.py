"""Evaluations: what a version must say before it is routed to, read strictly, and why it does not pass."""

from __future__ import annotations

import json

import pytest

from workers.models.errors import EvaluationError
from workers.models.evaluation import Answer, evaluate, read_suite


def suite(*cases):
    lines = [json.dumps({"id": f"c{at}", "prompt": "Is this fraud?", **case}) for at, case in enumerate(cases)]
    return read_suite("\n".join(lines).encode())


def outcome(check, text, ms=10.0):
    return evaluate(suite({"checks": [check]}), lambda _: Answer(text=text, ms=ms, tokens=3))


@pytest.mark.parametrize(
    ("check", "good", "bad", "why"),
    [
        ({"contains": "yes"}, "oh yes", "no", "'yes' is not in 'no'"),
        ({"lacks": "sorry"}, "yes", "sorry, no", "'sorry' is in 'sorry, no'"),
        ({"matches": "^[0-9]+$"}, "42", "42 of them", "is not found in"),
        ({"schema": {"type": "object", "required": ["sum"]}}, '{"sum": 3}', "{}", "'sum' is a required property"),
        (
            {"schema": {"properties": {"sum": {"type": "integer"}}}},
            '{"sum": 3}',
            '{"sum": "3"}',
            "$.sum: '3' is not of type",
        ),
        ({"schema": {}}, "[]", "no json", "it is no JSON: 'no json'"),
        ({"schema": {"$ref": "#/$defs/a", "$defs": {"a": {"const": 1}}}}, "1", "2", "1 was expected"),
    ],
)
def test_each_check_holds_or_says_why_not(check, good, bad, why):
    assert outcome(check, good).passed
    failed = outcome(check, bad)
    assert not failed.passed
    assert why in failed.failures[0].why


def test_a_bound_on_time_is_one_on_each_answer():
    assert outcome({"within_ms": 50}, "x", ms=50).passed
    assert outcome({"within_ms": 50}, "x", ms=51).failures[0].why == "it took 51 ms, and 50 are allowed"


def test_one_case_that_fails_fails_the_version_and_the_rest_is_asked_all_the_same():
    heard = []
    asked = suite(
        {"checks": [{"contains": "a"}]}, {"checks": [{"contains": "b"}, {"lacks": "a"}]}, {"checks": [{"lacks": "z"}]}
    )
    said = evaluate(asked, lambda _: Answer(text="a", ms=1, tokens=2), lambda *done: heard.append(done))
    assert [(each.case, each.why[:3]) for each in said.failures] == [("c1", "'b'"), ("c1", "'a'")]
    assert (said.cases, said.tokens, said.passed) == (3, 6, False)
    assert heard == [(1, 3), (2, 3), (3, 3)]


def test_a_version_that_does_not_answer_fails_the_case_in_its_words():
    def silent(_):
        raise EvaluationError("it did not answer within 30 s")

    said = evaluate(suite({"checks": [{"lacks": "z"}]}), silent)
    assert [each.why for each in said.failures] == ["it did not answer within 30 s"]
    assert (said.p50_ms, said.p95_ms) == (0.0, 0.0)


def test_times_are_told_at_the_median_and_near_the_worst():
    times = iter(range(1, 101))
    said = evaluate(suite(*[{"checks": [{"lacks": "z"}]}] * 100), lambda _: Answer(text="", ms=next(times)))
    assert (said.p50_ms, said.p95_ms) == (50.5, 95)


def test_a_case_is_asked_so_that_it_can_be_asked_again():
    case = suite({"max_tokens": 9, "checks": [{"contains": "a"}]}).cases[0]
    assert case.body() == {
        "messages": [{"role": "user", "content": "Is this fraud?"}],
        "temperature": 0,
        "seed": 0,
        "max_tokens": 9,
    }


def test_the_digest_is_of_the_bytes():
    one, other = suite({"checks": [{"contains": "a"}]}), suite({"checks": [{"contains": "b"}]})
    assert one.digest != other.digest
    assert one.digest == suite({"checks": [{"contains": "a"}]}).digest


def test_an_answer_without_end_is_not_shown_whole():
    assert len(outcome({"contains": "b"}, "a" * 10**6).failures[0].why) < 250


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "line 2 is no JSON"),
        ("[]", "line 2 is no JSON object"),
        ('{"id": "x", "prompt": "y", "check": []}', "unknown key check"),
        ('{"prompt": "y", "checks": [{"lacks": "z"}]}', "id is missing"),
        ('{"id": "ok", "prompt": "y", "checks": [{"lacks": "z"}]}', "ok stands twice"),
        ('{"id": "x", "checks": [{"lacks": "z"}]}', "give prompt"),
        ('{"id": "x", "prompt": "", "checks": [{"lacks": "z"}]}', "give prompt"),
        ('{"id": "x", "prompt": "y", "messages": [], "checks": [{"lacks": "z"}]}', "give prompt"),
        ('{"id": "x", "messages": [{"role": "tool", "content": "y"}], "checks": [{"lacks": "z"}]}', "give prompt"),
        ('{"id": "x", "prompt": "y"}', "checks is missing"),
        ('{"id": "x", "prompt": "y", "checks": []}', "checks is missing"),
        ('{"id": "x", "prompt": "y", "checks": [{"is": "z"}]}', "a check is an object"),
        ('{"id": "x", "prompt": "y", "checks": [{"lacks": "z", "contains": "a"}]}', "a check is an object"),
        ('{"id": "x", "prompt": "y", "checks": [{"contains": ""}]}', "contains must be a text"),
        ('{"id": "x", "prompt": "y", "checks": [{"within_ms": true}]}', "within_ms must be"),
        ('{"id": "x", "prompt": "y", "checks": [{"within_ms": 0}]}', "within_ms must be"),
        ('{"id": "x", "prompt": "y", "checks": [{"matches": "("}]}', "no regular expression"),
        ('{"id": "x", "prompt": "y", "checks": [{"schema": {"type": "numbr"}}]}', "no JSON schema"),
        ('{"id": "x", "prompt": "y", "checks": [{"schema": {"$ref": "http://example.org/s"}}]}', "its own parts alone"),
        (
            '{"id": "x", "prompt": "y", "checks": [{"schema": {"items": [{"$ref": "file:///etc/x"}]}}]}',
            "its own parts alone",
        ),
        ('{"id": "x", "prompt": "y", "max_tokens": "9", "checks": [{"lacks": "z"}]}', "max_tokens must be"),
    ],
)
def test_a_line_that_is_wrong_is_named(line, why):
    with pytest.raises(EvaluationError, match=why):
        read_suite(b'{"id": "ok", "prompt": "y", "checks": [{"lacks": "z"}]}\n' + line.encode())


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xff\xfe"])
def test_a_file_without_a_case_is_none(data):
    with pytest.raises(EvaluationError):
        read_suite(data)


def test_a_schema_that_refers_to_nothing_fails_in_words():
    assert "refers to /$defs/gone" in outcome({"schema": {"$ref": "#/$defs/gone"}}, "1").failures[0].why
