"""SPEC.md names every kind of entry and every field of it, so that it cannot fall behind the code."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

import ledger
from ledger.audit import Kind
from ledger.nouns import (
    DataForm,
    Decision,
    DeployForm,
    ExplainForm,
    Fact,
    GpuForm,
    KeyForm,
    Receipt,
    RevertForm,
    Seat,
    Usage,
)
from ledger.streams import LAWS

SPEC = (Path(ledger.__file__).parent / "SPEC.md").read_text(encoding="utf-8")
KINDS = {kind: cls for law in LAWS.values() for (kind, _), cls in law.entries.items()}


def row_of(kind):
    rows = [line for line in SPEC.splitlines() if line.startswith("|") and f"`{kind}`" in line.split("|")[1]]
    assert len(rows) == 1, kind
    return rows[0]


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_every_kind_is_in_its_row(kind):
    named = set(re.findall(r"`([a-z_0-9]+)`", row_of(kind)))
    named |= set(re.findall(r"`?(form|form_digest|decision|receipt|usage)`?", row_of(kind)))
    assert {field.name for field in dataclasses.fields(KINDS[kind])} <= named


@pytest.mark.parametrize(
    "value", [GpuForm, DataForm, KeyForm, DeployForm, RevertForm, ExplainForm, Seat, Fact, Decision, Receipt, Usage]
)
def test_every_field_of_every_value_is_named(value):
    assert {field.name for field in dataclasses.fields(value)} <= set(re.findall(r"`([a-z_]+)`", SPEC))


def test_every_rule_of_a_request_has_its_row():
    law = SPEC.partition("## 6. Law")[2]
    for kind in KINDS:
        if kind.startswith("request."):
            assert f"`{kind.removeprefix('request.')}`" in law, kind


def test_the_kinds_of_damage_of_the_log_are_those_of_an_audit():
    from ledger.log.verify import FaultKind

    assert {each.value for each in FaultKind} <= {each.value for each in Kind}
