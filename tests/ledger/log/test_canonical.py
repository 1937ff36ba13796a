from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError, NotCanonicalError
from ledger.log.canonical import canonical, entry_bytes, format_time, parse, parse_entry, parse_time
from ledger.log.store import Draft

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
KEYS = st.text(st.characters(max_codepoint=127))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
    max_leaves=20,
)


@given(VALUES)
def test_the_bytes_are_those_of_rfc_8785(value):
    assert canonical(value) == rfc8785.dumps(value)
    assert parse(canonical(value)) == value


@pytest.mark.parametrize(
    "value", [1.0, 2**53, -(2**53), {"é": 1}, {1: 2}, (1,), {1}, datetime(2026, 1, 1, tzinfo=UTC), b""]
)
def test_what_an_entry_may_not_hold_is_refused(value):
    with pytest.raises(NotCanonicalError):
        canonical({"x": value})


@pytest.mark.parametrize("data", [b'{"a": 1}', b'{"b":1,"a":2}', b"1.0", b'{"a":1,"a":1}', b"", b"\xff", b'{"a":1}\n'])
def test_bytes_that_formatting_would_not_produce_are_refused(data):
    with pytest.raises(MalformedError):
        parse(data)


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


def test_what_is_as_deep_as_allowed_is_written_and_read_back():
    draft = Draft(id="0" * 32, kind="k", v=1, actor="a", body={"x": nested(62)})
    data = entry_bytes(draft, "s", 1, datetime(2026, 1, 1, tzinfo=UTC))
    assert parse_entry(data)["body"] == draft.body
    with pytest.raises(NotCanonicalError):
        entry_bytes(replace(draft, body={"x": nested(63)}), "s", 1, datetime(2026, 1, 1, tzinfo=UTC))
    assert parse(canonical(nested(64))) == nested(64)
    with pytest.raises(MalformedError):
        parse(b"[" * 65 + b"]" * 65)


@given(VALUES, TEXT, TEXT, TEXT)
def test_an_entry_put_together_is_the_canonical_form_of_the_whole(value, kind, actor, stream):
    draft = Draft(id="0" * 32, kind=kind, v=3, actor=actor, body={"x": value})
    at = datetime(2026, 1, 1, tzinfo=UTC)
    whole = {"actor": actor, "at": format_time(at), "body": {"x": value}, "id": "0" * 32, "kind": kind}
    whole |= {"stream": stream, "v": 3, "version": 9}
    assert entry_bytes(draft, stream, 9, at) == rfc8785.dumps(whole)


@pytest.mark.parametrize("field", ["kind", "actor"])
def test_an_envelope_of_another_type_is_refused(field):
    draft = Draft(id="0" * 32, kind="k", v=1, actor="a", body={})
    for wrong in (1, None, b"x", "\ud800"):
        with pytest.raises(NotCanonicalError):
            entry_bytes(replace(draft, **{field: wrong}), "s", 1, datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("text", ["24:00:00", "23:60:00", "23:59:60"])
def test_a_time_that_no_clock_shows_is_refused(text):
    with pytest.raises(MalformedError):
        parse_time(f"2026-11-24T{text}.000000Z")


def test_the_published_documents_come_out_the_same_or_are_refused():
    cases = json.loads((Path(__file__).parents[2] / "vectors" / "jcs_cyberphone.json").read_text())
    refused = 0
    for case in cases:
        try:
            data = canonical(json.loads(base64.b64decode(case["input_b64"])))
        except NotCanonicalError:
            refused += 1
            continue
        assert data == base64.b64decode(case["output_b64"])
    assert (len(cases), refused) == (6, 4)


@pytest.mark.parametrize(
    "text", ["2026-11-24T09:00:00Z", "2026-11-24T09:00:00.000000+00:00", "2026-1-24T09:00:00.000000Z", ""]
)
def test_a_time_in_another_form_is_refused(text):
    with pytest.raises(MalformedError):
        parse_time(text)


@given(st.datetimes(min_value=datetime(1000, 1, 1), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_time_round_trips(moment):
    assert parse_time(format_time(moment)) == moment
